//! The protobuf format: `MetricFamily` messages, each after its length.

use prost::Message as _;

use super::message::{self, LabelPair, Number};
use crate::exposition::family::{Distribution, Family, Metric, MetricValue};
use crate::exposition::{CUSTOM_BUCKETS, Counts, Exemplar, MetricType, NativeHistogram, Span};
use crate::names::Escaping;

pub fn write(body: &mut Vec<u8>, escaping: Escaping, family: &Family) {
    let kind = shown(family.kind);
    let message = message::MetricFamily {
        name: Some(escaping.escape(&family.name).into_owned()),
        help: Some(family.help.clone()),
        kind: Some(match kind {
            MetricType::Counter => 0,
            MetricType::Gauge => 1,
            MetricType::Summary => 2,
            MetricType::Histogram => 4,
            MetricType::GaugeHistogram => 5,
            _ => 3,
        }),
        metric: family.metrics.iter().map(|metric| of_metric(metric, kind, escaping)).collect(),
        unit: (!family.unit.is_empty()).then(|| family.unit.clone()),
    };
    // A vector grows as needed, so that it cannot be too small.
    let _ = message.encode_length_delimited(body);
}

/// What readers of the format know.
fn shown(kind: MetricType) -> MetricType {
    match kind {
        MetricType::Info | MetricType::StateSet => MetricType::Gauge,
        kind => kind,
    }
}

fn of_metric(metric: &Metric, kind: MetricType, escaping: Escaping) -> message::Metric {
    let label = |(name, value): &(String, String)| LabelPair {
        name: Some(escaping.escape(name).into_owned()),
        value: Some(value.clone()),
    };
    let created = metric.start.map(timestamp);
    let mut message = message::Metric {
        label: metric.labels.iter().map(label).collect(),
        timestamp_ms: metric.timestamp,
        ..message::Metric::default()
    };
    match &metric.value {
        MetricValue::Number { value, exemplar } => {
            let number = Number { value: Some(*value), exemplar: None, created: None };
            match kind {
                MetricType::Counter => {
                    let exemplar = exemplar.as_ref().map(|exemplar| of_exemplar(exemplar, escaping));
                    message.counter = Some(Number { exemplar, created, ..number });
                }
                MetricType::Gauge => message.gauge = Some(number),
                _ => message.untyped = Some(number),
            }
        }
        MetricValue::Summary { count, sum, quantiles } => {
            let quantile =
                |(quantile, value): &(f64, f64)| message::Quantile { quantile: Some(*quantile), value: Some(*value) };
            message.summary = Some(message::Summary {
                sample_count: Some(*count),
                sample_sum: Some(*sum),
                quantile: quantiles.iter().map(quantile).collect(),
                created,
            });
        }
        MetricValue::Histogram(distribution) => {
            message.histogram = Some(message::Histogram { created, ..of_distribution(distribution, escaping) });
        }
    }
    message
}

fn of_distribution(distribution: &Distribution, escaping: Escaping) -> message::Histogram {
    let bucket = |bucket: &crate::exposition::Bucket| {
        let (whole, float) = count(bucket.count);
        message::Bucket {
            cumulative_count: whole,
            upper_bound: Some(bucket.bound),
            exemplar: bucket.exemplar.as_ref().map(|exemplar| of_exemplar(exemplar, escaping)),
            cumulative_count_float: float,
        }
    };
    let (sample_count, sample_count_float) = count(distribution.count);
    let mut message = message::Histogram {
        sample_count,
        sample_count_float,
        sample_sum: Some(distribution.sum),
        bucket: distribution.buckets.iter().map(bucket).collect(),
        exemplars: distribution.exemplars.iter().map(|exemplar| of_exemplar(exemplar, escaping)).collect(),
        ..message::Histogram::default()
    };
    match &distribution.native {
        // The format has no place for their bounds.
        Some(native) if native.schema == CUSTOM_BUCKETS => message.exemplars.clear(),
        Some(native) => add_native(&mut message, native),
        None => {}
    }
    message
}

fn add_native(message: &mut message::Histogram, native: &NativeHistogram) {
    message.schema = Some(native.schema);
    message.zero_threshold = Some(native.zero_threshold);
    message.positive_span = spans(&native.positive_spans);
    message.negative_span = spans(&native.negative_spans);
    if message.positive_span.is_empty() && message.negative_span.is_empty() {
        // Without any bucket this says that it is a native one.
        message.positive_span.push(message::BucketSpan { offset: Some(0), length: Some(0) });
    }
    match &native.counts {
        Counts::Integer { count, zero, positive, negative } => {
            message.sample_count = Some(*count);
            message.sample_count_float = None;
            message.zero_count = Some(*zero);
            message.positive_delta = deltas(positive);
            message.negative_delta = deltas(negative);
        }
        Counts::Float { count, zero, positive, negative } => {
            message.sample_count = None;
            message.sample_count_float = Some(*count);
            message.zero_count_float = Some(*zero);
            message.positive_count = positive.clone();
            message.negative_count = negative.clone();
        }
    }
}

fn spans(spans: &[Span]) -> Vec<message::BucketSpan> {
    let span = |span: &Span| message::BucketSpan { offset: Some(span.offset), length: Some(span.length) };
    spans.iter().map(span).collect()
}

fn deltas(counts: &[u64]) -> Vec<i64> {
    let mut before = 0;
    counts.iter().map(|count| (*count).wrapping_sub(std::mem::replace(&mut before, *count)) as i64).collect()
}

/// Whole counts as such, others as floats.
fn count(count: f64) -> (Option<u64>, Option<f64>) {
    match count.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&count) {
        true => (Some(count as u64), None),
        false => (None, Some(count)),
    }
}

fn of_exemplar(exemplar: &Exemplar<'_>, escaping: Escaping) -> message::Exemplar {
    let label = |label: &crate::exposition::Label<'_>| LabelPair {
        name: Some(escaping.escape(&label.name).into_owned()),
        value: Some(label.value.to_string()),
    };
    message::Exemplar {
        label: exemplar.labels.iter().map(label).collect(),
        value: Some(exemplar.value),
        timestamp: exemplar.timestamp.map(timestamp),
    }
}

fn timestamp(milliseconds: i64) -> message::Timestamp {
    let nanos = milliseconds.rem_euclid(1000) as i32 * 1_000_000;
    message::Timestamp { seconds: milliseconds.div_euclid(1000), nanos }
}
