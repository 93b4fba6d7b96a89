//! Series out of spans: `{…} | rate()` and its like.
//!
//! Where each span can be told by itself whether it counts, the columns of row groups are gone through and nothing else
//! ([`spanwise`]); where it depends on its trace, the traces that may match are put together as for a search ([`whole`]).
//! `compare()` counts all attributes of spans either way ([`compare`]).

mod attributes;
mod codes;
mod compare;
mod spanwise;
mod whole;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use trefoil_model::Tenant;
use trefoil_traceql::ast::{Attribute, Field, Hint, Metrics, MetricsFunction, Pipeline, Spanset, SpansetOp, Stage};
use trefoil_traceql::metrics::{
    Aggregation, Exemplar, Grid, Labels, Leaf, Room, Series, combined, extrapolate_hint, leaves, sample_hint,
};
use trefoil_traceql::value::Value;

use super::assemble::TraceId;
use super::filter::Narrowing;
use super::place::{Place, places};
use super::source::Sources;
use crate::memory::Held;
use crate::{Engine, Limits, QueryError};

#[derive(Debug, Clone)]
pub struct MetricsRequest {
    pub metrics: Metrics,
    pub hints: Vec<Hint>,
    pub grid: Grid,
    /// Spans to show with the series, at most.
    pub exemplars: usize,
}

/// The answer, and what it took.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    pub series: Vec<Series>,
    pub inspected_traces: u64,
    pub inspected_spans: u64,
    pub inspected_bytes: u64,
}

impl Engine {
    /// Series of the spans of `tenant` that start within the grid.
    pub async fn trace_metrics(
        &self,
        tenant: &Tenant,
        request: &MetricsRequest,
        limits: Limits,
    ) -> Result<Measured, QueryError> {
        let (tenant, request) = (tenant.clone(), request.clone());
        self.on_thread(limits, move |engine| async move { engine.measure(&tenant, &request, limits, None).await }).await
    }

    /// As [`Engine::trace_metrics`]; while it lasts, what is known so far goes to `progress` every second: all series, with the
    /// spans that were looked at, the newest of them first. It ends when nobody takes that.
    pub async fn trace_metrics_as_found(
        &self,
        tenant: &Tenant,
        request: &MetricsRequest,
        limits: Limits,
        progress: Sender<Measured>,
    ) -> Result<Measured, QueryError> {
        let (tenant, request) = (tenant.clone(), request.clone());
        let answer =
            move |engine: Engine| async move { engine.measure(&tenant, &request, limits, Some(progress)).await };
        self.on_thread(limits, answer).await
    }

    async fn measure(
        &self,
        tenant: &Tenant,
        request: &MetricsRequest,
        limits: Limits,
        progress: Option<Sender<Measured>>,
    ) -> Result<Measured, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let memory = self.memory();
        let parts = leaves(&request.metrics);
        // Each part shows its share.
        let exemplars = request.exemplars.div_ceil(parts.len());
        let mut measured = Measured::default();
        let mut series = Vec::with_capacity(parts.len());
        // Of several parts nothing can be told before the last.
        let progress = progress.filter(|_| parts.len() == 1);
        let mut progress = progress.map(|to| Progress { to, request, told: Instant::now() });
        for leaf in &parts {
            let mut question = Question {
                leaf: *leaf,
                sources: &sources,
                grid: request.grid,
                room: Room::new(exemplars, &request.grid),
                shown: Vec::new(),
                is_extrapolated: extrapolate_hint(&request.hints),
                share: sample_hint(&request.hints),
                limits,
                memory: Growing { held: &memory, counted: 0 },
                measured: &mut measured,
                progress: progress.take(),
            };
            series.push(question.series().await?);
        }
        measured.series = settled(request, series);
        measured.inspected_bytes = sources.fetched.load(Ordering::Relaxed);
        Ok(measured)
    }
}

/// Who is told what is known so far.
struct Progress<'p> {
    to: Sender<Measured>,
    request: &'p MetricsRequest,
    told: Instant,
}

const BETWEEN_PROGRESS: Duration = Duration::from_secs(1);

