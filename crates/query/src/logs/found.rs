//! The lines of an answer so far, which all threads that look for some have in common.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use parking_lot::Mutex;
use trefoil_storage::units::ByteSize;

use super::entries::Row;
use super::lines::{Direction, FoundLine, LinesRequest};
use crate::QueryError;
use crate::memory::Held;

/// Bytes of an answer's lines with their labels. A template makes a long line of a short one.
const MOST_BYTES: usize = 64 << 20;

/// Where a line stands among all: by time, source, row. The first one of an answer is the least.
pub type Order = (i64, i64, i64);

/// Before everything.
pub const FIRST: Order = (i64::MIN, i64::MIN, i64::MIN);

/// Before whatever a source with such times has.
pub fn best(direction: Direction, (first, last): (i64, i64)) -> Order {
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
pub struct Part {
    /// Lines up to here are not wanted.
    pub after: Option<Order>,
    pub lines: usize,
    /// About what the lines hold in memory; one line may be larger.
    pub bytes: usize,
}

impl Part {
    /// All of an answer.
    pub fn whole(request: &LinesRequest) -> Part {
        Part { after: None, lines: request.limit, bytes: usize::MAX }
    }
}

/// No more than the part may have.
pub struct Found {
    direction: Direction,
    part: Part,
    memory: Arc<Held>,
    lines: Mutex<Lines>,
    /// Time in the order of the first line that cannot be in the answer, to be looked at without the lock.
    last: AtomicI64,
}

#[derive(Default)]
struct Lines {
    /// The last one of the answer is on top.
    ranked: BinaryHeap<Ranked>,
    bytes: usize,
    /// The first line that there was no room for.
    cut: Option<Order>,
}

/// Told apart by its order only.
pub struct Ranked(Order, FoundLine);

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

impl Lines {
    fn is_too_much(&self, part: &Part) -> bool {
        self.ranked.len() > part.lines || (self.bytes > part.bytes && self.ranked.len() > 1)
    }

    /// Whether there is no room for a line there.
    fn is_full_before(&self, order: &Order, part: &Part) -> bool {
        let is_full = self.ranked.len() >= part.lines;
        self.cut.is_some_and(|cut| *order >= cut) || (is_full && self.ranked.peek().is_none_or(|last| *order > last.0))
    }

    /// The time of the last line that may be in the answer.
    fn last(&self, part: &Part) -> i64 {
        let top = self.ranked.peek().filter(|_| self.ranked.len() >= part.lines);
        let ends = top.map(|Ranked(order, _)| order.0).into_iter().chain(self.cut.map(|cut| cut.0));
        ends.min().unwrap_or(i64::MAX)
    }
}

impl Found {
    pub fn new(direction: Direction, part: Part, memory: Arc<Held>) -> Self {
        let last = AtomicI64::new(if part.lines == 0 { i64::MIN } else { i64::MAX });
        Self { direction, part, memory, lines: Mutex::default(), last }
    }

    /// Lines at most.
    pub fn most(&self) -> usize {
        self.part.lines
    }

    /// `arrival` = the place of its source among all, the oldest first.
    pub fn order(&self, row: &Row, arrival: usize) -> Order {
        let order = (row.time, arrival as i64, row.row as i64);
        match self.direction {
            Direction::Forward => order,
            Direction::Backward => (!order.0, !order.1, !order.2),
        }
    }

    /// Whether nothing that comes there can be in the answer.
    pub fn is_full_before(&self, order: &Order) -> bool {
        match order.0.cmp(&self.last.load(Relaxed)) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => self.lines.lock().is_full_before(order, &self.part),
        }
    }

    /// Whether it belongs to a part before this one.
    pub fn is_behind(&self, order: &Order) -> bool {
        self.part.after.is_some_and(|after| *order <= after)
    }

    /// Whether no row of a source with such times can be in the answer.
    pub fn is_left_out(&self, times: Option<(i64, i64)>) -> bool {
        let Some(times) = times else { return false };
        self.is_full_before(&best(self.direction, times)) || self.is_behind(&worst(self.direction, times))
    }

    pub fn keep(&self, order: Order, line: FoundLine) -> Result<(), QueryError> {
        let bytes = line.bytes();
        self.memory.grow(bytes).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        let mut lines = self.lines.lock();
        if lines.cut.is_some_and(|cut| order >= cut) {
            // Another thread was faster.
            self.memory.shrink(bytes);
            return Ok(());
        }
        lines.bytes += bytes;
        lines.ranked.push(Ranked(order, line));
        while lines.is_too_much(&self.part)
            && let Some(Ranked(order, worst)) = lines.ranked.pop()
        {
            lines.cut = Some(order);
            lines.bytes -= worst.bytes();
            self.memory.shrink(worst.bytes());
        }
        if lines.bytes > MOST_BYTES {
            return Err(QueryError::LimitExceeded(format!(
                "the lines that were found are more than the {} that an answer may hold; ask for fewer of them, or for shorter ones",
                ByteSize(MOST_BYTES as u64)
            )));
        }
        self.last.store(lines.last(&self.part), Relaxed);
        Ok(())
    }

    /// The lines up to `bound` in the order that was asked for, and where the next part begins, if there is one.
    pub fn take(&self, bound: Option<Order>) -> (Vec<FoundLine>, Option<Order>) {
        let Lines { ranked, cut, .. } = std::mem::take(&mut *self.lines.lock());
        let is_full = cut.is_some() || ranked.len() >= self.part.lines;
        let mut ranked = ranked.into_sorted_vec();
        let all = ranked.len();
        ranked.retain(|Ranked(order, _)| bound.is_none_or(|bound| *order < bound));
        let next = match ranked.last() {
            Some(Ranked(last, _)) if is_full && ranked.len() == all => Some(*last),
            _ => bound,
        };
        (ranked.into_iter().map(|Ranked(_, line)| line).collect(), next)
    }
}
