//! Hand-made requests of both versions, and what they become.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use prost::Message as _;
use prost::encoding::encode_varint;

use super::families::Families;
use super::message::Version;
use super::translate::{Surroundings, Translated, Unreadable, translate};

mod batch;
mod hostile;
mod native;
mod parted;
mod refused;
mod replayed;
mod series;
mod straight;
mod told;

/// 2023-11-14T22:13:20Z
pub const NOW_MS: i64 = 1_700_000_000_000;
pub const NOW: u64 = NOW_MS as u64 * 1_000_000;

pub fn bytes(field: u32, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_varint(u64::from(field << 3 | 2), &mut out);
    encode_varint(content.as_ref().len() as u64, &mut out);
    out.extend_from_slice(content.as_ref());
    out
}

pub fn varint(field: u32, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_varint(u64::from(field << 3), &mut out);
    encode_varint(value as u64, &mut out);
    out
}

pub fn double(field: u32, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_varint(u64::from(field << 3 | 1), &mut out);
    out.extend_from_slice(&value.to_le_bytes());
    out
}

pub fn label(name: &str, value: &str) -> Vec<u8> {
    bytes(1, [bytes(1, name), bytes(2, value)].concat())
}

/// `a=b` separated by spaces, as `Label` messages.
pub fn labels(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .flat_map(|(name, value)| label(name, value))
        .collect()
}

/// In both versions.
pub fn sample(value: f64, timestamp: i64) -> Vec<u8> {
    bytes(2, [double(1, value), varint(2, timestamp)].concat())
}

/// Of 1.0.
pub fn exemplar(text: &str, value: f64, timestamp: i64) -> Vec<u8> {
    bytes(3, [labels(text), double(2, value), varint(3, timestamp)].concat())
}

/// Series of 1.0 of the concatenated fields.
pub fn series(fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(1, fields.concat())
}

/// Symbols of 2.0.
pub fn symbols(symbols: &[&str]) -> Vec<u8> {
    symbols.iter().flat_map(|symbol| bytes(4, symbol)).collect()
}

pub fn refs(references: &[u64]) -> Vec<u8> {
    let mut packed = Vec::new();
    references.iter().for_each(|reference| encode_varint(*reference, &mut packed));
    bytes(1, packed)
}

/// Series of 2.0.
pub fn series_v2(fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(5, fields.concat())
}

pub fn attempt(version: Version, body: &[u8]) -> Result<Translated, Unreadable> {
    translate(version, body, &Surroundings { remembered: &Families::new(), now: NOW, limit: 1 << 20 })
}

pub fn v1(series: &[Vec<u8>]) -> Translated {
    attempt(Version::V1, &series.concat()).unwrap()
}

pub fn v2(series: &[Vec<u8>]) -> Translated {
    attempt(Version::V2, &series.concat()).unwrap()
}

/// The metrics of the request that travels on.
pub fn metrics(translated: &Translated) -> Vec<Metric> {
    let request = ExportMetricsServiceRequest::decode(translated.body.clone()).unwrap();
    let all: Vec<_> = request.resource_metrics.into_iter().flat_map(|r| r.scope_metrics).collect();
    assert!(all.len() <= 1, "one scope");
    let metrics: Vec<Metric> = all.into_iter().flat_map(|scope| scope.metrics).collect();
    let points: usize = metrics.iter().map(|metric| crate::telemetry::count::data_points(metric.data.as_ref())).sum();
    assert_eq!(points as u64, translated.points);
    metrics
}

pub fn metadata(metric: &Metric) -> Vec<(String, String)> {
    attributes(&metric.metadata)
}

pub fn attributes(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(value) => value.to_string(),
        other => panic!("{other:?}"),
    };
    let value = |attribute: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        text(attribute.value.as_ref().unwrap().value.as_ref().unwrap())
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), value(attribute))).collect()
}

pub fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    match &metric.data {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        other => panic!("{other:?}"),
    }
}

pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split_whitespace().filter_map(|pair| pair.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}
