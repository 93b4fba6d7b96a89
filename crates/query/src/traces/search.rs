//! Traces that match a query.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::Sender;
use trefoil_model::Tenant;
use trefoil_traceql::ast::{Attribute, Intrinsic, Pipeline};
use trefoil_traceql::eval::Program;
use trefoil_traceql::value::Value;

use super::assemble::{Assembled, Assembly, TraceId};
use super::candidates::Candidates;
use super::finder::Finder;
use super::source::{Source, Sources};
use crate::memory::Held;
use crate::{Engine, Limits, QueryError};

#[derive(Debug, Clone)]
pub struct SearchRequest {
    pub pipeline: Pipeline,
    /// Traces that begin or end within, or are under way all the time: inclusive, nanoseconds since the epoch.
    pub period: (i64, i64),
    /// Traces in the answer.
    pub limit: usize,
    /// Spans in each of its spansets.
    pub spans_per_spanset: usize,
    /// The newest of all that match, not just new ones.
    pub is_most_recent: bool,
}

/// The answer, the newest trace first, and what it took.
#[derive(Debug, Clone, Default)]
pub struct Searched {
    pub traces: Vec<Found>,
    pub inspected_traces: u64,
    pub inspected_spans: u64,
    pub inspected_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct Found {
    pub trace_id: TraceId,
    /// Name and service of the root; `None` while it has not come.
    pub root: Option<(Arc<str>, Arc<str>)>,
    /// Nanoseconds since the epoch.
    pub start: i64,
    /// From the start of the first to the end of the last span, nanoseconds.
    pub duration: i64,
    pub spansets: Vec<FoundSpanset>,
    pub services: BTreeMap<Arc<str>, ServiceStats>,
    /// Spans whose parents are not there.
    pub orphans: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceStats {
    pub spans: u32,
    pub errors: u32,
}

#[derive(Debug, Clone)]
pub struct FoundSpanset {
    pub spans: Vec<FoundSpan>,
    /// How many spans match, of which `spans` are the first.
    pub matched: usize,
    /// `by(…)`, `count()` and so on.
    pub attributes: Vec<(String, Value)>,
}

#[derive(Debug, Clone)]
pub struct FoundSpan {
    pub span_id: [u8; 8],
    pub name: Arc<str>,
    pub start: i64,
    pub duration: i64,
    /// What the query names and the span has.
    pub attributes: Vec<(Attribute, Value)>,
}

impl Engine {
    /// Traces of `tenant` that match.
    pub async fn search_traces(
        &self,
        tenant: &Tenant,
        request: &SearchRequest,
        limits: Limits,
    ) -> Result<Searched, QueryError> {
        let (tenant, request) = (tenant.clone(), request.clone());
        self.on_thread(limits, move |engine| async move { engine.read_search(&tenant, &request, limits, None).await })
            .await
    }

    /// As [`Engine::search_traces`]; what is found on the way goes to `progress` at once, and the answer is what was found since.
    /// Of the most recent traces nothing can be told before the end. The search ends when nobody takes what it finds.
    pub async fn search_traces_as_found(
        &self,
        tenant: &Tenant,
        request: &SearchRequest,
        limits: Limits,
        progress: Sender<Searched>,
    ) -> Result<Searched, QueryError> {
        let (tenant, request) = (tenant.clone(), request.clone());
        let answer =
            move |engine: Engine| async move { engine.read_search(&tenant, &request, limits, Some(progress)).await };
        self.on_thread(limits, answer).await
    }

    async fn read_search(
        &self,
        tenant: &Tenant,
        request: &SearchRequest,
        limits: Limits,
        progress: Option<Sender<Searched>>,
    ) -> Result<Searched, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let program = Program::new(&request.pipeline);
        let memory = self.memory();
        let assembly = Assembly::new(&sources, program.attributes(), limits.max_rows, &memory).await?;
        let mut search = Search {
            request,
            program: &program,
            assembly: &assembly,
            memory: &memory,
            searched: Searched::default(),
            told: HashSet::new(),
        };
        let candidates = Candidates::new(&request.pipeline);
        let list = candidates.among(&sources, sources.within(request.period).await?);
        let mut finder = Finder::new(&candidates, None, &memory);
        // Most traces lie in one source. Those that are long enough there are found without a look at all others.
        let is_found_at_once =
            !candidates.durations.is_empty() && candidates.is_of_long_traces && !request.is_most_recent;
        if is_found_at_once {
            search.look(&mut finder, &sources, &list, progress.as_ref()).await?;
        }
        let is_over = list.is_empty() || (is_found_at_once && search.is_done());
        if !is_over {
            finder.reach_whole(&sources, request.period).await?;
            search.look(&mut finder, &sources, &list, progress.as_ref()).await?;
        }
        search.keep_newest();
        let mut searched = search.searched;
        searched.traces.retain(|found| !search.told.contains(&found.trace_id));
        searched.inspected_bytes = sources.fetched.load(Ordering::Relaxed);
        Ok(searched)
    }
}

struct Search<'s> {
    request: &'s SearchRequest,
    program: &'s Program,
    assembly: &'s Assembly<'s>,
    memory: &'s Held,
    searched: Searched,
    /// Traces that went out already.
    told: HashSet<TraceId>,
}

