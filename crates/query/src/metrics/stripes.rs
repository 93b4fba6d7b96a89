//! The stripes that are kept between questions, within a bound of memory.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

use super::read::{SharedTimes, Stripe, StripeKey};

/// About how many stripes are kept.
const STRIPES: usize = 1024;

pub struct Stripes {
    kept: Cache<StripeKey, Arc<Stripe>, StripeBytes, DefaultHashBuilder, Evictions>,
    /// A list counts to the stripe that brought it first.
    times: SharedTimes,
    bytes: Gauge<u64, AtomicU64>,
    count: Gauge<u64, AtomicU64>,
    hits: Counter,
    misses: Counter,
    evictions: Counter,
}

/// What a stripe costs in memory.
#[derive(Debug, Clone)]
struct StripeBytes;

impl Weighter<StripeKey, Arc<Stripe>> for StripeBytes {
    fn weight(&self, _: &StripeKey, stripe: &Arc<Stripe>) -> u64 {
        stripe.bytes() as u64
    }
}

/// Counts them.
#[derive(Debug, Clone)]
struct Evictions(Counter);

impl Lifecycle<StripeKey, Arc<Stripe>> for Evictions {
    type RequestState = ();

    fn begin_request(&self) {}

    fn on_evict(&self, (): &mut (), _: StripeKey, _: Arc<Stripe>) {
        self.0.inc();
    }
}

impl Stripes {
    pub fn new(capacity_bytes: u64) -> Self {
        let evictions = Counter::default();
        let lifecycle = Evictions(evictions.clone());
        Self {
            kept: Cache::with(STRIPES, capacity_bytes, StripeBytes, DefaultHashBuilder::default(), lifecycle),
            times: SharedTimes::default(),
            bytes: Gauge::default(),
            count: Gauge::default(),
            hits: Counter::default(),
            misses: Counter::default(),
            evictions,
        }
    }

    pub fn get(&self, key: &StripeKey) -> Option<Arc<Stripe>> {
        let found = self.kept.get(key);
        match found {
            Some(_) => self.hits.inc(),
            None => self.misses.inc(),
        };
        found
    }

    pub fn insert(&self, key: StripeKey, stripe: Arc<Stripe>) {
        self.kept.insert(key, stripe);
        self.observe();
    }

    /// In memory.
    pub fn bytes(&self) -> u64 {
        self.kept.weight()
    }

    /// When the numbers were measured.
    pub fn times(&self) -> &SharedTimes {
        &self.times
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.kept.set_capacity(bytes);
        self.observe();
    }

    fn observe(&self) {
        self.bytes.set(self.kept.weight());
        self.count.set(self.kept.len() as u64);
    }

    pub fn register(&self, registry: &mut Registry) {
        let bytes = "Numbers that are kept decoded";
        registry.register_with_unit("sample_cache", bytes, Unit::Bytes, self.bytes.clone());
        registry.register(
            "sample_cache_sections",
            "Sections of files and batches of the buffer kept decoded",
            self.count.clone(),
        );
        registry.register("sample_cache_hits", "Sections and batches that were found decoded", self.hits.clone());
        registry.register("sample_cache_misses", "Sections and batches that had to be decoded", self.misses.clone());
        let evictions = "Decoded sections and batches that made room for others";
        registry.register("sample_cache_evictions", evictions, self.evictions.clone());
    }
}
