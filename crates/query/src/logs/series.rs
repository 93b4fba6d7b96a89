//! Series of lines: the metric half of LogQL over the store.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use trefoil_logql::ast::Metric;
use trefoil_logql::metrics::{
    Accumulator, Answer, Grid, Leaf, Limits as LeafLimits, Measure, MetricsError, Options, Plan, Reading, SeriesLabels,
};
use trefoil_logql::pipeline::{Entry, Runner};
use trefoil_model::Tenants;
use trefoil_promql::eval::QueryLimits;

use super::Spent;
use super::entries::{Selected, selected};
use super::needles::Needles;
use super::record::{LINE, Metadata, line};
use super::streams::Stream;
use super::view::LogView;
use crate::memory::Held;
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
        let logs = self.logs_of(tenants).await?;
        let memory = self.memory();
        let mut spent = Spent::default();
        let mut lines = Vec::with_capacity(plan.leaves().len());
        for leaf in plan.leaves() {
            let mut counting = Counting::new(leaf, request, limits, &memory)?;
            let query = &leaf.range().query;
            let needles = Needles::of(&query.stages);
            for logs in logs.iter().filter(|logs| logs.is_selected(&query.selector)) {
                let sources = self.log_sources(logs);
                for (source, _) in sources.within_times(counting.period()).await? {
                    if needles.may_be_in(&sources, &source).await? {
                        counting.source(&sources, &source, &logs.view, &mut spent).await?;
                    }
                }
            }
            lines.push(counting.accumulator);
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
}

/// One range aggregation, source by source.
struct Counting<'r> {
    leaf: &'r Leaf,
    reading: Reading,
    accumulator: Accumulator,
    now: i64,
    memory: &'r Held,
    held: usize,
}

impl<'r> Counting<'r> {
    fn new(leaf: &'r Leaf, request: &SeriesRequest, limits: Limits, memory: &'r Held) -> Result<Self, QueryError> {
        let reading = Reading::new(leaf).map_err(|error| QueryError::Invalid(error.to_string()))?;
        let bytes = limits.max_samples.saturating_mul(size_of::<f64>());
        let leaf_limits = LeafLimits { series: limits.max_series, bytes };
        let accumulator = leaf.accumulator(request.grid, leaf_limits)?;
        Ok(Self { leaf, reading, accumulator, now: request.now, memory, held: 0 })
    }

    /// The times of lines that count, both inclusive.
    fn period(&self) -> (i64, i64) {
        let (after, until) = self.accumulator.bounds();
        (after.saturating_add(1), until)
    }

    async fn source(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        view: &LogView,
        spent: &mut Spent,
    ) -> Result<(), QueryError> {
        // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
        tokio::task::yield_now().await;
        let selector = &self.leaf.range().query.selector;
        let selected = selected(sources, source, view, selector, self.period()).await?;
        if selected.rows.is_empty() {
            return Ok(());
        }
        spent.streams += selected.runs.len() as u64;
        match self.counts_by_stream(&selected) {
            true => self.count(&selected, spent)?,
            false => self.lines(sources, source, view, &selected, spent).await?,
        }
        let bytes = self.accumulator.bytes();
        self.memory
            .grow(bytes.saturating_sub(self.held))
            .map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        self.held = self.held.max(bytes);
        Ok(())
    }

    /// Whether lines need no look: how many there are of each stream is enough.
    fn counts_by_stream(&self, selected: &Selected) -> bool {
        let has = |stream: &Stream, name: &String| stream.labels.value(name).is_some();
        self.reading.pipeline().is_empty()
            && self.leaf.measure() == Measure::Line
            && match self.leaf.labels() {
                SeriesLabels::By(names) => {
                    selected.runs.iter().all(|run| names.iter().all(|name| has(&run.stream, name)))
                }
                SeriesLabels::Constant(_) => true,
                SeriesLabels::Without(_) => false,
            }
    }

    fn count(&mut self, selected: &Selected, spent: &mut Spent) -> Result<(), QueryError> {
        for rows in selected.rows.chunk_by(|a, b| a.run == b.run) {
            let labels = selected.runs[rows[0].run].stream.pairs();
            let series = self.accumulator.series(labels.iter().copied())?;
            for row in rows {
                self.accumulator.add(series, row.time, 1.0)?;
            }
            spent.lines += rows.len() as u64;
            spent.passed += rows.len() as u64;
        }
        Ok(())
    }

    async fn lines(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        view: &LogView,
        selected: &Selected,
        spent: &mut Spent,
    ) -> Result<(), QueryError> {
        let Self { reading, accumulator, now, .. } = self;
        let names = Metadata::names(sources, source, reading.pipeline());
        let columns: Vec<&str> = names.iter().map(String::as_str).chain(LINE).collect();
        let read = sources.read(source, &columns).await?;
        let metadata = Metadata::new(&read, &names, reading.pipeline(), view);
        let mut runner = Runner::new(reading.pipeline(), *now);
        for row in &selected.rows {
            let line = line(&read, row.row)?;
            spent.lines += 1;
            spent.bytes += line.len() as u64;
            if !reading.pipeline().may_pass(&line) {
                continue;
            }
            let stream = &selected.runs[row.run].stream;
            let pairs = metadata.of(row.row, stream, &line)?;
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            let labels = stream.pairs();
            let entry = Entry { timestamp: row.time, line: &line, stream: &labels, metadata: &pairs };
            let series = reading.add(&mut runner, &entry, accumulator)?;
            spent.passed += u64::from(series.is_some());
        }
        Ok(())
    }
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
