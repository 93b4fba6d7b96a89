//! Histograms of either kind, and points of them.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as Side;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, HistogramDataPoint,
    NumberDataPoint, number_data_point,
};

use super::exponential::Exponential;

/// How numbers are put into buckets.
#[derive(Debug, Clone, PartialEq)]
pub enum Buckets {
    /// By bounds, which increase.
    Explicit(Arc<[f64]>),
    /// By a factor that lets this many suffice.
    Exponential(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Histogram {
    /// One count more than bounds.
    Explicit {
        counts: Box<[u64]>,
        count: u64,
        sum: f64,
    },
    Exponential(Exponential),
}

impl Histogram {
    pub fn new(buckets: &Buckets) -> Self {
        match buckets {
            Buckets::Explicit(bounds) => {
                Self::Explicit { counts: vec![0; bounds.len() + 1].into(), count: 0, sum: 0.0 }
            }
            Buckets::Exponential(_) => Self::Exponential(Exponential::default()),
        }
    }

    /// Counts `value` as often as `weight` says; `buckets` are those that it was made with.
    pub fn observe(&mut self, buckets: &Buckets, value: f64, weight: u64) {
        match (self, buckets) {
            (Self::Explicit { counts, count, sum }, Buckets::Explicit(bounds)) => {
                // Bounds are inclusive.
                let bucket = &mut counts[bounds.partition_point(|bound| *bound < value)];
                *bucket = bucket.saturating_add(weight);
                *count = count.saturating_add(weight);
                *sum += value * weight as f64;
            }
            (Self::Exponential(histogram), Buckets::Exponential(max_size)) => {
                histogram.observe(value, weight, *max_size);
            }
            _ => {}
        }
    }
}

/// What all points have, of whatever kind. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub struct Head {
    pub attributes: Vec<KeyValue>,
    pub start: u64,
    pub time: u64,
    pub exemplars: Vec<Exemplar>,
}

/// Points of histograms of one kind.
#[derive(Debug)]
pub enum Points {
    Explicit(Arc<[f64]>, Vec<HistogramDataPoint>),
    Exponential(Vec<ExponentialHistogramDataPoint>),
}

impl Points {
    pub fn new(buckets: &Buckets) -> Self {
        match buckets {
            Buckets::Explicit(bounds) => Self::Explicit(bounds.clone(), Vec::new()),
            Buckets::Exponential(_) => Self::Exponential(Vec::new()),
        }
    }

    pub fn push(&mut self, head: Head, histogram: &Histogram) {
        let Head { attributes, start, time, exemplars } = head;
        match (self, histogram) {
            (Self::Explicit(bounds, points), Histogram::Explicit { counts, count, sum }) => {
                points.push(HistogramDataPoint {
                    attributes,
                    start_time_unix_nano: start,
                    time_unix_nano: time,
                    count: *count,
                    sum: Some(*sum),
                    bucket_counts: counts.to_vec(),
                    explicit_bounds: bounds.to_vec(),
                    exemplars,
                    ..HistogramDataPoint::default()
                });
            }
            (Self::Exponential(points), Histogram::Exponential(histogram)) => {
                points.push(ExponentialHistogramDataPoint {
                    attributes,
                    start_time_unix_nano: start,
                    time_unix_nano: time,
                    count: histogram.count,
                    sum: Some(histogram.sum),
                    scale: histogram.scale,
                    zero_count: histogram.zero_count,
                    positive: Some(Side {
                        offset: histogram.offset,
                        bucket_counts: histogram.counts.iter().copied().collect(),
                    }),
                    exemplars,
                    min: (histogram.count > 0).then_some(histogram.min),
                    max: (histogram.count > 0).then_some(histogram.max),
                    ..ExponentialHistogramDataPoint::default()
                });
            }
            _ => {}
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Explicit(_, points) => points.len(),
            Self::Exponential(points) => points.len(),
        }
    }

    pub fn into_data(self, temporality: AggregationTemporality) -> Data {
        use opentelemetry_proto::tonic::metrics::v1::Histogram as Explicit;
        let aggregation_temporality = temporality.into();
        match self {
            Self::Explicit(_, data_points) => Data::Histogram(Explicit { data_points, aggregation_temporality }),
            Self::Exponential(data_points) => {
                Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
            }
        }
    }
}

/// A point of a sum.
pub fn number_point(head: Head, value: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: head.attributes,
        start_time_unix_nano: head.start,
        time_unix_nano: head.time,
        exemplars: head.exemplars,
        value: Some(number_data_point::Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX))),
        ..NumberDataPoint::default()
    }
}
