//! What makes two data points samples of one series: a 64-bit hash of everything that OpenTelemetry counts to a
//! timeseries' identity.
//!
//! The ids are stored in files, so this computation must never change (a test pins some ids). It depends on meaning, not
//! on bytes: neither the order of attributes nor how an encoder wrote lengths matters. Every attribute is hashed for
//! itself and the hashes are added up, so nothing is sorted or copied per point.
//!
//! An id's first bits are its target's (`docs/decisions/0025-targets-in-ids.md`): rows are sorted by metric and id, so the series of
//! a metric that are measured together lie together.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// An id's bits that are its target's. The others have to tell the series of one metric and target apart: two of a million are
/// the same with a probability of 1 in 9,000.
const TARGET_BITS: u64 = 0xfff << 52;

/// The labels that say which target a series of Prometheus is of.
const TARGET_LABELS: [&[u8]; 2] = [b"job", b"instance"];

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
    /// The sum of those that are [`TARGET_LABELS`].
    target: u64,
}

impl AttributesHash {
    /// Adds one attribute; numbers are hashed as 8 little-endian bytes, a bool as one.
    #[inline]
    pub fn add(&mut self, key: &[u8], kind: ValueKind, value: &[u8]) {
        let seed = xxh3_64(key).wrapping_add((kind as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let hash = xxh3_64_with_seed(value, seed);
        self.sum = self.sum.wrapping_add(hash);
        self.count += 1;
        if TARGET_LABELS.contains(&key) {
            self.target = self.target.wrapping_add(hash);
        }
    }

    #[inline]
    fn value(self) -> u64 {
        self.sum.wrapping_add(self.count)
    }
}

/// The part of the identity that all points of a metric share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricHash {
    all: u64,
    /// 0: it has no attributes.
    resource: u64,
}

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
        Self { all: xxh3_64_with_seed(metric.unit, name), resource }
    }

    /// The id of the series with these point attributes. Its target is its resource, or else what it says itself; without
    /// either all bits are its own.
    #[inline]
    pub fn series_id(self, attributes: AttributesHash) -> u64 {
        let id = xxh3_64_with_seed(&attributes.value().to_le_bytes(), self.all);
        match (self.resource, attributes.target) {
            (0, 0) => id,
            (0, target) | (target, _) => target & TARGET_BITS | id & !TARGET_BITS,
        }
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
        assert_eq!(metric.series_id(AttributesHash::default()), 7_163_971_436_226_760_753);
        assert_eq!(metric.series_id(point), 7_162_518_312_480_230_581);
    }

    #[test]
    fn series_of_a_target_lie_together() {
        let target = |id: u64| id & TARGET_BITS;
        let of_resource = |resource| MetricHash::new(resource, 0, counter("m", "s"));
        let labels = |of: &[(&str, &str)]| {
            let mut hash = AttributesHash::default();
            of.iter().for_each(|(name, value)| hash.add(name.as_bytes(), ValueKind::String, value.as_bytes()));
            hash
        };
        let [a, b] = ["a:80", "b:80"].map(|instance| [("instance", instance), ("job", "j"), ("code", "200")]);
        let id = |of: &[(&str, &str)]| of_resource(0).series_id(labels(of));
        assert_eq!(target(id(&a)), target(id(&a[..2])));
        assert_ne!(target(id(&a)), target(id(&b)));
        assert!(id(&a) != id(&a[..2]) && id(&a) != id(&b));
        // Without a target they are spread.
        assert_ne!(target(id(&[("code", "200")])), target(id(&[("code", "500")])));
        // A resource is the target, whatever labels there are.
        let resource = resource_hash(labels(&[("service.name", "checkout")]));
        let [a, b] = [a, b].map(|of| of_resource(resource).series_id(labels(&of)));
        assert!(target(a) == target(b) && a != b && target(a) == target(resource));
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
