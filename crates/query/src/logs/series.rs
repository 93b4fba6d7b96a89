//! Series of lines: the metric half of LogQL over the store.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use trefoil_logql::ast::Metric;
use trefoil_logql::metrics::{
    Accumulator, Answer, Grid, Leaf, Limits as LeafLimits, MetricsError, Options, Plan, Reading,
};
use trefoil_model::Tenants;
use trefoil_promql::error::EvalError;
use trefoil_promql::eval::QueryLimits;

use super::Spent;
use super::counting::Counting;
use super::needles::Needles;
use super::tenants::TenantLogs;
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
    /// The value of a query that counts lines of `tenants`.
    pub async fn log_series(
        &self,
        tenants: impl Into<Tenants>,
        request: &SeriesRequest,
        limits: Limits,
    ) -> Result<(Answer, Spent), QueryError> {
        let (tenants, request) = (tenants.into(), request.clone());
        self.timed(limits, move |engine| async move { engine.read_log_series(&tenants, &request, limits).await }).await
    }

    async fn read_log_series(
        &self,
        tenants: &Tenants,
        request: &SeriesRequest,
        limits: Limits,
    ) -> Result<(Answer, Spent), QueryError> {
        let deadline = Instant::now() + limits.timeout;
        let plan = Plan::new(&request.metric)?;
        let logs = Arc::new(self.logs_of(tenants).await?);
        let memory = self.memory();
        let mut spent = Spent::default();
        let mut lines = Vec::with_capacity(plan.leaves().len());
        for leaf in plan.leaves() {
            let (accumulator, of_leaf) = self.read_leaf(leaf, &logs, request, (limits, deadline), &memory).await?;
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
        logs: &Arc<Vec<TenantLogs>>,
        request: &SeriesRequest,
        (limits, deadline): (Limits, Instant),
        memory: &Arc<Held>,
    ) -> Result<(Accumulator, Spent), QueryError> {
        let accumulator = accumulator_of(leaf, request, limits)?;
        let (after, until) = accumulator.bounds();
        let period = (after.saturating_add(1), until);
        let mut sources = Vec::new();
        let selector = &leaf.range().query.selector;
        for (of, logs) in logs.iter().enumerate().filter(|(_, logs)| logs.is_selected(selector)) {
            let within = self.log_sources(logs).within_times(period).await?;
            sources.extend(within.into_iter().map(|(source, times)| Placed { of, source, times }));
        }
        let reading = Reading::new(leaf).map_err(|error| QueryError::Invalid(error.to_string()))?;
        let needles = Needles::of(&leaf.range().query.stages);
        let shared = (self.clone(), logs.clone(), leaf.clone(), request.clone(), reading, needles, memory.clone());
        let shared = Arc::new(shared);
        let each = move |items: Items<Placed>| {
            let shared = shared.clone();
            async move {
                let (engine, logs, leaf, request, reading, needles, memory) = &*shared;
                let sources: Vec<Sources<'_>> = logs.iter().map(|logs| engine.log_sources(logs)).collect();
                let accumulator = accumulator_of(leaf, request, limits)?;
                let mut counting = Counting::new(leaf, reading, accumulator, request.now, period, memory);
                while let Some(Placed { of, source, .. }) = items.take() {
                    if needles.may_be_in(&sources[*of], source).await? {
                        counting.source(&sources[*of], source, &logs[*of].streams).await?;
                    }
                }
                Ok(counting.finish())
            }
        };
        let (mut all, mut spent, mut held) = (accumulator, Spent::default(), 0_usize);
        let slices = if all.is_settled_by_time() { slices(sources, SLICE_ROWS) } else { vec![(sources, i64::MAX)] };
        for (sources, next) in slices {
            for (part, of_part) in shared_out(sources, each.clone()).await? {
                all.merge(part)?;
                spent = [spent, of_part].into_iter().sum();
            }
            let check = || match Instant::now() > deadline {
                true => Err(EvalError::Timeout(limits.timeout)),
                false => Ok(()),
            };
            all.settle(next, &check)?;
            let bytes = all.bytes();
            memory.shrink(held.saturating_sub(bytes));
            memory.grow(bytes.saturating_sub(held)).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
            held = bytes;
        }
        Ok((all, spent))
    }
}

/// Rows that are read together, and the first and the last of their times where these are known.
struct Placed {
    /// The tenant's place among those that are asked for.
    of: usize,
    source: Source,
    times: Option<(i64, i64)>,
}

/// About how many rows a slice has: their values take some tens of megabytes.
const SLICE_ROWS: usize = 4 << 20;

/// Sources in the order of their first times, about so many rows at a time, and before which time none of those that follow has rows.
fn slices(mut sources: Vec<Placed>, rows: usize) -> Vec<(Vec<Placed>, i64)> {
    let first = |placed: &Placed| placed.times.map_or(i64::MIN, |(first, _)| first);
    sources.sort_by_key(first);
    let mut slices = Vec::new();
    let mut sources = sources.into_iter().peekable();
    while sources.peek().is_some() {
        let mut taken = 0;
        let slice = std::iter::from_fn(|| {
            let placed = sources.next_if(|_| taken < rows)?;
            taken += placed.source.rows().max(1);
            Some(placed)
        });
        let slice = slice.collect();
        slices.push((slice, sources.peek().map_or(i64::MAX, first)));
    }
    slices
}

fn accumulator_of(leaf: &Leaf, request: &SeriesRequest, limits: Limits) -> Result<Accumulator, MetricsError> {
    let bytes = limits.max_samples.saturating_mul(size_of::<f64>());
    leaf.accumulator(request.grid, LeafLimits { series: limits.max_series, bytes })
}

impl From<MetricsError> for QueryError {
    fn from(error: MetricsError) -> Self {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;

    fn placed(of: usize, rows: i64, times: Option<(i64, i64)>) -> Placed {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        Placed { of, source: Source::Batch(RecordBatch::try_from_iter([("n", column)]).unwrap()), times }
    }

    #[test]
    fn slices_follow_each_other() {
        let sources = vec![
            placed(0, 3, Some((20, 90))),
            placed(1, 3, Some((5, 10))),
            placed(2, 9, Some((7, 12))),
            placed(3, 0, None),
            placed(4, 1, Some((30, 31))),
        ];
        let slices = slices(sources, 5);
        let told: Vec<(Vec<usize>, i64)> =
            slices.iter().map(|(slice, next)| (slice.iter().map(|placed| placed.of).collect(), *next)).collect();
        assert_eq!(told, [(vec![3, 1, 2], 20), (vec![0, 4], i64::MAX)]);
    }
}
