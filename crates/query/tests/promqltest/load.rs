//! What a script loads, as the OTLP messages that Prometheus' own ways of intake would make of it; histograms with the reset
//! hints of a Prometheus that has stored them before it hands them on.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, number_data_point,
};
use trefoil_model::native::{self, ResetHint};
use trefoil_promql::histogram::{CounterResetHint, Span};
use trefoil_promql::labels::METRIC_NAME;

use crate::chunks::Chunk;
use crate::script::{LoadedSample, LoadedSeries};
use crate::series::SequenceValue;

const CUMULATIVE: i32 = 2;

/// OTLP has no time 0, but scripts begin there: all times are a nanosecond later, which PromQL does not see.
fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap() * 1_000_000 + 1
}

pub fn request(series: &[LoadedSeries]) -> ExportMetricsServiceRequest {
    let metrics = series.iter().flat_map(|series| {
        let mut chunk = Chunk::default();
        series.samples.iter().filter_map(move |sample| metric(series, sample, &mut chunk))
    });
    let scope_metrics = vec![ScopeMetrics { metrics: metrics.collect(), ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

fn metric(series: &LoadedSeries, sample: &LoadedSample, chunk: &mut Chunk) -> Option<Metric> {
    let labels = series.labels.iter().filter(|label| label.name.as_ref() != METRIC_NAME);
    let attributes: Vec<KeyValue> = labels.map(|label| attribute(&label.name, &label.value)).collect();
    let (time_unix_nano, start) = (nanos(sample.time), sample.start_time);
    let start_time_unix_nano = if start > 0 { nanos(start) } else { 0 };
    let (kind, is_custom, data) = match &sample.value {
        SequenceValue::Omitted => return None,
        SequenceValue::Float(value) => {
            chunk.append_float();
            let value = Some(number_data_point::Value::AsDouble(*value));
            let point = NumberDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                value,
                ..NumberDataPoint::default()
            };
            ("unknown", false, Data::Gauge(Gauge { data_points: vec![point] }))
        }
        SequenceValue::Histogram { histogram, .. } if histogram.uses_custom_buckets() => {
            let mut bucket_counts = dense(&histogram.positive_spans, &histogram.positive_buckets).1;
            let first = histogram.positive_spans.first().map_or(0, |span| usize::try_from(span.offset).unwrap());
            bucket_counts.splice(0..0, vec![0.0; first]);
            bucket_counts.resize(histogram.custom_values.len() + 1, 0.0);
            let exact = [&[histogram.count][..], &bucket_counts].concat();
            let point = HistogramDataPoint {
                attributes: with_native(attributes, chunk.append_histogram(histogram), &exact),
                start_time_unix_nano,
                time_unix_nano,
                count: histogram.count as u64,
                sum: Some(histogram.sum),
                bucket_counts: whole(&bucket_counts),
                explicit_bounds: histogram.custom_values.clone(),
                ..HistogramDataPoint::default()
            };
            let data = Histogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
            ("histogram", true, Data::Histogram(data))
        }
        SequenceValue::Histogram { histogram, .. } => {
            let positive = dense(&histogram.positive_spans, &histogram.positive_buckets);
            let negative = dense(&histogram.negative_spans, &histogram.negative_buckets);
            // Prometheus' bucket i is OTLP's i - 1.
            let side =
                |(offset, counts): &(i32, Vec<f64>)| Some(Buckets { offset: offset - 1, bucket_counts: whole(counts) });
            let exact = [&[histogram.count, histogram.zero_count][..], &positive.1, &negative.1].concat();
            let point = ExponentialHistogramDataPoint {
                attributes: with_native(attributes, chunk.append_histogram(histogram), &exact),
                start_time_unix_nano,
                time_unix_nano,
                count: histogram.count as u64,
                sum: Some(histogram.sum),
                scale: histogram.schema,
                zero_count: histogram.zero_count as u64,
                zero_threshold: histogram.zero_threshold,
                positive: side(&positive),
                negative: side(&negative),
                ..ExponentialHistogramDataPoint::default()
            };
            let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
            ("histogram", false, Data::ExponentialHistogram(data))
        }
    };
    let mut metadata = vec![attribute("prometheus.type", kind)];
    if is_custom {
        metadata.push(attribute("prometheus.nhcb", "true"));
    }
    Some(Metric { name: series.labels.metric_name().into(), data: Some(data), metadata, ..Metric::default() })
}

/// What OTLP has no place for.
fn with_native(mut attributes: Vec<KeyValue>, hint: CounterResetHint, exact: &[f64]) -> Vec<KeyValue> {
    let hint = match hint {
        CounterResetHint::Unknown => None,
        CounterResetHint::CounterReset => Some(ResetHint::Reset),
        CounterResetHint::NotCounterReset => Some(ResetHint::NotReset),
        CounterResetHint::Gauge => Some(ResetHint::Gauge),
    };
    attributes.extend(hint.map(ResetHint::attribute));
    if exact.iter().any(|count| *count as u64 as f64 != *count) {
        attributes.push(native::float_counts(exact.iter().copied()));
    }
    attributes
}

fn whole(counts: &[f64]) -> Vec<u64> {
    counts.iter().map(|count| *count as u64).collect()
}

/// The index of the first bucket and the counts of all from there on.
fn dense(spans: &[Span], counts: &[f64]) -> (i32, Vec<f64>) {
    let (mut dense, mut counts) = (Vec::new(), counts.iter());
    for (number, span) in spans.iter().enumerate() {
        let gap = if number == 0 { 0 } else { usize::try_from(span.offset).unwrap() };
        dense.resize(dense.len() + gap, 0.0);
        dense.extend(counts.by_ref().take(span.length as usize));
    }
    (spans.first().map_or(0, |span| span.offset), dense)
}
