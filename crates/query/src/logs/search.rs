//! Looking for lines: source by source, and of each the rows that can still be in the answer.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use trefoil_logql::pipeline::{Entry, Pipeline, Runner};

use super::Spent;
use super::entries::{Row, Selected, selected};
use super::lines::{Direction, FoundLine, FoundLines, LinesRequest, found};
use super::needles::Needles;
use super::record::{LINE, Metadata, line};
use super::tenants::TenantLogs;
use super::view::LogView;
use crate::memory::Held;
use crate::sources::{Source, Sources};
use crate::{Engine, QueryError};

/// Where a line stands among all: by time, source, row. The first one of an answer is the least.
pub(super) type Order = (i64, i64, i64);

/// A source among all that lines are looked for in.
#[derive(Debug)]
pub(super) struct Placed {
    /// Which tenant's.
    of: usize,
    /// Its place, the oldest first.
    arrival: usize,
    source: Source,
    times: Option<(i64, i64)>,
}

impl Engine {
    /// Sources of lines in the order in which they are looked at.
    pub(super) async fn placed(&self, logs: &[TenantLogs], request: &LinesRequest) -> Result<Vec<Placed>, QueryError> {
        let mut placed = Vec::new();
        for (of, logs) in logs.iter().enumerate().filter(|(_, logs)| logs.is_selected(&request.query.selector)) {
            // They come the newest first, which is the order of arrival backwards.
            for (source, times) in self.log_sources(logs).within_times(request.period).await?.into_iter().rev() {
                placed.push(Placed { of, arrival: placed.len(), source, times });
            }
        }
        placed.sort_by_key(|place| place.times.map_or(FIRST, |times| best(request.direction, times)));
        Ok(placed)
    }
}

const FIRST: Order = (i64::MIN, i64::MIN, i64::MIN);

/// Before whatever a source with such times has.
fn best(direction: Direction, (first, last): (i64, i64)) -> Order {
    match direction {
        Direction::Forward => (first, i64::MIN, i64::MIN),
        Direction::Backward => (!last, i64::MIN, i64::MIN),
    }
}

/// Behind whatever a source with such times has.
fn worst(direction: Direction, (first, last): (i64, i64)) -> Order {
    match direction {
        Direction::Forward => (last, i64::MAX, i64::MAX),
        Direction::Backward => (!first, i64::MAX, i64::MAX),
    }
}

/// The part of an answer that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Lines up to here are not wanted.
    pub after: Option<Order>,
    pub lines: usize,
    /// About what the lines hold in memory; one line may be larger.
    pub bytes: usize,
}

/// What is found so far: no more than the limit.
pub(super) struct Search<'s> {
    request: &'s LinesRequest,
    part: Part,
    pipeline: &'s Pipeline,
    runner: Runner<'s>,
    memory: &'s Held,
    held: usize,
    /// The last one of the answer is on top.
    found: BinaryHeap<Ranked>,
    /// The first line that there was no room for.
    cut: Option<Order>,
    spent: Spent,
}

