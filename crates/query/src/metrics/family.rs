//! A metric as it is stored, and which metrics Prometheus sees in it.

use std::sync::Arc;

use trefoil_prometheus::names::{Shape, metric_name};
use trefoil_promql::matcher::Matcher;

use super::labels::texts;
use super::options::PrometheusView;

/// The key in a metric's metadata whose value is Prometheus' type: the metric came by Prometheus' own ways, its name and the
/// attributes of its points are Prometheus' name and labels.
const PROMETHEUS_TYPE: &str = "prometheus.type";
/// The key that says that a histogram is a native one with custom buckets.
const PROMETHEUS_NHCB: &str = "prometheus.nhcb";

/// The key that says that a metric only tells of others with its name: it has metadata and no series.
const PROMETHEUS_FAMILY: &str = "prometheus.family";

/// Texts that describe one metric: senders rarely agree, but need not be listed one and all.
pub const MOST_DESCRIPTIONS: usize = 10;

const DELTA: i32 = 1;

/// OTLP's kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Kind {
    /// By the name in the column `metric_type`.
    fn from_name(name: &str) -> Option<Kind> {
        Some(match name {
            "gauge" => Kind::Gauge,
            "sum" => Kind::Sum,
            "histogram" => Kind::Histogram,
            "exponential_histogram" => Kind::ExponentialHistogram,
            "summary" => Kind::Summary,
            _ => return None,
        })
    }
}

/// What a series of the store is split into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// The numbers of a gauge or a sum.
    Number = 1,
    /// Native histograms.
    Native = 2,
    /// One series for each `le`.
    Buckets = 4,
    Count = 8,
    Sum = 16,
    /// One series for each `quantile`.
    Quantiles = 32,
}

impl Part {
    pub const ALL: [Part; 6] = [Part::Number, Part::Native, Part::Buckets, Part::Count, Part::Sum, Part::Quantiles];

    fn suffix(self) -> &'static str {
        match self {
            Part::Number | Part::Native | Part::Quantiles => "",
            Part::Buckets => "_bucket",
            Part::Count => "_count",
            Part::Sum => "_sum",
        }
    }

    /// The label whose values are only known from the samples.
    pub fn own_label(self) -> Option<&'static str> {
        match self {
            Part::Buckets => Some(trefoil_promql::labels::BUCKET),
            Part::Quantiles => Some(trefoil_promql::labels::QUANTILE),
            Part::Number | Part::Native | Part::Count | Part::Sum => None,
        }
    }
}

/// A set of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts(u8);

impl Parts {
    pub fn has(self, part: Part) -> bool {
        self.0 & part as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(move |part| self.has(*part))
    }

    #[must_use]
    pub fn filter(self, keep: impl Fn(Part) -> bool) -> Parts {
        self.iter().filter(|part| keep(*part)).collect()
    }
}

impl FromIterator<Part> for Parts {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        Parts(parts.into_iter().fold(0, |set, part| set | part as u8))
    }
}

/// What tells metrics of the store apart; a row of `series` has all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FamilyKey {
    pub name: String,
    pub kind: String,
    pub unit: String,
    pub temporality: i32,
    pub is_monotonic: bool,
    pub metadata: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Family {
    pub key: FamilyKey,
    pub kind: Kind,
    /// Prometheus' name, without the suffix of a part.
    pub name: Arc<str>,
    /// Prometheus' type, of metrics that came by Prometheus' own ways.
    pub literal_type: Option<String>,
    pub is_delta: bool,
    has_custom_buckets: bool,
    is_told_only: bool,
    pub descriptions: Vec<String>,
}

impl Family {
    /// `None` where Prometheus cannot see it: it would have no name, or it is of a kind from the future.
    pub fn new(key: FamilyKey, descriptions: Vec<String>, view: &PrometheusView) -> Option<Family> {
        let kind = Kind::from_name(&key.kind)?;
        // What cannot be read says nothing of Prometheus.
        let metadata = texts(key.metadata.as_deref()).unwrap_or_default();
        let literal_type = metadata.get(PROMETHEUS_TYPE).cloned();
        let shape = match kind {
            Kind::Gauge => Shape::Gauge,
            Kind::Sum if key.is_monotonic => Shape::Counter,
            _ => Shape::Other,
        };
        let name = match literal_type {
            Some(_) => key.name.clone(),
            None => metric_name(view.translation, &key.name, &key.unit, shape)?,
        };
        let is_set = |mark| literal_type.is_some() && metadata.get(mark).is_some_and(|value| value == "true");
        Some(Family {
            kind,
            name: name.into(),
            is_delta: key.temporality == DELTA,
            has_custom_buckets: match literal_type {
                Some(_) => is_set(PROMETHEUS_NHCB),
                None => view.convert_histograms_to_nhcb,
            },
            is_told_only: is_set(PROMETHEUS_FAMILY),
            literal_type,
            descriptions,
            key,
        })
    }

    /// Its name, if that is the name of all its series.
    pub fn only_name(&self) -> Option<Arc<str>> {
        let mut parts = self.parts().iter();
        let is_only = matches!(parts.next(), Some(Part::Number | Part::Native)) && parts.next().is_none();
        is_only.then(|| self.name.clone())
    }

    /// Adds what it is described as elsewhere.
    pub fn describe(&mut self, descriptions: &[String]) {
        self.descriptions.extend(descriptions.iter().cloned());
        self.descriptions.sort();
        self.descriptions.dedup();
        self.descriptions.truncate(MOST_DESCRIPTIONS);
    }

    pub fn is_literal(&self) -> bool {
        self.literal_type.is_some()
    }

    /// Histograms that may go down.
    pub fn is_gauge_histogram(&self) -> bool {
        self.literal_type.as_deref() == Some("gaugehistogram")
    }

    pub fn parts(&self) -> Parts {
        let parts: &[Part] = match self.kind {
            _ if self.is_told_only => &[],
            Kind::Gauge | Kind::Sum => &[Part::Number],
            Kind::ExponentialHistogram => &[Part::Native],
            Kind::Histogram if self.has_custom_buckets => &[Part::Native],
            Kind::Histogram => &[Part::Buckets, Part::Count, Part::Sum],
            Kind::Summary => &[Part::Quantiles, Part::Count, Part::Sum],
        };
        parts.iter().copied().collect()
    }

    /// The name of a part's series.
    pub fn part_name(&self, part: Part) -> Arc<str> {
        match part.suffix() {
            "" => self.name.clone(),
            suffix => format!("{}{suffix}", self.name).into(),
        }
    }

    /// The parts whose name fulfils all of the matchers that are about names.
    pub fn named(&self, names: &[&Matcher]) -> Parts {
        self.parts().filter(|part| {
            let name = self.part_name(part);
            names.iter().all(|matcher| matcher.matches(&name))
        })
    }

    /// Prometheus' type.
    pub fn prometheus_type(&self) -> &str {
        match (&self.literal_type, self.kind) {
            (Some(literal), _) => literal,
            // Delta is told as what it is read as.
            (None, Kind::Sum) if self.key.is_monotonic => "counter",
            (None, Kind::Gauge | Kind::Sum) => "gauge",
            (None, Kind::Histogram | Kind::ExponentialHistogram) => "histogram",
            (None, Kind::Summary) => "summary",
        }
    }
}
