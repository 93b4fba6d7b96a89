//! Series → the body of a request, in either version.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;
use trefoil_prometheus::exposition::{Counts, Exemplar, MetricType, NativeHistogram, Span};
use trefoil_prometheus::remote::write::{
    ExemplarV1, ExemplarV2, MetadataV1, MetadataV2, Request, TimeSeriesV1, TimeSeriesV2, WriteRequest,
};
use trefoil_prometheus::remote::{BucketSpan, Histogram, Label, Sample};

use super::series::{self, Series, Value};
use crate::exporters::prometheus_view::Described;

/// `RESET_HINT_GAUGE`: a histogram whose counts may fall.
const HINT_GAUGE: i32 = 3;

/// As numbered on the wire, in both versions.
fn number(kind: MetricType) -> i32 {
    match kind {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

/// `prometheus.WriteRequest`. Without metadata unless it is asked for: it is told by the family, again and again.
pub fn v1(series: &[Series], has_metadata: bool) -> Bytes {
    let label = |(name, value): &(String, String)| Label { name: name.clone(), value: value.clone() };
    let exemplar = |exemplar: &Exemplar<'_>| ExemplarV1 {
        labels: exemplar
            .labels
            .iter()
            .map(|label| Label { name: label.name.to_string(), value: label.value.to_string() })
            .collect(),
        value: exemplar.value,
        timestamp: exemplar.timestamp.unwrap_or(0),
    };
    let mut metadata: HashMap<&str, MetadataV1> = HashMap::new();
    let mut timeseries = Vec::with_capacity(series.len());
    for one in series {
        if has_metadata {
            let of = &one.of;
            metadata.entry(family(of)).or_insert_with(|| told(of));
        }
        let without_start = |sample| Sample { start_timestamp: 0, ..sample };
        timeseries.push(TimeSeriesV1 {
            labels: one.labels.iter().map(label).collect(),
            samples: floats(one).map(without_start).collect(),
            exemplars: one.exemplars.iter().map(exemplar).collect(),
            histograms: histograms(one).map(|histogram| Histogram { start_timestamp: 0, ..histogram }).collect(),
        });
    }
    WriteRequest { timeseries, metadata: metadata.into_values().collect() }.encode_to_vec().into()
}

/// `prometheus.WriteRequest` that only tells of families.
pub fn metadata<'a>(of: impl Iterator<Item = &'a Described>) -> Bytes {
    WriteRequest { timeseries: Vec::new(), metadata: of.map(told).collect() }.encode_to_vec().into()
}

fn told(of: &Described) -> MetadataV1 {
    MetadataV1 { kind: number(of.kind), family: family(of).to_owned(), help: of.help.clone(), unit: of.unit.clone() }
}

/// The name of the family, where that of a series is known: histograms and summaries are several.
pub fn family(of: &Described) -> &str {
    let endings: &[&str] = match of.kind {
        _ if !of.is_literal => &[],
        MetricType::Histogram => &["_bucket", "_count", "_sum"],
        MetricType::Summary => &["_count", "_sum"],
        MetricType::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        _ => &[],
    };
    endings.iter().find_map(|ending| of.name.strip_suffix(ending)).unwrap_or(&of.name)
}

/// `io.prometheus.write.v2.Request`.
pub fn v2(series: &[Series]) -> Bytes {
    let mut symbols = Symbols::default();
    symbols.of("");
    let timeseries = series
        .iter()
        .map(|one| TimeSeriesV2 {
            labels_refs: one.labels.iter().flat_map(|(name, value)| [symbols.of(name), symbols.of(value)]).collect(),
            samples: floats(one).collect(),
            histograms: histograms(one).collect(),
            exemplars: one
                .exemplars
                .iter()
                .map(|exemplar| ExemplarV2 {
                    labels_refs: exemplar
                        .labels
                        .iter()
                        .flat_map(|label| [symbols.of(&label.name), symbols.of(&label.value)])
                        .collect(),
                    value: exemplar.value,
                    timestamp: exemplar.timestamp.unwrap_or(0),
                })
                .collect(),
            metadata: Some(MetadataV2 {
                kind: number(one.of.kind),
                help_ref: symbols.of(&one.of.help),
                unit_ref: symbols.of(&one.of.unit),
            }),
            created_timestamp: one.samples.last().and_then(|sample| sample.start).unwrap_or(0),
        })
        .collect();
    Request { timeseries, symbols: symbols.all }.encode_to_vec().into()
}

/// Strings, each once; the first is the empty one.
#[derive(Default)]
struct Symbols {
    all: Vec<String>,
    places: HashMap<String, u32>,
}

impl Symbols {
    fn of(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.all.len() as u32;
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

fn floats(series: &Series) -> impl Iterator<Item = Sample> {
    series.samples.iter().filter_map(|sample| match &sample.value {
        Value::Float(value) => {
            Some(Sample { value: *value, timestamp: sample.time, start_timestamp: sample.start.unwrap_or(0) })
        }
        Value::Histogram(_) => None,
    })
}

fn histograms(series: &Series) -> impl Iterator<Item = Histogram> {
    series.samples.iter().filter_map(|sample| match &sample.value {
        Value::Float(_) => None,
        Value::Histogram(native) => Some(histogram(native, sample)),
    })
}

fn histogram(native: &NativeHistogram, sample: &series::Sample) -> Histogram {
    let spans = |spans: &[Span]| {
        spans.iter().map(|Span { offset, length }| BucketSpan { offset: *offset, length: *length }).collect()
    };
    let mut message = Histogram {
        sum: native.sum,
        schema: native.schema,
        zero_threshold: native.zero_threshold,
        positive_spans: spans(&native.positive_spans),
        negative_spans: spans(&native.negative_spans),
        reset_hint: if native.is_gauge { HINT_GAUGE } else { 0 },
        timestamp: sample.time,
        custom_values: native.custom_values.clone(),
        start_timestamp: sample.start.unwrap_or(0),
        ..Histogram::default()
    };
    match &native.counts {
        Counts::Integer { count, zero, positive, negative } => {
            message.count_int = Some(*count);
            message.zero_count_int = Some(*zero);
            message.positive_deltas = deltas(positive);
            message.negative_deltas = deltas(negative);
        }
        Counts::Float { count, zero, positive, negative } => {
            message.count_float = Some(*count);
            message.zero_count_float = Some(*zero);
            message.positive_counts = positive.clone();
            message.negative_counts = negative.clone();
        }
    }
    message
}

fn deltas(counts: &[u64]) -> Vec<i64> {
    let mut before = 0;
    counts.iter().map(|count| (*count).wrapping_sub(std::mem::replace(&mut before, *count)) as i64).collect()
}
