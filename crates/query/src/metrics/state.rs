//! What questions about metrics share: the view, caches, and how many evaluate at once.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use trefoil_model::Tenant;

use super::family::Family;
use super::index::Indexes;
use super::options::PrometheusView;
use super::stripes::Stripes;
use crate::Limits;

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
    pub view: PrometheusView,
    pub families: Cache<FamiliesAt, Arc<Vec<Family>>>,
    pub indexes: Indexes,
    pub stripes: Stripes,
    evaluations: ArcSwap<Semaphore>,
    /// How many there are of them, taken or not.
    concurrency: AtomicUsize,
}

impl Metrics {
    pub fn new(view: PrometheusView, limits: &Limits) -> Self {
        Self {
            view,
            families: Cache::new(CACHED_FAMILIES),
            indexes: Indexes::new(limits.cached_series),
            stripes: Stripes::new(limits.cached_sample_bytes),
            evaluations: ArcSwap::from_pointee(Semaphore::new(limits.max_concurrency.max(1))),
            concurrency: AtomicUsize::new(limits.max_concurrency),
        }
    }

    /// Who evaluates now or waits does so by the number of before; more than allowed may run until they are done.
    pub fn set_limits(&self, limits: &Limits) {
        self.indexes.set_most_series(limits.cached_series);
        self.stripes.set_capacity(limits.cached_sample_bytes);
        if self.concurrency.swap(limits.max_concurrency, Relaxed) != limits.max_concurrency {
            self.evaluations.store(Arc::new(Semaphore::new(limits.max_concurrency.max(1))));
        }
    }

    /// Permits to evaluate.
    pub fn evaluations(&self) -> Arc<Semaphore> {
        self.evaluations.load_full()
    }

    pub fn register(&self, registry: &mut Registry) {
        let query = registry.sub_registry_with_prefix("trefoil_query");
        self.indexes.register(query);
        self.stripes.register(query);
    }
}
