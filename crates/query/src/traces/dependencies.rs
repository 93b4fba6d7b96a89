//! Which services call which.
//!
//! A call is a span whose parent is of another service. Spans of a trace lie together in a source, so that nearly all parents are
//! found beside their children; the few others are looked for in all sources afterwards. A call of somebody who sends no spans, such
//! as a database, is a span that names the other side and has no child there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use trefoil_model::Tenant;
use trefoil_traceql::ast::Attribute;
use trefoil_traceql::value::Value;

use super::assemble::TraceId;
use super::place::{Place, places};
use super::source::{Rows, START, Source, Sources, TRACE_ID};
use super::superseded::Superseded;
use super::texts::Texts;
use super::value::value;
use crate::memory::Held;
use crate::{Engine, Limits, QueryError};

const COLUMNS: [&str; 7] = [TRACE_ID, "span_id", "parent_span_id", "service_name", "kind", "status_code", START];
const ERROR: i32 = 2;
/// OTLP's numbers of kinds.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
/// A parent may have begun so long before the period, nanoseconds.
const BEFORE: i64 = 3_600_000_000_000;
/// About what a span takes whose parent lies elsewhere.
const ORPHAN_BYTES: usize = 96;

/// How often one service called another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub parent: Arc<str>,
    pub child: Arc<str>,
    pub calls: u64,
    /// Those of them that failed.
    pub errors: u64,
}

impl Engine {
    /// The calls that begin within the period (inclusive, nanoseconds since the epoch), by their ends' names. `remotes` are the
    /// attributes that name the other side of a call, the best first; without any, only those that send spans are ends.
    pub async fn service_dependencies(
        &self,
        tenant: &Tenant,
        period: (i64, i64),
        remotes: &[Attribute],
        limits: Limits,
    ) -> Result<Vec<Dependency>, QueryError> {
        let (tenant, remotes) = (tenant.clone(), remotes.to_vec());
        let answer = move |engine: Engine| async move { engine.read_dependencies(&tenant, period, &remotes).await };
        self.on_thread(limits, answer).await
    }

    async fn read_dependencies(
        &self,
        tenant: &Tenant,
        period: (i64, i64),
        remotes: &[Attribute],
    ) -> Result<Vec<Dependency>, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let memory = self.memory();
        let reading = Reading { sources: &sources, remotes: remotes.iter().map(places).collect(), memory: &memory };
        let mut links = Links { period, ..Links::default() };
        let list = sources.within(period).await?;
        let superseded = Superseded::among(&sources, &list, &memory).await?;
        for (place, source) in list.iter().enumerate() {
            let held = memory.bytes();
            let spans = reading.spans(source, |row| !superseded.is(place, row), &mut links.services).await?;
            let orphans = links.add(&spans);
            memory.shrink_to(held);
            grow(&memory, orphans * ORPHAN_BYTES)?;
        }
        if !links.orphans.is_empty() {
            // Each parent is found once, whichever version of it comes first.
            for source in sources.within((period.0.saturating_sub(BEFORE), period.1)).await? {
                let held = memory.bytes();
                let spans = reading.spans(&source, |_| true, &mut links.services).await?;
                links.adopt(&spans);
                memory.shrink_to(held);
            }
        }
        Ok(links.dependencies())
    }
}

fn grow(memory: &Held, bytes: usize) -> Result<(), QueryError> {
    memory.grow(bytes).map_err(|error| QueryError::LimitExceeded(error.to_string()))
}

/// How the spans of a source are read.
struct Reading<'r> {
    sources: &'r Sources<'r>,
    remotes: Vec<Vec<Place>>,
    memory: &'r Held,
}

impl Reading<'_> {
    async fn spans(
        &self,
        source: &Source,
        is_wanted: impl Fn(u32) -> bool,
        services: &mut Services,
    ) -> Result<Spans, QueryError> {
        // What is kept decoded is read without waiting: let others have their turn.
        tokio::task::yield_now().await;
        grow(self.memory, source.rows() * size_of::<Span>())?;
        let names = COLUMNS.into_iter().chain(self.remotes.iter().flatten().flat_map(Place::columns));
        let rows = self.sources.read(source, &names.collect::<Vec<_>>()).await?;
        let among = (0..source.rows() as u32).filter(|row| is_wanted(*row)).collect();
        Spans::of(&rows, among, &self.remotes, services)
    }
}

