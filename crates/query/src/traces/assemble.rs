//! Traces whole, from wherever their spans lie.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, FixedSizeBinaryArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampNanosecondType};
use trefoil_model::versions;
use trefoil_storage::catalog::{DataFile, FileId};
use trefoil_traceql::ast::{Attribute, Intrinsic};
use trefoil_traceql::eval::{Links, Trace};
use trefoil_traceql::value::Value;

use super::place::{Place, places};
use super::source::{PARENT, Rows, START, Source, Sources, TRACE_ID};
use super::value::{text, value};
use crate::QueryError;
use crate::memory::Held;

pub type TraceId = [u8; 16];

/// Columns that are read of every span.
const BASE: [&str; 9] =
    [TRACE_ID, "span_id", PARENT, START, "duration_nano", "name", "service_name", "status_code", "trace_state"];
const ERROR: i32 = 2;
/// Traces that are put together and evaluated at once.
const TRACES_AT_ONCE: usize = 64;
/// About what a span takes, its values apart.
const SPAN_BYTES: usize = 160;
const VALUE_BYTES: usize = 64;

/// A trace with what a query asks of its spans, and what answers say of it.
#[derive(Debug)]
pub struct Assembled {
    pub id: TraceId,
    /// The earliest first.
    pub spans: Vec<Span>,
    pub trace: Trace,
    /// Place of the root; `None` while it has not come.
    pub root: Option<usize>,
    /// Of the earliest span, nanoseconds since the epoch.
    pub start: i64,
    /// Of the span that ends last.
    pub end: i64,
}

#[derive(Debug, Clone)]
pub struct Span {
    pub id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    pub start: i64,
    pub duration: i64,
    pub name: Arc<str>,
    pub service: Arc<str>,
    pub is_error: bool,
    pub trace_state: Option<Arc<str>>,
    values: Vec<Value>,
}

/// Puts traces together.
pub struct Assembly<'a> {
    sources: &'a Sources<'a>,
    /// All of the tenant's.
    all: Vec<Source>,
    attributes: &'a [Attribute],
    places: Vec<Vec<Place>>,
    max_spans: usize,
    memory: &'a Held,
}

