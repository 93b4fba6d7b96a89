//! What questions about metrics share: the view, caches, and how many evaluate at once.

use std::sync::Arc;

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use trefoil_model::Tenant;
use trefoil_promql::labels::Labels;

use super::family::Family;
use super::options::PrometheusConfig;

/// Lists of metrics that are kept; those of one tenant differ by the time asked for and with every flush.
const CACHED_FAMILIES: usize = 64;

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
    /// The labels of a series by its id, apart for series that came by Prometheus' own ways.
    pub labels: Cache<(Tenant, u64, bool), Labels>,
    pub evaluations: Arc<Semaphore>,
}

impl Metrics {
    pub fn new(config: PrometheusConfig) -> Self {
        Self {
            families: Cache::new(CACHED_FAMILIES),
            labels: Cache::new(config.cached_series),
            evaluations: Arc::new(Semaphore::new(config.max_concurrency.max(1))),
            config,
        }
    }
}