/// Names of services by number.
#[derive(Debug, Default)]
struct Services {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Services {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let (name, number) = (Arc::<str>::from(name), self.names.len() as u32);
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    id: u64,
    /// 0 without one.
    parent: u64,
    service: u32,
    /// The service that it calls, as far as it says so.
    remote: Option<u32>,
    kind: i32,
    is_error: bool,
    start: i64,
}

impl Span {
    fn is_called(&self) -> bool {
        matches!(self.kind, SERVER | CONSUMER)
    }

    fn is_calling(&self) -> bool {
        matches!(self.kind, CLIENT | PRODUCER)
    }
}

/// The spans of a source, trace by trace.
struct Spans {
    traces: Vec<(TraceId, Vec<Span>)>,
}

impl Spans {
    /// Of the rows `order`, ascending.
    fn of(
        rows: &Rows,
        mut order: Vec<u32>,
        remotes: &[Vec<Place>],
        services: &mut Services,
    ) -> Result<Spans, QueryError> {
        let ids = rows.trace_ids()?;
        let binary = |name: &str| rows.column(name).and_then(|array| array.as_fixed_size_binary_opt());
        let number = |name: &str| rows.column(name).and_then(|array: &ArrayRef| array.as_primitive_opt::<Int32Type>());
        let (span_ids, parents) = (binary("span_id"), binary("parent_span_id"));
        let (kinds, codes) = (number("kind"), number("status_code"));
        let starts = rows.column(START).and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
        let names = Texts::of(rows, "service_name");
        let service = names.table(|name| services.number(name));
        let mut span = |row: usize| {
            let mut span = Span {
                id: id_at(span_ids, row),
                parent: id_at(parents, row),
                service: *service.get(names.code(row)),
                remote: None,
                kind: kinds.map_or(0, |kinds| kinds.value(row)),
                is_error: codes.is_some_and(|codes| codes.value(row) == ERROR),
                start: starts.map_or(0, |starts| starts.value(row)),
            };
            if span.is_calling() {
                let mut named = remotes.iter().map(|places| value(places, rows, row));
                span.remote = named.find_map(|name| match name {
                    Value::String(name) if !name.is_empty() => Some(services.number(&name)),
                    _ => None,
                });
            }
            span
        };
        let id = |row: u32| ids.value(row as usize);
        // Files are in this order, the buffer is not.
        if !order.is_sorted_by(|a, b| id(*a) <= id(*b)) {
            order.sort_by(|a, b| id(*a).cmp(id(*b)));
        }
        let runs = order.chunk_by(|a, b| id(*a) == id(*b));
        let trace = |run: &[u32]| {
            let id = TraceId::try_from(id(*run.first()?)).ok()?;
            let mut spans: Vec<Span> = run.iter().map(|row| span(*row as usize)).collect();
            spans.sort_by_key(|span| (span.id, span.service, span.kind, span.start));
            // A sender that had no answer sends again.
            spans.dedup();
            Some((id, spans))
        };
        Ok(Spans { traces: runs.filter_map(trace).collect() })
    }
}

fn id_at(ids: Option<&FixedSizeBinaryArray>, row: usize) -> u64 {
    let id = ids.filter(|ids| ids.is_valid(row)).map(|ids| ids.value(row));
    id.and_then(|id| id.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// Where among the spans, which are in the order of ids, those with this one are.
fn with_id(spans: &[Span], id: u64) -> Range<usize> {
    spans.partition_point(|span| span.id < id)..spans.partition_point(|span| span.id <= id)
}

/// Who called. Zipkin's two sides of a call share an id: the called side's parent is then the calling one, and children of that
/// id are those of the side that is of their service, else of the called one.
fn parent(of: &Span, spans: &[Span]) -> Option<usize> {
    let shared = with_id(spans, of.id).find(|other| of.is_called() && spans[*other].is_calling());
    shared.or_else(|| named(of, spans))
}

fn named(child: &Span, spans: &[Span]) -> Option<usize> {
    let sides = with_id(spans, child.parent);
    let best = |is_best: &dyn Fn(&Span) -> bool| sides.clone().find(|side| is_best(&spans[*side]));
    best(&|side| side.service == child.service).or_else(|| best(&Span::is_called)).or_else(|| sides.clone().next())
}

#[derive(Debug, Default)]
struct Links {
    period: (i64, i64),
    services: Services,
    /// Calls and errors by parent and child.
    counts: HashMap<(u32, u32), (u64, u64)>,
    /// Spans whose parents are not beside them.
    orphans: HashMap<TraceId, Vec<Span>>,
    /// Spans that turned out to have called somebody who sends spans.
    answered: HashSet<(TraceId, u64)>,
}

impl Links {
    fn is_within(&self, span: &Span) -> bool {
        self.period.0 <= span.start && span.start <= self.period.1
    }

    /// How many spans wait for their parents.
    fn add(&mut self, spans: &Spans) -> usize {
        let mut waiting = 0;
        for (id, spans) in &spans.traces {
            let mut is_answered = vec![false; spans.len()];
            for child in spans {
                let parent = parent(child, spans);
                if let Some(parent) = parent {
                    is_answered[parent] |= spans[parent].service != child.service;
                }
                match parent {
                    _ if !self.is_within(child) => {}
                    Some(parent) => self.count(&spans[parent], child),
                    None if child.parent == 0 => {}
                    None => {
                        waiting += 1;
                        self.orphans.entry(*id).or_default().push(*child);
                    }
                }
            }
            let unanswered = spans.iter().zip(is_answered).filter(|(_, is_answered)| !is_answered);
            for (caller, _) in unanswered.filter(|(span, _)| self.is_within(span)).collect::<Vec<_>>() {
                self.count_remote(caller);
            }
        }
        waiting
    }

    fn adopt(&mut self, spans: &Spans) {
        for (id, spans) in &spans.traces {
            let Some(mut orphans) = self.orphans.remove(id) else { continue };
            orphans.retain(|child| {
                let Some(place) = named(child, spans) else { return true };
                self.count(&spans[place], child);
                if spans[place].service != child.service {
                    self.answer(*id, place, spans);
                }
                false
            });
            if !orphans.is_empty() {
                self.orphans.insert(*id, orphans);
            }
        }
    }

    /// A span that was thought to call somebody who sends none.
    fn answer(&mut self, id: TraceId, place: usize, spans: &[Span]) {
        let caller = &spans[place];
        let is_answered_here =
            spans.iter().any(|child| child.service != caller.service && parent(child, spans) == Some(place));
        if is_answered_here || !self.is_within(caller) || !self.answered.insert((id, caller.id)) {
            return;
        }
        if let Some((calls, errors)) = caller.remote.and_then(|remote| self.counts.get_mut(&(caller.service, remote))) {
            *calls = calls.saturating_sub(1);
            *errors = errors.saturating_sub(u64::from(caller.is_error));
        }
    }

    fn count_remote(&mut self, caller: &Span) {
        if let Some(remote) = caller.remote {
            self.count(caller, &Span { service: remote, ..*caller });
        }
    }

    fn count(&mut self, parent: &Span, child: &Span) {
        if parent.service == child.service {
            return;
        }
        let (calls, errors) = self.counts.entry((parent.service, child.service)).or_default();
        *calls += 1;
        *errors += u64::from(child.is_error);
    }

    fn dependencies(self) -> Vec<Dependency> {
        let name = |number: u32| self.services.names[number as usize].clone();
        let named = self.counts.iter().map(|((parent, child), counts)| ((name(*parent), name(*child)), *counts));
        // What has no name is nobody.
        let named = named.filter(|((parent, child), counts)| !parent.is_empty() && !child.is_empty() && counts.0 > 0);
        let sorted: BTreeMap<(Arc<str>, Arc<str>), (u64, u64)> = named.collect();
        let dependency = |((parent, child), (calls, errors))| Dependency { parent, child, calls, errors };
        sorted.into_iter().map(dependency).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u64, parent: u64, service: u32, kind: i32) -> Span {
        Span { id, parent, service, remote: None, kind, is_error: false, start: 5 }
    }

    fn links(parts: &[&[Span]]) -> Vec<(u32, u32, u64)> {
        let spans = |spans: &[Span]| {
            let mut spans = spans.to_vec();
            spans.sort_by_key(|span| span.id);
            Spans { traces: vec![([1; 16], spans)] }
        };
        let mut links = Links { period: (0, 9), ..Links::default() };
        for part in parts {
            links.add(&spans(part));
        }
        for part in parts {
            links.adopt(&spans(part));
        }
        let counts = links.counts.iter().map(|((parent, child), (calls, _))| (*parent, *child, *calls));
        let mut counts: Vec<_> = counts.filter(|(.., calls)| *calls > 0).collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn a_call_is_a_child_of_another_service() {
        let web = [span(1, 0, 0, SERVER), span(2, 1, 0, CLIENT)];
        let cart = [span(3, 2, 1, SERVER), span(4, 3, 1, CLIENT)];
        assert_eq!(links(&[&[&web[..], &cart, &[span(5, 4, 2, SERVER)]].concat()]), [(0, 1, 1), (1, 2, 1)]);
        let outside = Span { start: 10, ..span(3, 2, 1, SERVER) };
        assert_eq!(links(&[&[span(2, 1, 0, CLIENT), outside]]), []);
    }

    #[test]
    fn parents_are_found_wherever_they_lie() {
        assert_eq!(links(&[&[span(2, 1, 1, SERVER), span(3, 9, 1, CLIENT)], &[span(1, 0, 0, CLIENT)]]), [(0, 1, 1)]);
    }

    #[test]
    fn the_two_sides_of_zipkins_calls_share_their_id() {
        let (client, server) = (span(2, 1, 0, CLIENT), span(2, 1, 1, SERVER));
        assert_eq!(links(&[&[client, server]]), [(0, 1, 1)], "the root's parent is not there");
        // Work of the called service is its own child, work of the calling one the other's.
        let children = [span(3, 2, 1, 1), span(4, 2, 0, 1), span(5, 2, 2, SERVER)];
        let all = [&[span(1, 0, 0, SERVER), client, server][..], &children].concat();
        assert_eq!(links(&[&all]), [(0, 1, 1), (1, 2, 1)]);
    }

    #[test]
    fn who_sends_no_spans_is_called_as_well() {
        let caller = Span { remote: Some(7), is_error: true, ..span(1, 0, 0, CLIENT) };
        assert_eq!(links(&[&[caller]]), [(0, 7, 1)]);
        // Work of its own is no answer; an answer counts by its own name, wherever it lies, and once.
        assert_eq!(links(&[&[caller, span(2, 1, 0, 1)]]), [(0, 7, 1)]);
        let answers = [span(2, 1, 1, SERVER), span(3, 1, 1, SERVER)];
        assert_eq!(links(&[&[&[caller][..], &answers].concat()]), [(0, 1, 2)]);
        assert_eq!(links(&[&answers, &[caller]]), [(0, 1, 2)]);
        assert_eq!(links(&[&answers[..1], &[caller, answers[1]]]), [(0, 1, 2)]);
        assert_eq!(links(&[&[Span { start: 10, ..caller }]]), []);
    }

    proptest::proptest! {
        #[test]
        fn where_spans_lie_makes_no_difference(
            told in proptest::collection::vec((0_u64..14, 0_u32..4, 0_i32..6, proptest::option::of(0_u32..6), 0_usize..4), 0..14),
        ) {
            let spans = told.iter().enumerate().map(|(place, (parent, service, kind, remote, part))| {
                let span = span(place as u64 + 1, *parent, *service, *kind);
                (Span { remote: remote.filter(|_| span.is_calling()), ..span }, *part)
            });
            let spans: Vec<(Span, usize)> = spans.collect();
            let of_part = |part| spans.iter().filter(|(_, of)| *of == part).map(|(span, _)| *span).collect::<Vec<_>>();
            let parts = [0, 1, 2, 3].map(of_part);
            let all: Vec<Span> = spans.iter().map(|(span, _)| *span).collect();
            proptest::prop_assert_eq!(links(&parts.each_ref().map(Vec::as_slice)), links(&[&all]));
        }
    }
}
