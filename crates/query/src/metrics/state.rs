//! What questions about metrics share: the view, caches, and how many evaluate at once.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use trefoil_model::Tenant;

use super::family::Family;
use super::index::Indexes;
use super::options::PrometheusConfig;
use super::read::{Stripe, StripeKey};

/// Lists of metrics that are kept; those of one tenant differ by the time asked for and with every flush.
const CACHED_FAMILIES: usize = 64;

/// About how many stripes are kept.
const STRIPES: usize = 1024;

/// What a stripe costs in memory.
#[derive(Debug, Clone)]
pub struct StripeBytes;

impl Weighter<StripeKey, Arc<Stripe>> for StripeBytes {
    fn weight(&self, _: &StripeKey, stripe: &Arc<Stripe>) -> u64 {
        stripe.bytes() as u64
    }
}

/// All that the list of a tenant's metrics depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FamiliesAt {
    pub tenant: Tenant,
    pub catalog: i64,
    pub buffered_rows: usize,
    pub days: (i32, i32),
}

pub struct Metrics {
    pub config: PrometheusConfig,
    pub families: Cache<FamiliesAt, Arc<Vec<Family>>>,
    pub indexes: Indexes,
    pub stripes: Cache<StripeKey, Arc<Stripe>, StripeBytes>,
    pub evaluations: Arc<Semaphore>,
}

impl Metrics {
    pub fn new(config: PrometheusConfig) -> Self {
        Self {
            families: Cache::new(CACHED_FAMILIES),
            indexes: Indexes::new(config.cached_series),
            stripes: Cache::with_weighter(STRIPES, config.cached_sample_bytes, StripeBytes),
            evaluations: Arc::new(Semaphore::new(config.max_concurrency.max(1))),
            config,
        }
    }
}
