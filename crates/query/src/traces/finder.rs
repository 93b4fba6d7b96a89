//! Traces that may match, source by source.

use arrow::array::{Array, FixedSizeBinaryArray};

use super::assemble::TraceId;
use super::candidates::Candidates;
use super::durations::{Durations, Reach};
use super::source::{Rows, START, Source, Sources, TRACE_ID};
use crate::QueryError;
use crate::memory::Held;
use ahash::{HashMap, HashMapExt, HashSet, HashSetExt};

/// About what is kept of a trace that was seen.
const TRACE_BYTES: usize = 64;
/// Set where a span that a filter holds for starts in the window.
const IN_WINDOW: u64 = 1 << 63;

pub struct Finder<'f> {
    candidates: &'f Candidates,
    /// Behind its start, up to its end: where a span of the answer has to start.
    window: Option<(i64, i64)>,
    reach: Reach,
    durations: Durations,
    memory: &'f Held,
    seen: HashSet<TraceId>,
    /// Filters that hold for some span of a trace that may need spans elsewhere, too.
    partial: HashMap<TraceId, u64>,
}

impl<'f> Finder<'f> {
    /// One that knows of a trace's duration what the source at hand tells.
    pub fn new(candidates: &'f Candidates, window: Option<(i64, i64)>, memory: &'f Held) -> Finder<'f> {
        Finder {
            candidates,
            window,
            reach: Reach::Source,
            durations: Durations::default(),
            memory,
            seen: HashSet::new(),
            partial: HashMap::new(),
        }
    }

    /// From now on durations are those of whole traces that have spans in the period. Traces that were found stay so.
    pub async fn reach_whole(&mut self, sources: &Sources<'_>, period: (i64, i64)) -> Result<(), QueryError> {
        self.forget_durations();
        self.durations = Durations::new(&self.candidates.durations, sources, period, self.memory).await?;
        self.reach = Reach::Whole;
        Ok(())
    }

    fn forget_durations(&mut self) {
        self.memory.shrink(self.durations.bytes());
        self.durations = Durations::default();
    }

    /// Traces that may match, by what this source and those before it have of them; each is named once.
    pub async fn traces(&mut self, sources: &Sources<'_>, source: &Source) -> Result<Vec<TraceId>, QueryError> {
        if self.reach == Reach::Source && !self.candidates.durations.is_empty() {
            self.forget_durations();
            let list = std::slice::from_ref(source);
            self.durations = Durations::of_sources(&self.candidates.durations, sources, list, self.memory).await?;
        }
        let mut names = vec![TRACE_ID];
        self.candidates.filters.iter().for_each(|filter| filter.columns(&mut names));
        if self.window.is_some() {
            names.push(START);
        }
        // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
        tokio::task::yield_now().await;
        let rows = sources.read(source, &names).await?;
        let ids = rows.trace_ids()?;
        let all = self.possible(ids);
        let found: Vec<Vec<u32>> =
            self.candidates.filters.iter().map(|filter| filter.rows(&rows, all.clone())).collect();
        let is_in_window = window(self.window, &rows)?;
        let known = self.seen.len() + self.partial.len();
        let mut next = Vec::new();
        let mut of_last = (None, 0);
        for (filter, found) in found.iter().enumerate() {
            let mut last = None;
            for row in found {
                let Ok(id) = TraceId::try_from(ids.value(*row as usize)) else { continue };
                let bits = 1 << filter | if is_in_window(*row) { IN_WINDOW } else { 0 };
                if last == Some((id, bits)) || self.seen.contains(&id) {
                    continue;
                }
                last = Some((id, bits));
                if of_last.0 != Some(id) {
                    of_last = (Some(id), self.durations.of(&id));
                }
                let durations = of_last.1;
                let filters = self.partial.entry(id).or_default();
                *filters |= bits;
                if *filters & IN_WINDOW != 0 && self.candidates.is_met(*filters as u32, durations) {
                    self.partial.remove(&id);
                    self.seen.insert(id);
                    next.push(id);
                }
            }
        }
        let more = (self.seen.len() + self.partial.len()).saturating_sub(known);
        self.memory.grow(more * TRACE_BYTES).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        Ok(next)
    }
}

impl Finder<'_> {
    /// Rows of traces that may match by how long they take, before anything else is asked of them.
    fn possible(&self, ids: &FixedSizeBinaryArray) -> Vec<u32> {
        let all = 0..ids.len() as u32;
        if self.candidates.durations.is_empty() {
            return all.collect();
        }
        let mut last: (&[u8], bool) = (&[], false);
        let mut is_possible = |row: &u32| {
            let id = ids.value(*row as usize);
            if last.0 != id {
                let durations = id.try_into().map_or(0, |id| self.durations.of(id));
                last = (id, self.candidates.is_possible(durations));
            }
            last.1
        };
        all.filter(|row| is_possible(row)).collect()
    }
}

/// Tells of a row whether its span starts in the window.
fn window<'r>(window: Option<(i64, i64)>, rows: &'r Rows) -> Result<Box<dyn Fn(u32) -> bool + 'r>, QueryError> {
    let Some((after, until)) = window else { return Ok(Box::new(|_| true)) };
    let starts = rows.starts()?;
    Ok(Box::new(move |row| starts[row as usize] > after && starts[row as usize] <= until))
}
