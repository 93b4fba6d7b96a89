//! Literal series of classic histograms and summaries (`x_bucket`, `x_sum`, …) → the family that they are pieces of.

use trefoil_prometheus::exposition::{Bucket, Distribution, Exemplar, MetricType, MetricValue};

use crate::exporters::prometheus_view::Point;

const BUCKET: &str = "le";
const QUANTILE: &str = "quantile";

/// A point and where it belongs.
pub struct Part {
    pub family: String,
    pub kind: MetricType,
    /// Its labels are those of the metric.
    pub point: Point,
    /// What it is of the metric; `None` for the whole.
    pub piece: Option<Piece>,
}

pub enum Piece {
    Bucket(Bucket),
    Quantile(f64, f64),
    Count(MetricType, f64),
    Sum(MetricType, f64),
}

pub fn part(mut point: Point) -> Part {
    let (name, kind) = (point.of.name.clone(), point.of.kind);
    let MetricValue::Number { value, exemplar } = &point.value else {
        return Part { family: name, kind, point, piece: None };
    };
    if !point.of.is_literal || !matches!(kind, MetricType::Histogram | MetricType::Summary) {
        // OpenMetrics' `_created` is told with the type of its family.
        let is_created = point.of.is_literal && kind == MetricType::Counter && name.ends_with("_created");
        let kind = if is_created || kind == MetricType::GaugeHistogram { MetricType::Unknown } else { kind };
        return Part { family: name, kind, point, piece: None };
    }
    let (value, exemplar) = (*value, exemplar.clone());
    match (kind, piece(&name, kind, value, exemplar, &mut point.labels)) {
        (_, Some((family, piece))) => Part { family, kind, point, piece: Some(piece) },
        (_, None) => Part { family: name, kind: MetricType::Unknown, point, piece: None },
    }
}

fn piece(
    name: &str,
    kind: MetricType,
    value: f64,
    exemplar: Option<Exemplar<'static>>,
    labels: &mut Vec<(String, String)>,
) -> Option<(String, Piece)> {
    if let Some(family) = name.strip_suffix("_count") {
        return Some((family.to_owned(), Piece::Count(kind, value)));
    }
    if let Some(family) = name.strip_suffix("_sum") {
        return Some((family.to_owned(), Piece::Sum(kind, value)));
    }
    let (family, own) = match kind {
        MetricType::Histogram => (name.strip_suffix("_bucket")?, BUCKET),
        _ => (name, QUANTILE),
    };
    let place = labels.iter().position(|(label, _)| label == own)?;
    let bound: f64 = labels[place].1.parse().ok().filter(|bound: &f64| !bound.is_nan())?;
    labels.remove(place);
    let piece = match kind {
        MetricType::Histogram => Piece::Bucket(Bucket { bound, count: value, exemplar }),
        _ => Piece::Quantile(bound, value),
    };
    Some((family.to_owned(), piece))
}

impl Piece {
    /// The first that is known of a metric.
    pub fn begin(self) -> MetricValue {
        let is_histogram = matches!(self, Piece::Bucket(_))
            || matches!(self, Piece::Count(kind, _) | Piece::Sum(kind, _) if kind == MetricType::Histogram);
        let mut value = match is_histogram {
            true => MetricValue::Histogram(Box::default()),
            false => MetricValue::Summary { count: 0, sum: 0.0, quantiles: Vec::new() },
        };
        self.join(&mut value);
        value
    }

    pub fn join(self, value: &mut MetricValue) {
        match (self, value) {
            (Piece::Count(_, new), MetricValue::Histogram(distribution)) => distribution.count = new,
            (Piece::Sum(_, new), MetricValue::Histogram(distribution)) => distribution.sum = new,
            (Piece::Bucket(bucket), MetricValue::Histogram(distribution)) => set_bucket(distribution, bucket),
            (Piece::Count(_, new), MetricValue::Summary { count, .. }) => *count = new as u64,
            (Piece::Sum(_, new), MetricValue::Summary { sum, .. }) => *sum = new,
            (Piece::Quantile(quantile, new), MetricValue::Summary { quantiles, .. }) => {
                match quantiles.binary_search_by(|(known, _)| known.total_cmp(&quantile)) {
                    Ok(place) => quantiles[place].1 = new,
                    Err(place) => quantiles.insert(place, (quantile, new)),
                }
            }
            // It was another kind of metric before, and the whole of it will come.
            (piece, value) => *value = piece.begin(),
        }
    }
}

fn set_bucket(distribution: &mut Distribution, bucket: Bucket) {
    match distribution.buckets.binary_search_by(|known| known.bound.total_cmp(&bucket.bound)) {
        Ok(place) => {
            let known = &mut distribution.buckets[place];
            known.count = bucket.count;
            if bucket.exemplar.is_some() {
                known.exemplar = bucket.exemplar;
            }
        }
        Err(place) => distribution.buckets.insert(place, bucket),
    }
}