/// The series of all parts as they are answered.
fn settled(request: &MetricsRequest, parts: Vec<Vec<Series>>) -> Vec<Series> {
    let mut series = combined(&request.metrics, &request.grid, &mut parts.into_iter());
    series.iter_mut().for_each(|series| settle(series, &request.grid));
    series
}

/// Exemplars that have no value of their own get that of the series at their time, or go.
fn settle(series: &mut Series, grid: &Grid) {
    let Series { values, exemplars, .. } = series;
    exemplars.retain_mut(|Exemplar { value, time, .. }| {
        let of_series = grid.place(*time).map_or(f64::NAN, |place| values[place]);
        if value.is_nan() {
            *value = of_series;
        }
        !of_series.is_nan()
    });
    exemplars.sort_by_key(|exemplar| exemplar.time);
}

/// One part of a query that looks at spans.
struct Question<'q> {
    leaf: Leaf<'q>,
    sources: &'q Sources<'q>,
    grid: Grid,
    room: Room,
    /// Traces that are shown, each once. They are few.
    shown: Vec<TraceId>,
    is_extrapolated: bool,
    /// Of the traces that have to be put together, how many are.
    share: Option<f64>,
    limits: Limits,
    memory: Growing<'q>,
    measured: &'q mut Measured,
    progress: Option<Progress<'q>>,
}

impl Question<'_> {
    /// Tells what is known so far, if it is time to.
    async fn tell(&mut self, aggregation: &Aggregation) -> Result<(), QueryError> {
        let Some(progress) = self.progress.as_mut().filter(|progress| progress.told.elapsed() >= BETWEEN_PROGRESS)
        else {
            return Ok(());
        };
        progress.told = Instant::now();
        let series = settled(progress.request, vec![aggregation.clone().series()]);
        let gone = |_| QueryError::Internal("nobody takes what is known".to_owned());
        progress.to.send(Measured { series, ..self.measured.clone() }).await.map_err(gone)
    }

    async fn series(&mut self) -> Result<Vec<Series>, QueryError> {
        let filter = one_filter(self.leaf.spans).filter(|field| !Narrowing::is_rough(field));
        if let MetricsFunction::Compare { selection, top, window } = self.leaf.function {
            return self.compare(filter, selection, *top, *window).await;
        }
        let mut aggregation = Aggregation::new(self.leaf.function, self.leaf.by, self.grid)
            .ok_or_else(|| QueryError::Internal("no function of metrics".to_owned()))?;
        let is_of_trace =
            |attribute: &Attribute| places(attribute).iter().any(|place| matches!(place, Place::Trace(_)));
        let needs_traces = self.leaf.by.iter().chain(self.leaf.measured()).any(is_of_trace);
        match filter.filter(|_| !needs_traces) {
            Some(filter) => self.spanwise(&filter, &mut aggregation).await?,
            None => self.whole(&mut aggregation).await?,
        }
        if self.leaf.by.is_empty() && aggregation.groups() == 0 && is_counted(self.leaf.function) {
            // Nothing happened, which is a number.
            aggregation.group(&[]);
        }
        Ok(aggregation.series())
    }

    /// What exemplars say of their span beside the trace: what the query names.
    fn named(&self) -> Vec<Attribute> {
        let mut named: Vec<Attribute> = self.leaf.by.iter().chain(self.leaf.measured()).cloned().collect();
        if let Some(filter) = one_filter(self.leaf.spans) {
            filter.attributes(&mut |attribute| named.push(attribute.clone()));
        }
        named.sort();
        named.dedup();
        named
    }

    /// Whether a span of this trace may be shown.
    fn is_shown(&mut self, trace: &TraceId, time: i64) -> bool {
        self.room.has(time) && !self.shown.contains(trace)
    }

    fn show(&mut self, trace: TraceId, time: i64) {
        self.room.take(time);
        self.shown.push(trace);
    }
}

fn is_counted(function: &MetricsFunction) -> bool {
    matches!(function, MetricsFunction::Rate | MetricsFunction::CountOverTime)
}

