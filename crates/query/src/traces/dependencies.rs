//! Which services call which.
//!
//! A call is a span whose parent is of another service. Spans of a trace lie together in a source, so that nearly all parents are
//! found beside their children; the few others are looked for in all sources afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use trefoil_model::Tenant;

use super::assemble::TraceId;
use super::source::{Rows, START, Sources, TRACE_ID};
use super::texts::Texts;
use crate::memory::Held;
use crate::trace::bounded;
use crate::{Engine, Limits, QueryError};

const COLUMNS: [&str; 7] =
    [TRACE_ID, "span_id", "parent_span_id", "service_name", "kind", "status_code", START];
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
    /// The calls that begin within the period (inclusive, nanoseconds since the epoch), by their ends' names.
    pub async fn service_dependencies(
        &self,
        tenant: &Tenant,
        period: (i64, i64),
        limits: Limits,
    ) -> Result<Vec<Dependency>, QueryError> {
        bounded(limits, self.read_dependencies(tenant, period)).await
    }

    async fn read_dependencies(&self, tenant: &Tenant, period: (i64, i64)) -> Result<Vec<Dependency>, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::new(&snapshot, &self.span_columns);
        let memory = self.memory();
        let mut links = Links::default();
        for source in sources.within(period).await? {
            tokio::task::yield_now().await;
            let rows = sources.read(&source, &COLUMNS).await?;
            let spans = Spans::of(&rows, &mut links.services)?;
            links.add(&spans, period, &memory)?;
        }
        if !links.orphans.is_empty() {
            for source in sources.within((period.0.saturating_sub(BEFORE), period.1)).await? {
                tokio::task::yield_now().await;
                let rows = sources.read(&source, &COLUMNS).await?;
                let spans = Spans::of(&rows, &mut links.services)?;
                links.adopt(&spans);
            }
        }
        Ok(links.dependencies())
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
    fn of(rows: &Rows, services: &mut Services) -> Result<Spans, QueryError> {
        let ids = rows.trace_ids()?;
        let binary = |name: &str| rows.column(name).and_then(|array| array.as_fixed_size_binary_opt());
        let number = |name: &str| rows.column(name).and_then(|array: &ArrayRef| array.as_primitive_opt::<Int32Type>());
        let (span_ids, parents) = (binary("span_id"), binary("parent_span_id"));
        let (kinds, codes) = (number("kind"), number("status_code"));
        let starts = rows.column(START).and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
        let names = Texts::of(rows, "service_name");
        let service = names.table(|name| services.number(name));
        let span = |row: usize| Span {
            id: id_at(span_ids, row),
            parent: id_at(parents, row),
            service: *service.get(names.code(row)),
            kind: kinds.map_or(0, |kinds| kinds.value(row)),
            is_error: codes.is_some_and(|codes| codes.value(row) == ERROR),
            start: starts.map_or(0, |starts| starts.value(row)),
        };
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
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

/// Those of the spans, which are in the order of ids, that have this one.
fn with_id(spans: &[Span], id: u64) -> &[Span] {
    let first = spans.partition_point(|span| span.id < id);
    let last = spans.partition_point(|span| span.id <= id);
    &spans[first..last]
}

/// Who called. Zipkin's two sides of a call share an id: the called side's parent is then the calling one, and children of that
/// id are those of the side that is of their service, else of the called one.
fn parent<'s>(of: &Span, spans: &'s [Span]) -> Option<&'s Span> {
    let shared = with_id(spans, of.id).iter().find(|other| of.is_called() && other.is_calling());
    shared.or_else(|| named(of, spans))
}

fn named<'s>(child: &Span, spans: &'s [Span]) -> Option<&'s Span> {
    let sides = with_id(spans, child.parent);
    let best = |is_best: &dyn Fn(&&Span) -> bool| sides.iter().find(is_best);
    best(&|side| side.service == child.service).or_else(|| best(&|side| side.is_called())).or_else(|| sides.first())
}

#[derive(Debug, Default)]
struct Links {
    services: Services,
    /// Calls and errors by parent and child.
    counts: HashMap<(u32, u32), (u64, u64)>,
    /// Spans whose parents are not beside them.
    orphans: HashMap<TraceId, Vec<Span>>,
}

impl Links {
    fn add(&mut self, spans: &Spans, period: (i64, i64), memory: &Held) -> Result<(), QueryError> {
        for (id, spans) in &spans.traces {
            for child in spans.iter().filter(|span| period.0 <= span.start && span.start <= period.1) {
                match parent(child, spans) {
                    Some(parent) => self.count(parent, child),
                    None if child.parent == 0 => {}
                    None => {
                        memory.grow(ORPHAN_BYTES).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
                        self.orphans.entry(*id).or_default().push(*child);
                    }
                }
            }
        }
        Ok(())
    }

    fn adopt(&mut self, spans: &Spans) {
        for (id, spans) in &spans.traces {
            let Some(mut orphans) = self.orphans.remove(id) else { continue };
            orphans.retain(|child| match named(child, spans) {
                Some(parent) => {
                    self.count(parent, child);
                    false
                }
                None => true,
            });
            if !orphans.is_empty() {
                self.orphans.insert(*id, orphans);
            }
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
        let named = named.filter(|((parent, child), _)| !parent.is_empty() && !child.is_empty());
        let sorted: BTreeMap<(Arc<str>, Arc<str>), (u64, u64)> = named.collect();
        let dependency =
            |((parent, child), (calls, errors))| Dependency { parent, child, calls, errors };
        sorted.into_iter().map(dependency).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u64, parent: u64, service: u32, kind: i32) -> Span {
        Span { id, parent, service, kind, is_error: false, start: 5 }
    }

    fn links(parts: &[&[Span]]) -> Vec<(u32, u32, u64)> {
        let spans = |spans: &[Span]| {
            let mut spans = spans.to_vec();
            spans.sort_by_key(|span| span.id);
            Spans { traces: vec![([1; 16], spans)] }
        };
        let memory = crate::memory::SharedMemory::new(1 << 20).holding("test");
        let mut links = Links::default();
        parts.iter().for_each(|part| links.add(&spans(part), (0, 9), &memory).unwrap());
        parts.iter().for_each(|part| links.adopt(&spans(part)));
        let mut counts: Vec<_> = links.counts.iter().map(|((a, b), (calls, _))| (*a, *b, *calls)).collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn a_call_is_a_child_of_another_service() {
        let spans = [span(1, 0, 0, SERVER), span(2, 1, 0, CLIENT), span(3, 2, 1, SERVER), span(4, 3, 1, CLIENT), span(5, 4, 2, SERVER)];
        assert_eq!(links(&[&spans]), [(0, 1, 1), (1, 2, 1)]);
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
}
