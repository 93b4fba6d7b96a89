//! Spans in the form that [`trefoil_trace`] takes.

use arrow::array::{Array, AsArray, ListArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampNanosecondType};
use trefoil_trace::clock::{HOST, INSTANCE, clock};
use trefoil_trace::graph::{DATABASES, PEERS};
use trefoil_trace::propagation::{QUEUES, TARGETS, target};
use trefoil_trace::{Kind, Name, Names, Span, Trace};
use trefoil_traceql::ast::{Attribute, Scope};
use trefoil_traceql::value::Value;

use super::super::assemble::{TraceId, sorted_rows};
use super::super::filter::present;
use super::super::place::{Place, places};
use super::super::source::{Rows, START, Source, Sources, TRACE_ID};
use super::super::superseded::Superseded;
use super::super::value::{kind, text, value};
use crate::QueryError;
use crate::memory::Held;

const BASE: [&str; 10] = [
    TRACE_ID,
    "span_id",
    "parent_span_id",
    START,
    "duration_nano",
    "name",
    "service_name",
    "kind",
    "status_code",
    "links",
];
const ERROR: i32 = 2;
/// About what a span takes, with what is worked out from it.
const SPAN_BYTES: usize = size_of::<Span>() + 160;

/// Which spans are read.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    Trace(TraceId),
    /// All that start within: inclusive, nanoseconds since the epoch.
    Window(i64, i64),
}

/// Spans, in no order.
#[derive(Debug, Default)]
pub struct Spans {
    pub list: Vec<Span>,
    pub names: Names,
}

impl Wanted {
    pub fn period(self) -> (i64, i64) {
        match self {
            Wanted::Trace(_) => (i64::MIN, i64::MAX),
            Wanted::Window(start, end) => (start, end),
        }
    }

    /// The sources that may have such spans, and which of their rows are not the last version of a span.
    pub async fn sources(self, sources: &Sources<'_>, memory: &Held) -> Result<(Vec<Source>, Superseded), QueryError> {
        let list = sources.within(self.period()).await?;
        let Wanted::Trace(id) = self else {
            let superseded = Superseded::among(sources, &list, memory).await?;
            return Ok((list, superseded));
        };
        let mut superseded = Superseded::default();
        for (place, source) in list.iter().enumerate() {
            if may_have(sources, source, &id).await? {
                superseded.look(sources, place, source, memory).await?;
            }
        }
        Ok((list, superseded))
    }

    /// The rows of a source that are wanted.
    pub async fn rows(self, sources: &Sources<'_>, source: &Source) -> Result<Vec<u32>, QueryError> {
        let (start, end) = match (self, source) {
            (Wanted::Trace(id), Source::Group { .. }) => {
                if !may_have(sources, source, &id).await? {
                    return Ok(Vec::new());
                }
                let rows = sources.read(source, &[TRACE_ID]).await?;
                return Ok(sorted_rows(rows.trace_ids()?, &id).map(|row| row as u32).collect());
            }
            (Wanted::Trace(id), Source::Batch(_)) => {
                let rows = sources.read(source, &[TRACE_ID]).await?;
                let ids = rows.trace_ids()?;
                return Ok((0..ids.len()).filter(|row| ids.value(*row) == id).map(|row| row as u32).collect());
            }
            (Wanted::Window(start, end), _) => (start, end),
        };
        let rows = sources.read(source, &[START]).await?;
        let starts = rows.column(START).and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
        let starts = starts.ok_or_else(|| QueryError::Internal("spans without starts".to_owned()))?;
        let is_within = |row: &u32| (start..=end).contains(&starts.value(*row as usize));
        Ok((0..source.rows() as u32).filter(is_within).collect())
    }

    /// Reads them from wherever they are. What they take is counted in `memory`.
    pub async fn spans(self, sources: &Sources<'_>, memory: &Held) -> Result<Spans, QueryError> {
        let attributes = Attributes::new();
        let names: Vec<&str> = BASE.into_iter().chain(attributes.columns()).collect();
        let mut spans = Spans::default();
        let (list, superseded) = self.sources(sources, memory).await?;
        for (place, source) in list.iter().enumerate() {
            // What is kept decoded is read without waiting: let others have their turn.
            tokio::task::yield_now().await;
            let mut wanted = self.rows(sources, source).await?;
            superseded.leave_last(place, &mut wanted);
            if wanted.is_empty() {
                continue;
            }
            let more = wanted.len().saturating_mul(SPAN_BYTES);
            memory.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
            let before = spans.names.bytes();
            let rows = sources.read(source, &names).await?;
            let here = attributes.here(&rows);
            spans.list.extend(wanted.iter().filter_map(|row| span(&rows, &here, *row as usize, &mut spans.names)));
            let more = spans.names.bytes() - before;
            memory.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        }
        Ok(spans)
    }
}

/// Whether a source may have spans of a trace.
async fn may_have(sources: &Sources<'_>, source: &Source, id: &TraceId) -> Result<bool, QueryError> {
    match source {
        Source::Group { file, row_group, .. } => {
            Ok(sources.snapshot.groups_of_trace(file, id).await?.contains(row_group))
        }
        Source::Batch(_) => Ok(true),
    }
}