impl Search<'_> {
    /// Goes through the sources, the newest first, until there are traces enough.
    async fn look(
        &mut self,
        finder: &mut Finder<'_>,
        sources: &Sources<'_>,
        list: &[Source],
        progress: Option<&Sender<Searched>>,
    ) -> Result<(), QueryError> {
        for source in list {
            if self.is_done() && !(self.request.is_most_recent && self.may_be_newer_in(source)) {
                break;
            }
            let found = finder.traces(sources, source).await?;
            self.searched.inspected_spans += source.rows() as u64;
            let mut ids = found.as_slice();
            while !ids.is_empty() {
                ids = &ids[self.evaluate(ids).await?..];
                if self.is_done() && !self.request.is_most_recent {
                    break;
                }
            }
            self.searched.inspected_bytes = sources.fetched.load(Ordering::Relaxed);
            if let Some(progress) = progress.filter(|_| !self.request.is_most_recent) {
                self.tell(progress).await?;
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.searched.traces.len() >= self.request.limit
    }

    /// Sends the traces that are new since it was called last, if there are any.
    async fn tell(&mut self, progress: &Sender<Searched>) -> Result<(), QueryError> {
        let traces = self.searched.traces.iter();
        let new: Vec<Found> = traces.filter(|found| !self.told.contains(&found.trace_id)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        self.told.extend(new.iter().map(|found| found.trace_id));
        let Searched { inspected_traces, inspected_spans, inspected_bytes, .. } = self.searched;
        let searched = Searched { traces: new, inspected_traces, inspected_spans, inspected_bytes };
        let gone = |_| QueryError::Internal("nobody takes what is found".to_owned());
        progress.send(searched).await.map_err(gone)
    }

    /// No more than will be shown, the newest first.
    fn keep_newest(&mut self) {
        self.searched.traces.sort_by_key(|found| std::cmp::Reverse(found.start));
        self.searched.traces.truncate(self.request.limit);
    }

    /// Whether a source may have a trace that is newer than the oldest of those that will be shown, all of which are found.
    fn may_be_newer_in(&self, source: &Source) -> bool {
        let Source::Group { file, .. } = source else { return true };
        let oldest = self.searched.traces.last().map_or(i64::MIN, |found| found.start);
        file.time_range().is_none_or(|(_, last)| last >= oldest)
    }

    /// Looks at the first of these, and says how many that were.
    async fn evaluate(&mut self, ids: &[TraceId]) -> Result<usize, QueryError> {
        // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
        tokio::task::yield_now().await;
        let held = self.memory.bytes();
        let (count, traces) = self.assembly.first(ids).await?;
        for assembled in traces {
            self.searched.inspected_traces += 1;
            let (start, end) = self.request.period;
            if assembled.start > end || assembled.end < start {
                continue;
            }
            let spansets =
                self.program.evaluate(&assembled.trace).map_err(|error| QueryError::Invalid(error.to_string()))?;
            if !spansets.is_empty() {
                let found = self.found(&assembled, spansets);
                self.searched.traces.push(found);
            }
        }
        // The traces are gone; only what will be shown of them is kept.
        self.memory.shrink_to(held);
        self.keep_newest();
        Ok(count)
    }

    fn found(&self, of: &Assembled, spansets: Vec<trefoil_traceql::eval::Spanset>) -> Found {
        let spanset = |spanset: trefoil_traceql::eval::Spanset| FoundSpanset {
            matched: spanset.spans.len(),
            spans: spanset
                .spans
                .iter()
                .take(self.request.spans_per_spanset)
                .map(|place| self.span(of, *place))
                .collect(),
            attributes: spanset.attributes,
        };
        let stats = |(service, (spans, errors))| (service, ServiceStats { spans, errors });
        Found {
            trace_id: of.id,
            root: of.root.map(|root| (of.spans[root].name.clone(), of.spans[root].service.clone())),
            start: of.start,
            duration: of.end.saturating_sub(of.start),
            spansets: spansets.into_iter().map(spanset).collect(),
            services: of.services().into_iter().map(stats).collect(),
            orphans: of.orphans(),
        }
    }

    fn span(&self, of: &Assembled, place: u32) -> FoundSpan {
        let span = &of.spans[place as usize];
        let attributes = self.program.attributes().iter().zip(&of.trace.columns);
        let attributes = attributes
            .filter(|(attribute, _)| is_shown(attribute))
            .map(|(attribute, column)| (attribute.clone(), column[place as usize].clone()))
            .filter(|(_, value)| !value.is_nil());
        FoundSpan {
            span_id: span.id,
            name: span.name.clone(),
            start: span.start,
            duration: span.duration,
            attributes: attributes.collect(),
        }
    }
}

/// What spans and traces have members of their own for is not shown again.
fn is_shown(attribute: &Attribute) -> bool {
    !matches!(
        attribute,
        Attribute::Intrinsic(
            Intrinsic::Name
                | Intrinsic::Duration
                | Intrinsic::TraceDuration
                | Intrinsic::RootName
                | Intrinsic::RootService
                | Intrinsic::TraceId
                | Intrinsic::SpanId
        )
    )
}
