//! Where the time of one trace went, and whose clocks are wrong in it.

use std::sync::Arc;

use trefoil_model::Tenant;
use trefoil_trace::critical_path::{Section, critical_paths};
use trefoil_trace::self_time::{operation, self_times, shares};
use trefoil_trace::skew::{Verdict, corrected};
use trefoil_trace::{Name, Names, Trace};

use super::super::assemble::TraceId;
use super::super::source::Sources;
use super::read::{Spans, Wanted};
use crate::trace::bounded;
use crate::{Engine, Limits, QueryError};

/// A span and what is known of its times. All are nanoseconds, starts since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanTime {
    pub span_id: u64,
    pub service: Arc<str>,
    pub name: Arc<str>,
    pub start: i64,
    pub duration: i64,
    pub self_time: i64,
    /// On critical paths.
    pub critical: i64,
    /// By how much `start` was corrected.
    pub moved: i64,
}

/// What a service, or an operation of it, has of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub service: Arc<str>,
    /// `None` of a service as a whole.
    pub name: Option<Arc<str>>,
    pub sums: trefoil_trace::self_time::Share,
}

/// A span and what it waited for, from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopPath {
    pub top: SpanTime,
    pub sections: Vec<PathSection>,
}

/// A stretch of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSection {
    pub span: SpanTime,
    pub start: i64,
    pub duration: i64,
}

/// Where the time of a trace went.
#[derive(Debug, Clone)]
pub struct TracePaths {
    pub span_count: usize,
    pub start: i64,
    pub duration: i64,
    pub corrected_spans: usize,
    /// Of each span without a parent in the trace, longest first.
    pub paths: Vec<TopPath>,
    /// Sections that are not among them.
    pub further_sections: usize,
    /// Largest self time first.
    pub services: Vec<Share>,
    pub operations: Vec<Share>,
    pub spans: Vec<SpanTime>,
}

/// What was found out about clocks.
#[derive(Debug, Clone)]
pub struct TraceSkew {
    pub span_count: usize,
    pub corrected_spans: usize,
    /// Earliest first.
    pub spans: Vec<(SpanTime, Verdict)>,
    /// Spans beyond the limit.
    pub further_spans: usize,
}

impl Engine {
    /// Critical paths and self times of a trace whose spans are first moved by up to `most_skew` nanoseconds where clocks disagree;
    /// at most `limit` sections, operations and spans. `None`: there is no such trace.
    pub async fn critical_path(
        &self,
        tenant: &Tenant,
        trace_id: TraceId,
        most_skew: i64,
        limit: usize,
        limits: Limits,
    ) -> Result<Option<TracePaths>, QueryError> {
        let work = move |spans| Whole::new(spans, most_skew).paths(limit);
        bounded(limits, self.of_trace(tenant, trace_id, work)).await
    }

    /// What is to be corrected in a trace, by up to `most_skew` nanoseconds; at most `limit` spans. `None`: there is no such trace.
    pub async fn clock_skew(
        &self,
        tenant: &Tenant,
        trace_id: TraceId,
        most_skew: i64,
        limit: usize,
        limits: Limits,
    ) -> Result<Option<TraceSkew>, QueryError> {
        let work = move |spans| Whole::new(spans, most_skew).skew(limit);
        bounded(limits, self.of_trace(tenant, trace_id, work)).await
    }

    /// `work` over the spans of a trace; `None`: there are none.
    pub(super) async fn of_trace<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        trace_id: TraceId,
        work: impl FnOnce(Spans) -> T + Send + 'static,
    ) -> Result<Option<T>, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let memory = self.memory();
        let spans = Wanted::Trace(trace_id).spans(&sources, &memory).await?;
        if spans.list.is_empty() {
            return Ok(None);
        }
        let work = move || {
            // It is counted until the work is done.
            let _held = memory;
            work(spans)
        };
        Ok(Some(aside(work).await?))
    }
}

/// Work that takes a while, where it holds up nobody.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, QueryError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| match error.try_into_panic() {
        Ok(panic) => QueryError::panicked(panic),
        Err(error) => QueryError::Internal(error.to_string()),
    })
}

struct Whole {
    trace: Trace,
    names: Names,
    /// Of each span.
    verdicts: Vec<Option<Verdict>>,
}

impl Whole {
    fn new(spans: Spans, most_skew: i64) -> Whole {
        let (trace, verdicts) = corrected(Trace::new(spans.list), most_skew);
        Whole { trace, names: spans.names, verdicts }
    }

    fn moved(&self, place: u32) -> i64 {
        self.verdicts[place as usize].map_or(0, Verdict::delta)
    }

    fn corrected_spans(&self) -> usize {
        (0..self.trace.spans().len() as u32).filter(|place| self.moved(*place) != 0).count()
    }

    fn paths(&self, limit: usize) -> TracePaths {
        let trace = &self.trace;
        let self_times = self_times(trace);
        let mut critical = vec![0; trace.spans().len()];
        let mut paths = critical_paths(trace);
        paths.iter().for_each(|path| path.add_to(&mut critical));
        paths.sort_by_key(|path| (std::cmp::Reverse(trace.span(path.top).duration), path.top));
        let time = |place: u32| SpanTime {
            self_time: self_times[place as usize],
            critical: critical[place as usize],
            ..self.time(place)
        };
        let mut room = limit;
        let mut further_sections = 0;
        let mut shown = Vec::new();
        for path in paths {
            further_sections += path.sections.len().saturating_sub(room);
            if room == 0 {
                continue;
            }
            let section = |section: &Section| PathSection {
                span: time(section.span),
                start: section.start,
                duration: section.end - section.start,
            };
            let sections: Vec<_> = path.sections.iter().take(room).map(section).collect();
            // A top without a section counts, too.
            room -= sections.len().clamp(1, room);
            shown.push(TopPath { top: time(path.top), sections });
        }
        let by_service = shares(trace, &self_times, &critical, |span| span.service);
        let by_operation = shares(trace, &self_times, &critical, operation);
        let mut longest: Vec<u32> = (0..trace.spans().len() as u32).collect();
        longest.sort_by_key(|place| std::cmp::Reverse(self_times[*place as usize]));
        let (start, end) = trace.period();
        let text = |name: Name| self.names.text(name).clone();
        TracePaths {
            span_count: trace.spans().len(),
            start,
            duration: end.saturating_sub(start),
            corrected_spans: self.corrected_spans(),
            paths: shown,
            further_sections,
            services: by_service
                .into_iter()
                .take(limit)
                .map(|(service, sums)| Share { service: text(service), name: None, sums })
                .collect(),
            operations: by_operation
                .into_iter()
                .take(limit)
                .map(|((service, name), sums)| Share { service: text(service), name: Some(text(name)), sums })
                .collect(),
            spans: longest.into_iter().take(limit).map(time).collect(),
        }
    }

    fn skew(&self, limit: usize) -> TraceSkew {
        let told = (0..self.trace.spans().len() as u32)
            .filter_map(|place| Some((self.time(place), self.verdicts[place as usize]?)));
        TraceSkew {
            span_count: self.trace.spans().len(),
            corrected_spans: self.corrected_spans(),
            further_spans: told.clone().count().saturating_sub(limit),
            spans: told.take(limit).collect(),
        }
    }

    fn time(&self, place: u32) -> SpanTime {
        let span = self.trace.span(place);
        SpanTime {
            span_id: span.id,
            service: self.names.text(span.service).clone(),
            name: self.names.text(span.name).clone(),
            start: span.start,
            duration: span.duration,
            self_time: 0,
            critical: 0,
            moved: self.moved(place),
        }
    }
}