fn exemplar_labels(trace: &TraceId, named: impl Iterator<Item = (String, Value)>) -> Labels {
    let id = format!("{:x}", u128::from_be_bytes(*trace));
    let known = named.filter(|(name, value)| !value.is_nil() && name != "trace:id");
    [("trace:id".to_owned(), Value::string(&id))].into_iter().chain(known).collect()
}

/// The pipeline as one filter that each span is asked by itself; `None` if spans depend on each other.
fn one_filter(Pipeline(stages): &Pipeline) -> Option<Field> {
    let mut all = Vec::new();
    for stage in stages {
        match stage {
            Stage::Spanset(spanset) => all.push(of_spanset(spanset)?),
            // How spans are grouped in their traces does not change which they are.
            Stage::By(_) | Stage::Coalesce | Stage::Select(_) => {}
            Stage::ScalarFilter { .. } => return None,
        }
    }
    match all.len() {
        1 => all.pop(),
        _ => Some(Field::And(all)),
    }
}

fn of_spanset(spanset: &Spanset) -> Option<Field> {
    match spanset {
        Spanset::Filter(field) => Some(field.clone()),
        Spanset::Pipeline(pipeline) => one_filter(pipeline),
        Spanset::Operation { op: SpansetOp::Or, left, right } => {
            Some(Field::Or(vec![of_spanset(left)?, of_spanset(right)?]))
        }
        Spanset::Operation { .. } => None,
    }
}

/// How many spans one stands for that was sampled with a threshold in its trace state (`ot=th:…`, OpenTelemetry's
/// "TraceState: Probability Sampling"): one over the probability.
fn weight(trace_state: Option<&str>) -> f64 {
    let threshold = || {
        let ot = trace_state?.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
        let digits = ot.split(';').find_map(|field| field.strip_prefix("th:"))?;
        if digits.is_empty() || digits.len() > 14 {
            return None;
        }
        // Zeros at the end are left out.
        let number = u64::from_str_radix(digits, 16).ok()?;
        Some(number << (4 * (14 - digits.len())))
    };
    const ALL: f64 = (1u64 << 56) as f64;
    threshold().map_or(1.0, |threshold| ALL / (ALL - threshold as f64))
}

/// Memory that grows as something grows.
struct Growing<'m> {
    held: &'m Held,
    counted: usize,
}

impl Growing<'_> {
    /// It takes so much now.
    fn to(&mut self, bytes: usize) -> Result<(), QueryError> {
        let more = bytes.saturating_sub(self.counted);
        self.counted += more;
        self.held.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_tell_how_many_were_not_sampled() {
        for (state, expected) in [
            (None, 1.0),
            (Some("ot=th:8"), 2.0),
            (Some("ot=th:c"), 4.0),
            (Some("a=b, ot=rv:12345678901234;th:f"), 16.0),
            (Some("ot=th:0"), 1.0),
            (Some("ot=th:zz"), 1.0),
            (Some("ot=th:123456789abcdef"), 1.0),
            (Some("other=th:8"), 1.0),
        ] {
            assert_eq!(weight(state), expected, "{state:?}");
        }
    }

    #[test]
    fn filters_one_after_the_other_are_one() {
        let filter = |query: &str| match trefoil_traceql::parse(query).unwrap().expr {
            trefoil_traceql::ast::Expr::Metrics(metrics) => {
                one_filter(leaves(&metrics)[0].spans).map(|field| field.to_string())
            }
            trefoil_traceql::ast::Expr::Search(_) => panic!("{query}"),
        };
        assert_eq!(filter("{ .a = 1 } | rate()").as_deref(), Some(".a = 1"));
        assert_eq!(filter("{ .a = 1 } | { .b = 2 } | by(.c) | rate()").as_deref(), Some("(.a = 1) && (.b = 2)"));
        assert_eq!(filter("({ .a = 1 } || { .b = 2 }) | rate()").as_deref(), Some("(.a = 1) || (.b = 2)"));
        assert_eq!(filter("{ .a = 1 } && { .b = 2 } | rate()"), None);
        assert_eq!(filter("{ .a = 1 } >> { .b = 2 } | rate()"), None);
        assert_eq!(filter("{ } | count() > 2 | rate()"), None);
    }
}
