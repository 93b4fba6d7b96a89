//! How long traces take, without putting them together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder, Int64Array, StructArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use trefoil_model::versions;
use trefoil_traceql::eval::{Filter, Trace};
use trefoil_traceql::value::Value;

use super::assemble::TraceId;
use super::source::Key;
use super::source::{Rows, START, Source, Sources, TRACE_ID};
use super::value::text;
use crate::QueryError;
use crate::memory::Held;

/// Files that touch the period of a question and so much time around it are looked at: spans of a trace that lie in others do not
/// make it longer.
const AROUND: i64 = 3600 * 1_000_000_000;
const DURATION: &str = "duration_nano";
const TRACE_STATE: &str = "trace_state";
/// The end of a trace of which it is not known here: one of its spans may be an earlier version.
const UNKNOWN: i64 = i64::MAX;
/// What is kept of a row group beside its columns: for each trace in it, ascending, when the first span starts and the last ends.
const EXTENTS: &str = "trace extents";

/// How far it is looked for spans of a trace to tell how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No further than the source that is looked at: the trace takes so long at least, which is known at once.
    Source,
    /// To all that there is of it.
    Whole,
}

/// Which of some filters on the duration hold for a trace. Those for which none does are not in it.
#[derive(Debug, Default)]
pub struct Durations(Vec<(TraceId, u32)>);

impl Durations {
    /// Of the traces that have spans in a period.
    pub async fn new(
        filters: &[Filter],
        sources: &Sources<'_>,
        period: (i64, i64),
        memory: &Held,
    ) -> Result<Durations, QueryError> {
        if filters.is_empty() {
            return Ok(Durations::default());
        }
        let around = (period.0.saturating_sub(AROUND), period.1.saturating_add(AROUND));
        let list = sources.within(around).await?;
        Durations::of_sources(filters, sources, &list, memory).await
    }

    /// Of the traces that have spans in some sources, as far as these tell. What is kept is counted in `memory`.
    pub async fn of_sources(
        filters: &[Filter],
        sources: &Sources<'_>,
        list: &[Source],
        memory: &Held,
    ) -> Result<Durations, QueryError> {
        let mut extents: Vec<(TraceId, i64, i64)> = Vec::new();
        let before = memory.bytes();
        for source in list {
            tokio::task::yield_now().await;
            let of_source = extents_of(sources, source).await?;
            let more = of_source.len() * size_of::<(TraceId, i64, i64)>();
            memory.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
            extents.extend(read(&of_source)?);
        }
        // Those of a row group are in order already, which this sort finds out.
        extents.sort_by_key(|(id, ..)| *id);
        let mut durations = extents.chunk_by(|(a, ..), (b, ..)| a == b).filter_map(|of| {
            let start = of.iter().map(|(_, start, _)| *start).min()?;
            let end = of.iter().map(|(.., end)| *end).max()?;
            Some((of[0].0, (end != UNKNOWN).then(|| end.saturating_sub(start))))
        });
        let mut alone = Trace { columns: vec![vec![Value::Nil]], ..Trace::default() };
        let mut bits = |duration: Option<i64>| {
            let Some(duration) = duration else { return u32::MAX };
            alone.columns[0][0] = Value::Duration(duration);
            let holds = |(place, filter): (usize, &Filter)| u32::from(filter.holds(&alone, 0)) << place;
            filters.iter().enumerate().map(holds).sum::<u32>()
        };
        let found = durations.by_ref().map(|(id, duration)| (id, bits(duration))).filter(|(_, bits)| *bits != 0);
        let found: Vec<(TraceId, u32)> = found.collect();
        let durations = Durations(found);
        memory.shrink_to(before + durations.bytes());
        Ok(durations)
    }

    /// What it counts in memory.
    pub fn bytes(&self) -> usize {
        self.0.len() * size_of::<(TraceId, u32)>()
    }

    /// A bit for each filter that holds.
    pub fn of(&self, id: &TraceId) -> u32 {
        self.0.binary_search_by(|(known, _)| known.cmp(id)).map_or(0, |place| self.0[place].1)
    }
}

async fn extents_of(sources: &Sources<'_>, source: &Source) -> Result<StructArray, QueryError> {
    let key = match source {
        Source::Group { file, row_group, .. } => {
            Some(Key { file: file.id, row_group: *row_group, column: EXTENTS.into() })
        }
        Source::Batch(_) => None,
    };
    let kept = key.as_ref().and_then(|key| sources.columns.get(key)).flatten();
    if let Some(kept) = kept.as_ref().and_then(|array| array.as_struct_opt()) {
        return Ok(kept.clone());
    }
    let rows = sources.read(source, &[TRACE_ID, START, DURATION, TRACE_STATE]).await?;
    let extents = extents(&rows)?;
    if let Some(key) = key {
        sources.columns.insert(key, Some(Arc::new(extents.clone()) as ArrayRef));
    }
    Ok(extents)
}

fn extents(rows: &Rows) -> Result<StructArray, QueryError> {
    let (ids, starts) = (rows.trace_ids()?, rows.starts()?);
    let durations = rows.column(DURATION).and_then(|array| array.as_primitive_opt::<Int64Type>());
    let durations = durations.ok_or_else(|| QueryError::Internal("spans without durations".to_owned()))?;
    let states = rows.column(TRACE_STATE);
    let has_version = |row| states.and_then(|states| versions::version(text(states, row)?)).is_some();
    let mut runs: Vec<(&[u8], i64, i64)> = Vec::new();
    for (row, start) in starts.iter().enumerate() {
        let id = ids.value(row);
        let end = if has_version(row) { UNKNOWN } else { start.saturating_add(durations.value(row).max(0)) };
        match runs.last_mut().filter(|(last, ..)| *last == id) {
            Some((_, first, last)) => (*first, *last) = ((*first).min(*start), (*last).max(end)),
            None => runs.push((id, *start, end)),
        }
    }
    let internal = |error: arrow::error::ArrowError| QueryError::Internal(error.to_string());
    let mut ids = FixedSizeBinaryBuilder::with_capacity(runs.len(), 16);
    for (id, ..) in &runs {
        ids.append_value(id).map_err(internal)?;
    }
    let column = |name: &str, of: DataType| Field::new(name, of, false);
    let fields = vec![
        column("trace_id", DataType::FixedSizeBinary(16)),
        column("start", DataType::Int64),
        column("end", DataType::Int64),
    ];
    let starts: Int64Array = runs.iter().map(|(_, start, _)| *start).collect();
    let ends: Int64Array = runs.iter().map(|(.., end)| *end).collect();
    let arrays: Vec<ArrayRef> = vec![Arc::new(ids.finish()), Arc::new(starts), Arc::new(ends)];
    StructArray::try_new(fields.into(), arrays, None).map_err(internal)
}

fn read(extents: &StructArray) -> Result<impl Iterator<Item = (TraceId, i64, i64)>, QueryError> {
    let wrong = || QueryError::Internal("extents of traces without their columns".to_owned());
    let ids: &FixedSizeBinaryArray = extents.column(0).as_fixed_size_binary_opt().ok_or_else(wrong)?;
    let starts = extents.column(1).as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
    let ends = extents.column(2).as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
    let of = |place: usize| Some((ids.value(place).try_into().ok()?, starts.value(place), ends.value(place)));
    Ok((0..ids.len()).filter_map(of))
}
