//! From selectors to the rows of the store, in three steps: which metrics there are, which series they have, and what samples
//! those have. Only columns that a question needs are read.

mod active;
mod bounds;
pub mod columns;
mod exemplars;
mod families;
mod numbers;
mod remaining;
mod samples;
mod series;
mod targets;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::common::ScalarValue;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use trefoil_promql::labels::METRIC_NAME;
use trefoil_promql::matcher::Matcher;
use trefoil_storage::Snapshot;

pub use bounds::Bounds;
pub use exemplars::StoredExemplar;
pub use families::{FAMILY_COLUMNS, FamilyRows};
pub use numbers::{Batch, SharedTimes, Stripe, StripeKey, batches};
pub use samples::crashed;
pub use samples::{At, Distribution, Exponential, Number, Shape, Stored};
pub use series::{FoundSeries, IdentityRows, StoredSeries, Wanted};
pub use targets::{TARGET_INFO, Target};

use super::error::PromqlError;
use super::index::SeriesIndex;
use super::spent::{SelectorSpent, Spent};
use super::state::Metrics;
use crate::Engine;
use crate::memory::Held;

pub const NANOS_PER_MILLI: i64 = 1_000_000;
pub const MILLIS_PER_DAY: i64 = 86_400_000;

/// Names in a condition; more are narrowed by bounds only.
const MOST_NAMES: usize = 1_000;

/// A span of time, both ends inclusive, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub start_ms: i64,
    pub end_ms: i64,
}

impl Period {
    /// Days since the epoch.
    pub fn days(self) -> (i32, i32) {
        let day = |ms: i64| {
            let day = ms.div_euclid(MILLIS_PER_DAY).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            i32::try_from(day).unwrap_or(0)
        };
        (day(self.start_ms), day(self.end_ms))
    }

    /// In nanoseconds, both inclusive.
    pub fn nanos(self) -> (i64, i64) {
        let first = self.start_ms.saturating_mul(NANOS_PER_MILLI);
        (first, self.end_ms.saturating_mul(NANOS_PER_MILLI).saturating_add(NANOS_PER_MILLI - 1))
    }

    /// Of the rows whose `column`, cut to milliseconds, is inside.
    fn holds(self, column: &str) -> Expr {
        let nanos = |nanos| lit(ScalarValue::TimestampNanosecond(Some(nanos), None));
        let (first, last) = self.nanos();
        col(column).gt_eq(nanos(first)).and(col(column).lt_eq(nanos(last)))
    }
}

/// What reading for one question may cost.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    pub max_raw_samples: usize,
    pub max_series: usize,
}

/// One snapshot of a tenant, to be read from as often as a query has selectors.
pub struct Store {
    engine: Engine,
    snapshot: Snapshot,
    index: Arc<SeriesIndex>,
    limits: ReadLimits,
    memory: Arc<Held>,
    spent: Option<Spent>,
    session: OnceLock<SessionContext>,
}

impl Store {
    pub async fn new(engine: &Engine, tenant: &trefoil_model::Tenant, limits: ReadLimits) -> Result<Self, PromqlError> {
        Self::on(engine, engine.snapshot(tenant).await?, limits).await
    }

    /// To read from that snapshot.
    pub async fn on(engine: &Engine, snapshot: Snapshot, limits: ReadLimits) -> Result<Self, PromqlError> {
        let index = engine.metrics.indexes.of(&snapshot, &engine.metrics.view).await?;
        let (engine, memory) = (engine.clone(), engine.memory());
        Ok(Self { engine, snapshot, index, limits, memory, spent: None, session: OnceLock::new() })
    }

    /// Tells what is read from now on.
    #[must_use]
    pub fn telling(self, spent: Option<Spent>) -> Self {
        Self { spent, ..self }
    }

    fn note(&self, note: impl FnOnce(&mut SelectorSpent)) {
        if let Some(spent) = &self.spent {
            spent.note(note);
        }
    }

    fn ran(&self, plan: &dyn ExecutionPlan) {
        self.spent.iter().for_each(|spent| spent.ran(plan, &self.snapshot));
    }

    /// What was read and is still held.
    pub fn memory(&self) -> &Arc<Held> {
        &self.memory
    }

    /// For what is held apart from that, nothing yet.
    pub fn other_memory(&self) -> Arc<Held> {
        self.engine.memory()
    }

    fn meter(&self) -> Meter {
        self.meter_of(&self.memory)
    }

    /// Of what is held there.
    fn meter_of(&self, memory: &Arc<Held>) -> Meter {
        Meter { read: Arc::default(), limit: self.limits.max_raw_samples, memory: memory.clone() }
    }

    fn metrics(&self) -> &Metrics {
        &self.engine.metrics
    }

    /// For what is not read from the index and not a number. To make one takes longer than many a query.
    fn session(&self) -> Result<&SessionContext, PromqlError> {
        if let Some(session) = self.session.get() {
            return Ok(session);
        }
        let session = self.engine.session(&self.snapshot)?;
        // Partitions keep the order of arrival, so that of two samples of one time the later wins.
        session.state_ref().write().config_mut().options_mut().optimizer.enable_round_robin_repartition = false;
        Ok(self.session.get_or_init(|| session))
    }
}

/// The matchers that are about metrics' names.
pub fn name_matchers(matchers: &[Matcher]) -> Vec<&Matcher> {
    matchers.iter().filter(|matcher| matcher.name == METRIC_NAME).collect()
}

/// Of the rows of these metrics.
fn of_metrics(names: &[String]) -> Expr {
    let (Some(first), Some(last)) = (names.iter().min(), names.iter().max()) else { return lit(false) };
    let name = || col("metric_name");
    if first == last {
        return name().eq(lit(first.as_str()));
    }
    // Lists prune files and row groups only while they are short; bounds always do.
    let between = name().gt_eq(lit(first.as_str())).and(name().lt_eq(lit(last.as_str())));
    match names.len() <= MOST_NAMES {
        true => between.and(name().in_list(names.iter().map(|name| lit(name.as_str())).collect(), false)),
        false => between,
    }
}

/// Counts what a question reads, over all its partitions.
#[derive(Debug, Clone)]
struct Meter {
    read: Arc<AtomicUsize>,
    limit: usize,
    memory: Arc<Held>,
}

impl Meter {
    /// Holds so many bytes until that memory is given back.
    fn hold(&self, bytes: usize) -> Result<(), PromqlError> {
        self.memory.grow(bytes)
    }

    fn add(&self, samples: usize) -> Result<(), PromqlError> {
        match self.read.fetch_add(samples, Ordering::Relaxed).saturating_add(samples) > self.limit {
            // Prometheus' words.
            true => Err(PromqlError::Execution(
                "query processing would load too many samples into memory in query execution".to_owned(),
            )),
            false => Ok(()),
        }
    }
}