impl<'a> Assembly<'a> {
    /// `attributes` are what is asked of each span; at most `max_spans` are put together at once.
    pub async fn new(
        sources: &'a Sources<'a>,
        attributes: &'a [Attribute],
        max_spans: usize,
        memory: &'a Held,
    ) -> Result<Assembly<'a>, QueryError> {
        let all = sources.within((i64::MIN, i64::MAX)).await?;
        let places = attributes.iter().map(places).collect();
        Ok(Assembly { sources, all, attributes, places, max_spans, memory })
    }

    /// The first traces with these ids, as many as are put together at once, and how many of the ids that are. Large traces are
    /// put together by fewer, one by one at last; one that is too large by itself is an error.
    pub async fn first(&self, ids: &[TraceId]) -> Result<(usize, Vec<Assembled>), QueryError> {
        let held = self.memory.bytes();
        let mut count = ids.len().min(TRACES_AT_ONCE);
        loop {
            match self.traces(&ids[..count]).await {
                Err(QueryError::LimitExceeded(_)) if count > 1 => count /= 2,
                found => return found.map(|traces| (count, traces)),
            }
            self.memory.shrink_to(held);
        }
    }

    async fn traces(&self, ids: &[TraceId]) -> Result<Vec<Assembled>, QueryError> {
        let mut spans: HashMap<TraceId, Vec<Span>> = ids.iter().map(|id| (*id, Vec::new())).collect();
        let names: Vec<&str> = BASE.into_iter().chain(self.places.iter().flatten().flat_map(Place::columns)).collect();
        let mut count = 0;
        let mut by_file = ByFile::default();
        for source in &self.all {
            let found = self.rows_of(source, ids, &mut by_file).await?;
            count += found.iter().map(|(_, rows)| rows.len()).sum::<usize>();
            if count > self.max_spans {
                let id = ids.first().map_or(0, |id| u128::from_be_bytes(*id));
                let max = self.max_spans;
                return Err(QueryError::LimitExceeded(format!("trace {id:032x} has more than {max} spans")));
            }
            if found.is_empty() {
                continue;
            }
            let rows = self.sources.read(source, &names).await?;
            for (id, places) in found {
                let more = places.len() * (SPAN_BYTES + VALUE_BYTES * self.places.len());
                self.memory.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
                let spans = spans.entry(id).or_default();
                for row in places {
                    spans.extend(self.span(&rows, row));
                }
            }
        }
        Ok(ids.iter().filter_map(|id| self.assembled(*id, spans.remove(id)?)).collect())
    }

    /// Where spans of the traces are in a source.
    async fn rows_of(
        &self,
        source: &Source,
        ids: &[TraceId],
        by_file: &mut ByFile,
    ) -> Result<Vec<(TraceId, Vec<usize>)>, QueryError> {
        let Source::Group { file, row_group, .. } = source else {
            let rows = self.sources.read(source, &[TRACE_ID]).await?;
            return Ok(scanned(rows.trace_ids()?, ids));
        };
        let possible = by_file.in_group(self.sources, file, *row_group, ids).await?;
        if possible.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.sources.read(source, &[TRACE_ID]).await?;
        let column = rows.trace_ids()?;
        let found = possible.into_iter().map(|id| (id, sorted_rows(column, &id)));
        Ok(found.filter(|(_, rows)| !rows.is_empty()).map(|(id, rows)| (id, rows.collect())).collect())
    }

    fn span(&self, rows: &Rows, row: usize) -> Option<Span> {
        let id = |name: &str| {
            let array = rows.column(name)?.as_fixed_size_binary_opt()?;
            array.is_valid(row).then(|| <[u8; 8]>::try_from(array.value(row)).ok()).flatten()
        };
        let named = |name: &str| -> Arc<str> {
            rows.column(name).and_then(|array| text(array, row)).unwrap_or_default().into()
        };
        Some(Span {
            id: id("span_id")?,
            parent: id(PARENT),
            start: rows.column(START)?.as_primitive_opt::<TimestampNanosecondType>()?.value(row),
            duration: rows.column("duration_nano")?.as_primitive_opt::<Int64Type>()?.value(row),
            name: named("name"),
            service: named("service_name"),
            is_error: rows.column("status_code")?.as_primitive_opt::<Int32Type>()?.value(row) == ERROR,
            trace_state: rows.column("trace_state").and_then(|array| text(array, row)).map(Arc::from),
            values: self.places.iter().map(|places| value(places, rows, row)).collect(),
        })
    }

    fn assembled(&self, id: TraceId, mut spans: Vec<Span>) -> Option<Assembled> {
        keep_last(&mut spans);
        spans.sort_by(|a, b| a.start.cmp(&b.start).then(a.id.cmp(&b.id)));
        // A sender that had no answer sends again.
        spans.dedup_by(|a, b| {
            (a.id, a.start, a.duration, a.parent) == (b.id, b.start, b.duration, b.parent)
                && a.name == b.name
                && a.service == b.service
        });
        let start = spans.first()?.start;
        let end = spans.iter().map(|span| span.start.saturating_add(span.duration.max(0))).max()?;
        let root = spans.iter().position(|span| span.parent.is_none());
        let links = Links::new(&spans.iter().map(|span| (span.id, span.parent)).collect::<Vec<_>>());
        let mut of_trace = OfTrace { spans: &spans, links: &links, root, duration: end.saturating_sub(start) };
        let columns =
            self.places.iter().zip(self.attributes).enumerate().map(|(slot, (places, _))| match places.as_slice() {
                [Place::Trace(intrinsic)] => of_trace.column(*intrinsic),
                _ => spans.iter().map(|span| span.values[slot].clone()).collect(),
            });
        let columns = columns.collect();
        Some(Assembled { id, trace: Trace { links, columns }, spans, root, start, end })
    }
}

impl Assembled {
    /// Spans whose parents are not there.
    pub fn orphans(&self) -> u32 {
        let ids: HashSet<[u8; 8]> = self.spans.iter().map(|span| span.id).collect();
        self.spans.iter().filter(|span| span.parent.is_some_and(|parent| !ids.contains(&parent))).count() as u32
    }

