//! What is being scraped, told by the receivers and read by the API.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;

use super::config::Job;
use super::relabel::{Labels, RelabelConfig};
use super::scrape::cache::Family;
use super::target::Target;

/// Dropped targets that are remembered of a job, unless `keep_dropped_targets` says fewer.
const MAX_DROPPED: usize = 10_000;

/// The jobs of all receivers. Cheap to clone; all clones see the same.
#[derive(Clone, Default)]
pub struct Scraping(Arc<All>);

#[derive(Default)]
struct All {
    pools: Mutex<Vec<Arc<PoolStatus>>>,
    configuration: ArcSwapOption<Shown>,
}

/// A `prometheus.yml` that is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// What it says, without secrets.
    pub yaml: String,
    /// What tells this server from others, where its series are told to others.
    pub external_labels: BTreeMap<String, String>,
}

impl Scraping {
    /// The jobs, by name.
    pub fn pools(&self) -> Vec<Arc<PoolStatus>> {
        let mut pools = self.0.pools.lock().clone();
        pools.sort_by(|a, b| a.job.name.cmp(&b.job.name));
        pools
    }

    pub fn pool(&self, name: &str) -> Option<Arc<PoolStatus>> {
        self.0.pools.lock().iter().find(|pool| pool.job.name == name).cloned()
    }

    /// The `prometheus.yml`, if the server has one.
    pub fn configuration(&self) -> Option<Arc<Shown>> {
        self.0.configuration.load_full()
    }

    pub fn set_configuration(&self, shown: Shown) {
        self.0.configuration.store(Some(Arc::new(shown)));
    }

    pub(super) fn add(&self, pool: Arc<PoolStatus>) {
        self.0.pools.lock().push(pool);
    }

    pub(super) fn remove(&self, pool: &Arc<PoolStatus>) {
        self.0.pools.lock().retain(|other| !Arc::ptr_eq(pool, other));
    }
}

/// One job.
pub struct PoolStatus {
    pub job: Arc<Job>,
    targets: Mutex<BTreeMap<u64, Arc<TargetStatus>>>,
    dropped: Mutex<(Vec<Labels>, usize)>,
}

impl PoolStatus {
    pub(super) fn new(job: Arc<Job>) -> Self {
        Self { job, targets: Mutex::default(), dropped: Mutex::default() }
    }

    /// In no particular order, but always the same.
    pub fn targets(&self) -> Vec<Arc<TargetStatus>> {
        self.targets.lock().values().cloned().collect()
    }

    /// Labels before relabelling of those that it drops.
    pub fn dropped(&self) -> Vec<Labels> {
        self.dropped.lock().0.clone()
    }

    pub fn dropped_count(&self) -> usize {
        self.dropped.lock().1
    }

    pub(super) fn set_dropped(&self, mut dropped: Vec<Labels>) {
        let count = dropped.len();
        let most = match usize::try_from(self.job.limits.keep_dropped_targets) {
            Ok(0) | Err(_) => MAX_DROPPED,
            Ok(most) => most.min(MAX_DROPPED),
        };
        dropped.truncate(most);
        *self.dropped.lock() = (dropped, count);
    }

    pub(super) fn insert(&self, target: Arc<TargetStatus>) {
        self.targets.lock().insert(target.target.hash(), target);
    }

    pub(super) fn remove(&self, hash: u64) {
        self.targets.lock().remove(&hash);
    }

    /// What each rule makes of labels: the rule, the labels after it, and whether they are kept.
    pub fn relabel_steps(&self, labels: &Labels) -> Vec<(RelabelConfig, Labels, bool)> {
        let mut labels = labels.clone();
        let mut is_kept = true;
        let steps = self.job.relabeling.iter().map(|rule| {
            is_kept = is_kept && rule.apply(&mut labels);
            (rule.filled_in(), if is_kept { labels.clone() } else { Labels::default() }, is_kept)
        });
        steps.collect()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Unknown,
    Up,
    Down,
}

impl Health {
    pub const fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

/// The last scrape of a target.
#[derive(Debug, Clone, Default)]
pub struct LastScrape {
    pub health: Health,
    /// Empty if it went well.
    pub error: String,
    /// `None` before the first.
    pub at: Option<SystemTime>,
    pub duration: Duration,
}

/// Families by name.
pub type Families = HashMap<String, Arc<Family>>;

/// One target.
pub struct TargetStatus {
    pub target: Target,
    last: Mutex<LastScrape>,
    families: ArcSwap<Families>,
}

impl TargetStatus {
    pub(super) fn new(target: Target) -> Self {
        Self { target, last: Mutex::default(), families: ArcSwap::default() }
    }

    pub fn last(&self) -> LastScrape {
        self.last.lock().clone()
    }

    /// What it said of its metrics.
    pub fn families(&self) -> Arc<Families> {
        self.families.load_full()
    }

    pub(super) fn set_last(&self, last: LastScrape) {
        *self.last.lock() = last;
    }

    pub(super) fn set_families(&self, families: Families) {
        self.families.store(Arc::new(families));
    }
}
