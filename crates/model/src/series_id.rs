//! What makes two data points samples of one series: a 64-bit hash of everything that OpenTelemetry counts to a
//! timeseries' identity.
//!
//! The ids are stored in files, so this computation must never change (a test pins some ids). It depends on meaning, not
//! on bytes: neither the order of attributes nor how an encoder wrote lengths matters. Every attribute is hashed for
//! itself and the hashes are added up, so nothing is sorted or copied per point.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The type of an attribute's value, hashed with it: `"1"` and `1` are different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum ValueKind {
    Empty = 0,
    String = 1,
    Bool = 2,
    Int = 3,
    Double = 4,
    Bytes = 5,
    /// Arrays and key-value lists, hashed as their JSON text.
    Json = 6,
}

/// A hash of a set of attributes in which order does not matter, but number does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttributesHash {
    sum: u64,
    count: u64,
}

impl AttributesHash {
    /// Adds one attribute; numbers are hashed as 8 little-endian bytes, a bool as one.
    #[inline]
    pub fn add(&mut self, key: &[u8], kind: ValueKind, value: &[u8]) {
        let seed = xxh3_64(key).wrapping_add((kind as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.sum = self.sum.wrapping_add(xxh3_64_with_seed(value, seed));
        self.count += 1;
    }

    #[inline]
    fn value(self) -> u64 {
        self.sum.wrapping_add(self.count)
    }
}

/// The part of the identity that all points of a metric share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricHash(u64);

/// What identifies a metric beside its resource and scope.
#[derive(Debug, Clone, Copy)]
pub struct MetricIdentity<'a> {
    pub name: &'a [u8],
    pub unit: &'a [u8],
    /// The field number of the `data` member in OTLP's `Metric`.
    pub data_type: u32,
    pub temporality: i32,
    pub is_monotonic: bool,
}

/// The identity of an instrumentation scope.
pub fn scope_hash(name: &[u8], version: &[u8], attributes: AttributesHash) -> u64 {
    xxh3_64_with_seed(version, xxh3_64_with_seed(name, attributes.value()))
}

/// The identity of a resource: its attributes.
pub fn resource_hash(attributes: AttributesHash) -> u64 {
    attributes.value()
}

impl MetricHash {
    pub fn new(resource: u64, scope: u64, metric: MetricIdentity) -> Self {
        let mut origin = [0; 32];
        origin[..8].copy_from_slice(&resource.to_le_bytes());
        origin[8..16].copy_from_slice(&scope.to_le_bytes());
        origin[16..20].copy_from_slice(&metric.data_type.to_le_bytes());
        origin[20..24].copy_from_slice(&metric.temporality.to_le_bytes());
        origin[24] = metric.is_monotonic as u8;
        let name = xxh3_64_with_seed(metric.name, xxh3_64(&origin));
        Self(xxh3_64_with_seed(metric.unit, name))
    }

    /// The id of the series with these point attributes.
    #[inline]
    pub fn series_id(self, attributes: AttributesHash) -> u64 {
        xxh3_64_with_seed(&attributes.value().to_le_bytes(), self.0)
    }
}

/// The id of a series that came by Prometheus' own ways (`docs/decisions/0011-remote-write.md`): without resource and scope,
/// its labels but the name as attributes.
pub fn of_prometheus<'l>(metric: MetricIdentity<'_>, labels: impl Iterator<Item = (&'l str, &'l str)>) -> u64 {
    let mut attributes = AttributesHash::default();
    for (name, value) in labels {
        attributes.add(name.as_bytes(), ValueKind::String, value.as_bytes());
    }
    let nothing = AttributesHash::default();
    MetricHash::new(resource_hash(nothing), scope_hash(b"", b"", nothing), metric).series_id(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(entries: &[(&str, ValueKind, &[u8])]) -> AttributesHash {
        let mut hash = AttributesHash::default();
        entries.iter().for_each(|(key, kind, value)| hash.add(key.as_bytes(), *kind, value));
        hash
    }

    fn counter<'a>(name: &'a str, unit: &'a str) -> MetricIdentity<'a> {
        MetricIdentity {
            name: name.as_bytes(),
            unit: unit.as_bytes(),
            data_type: 7,
            temporality: 2,
            is_monotonic: true,
        }
    }

    #[test]
    fn ids_in_files_never_change() {
        let resource = resource_hash(attributes(&[("service.name", ValueKind::String, b"checkout")]));
        let scope = scope_hash(b"otel.sdk", b"1.2.3", AttributesHash::default());
        let metric = MetricHash::new(resource, scope, counter("http.server.request.count", "{request}"));
        let point = attributes(&[
            ("http.route", ValueKind::String, b"/books/{id}"),
            ("http.response.status_code", ValueKind::Int, &200i64.to_le_bytes()),
        ]);
        assert_eq!(metric.series_id(AttributesHash::default()), 16_959_300_625_757_589_553);
        assert_eq!(metric.series_id(point), 13_481_068_589_681_036_469);
    }

    #[test]
    fn order_does_not_matter_but_everything_else_does() {
        let a: (&str, ValueKind, &[u8]) = ("a", ValueKind::String, b"1");
        let b: (&str, ValueKind, &[u8]) = ("b", ValueKind::String, b"2");
        assert_eq!(attributes(&[a, b]), attributes(&[b, a]));
        let sets = [
            attributes(&[]),
            attributes(&[a]),
            attributes(&[a, a]),
            attributes(&[a, b]),
            attributes(&[("a", ValueKind::String, b"2"), ("b", ValueKind::String, b"1")]),
            attributes(&[("a", ValueKind::Json, b"1")]),
            attributes(&[("a", ValueKind::String, b"")]),
            attributes(&[("a", ValueKind::Empty, b"")]),
            attributes(&[("", ValueKind::String, b"a1")]),
        ];
        let base = counter("m", "s");
        let hashes = [
            MetricHash::new(1, 2, base),
            MetricHash::new(2, 1, base),
            MetricHash::new(1, 2, counter("s", "m")),
            MetricHash::new(1, 2, counter("ms", "")),
            MetricHash::new(1, 2, MetricIdentity { data_type: 5, ..base }),
            MetricHash::new(1, 2, MetricIdentity { temporality: 1, ..base }),
            MetricHash::new(1, 2, MetricIdentity { is_monotonic: false, ..base }),
        ];
        let ids: std::collections::HashSet<u64> =
            hashes.iter().flat_map(|metric| sets.iter().map(|set| metric.series_id(*set))).collect();
        assert_eq!(ids.len(), hashes.len() * sets.len());
    }
}