/// Where the attributes are that are looked at.
struct Attributes {
    hosts: Vec<(&'static str, Vec<Place>)>,
    peers: Vec<(&'static str, Vec<Place>)>,
    targets: Vec<(&'static str, Vec<Place>)>,
    databases: Vec<(&'static str, Vec<Place>)>,
    queues: Vec<(&'static str, Vec<Place>)>,
}

/// Those of them that a source has.
struct Here<'a> {
    hosts: Vec<(&'static str, Vec<&'a Place>)>,
    peers: Vec<(&'static str, Vec<&'a Place>)>,
    targets: Vec<(&'static str, Vec<&'a Place>)>,
    databases: Vec<(&'static str, Vec<&'a Place>)>,
    queues: Vec<(&'static str, Vec<&'a Place>)>,
}

impl Attributes {
    fn new() -> Attributes {
        let of = |scope: Scope, names: &[&'static str]| {
            let named = |name: &&'static str| {
                (*name, places(&Attribute::Named { scope: Some(scope), name: (*name).to_owned() }))
            };
            names.iter().map(named).collect()
        };
        Attributes {
            hosts: of(Scope::Resource, &[HOST, INSTANCE].concat()),
            peers: of(Scope::Span, &PEERS),
            targets: of(Scope::Span, &TARGETS),
            databases: of(Scope::Span, &DATABASES),
            queues: of(Scope::Span, &QUEUES),
        }
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        let all = [&self.hosts, &self.peers, &self.targets, &self.databases, &self.queues];
        all.into_iter().flatten().flat_map(|(_, places)| places).flat_map(Place::columns)
    }

    fn here<'a>(&'a self, rows: &Rows) -> Here<'a> {
        let of = |list: &'a [(&'static str, Vec<Place>)]| {
            let each = list.iter().map(|(name, places)| (*name, present(places, rows)));
            each.filter(|(_, places)| !places.is_empty()).collect()
        };
        Here {
            hosts: of(&self.hosts),
            peers: of(&self.peers),
            targets: of(&self.targets),
            databases: of(&self.databases),
            queues: of(&self.queues),
        }
    }
}

fn span(rows: &Rows, here: &Here<'_>, row: usize, names: &mut Names) -> Option<Span> {
    let id = |name: &str| {
        let array = rows.column(name)?.as_fixed_size_binary_opt()?;
        array.is_valid(row).then(|| <[u8; 8]>::try_from(array.value(row)).ok()).flatten().map(u64::from_be_bytes)
    };
    let number = |name: &str| Some(rows.column(name)?.as_primitive_opt::<Int32Type>()?.value(row));
    let mut named = |name: &str| match rows.column(name).and_then(|array| text(array, row)) {
        Some(text) => names.add(text),
        None => Name::NONE,
    };
    let mut span = Span {
        trace: u128::from_be_bytes(rows.trace_ids().ok()?.value(row).try_into().ok()?),
        id: id("span_id")?,
        parent: id("parent_span_id").unwrap_or(0),
        start: rows.column(START)?.as_primitive_opt::<TimestampNanosecondType>()?.value(row),
        duration: rows.column("duration_nano")?.as_primitive_opt::<Int64Type>()?.value(row),
        service: named("service_name"),
        name: named("name"),
        kind: kind(number("kind")?),
        is_error: number("status_code")? == ERROR,
        has_links: has_links(rows, row),
        clock: Name::NONE,
        peer: Name::NONE,
        target: Name::NONE,
        database: Name::NONE,
        queue: Name::NONE,
    };
    let first = |list: &[(&'static str, Vec<&Place>)]| {
        list.iter().find_map(|(name, places)| Some((*name, text_of(&value(places, rows, row))?)))
    };
    let of_host = |name: &str| {
        let (_, places) = here.hosts.iter().find(|(known, _)| *known == name)?;
        text_of(&value(places, rows, row))
    };
    span.clock = names.add(&clock(of_host));
    if matches!(span.kind, Kind::Producer | Kind::Consumer) {
        span.queue = first(&here.queues).map_or(Name::NONE, |(_, text)| names.add(&text));
    }
    if span.is_call() {
        span.peer = first(&here.peers).map_or(Name::NONE, |(_, text)| names.add(&text));
        span.database = first(&here.databases).map_or(Name::NONE, |(_, text)| names.add(&text));
        span.target = first(&here.targets).map_or(Name::NONE, |(name, text)| names.add(target(name, &text)));
    }
    Some(span)
}

fn has_links(rows: &Rows, row: usize) -> bool {
    let list = rows.column("links").and_then(|array| array.as_any().downcast_ref::<ListArray>());
    list.is_some_and(|list| list.is_valid(row) && list.value_length(row) > 0)
}

/// Of an array the first element; nothing of what is empty.
fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.to_string(),
        Value::Strings(texts) => texts.first()?.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Float(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Each trace, whole as far as its spans are in the list.
pub fn each_trace(mut spans: Vec<Span>, mut visit: impl FnMut(&Trace)) {
    // Spans lie in order of their traces within sources, which this sort makes use of.
    spans.sort_by_key(|span| span.trace);
    spans.chunk_by(|a, b| a.trace == b.trace).for_each(|spans| visit(&Trace::new(spans.to_vec())));
}