    /// Of each service how many spans it has, and how many of them failed.
    pub fn services(&self) -> BTreeMap<Arc<str>, (u32, u32)> {
        let mut services: BTreeMap<Arc<str>, (u32, u32)> = BTreeMap::new();
        for span in &self.spans {
            let (spans, errors) = services.entry(span.service.clone()).or_default();
            *spans += 1;
            *errors += u32::from(span.is_error);
        }
        services
    }
}

/// In which row groups of a file traces may be, which is asked once a file: sources of the same file follow each other.
#[derive(Default)]
struct ByFile {
    file: Option<FileId>,
    groups: HashMap<usize, Vec<TraceId>>,
}

impl ByFile {
    async fn in_group(
        &mut self,
        sources: &Sources<'_>,
        file: &DataFile,
        row_group: usize,
        ids: &[TraceId],
    ) -> Result<Vec<TraceId>, QueryError> {
        if self.file != Some(file.id) {
            self.groups.clear();
            for id in ids {
                for group in sources.snapshot.groups_of_trace(file, id).await? {
                    self.groups.entry(group).or_default().push(*id);
                }
            }
            self.file = Some(file.id);
        }
        Ok(self.groups.remove(&row_group).unwrap_or_default())
    }
}

/// Leaves the last version of each span, as `trefoil_model::versions` says.
fn keep_last(spans: &mut Vec<Span>) {
    let mut last: HashMap<[u8; 8], (u64, i64)> = HashMap::new();
    let key = |span: &Span| {
        let version = versions::version(span.trace_state.as_deref()?)?;
        Some((version, span.start.saturating_add(span.duration)))
    };
    for span in spans.iter() {
        if let Some(key) = key(span) {
            let newest = last.entry(span.id).or_insert(key);
            *newest = (*newest).max(key);
        }
    }
    if !last.is_empty() {
        spans.retain(|span| key(span).is_none_or(|key| last.get(&span.id) == Some(&key)));
    }
}

/// What spans know through their trace.
struct OfTrace<'t> {
    spans: &'t [Span],
    links: &'t Links,
    root: Option<usize>,
    duration: i64,
}

impl OfTrace<'_> {
    fn column(&mut self, intrinsic: Intrinsic) -> Vec<Value> {
        let all = |value: Value| vec![value; self.spans.len()];
        let of_root = |text: fn(&Span) -> &Arc<str>| match self.root {
            Some(root) => Value::String(text(&self.spans[root]).clone()),
            None => Value::string(""),
        };
        let of_sets = |number: fn(&trefoil_traceql::eval::NestedSet) -> i64| {
            self.links.nested_sets().iter().map(|set| Value::Int(number(set))).collect()
        };
        match intrinsic {
            Intrinsic::TraceDuration => all(Value::Duration(self.duration)),
            Intrinsic::RootName => all(of_root(|span| &span.name)),
            Intrinsic::RootService => all(of_root(|span| &span.service)),
            Intrinsic::ChildCount => {
                self.links.child_counts().into_iter().map(|count| Value::Int(i64::from(count))).collect()
            }
            Intrinsic::NestedSetLeft => of_sets(|set| set.left),
            Intrinsic::NestedSetRight => of_sets(|set| set.right),
            Intrinsic::NestedSetParent => of_sets(|set| set.parent),
            _ => all(Value::Nil),
        }
    }
}

/// In a column in ascending order.
pub(super) fn sorted_rows(column: &FixedSizeBinaryArray, id: &TraceId) -> std::ops::Range<usize> {
    let bound = |is_before: &dyn Fn(&[u8]) -> bool| {
        let (mut low, mut high) = (0, column.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match is_before(column.value(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    };
    bound(&|other| other < id.as_slice())..bound(&|other| other <= id.as_slice())
}

fn scanned(column: &FixedSizeBinaryArray, ids: &[TraceId]) -> Vec<(TraceId, Vec<usize>)> {
    let mut found: HashMap<&[u8], Vec<usize>> = ids.iter().map(|id| (id.as_slice(), Vec::new())).collect();
    for row in 0..column.len() {
        if let Some(rows) = found.get_mut(column.value(row)) {
            rows.push(row);
        }
    }
    let rows = |id: &TraceId| found.remove(id.as_slice()).filter(|rows| !rows.is_empty()).map(|rows| (*id, rows));
    ids.iter().filter_map(rows).collect()
}
