//! Rows of spans that were written again: questions that look at rows one by one leave out all but the last version of each span, as
//! [`trefoil_model::versions`] has it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use trefoil_model::versions;

use super::assemble::TraceId;
use super::source::{START, Source, Sources, TRACE_ID};
use super::value::text;
use crate::QueryError;
use crate::memory::Held;

const SPAN_ID: &str = "span_id";
const TRACE_STATE: &str = "trace_state";
const DURATION: &str = "duration_nano";
/// About what a version takes.
const VERSION_BYTES: usize = 96;

/// Among a list of sources, by their places in it. Almost always none.
#[derive(Debug, Default)]
pub struct Superseded {
    rows: HashMap<usize, HashSet<u32>>,
    last: HashMap<(TraceId, [u8; 8]), Version>,
}

#[derive(Debug)]
struct Version {
    /// Its number, then its end.
    order: (u64, i64),
    place: usize,
    row: u32,
}

impl Superseded {
    /// Looks at all rows of a list of sources. What it finds is counted in `memory`.
    pub async fn among(sources: &Sources<'_>, list: &[Source], memory: &Held) -> Result<Superseded, QueryError> {
        let mut found = Superseded::default();
        for (place, source) in list.iter().enumerate() {
            found.look(sources, place, source, memory).await?;
        }
        Ok(found)
    }

    /// Looks at another source.
    pub async fn look(
        &mut self,
        sources: &Sources<'_>,
        place: usize,
        source: &Source,
        memory: &Held,
    ) -> Result<(), QueryError> {
        if !sources.read(source, &[TRACE_STATE]).await?.mention(TRACE_STATE, versions::MARK) {
            return Ok(());
        }
        let rows = sources.read(source, &[TRACE_STATE, TRACE_ID, SPAN_ID, START, DURATION]).await?;
        let Some(states) = rows.column(TRACE_STATE) else { return Ok(()) };
        let (traces, starts) = (rows.trace_ids()?, rows.starts()?);
        let spans = rows.column(SPAN_ID).and_then(|array| array.as_fixed_size_binary_opt());
        let durations = rows.column(DURATION).and_then(|array| array.as_primitive_opt::<Int64Type>());
        let (Some(spans), Some(durations)) = (spans, durations) else {
            return Err(QueryError::Internal("spans without ids or durations".to_owned()));
        };
        for (row, start) in starts.iter().enumerate() {
            let Some(number) = text(states, row).and_then(versions::version) else { continue };
            let (Ok(trace), Ok(span)) = (traces.value(row).try_into(), spans.value(row).try_into()) else { continue };
            let order = (number, start.saturating_add(durations.value(row)));
            memory.grow(VERSION_BYTES).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
            self.add((trace, span), Version { order, place, row: row as u32 });
        }
        Ok(())
    }

    fn add(&mut self, id: (TraceId, [u8; 8]), version: Version) {
        let beaten = match self.last.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(version);
                return;
            }
            // What was written twice is there once.
            Entry::Occupied(entry) if version.order <= entry.get().order => version,
            Entry::Occupied(mut entry) => std::mem::replace(entry.get_mut(), version),
        };
        self.rows.entry(beaten.place).or_default().insert(beaten.row);
    }

    /// Whether the span in a row of a source has a later version.
    pub fn is(&self, place: usize, row: u32) -> bool {
        self.rows.get(&place).is_some_and(|rows| rows.contains(&row))
    }

    /// Leaves of a source's rows those that have none.
    pub fn leave_last(&self, place: usize, rows: &mut Vec<u32>) {
        if let Some(superseded) = self.rows.get(&place) {
            rows.retain(|row| !superseded.contains(row));
        }
    }
}
