//! Series of lines: the metric half of LogQL over the store.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use trefoil_logql::ast::Metric;
use trefoil_logql::metrics::{
    Accumulator, Answer, Grid, Leaf, Limits as LeafLimits, MetricsError, Options, Plan, Reading,
};
use trefoil_model::{Table, Tenant};
use trefoil_promql::eval::QueryLimits;
use trefoil_storage::Snapshot;

use super::Spent;
use super::counting::Counting;
use super::needles::Needles;
use crate::memory::Held;
use crate::share::{Items, shared_out};
use crate::sources::{Source, Sources};
use crate::{Engine, Limits, QueryError};

#[derive(Debug, Clone)]
pub struct SeriesRequest {
    pub metric: Metric,
    pub grid: Grid,
    /// The value at one time, not at the steps of a range.
    pub is_instant: bool,
    /// Series of the answer; more are an error.
    pub max_series: usize,
    /// For templates that ask what time it is, nanoseconds since the epoch.
    pub now: i64,
}

impl Engine {
    /// The value of a query that counts lines of `tenant`.
    pub async fn log_series(
        &self,
        tenant: &Tenant,
        request: &SeriesRequest,
        limits: Limits,
    ) -> Result<(Answer, Spent), QueryError> {
        let (tenant, request) = (tenant.clone(), request.clone());
        let answer = move |engine: Engine| async move { engine.read_log_series(&tenant, &request, limits).await };
        self.on_thread(limits, answer).await
    }

    async fn read_log_series(
        &self,
        tenant: &Tenant,
        request: &SeriesRequest,
        limits: Limits,
    ) -> Result<(Answer, Spent), QueryError> {
        let deadline = Instant::now() + limits.timeout;
        let plan = Plan::new(&request.metric)?;
        let snapshot = self.snapshot(tenant).await?;
        let memory = self.memory();
        let mut spent = Spent::default();
        let mut lines = Vec::with_capacity(plan.leaves().len());
        for leaf in plan.leaves() {
            let (accumulator, of_leaf) = self.read_leaf(leaf, &snapshot, request, limits, &memory).await?;
            lines.push(accumulator);
            spent = [spent, of_leaf].into_iter().sum();
        }
        let canceled = AtomicBool::new(false);
        let options = Options {
            max_series: request.max_series,
            max_samples: limits.max_samples,
            limits: QueryLimits { deadline: Some(deadline), canceled: Some(&canceled), ..QueryLimits::default() },
        };
        let answer = match request.is_instant {
            true => plan.instant(lines, request.grid, &options)?,
            false => plan.range(lines, request.grid, &options)?,
        };
        Ok((answer, spent))
    }

    /// One range aggregation: each thread adds up what it has read.
    async fn read_leaf(
        &self,
        leaf: &Leaf,
        snapshot: &Snapshot,
        request: &SeriesRequest,
        limits: Limits,
        memory: &Arc<Held>,
    ) -> Result<(Accumulator, Spent), QueryError> {
        let accumulator = accumulator_of(leaf, request, limits)?;
        let (after, until) = accumulator.bounds();
        let period = (after.saturating_add(1), until);
        let sources = Sources::new(snapshot, &self.log_columns, Table::Logs);
        let reading = Reading::new(leaf).map_err(|error| QueryError::Invalid(error.to_string()))?;
        let needles = Needles::of(&leaf.range().query.stages);
        let shared = (self.clone(), snapshot.clone(), leaf.clone(), request.clone(), reading, needles, memory.clone());
        let shared = Arc::new(shared);
        let each = move |items: Items<(Source, Option<(i64, i64)>)>| {
            let shared = shared.clone();
            async move {
                let (engine, snapshot, leaf, request, reading, needles, memory) = &*shared;
                let sources = Sources::new(snapshot, &engine.log_columns, Table::Logs);
                let accumulator = accumulator_of(leaf, request, limits)?;
                let mut counting = Counting::new(leaf, reading, accumulator, request.now, period, memory);
                while let Some((source, _)) = items.take() {
                    if counting.may_be_in(&sources, source).await? && needles.may_be_in(&sources, source).await? {
                        counting.source(&sources, source, &engine.log_streams).await?;
                    }
                }
                Ok(counting.finish())
            }
        };
        let parts = shared_out(sources.within_times(period).await?, each).await?;
        let (mut all, mut spent) = (accumulator, Spent::default());
        for (part, of_part) in parts {
            all.merge(part)?;
            spent = [spent, of_part].into_iter().sum();
        }
        Ok((all, spent))
    }
}

fn accumulator_of(leaf: &Leaf, request: &SeriesRequest, limits: Limits) -> Result<Accumulator, MetricsError> {
    let bytes = limits.max_samples.saturating_mul(size_of::<f64>());
    leaf.accumulator(request.grid, LeafLimits { series: limits.max_series, bytes })
}

impl From<MetricsError> for QueryError {
    fn from(error: MetricsError) -> Self {
        use trefoil_promql::error::EvalError;
        use trefoil_promql::eval::QueryFailure;
        let message = error.to_string();
        match error {
            MetricsError::Pipeline { .. } | MetricsError::Invalid(_) => QueryError::Invalid(message),
            MetricsError::TooManySeries(_) | MetricsError::TooMuchMemory { .. } => QueryError::LimitExceeded(message),
            MetricsError::Evaluation(QueryFailure::Eval(EvalError::Timeout(limit))) => QueryError::Timeout(limit),
            MetricsError::Evaluation(_) => QueryError::Invalid(message),
        }
    }
}
