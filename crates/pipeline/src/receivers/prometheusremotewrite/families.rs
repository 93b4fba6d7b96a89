//! What senders tell of metric families: type, help and unit.
//!
//! In 2.0 every series brings it. In 1.0 it comes in requests of its own, once a minute, so the receiver remembers it, per
//! tenant and within bounds: series that come later are described by it, and a family is written down once a day.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use trefoil_model::Tenant;

/// Families that are remembered, of all tenants together; further ones are not.
const MAX_FAMILIES: usize = 50_000;

/// Bytes of name, help and unit of one that is remembered.
const MAX_BYTES: usize = 2 << 10;

/// Prometheus' metric types, numbered as on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MetricType {
    #[default]
    Unknown,
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
}

impl MetricType {
    const ALL: [(MetricType, &'static str); 8] = [
        (MetricType::Unknown, "unknown"),
        (MetricType::Counter, "counter"),
        (MetricType::Gauge, "gauge"),
        (MetricType::Histogram, "histogram"),
        (MetricType::GaugeHistogram, "gaugehistogram"),
        (MetricType::Summary, "summary"),
        (MetricType::Info, "info"),
        (MetricType::StateSet, "stateset"),
    ];

    /// What is not in the enumeration is unknown.
    pub fn of(number: i32) -> Self {
        let known = usize::try_from(number).ok().and_then(|index| Self::ALL.get(index));
        known.map_or(MetricType::Unknown, |(kind, _)| *kind)
    }

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// What is known of a metric, borrowed from the request or from memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Described<'a> {
    pub kind: MetricType,
    pub help: &'a str,
    pub unit: &'a str,
    /// In 2.0 the references of help and unit, which stand for the texts when series are compared.
    pub refs: (u32, u32),
}

/// A family as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    pub name: String,
    pub kind: MetricType,
    pub help: String,
    pub unit: String,
    /// Days since the epoch (UTC) on which it was last written down.
    pub day: i64,
}

impl Family {
    fn bytes(&self) -> usize {
        self.name.len() + self.help.len() + self.unit.len()
    }
}

/// The families of one tenant by name.
pub type Families = HashMap<String, Family>;

/// Endings of series' names, and the types of the families that have such series.
const SUFFIXES: [(&str, &[MetricType]); 8] = [
    ("_bucket", &[MetricType::Histogram, MetricType::GaugeHistogram]),
    ("_count", &[MetricType::Histogram, MetricType::Summary]),
    ("_sum", &[MetricType::Histogram, MetricType::Summary]),
    ("_gcount", &[MetricType::GaugeHistogram]),
    ("_gsum", &[MetricType::GaugeHistogram]),
    ("_total", &[MetricType::Counter]),
    ("_created", &[MetricType::Counter, MetricType::Histogram, MetricType::Summary]),
    ("_info", &[MetricType::Info]),
];

/// The family of a series: of its very name, or of the name without the ending that its type gives to series.
pub fn of_series<'a>(name: &str, find: impl Fn(&str) -> Option<Described<'a>>) -> Option<Described<'a>> {
    find(name).or_else(|| {
        SUFFIXES.iter().find_map(|(suffix, kinds)| {
            let family = find(name.strip_suffix(suffix)?)?;
            kinds.contains(&family.kind).then_some(family)
        })
    })
}

/// The families of all tenants. Clones share them.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<HashMap<Tenant, Arc<Families>>>>);

impl Memory {
    pub fn of(&self, tenant: &Tenant) -> Arc<Families> {
        self.0.lock().get(tenant).cloned().unwrap_or_default()
    }

    pub fn remember(&self, tenant: &Tenant, told: Vec<Family>) {
        if told.is_empty() {
            return;
        }
        let mut tenants = self.0.lock();
        let mut room = MAX_FAMILIES.saturating_sub(tenants.values().map(|families| families.len()).sum());
        let families = Arc::make_mut(tenants.entry(tenant.clone()).or_default());
        for family in told.into_iter().filter(|family| family.bytes() <= MAX_BYTES) {
            if families.contains_key(&family.name) {
                families.insert(family.name.clone(), family);
            } else if room > 0 {
                room -= 1;
                families.insert(family.name.clone(), family);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &str, kind: MetricType) -> Family {
        Family { name: name.into(), kind, help: String::new(), unit: String::new(), day: 1 }
    }

    #[test]
    fn series_belong_to_families_by_the_endings_of_their_type() {
        use MetricType::{Counter, Gauge, Histogram, Summary, Unknown};
        let families =
            HashMap::from([("h", Histogram), ("s", Summary), ("g", Gauge), ("c", Counter), ("h_count", Gauge)]);
        let kind = |name: &str| {
            let find = |name: &str| families.get(name).map(|kind| Described { kind: *kind, ..Described::default() });
            of_series(name, find).map_or(Unknown, |found| found.kind)
        };
        let cases = [
            ("h_bucket", Histogram),
            ("h_sum", Histogram),
            ("h_count", Gauge),
            ("s", Summary),
            ("s_count", Summary),
            ("s_bucket", Unknown),
            ("g", Gauge),
            ("g_total", Unknown),
            ("c_total", Counter),
            ("x", Unknown),
        ];
        for (name, expected) in cases {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn memory_is_per_tenant_and_bounded() {
        let (memory, one) = (Memory::default(), Tenant::new("one").unwrap());
        let many = (0..MAX_FAMILIES + 5).map(|index| family(&format!("m{index}"), MetricType::Gauge)).collect();
        memory.remember(&one, many);
        memory.remember(&Tenant::default(), vec![family("late", MetricType::Gauge)]);
        memory.remember(&one, vec![family("m1", MetricType::Counter)]);
        assert_eq!((memory.of(&one).len(), memory.of(&Tenant::default()).len()), (MAX_FAMILIES, 0));
        assert_eq!(memory.of(&one)["m1"].kind, MetricType::Counter);
        let (memory, help) = (Memory::default(), "x".repeat(MAX_BYTES));
        memory.remember(&one, vec![Family { help, ..family("long", MetricType::Gauge) }]);
        assert!(memory.of(&one).is_empty());
    }

    #[test]
    fn types_outside_of_the_enumeration_are_unknown() {
        for number in [-1, 0, 8, i32::MAX] {
            assert_eq!(MetricType::of(number).name(), "unknown");
        }
        assert_eq!(MetricType::of(4).name(), "gaugehistogram");
    }
}
