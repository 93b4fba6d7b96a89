//! The lines of an answer so far, which all threads that look for some have in common.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::entries::Row;
use super::lines::{Direction, FoundLine, LinesRequest};
use crate::QueryError;
use crate::memory::Held;

/// Where a line stands among all: by time, source, row. The first one of an answer is the least.
pub type Order = (i64, i64, i64);

/// No more than the limit.
pub struct Found {
    direction: Direction,
    limit: usize,
    memory: Arc<Held>,
    /// The last one of the answer is on top.
    lines: Mutex<BinaryHeap<Ranked>>,
    /// Time in the order of the last one, once there are as many as may be; to be looked at without the lock.
    last: AtomicI64,
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

impl Found {
    pub fn new(request: &LinesRequest, memory: Arc<Held>) -> Self {
        let last = AtomicI64::new(if request.limit == 0 { i64::MIN } else { i64::MAX });
        Self { direction: request.direction, limit: request.limit, memory, lines: Mutex::default(), last }
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
            Ordering::Equal => {
                let lines = self.lines.lock();
                lines.len() >= self.limit && lines.peek().is_none_or(|last| *order > last.0)
            }
        }
    }

    /// Whether no row of a source with such times can be in the answer.
    pub fn is_beyond(&self, times: Option<(i64, i64)>) -> bool {
        times.is_some_and(|(first, last)| {
            let best = match self.direction {
                Direction::Forward => first,
                Direction::Backward => !last,
            };
            best > self.last.load(Relaxed)
        })
    }

    pub fn keep(&self, order: Order, line: FoundLine) -> Result<(), QueryError> {
        self.memory.grow(line.bytes()).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        let mut lines = self.lines.lock();
        lines.push(Ranked(order, line));
        if lines.len() > self.limit
            && let Some(Ranked(_, worst)) = lines.pop()
        {
            self.memory.shrink(worst.bytes());
        }
        if lines.len() == self.limit
            && let Some(Ranked((time, ..), _)) = lines.peek()
        {
            self.last.store(*time, Relaxed);
        }
        Ok(())
    }

    /// In the order that was asked for.
    pub fn take(&self) -> Vec<FoundLine> {
        let lines = std::mem::take(&mut *self.lines.lock()).into_sorted_vec().into_iter();
        lines.map(|Ranked(_, line)| line).collect()
    }
}