/// Told apart by its order only.
struct Ranked(Order, FoundLine);

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<'s> Search<'s> {
    /// All of an answer.
    pub fn new(request: &'s LinesRequest, pipeline: &'s Pipeline, memory: &'s Held) -> Self {
        let whole = Part { after: None, lines: request.limit, bytes: usize::MAX };
        Self::of_part(request, whole, pipeline, memory)
    }

    pub fn of_part(request: &'s LinesRequest, part: Part, pipeline: &'s Pipeline, memory: &'s Held) -> Self {
        Self {
            request,
            part,
            pipeline,
            runner: Runner::new(pipeline, request.now),
            memory,
            held: 0,
            found: BinaryHeap::new(),
            cut: None,
            spent: Spent::default(),
        }
    }

    /// `arrival` = the place of its source among all, the oldest first.
    fn order(&self, row: &Row, arrival: usize) -> Order {
        let order = (row.time, arrival as i64, row.row as i64);
        match self.request.direction {
            Direction::Forward => order,
            Direction::Backward => (!order.0, !order.1, !order.2),
        }
    }

    /// Whether nothing that comes there can be in the answer.
    fn is_full_before(&self, order: &Order) -> bool {
        let is_full = self.found.len() >= self.part.lines;
        self.cut.is_some_and(|cut| *order >= cut) || (is_full && self.found.peek().is_none_or(|last| *order > last.0))
    }

    fn is_behind(&self, order: &Order) -> bool {
        self.part.after.is_some_and(|after| *order <= after)
    }

    /// Whether no row of a source with such times can be in the answer.
    fn is_left_out(&self, times: Option<(i64, i64)>) -> bool {
        let Some(times) = times else { return false };
        let (direction, (start, end)) = (self.request.direction, self.request.period);
        let is_outside = times.0 > end || times.1 < start;
        is_outside || self.is_full_before(&best(direction, times)) || self.is_behind(&worst(direction, times))
    }

    /// Looks at all sources, or until it is late. Then the answer is complete up to the order that is returned.
    pub async fn sources(
        &mut self,
        engine: &Engine,
        logs: &[TenantLogs],
        placed: &[Placed],
        late: Option<Instant>,
    ) -> Result<Option<Order>, QueryError> {
        let needles = Needles::of(&self.request.query.stages);
        let sources: Vec<Sources<'_>> = logs.iter().map(|logs| engine.log_sources(logs)).collect();
        for place in placed {
            if self.is_left_out(place.times) {
                continue;
            }
            if let Some(times) = place.times
                && late.is_some_and(|late| Instant::now() >= late)
            {
                let bound = best(self.request.direction, times);
                // Else this part would be as far as the one before.
                if !self.is_behind(&bound) {
                    return Ok(Some(bound));
                }
            }
            let sources = &sources[place.of];
            if needles.may_be_in(sources, &place.source).await? {
                self.source(sources, &place.source, &logs[place.of].view, place.arrival).await?;
            }
        }
        Ok(None)
    }

    pub async fn source(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        view: &LogView,
        arrival: usize,
    ) -> Result<(), QueryError> {
        // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
        tokio::task::yield_now().await;
        let Selected { runs, rows } =
            selected(sources, source, view, &self.request.query.selector, self.request.period).await?;
        let mut candidates: Vec<(Order, Row)> = rows.into_iter().map(|row| (self.order(&row, arrival), row)).collect();
        candidates.retain(|(order, _)| !self.is_full_before(order) && !self.is_behind(order));
        if candidates.is_empty() {
            return Ok(());
        }
        candidates.sort_unstable_by_key(|(order, _)| *order);
        self.spent.streams += runs.len() as u64;
        let names = Metadata::names(sources, source, self.pipeline);
        let columns: Vec<&str> = names.iter().map(String::as_str).chain(LINE).collect();
        let read = sources.read(source, &columns).await?;
        let metadata = Metadata::new(&read, &names, self.pipeline, view);
        for (order, row) in candidates {
            if self.is_full_before(&order) {
                break;
            }
            let line = line(&read, row.row)?;
            self.spent.lines += 1;
            self.spent.bytes += line.len() as u64;
            if !self.pipeline.may_pass(&line) {
                continue;
            }
            let stream = &runs[row.run].stream;
            let pairs = metadata.of(row.row, stream, &line)?;
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            let labels = stream.pairs();
            let entry = Entry { timestamp: row.time, line: &line, stream: &labels, metadata: &pairs };
            if let Some(found) = self.runner.run(&entry, |line, labels| found(row.time, line, labels)) {
                self.spent.passed += 1;
                self.keep(order, found)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, order: Order, line: FoundLine) -> Result<(), QueryError> {
        let bytes = line.bytes();
        self.memory.grow(bytes).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        self.held += bytes;
        self.found.push(Ranked(order, line));
        let is_too_much = |search: &Self| {
            search.found.len() > search.part.lines || (search.held > search.part.bytes && search.found.len() > 1)
        };
        while is_too_much(self)
            && let Some(Ranked(order, worst)) = self.found.pop()
        {
            self.cut = Some(order);
            self.memory.shrink(worst.bytes());
            self.held -= worst.bytes();
        }
        Ok(())
    }

    /// The lines of a part up to `bound`, and where the next one begins, if there is one.
    pub fn finish_part(self, bound: Option<Order>) -> (FoundLines, Option<Order>) {
        let is_full = self.cut.is_some() || self.found.len() >= self.part.lines;
        let mut ranked = self.found.into_sorted_vec();
        let all = ranked.len();
        ranked.retain(|Ranked(order, _)| bound.is_none_or(|bound| *order < bound));
        let next = match ranked.last() {
            Some(Ranked(last, _)) if is_full && ranked.len() == all => Some(*last),
            _ => bound,
        };
        let lines = ranked.into_iter().map(|Ranked(_, line)| line).collect();
        (FoundLines { lines, spent: self.spent }, next)
    }

    pub fn finish(self) -> FoundLines {
        let lines = self.found.into_sorted_vec().into_iter().map(|Ranked(_, line)| line);
        FoundLines { lines: lines.collect(), spent: self.spent }
    }
}
