//! What is kept of each series for each piece of time.

use std::ops::Range;

use super::summary::{Count, First, Greatest, Last, Least, Spread, Sum, Summary, Timed, Values};
use crate::ast::RangeOp;

/// Of each series as many cells as there are pieces, one series after the other, all of one kind.
#[derive(Debug)]
pub(super) enum Cells {
    Count(Vec<Count>),
    Sum(Vec<Sum>),
    Least(Vec<Least>),
    Greatest(Vec<Greatest>),
    Spread(Vec<Spread>),
    First(Vec<First>),
    Last(Vec<Last>),
    Values(Vec<Values>),
    Timed(Vec<Timed>),
}

/// The same with a list of cells, of whichever kind they are.
macro_rules! with {
    ($cells:expr, $list:ident => $done:expr) => {
        match $cells {
            Cells::Count($list) => $done,
            Cells::Sum($list) => $done,
            Cells::Least($list) => $done,
            Cells::Greatest($list) => $done,
            Cells::Spread($list) => $done,
            Cells::First($list) => $done,
            Cells::Last($list) => $done,
            Cells::Values($list) => $done,
            Cells::Timed($list) => $done,
        }
    };
}

impl Cells {
    /// `of_values`: lines have unwrapped values.
    pub fn new(op: RangeOp, of_values: bool) -> Cells {
        use RangeOp::*;
        match op {
            CountOverTime | AbsentOverTime => Cells::Count(Vec::new()),
            Rate if !of_values => Cells::Count(Vec::new()),
            Rate | BytesOverTime | BytesRate | SumOverTime | AvgOverTime => Cells::Sum(Vec::new()),
            MinOverTime => Cells::Least(Vec::new()),
            MaxOverTime => Cells::Greatest(Vec::new()),
            StdvarOverTime | StddevOverTime => Cells::Spread(Vec::new()),
            FirstOverTime => Cells::First(Vec::new()),
            LastOverTime => Cells::Last(Vec::new()),
            QuantileOverTime => Cells::Values(Vec::new()),
            RateCounter => Cells::Timed(Vec::new()),
        }
    }

    /// Makes them so many.
    pub fn grow(&mut self, count: usize) {
        with!(self, list => list.resize_with(count, Default::default));
    }

    /// Bytes of one cell, without what it holds.
    pub fn size(&self) -> usize {
        with!(self, list => size_of_one(list))
    }

    /// Bytes of all cells, without what they hold.
    pub fn bytes(&self) -> usize {
        with!(self, list => size_of_val(list.as_slice()))
    }

    /// Adds a value to a cell. How many bytes more it holds.
    pub fn add(&mut self, place: usize, time: i64, value: f64) -> usize {
        with!(self, list => list.get_mut(place).map_or(0, |cell| cell.take(time, value)))
    }

    /// Adds lines that nothing is looked at of. `false`: these cells look at something.
    pub fn count(&mut self, place: usize, lines: u64) -> bool {
        let Cells::Count(list) = self else { return false };
        if let Some(Count(count)) = list.get_mut(place) {
            *count += lines;
        }
        true
    }

    /// Adds the values of other cells of the same kind. How many bytes more these hold.
    pub fn merge(&mut self, places: Range<usize>, other: &Cells, from: Range<usize>) -> usize {
        match (self, other) {
            (Cells::Count(to), Cells::Count(list)) => merged(to, places, list, from),
            (Cells::Sum(to), Cells::Sum(list)) => merged(to, places, list, from),
            (Cells::Least(to), Cells::Least(list)) => merged(to, places, list, from),
            (Cells::Greatest(to), Cells::Greatest(list)) => merged(to, places, list, from),
            (Cells::Spread(to), Cells::Spread(list)) => merged(to, places, list, from),
            (Cells::First(to), Cells::First(list)) => merged(to, places, list, from),
            (Cells::Last(to), Cells::Last(list)) => merged(to, places, list, from),
            (Cells::Values(to), Cells::Values(list)) => merged(to, places, list, from),
            (Cells::Timed(to), Cells::Timed(list)) => merged(to, places, list, from),
            // One function has one kind of cells.
            _ => 0,
        }
    }
}

fn size_of_one<C>(_: &[C]) -> usize {
    size_of::<C>()
}

fn merged<C: Cell>(to: &mut [C], places: Range<usize>, list: &[C], from: Range<usize>) -> usize {
    let to = to.get_mut(places).unwrap_or_default();
    to.iter_mut().zip(list.get(from).unwrap_or_default()).map(|(to, from)| to.take_all(from)).sum()
}

/// What takes values, and says how many bytes more it holds then.
trait Cell: Default {
    fn take(&mut self, time: i64, value: f64) -> usize;

    fn take_all(&mut self, other: &Self) -> usize;
}

/// Summaries hold nothing beside themselves.
impl<S: Summary> Cell for S {
    fn take(&mut self, time: i64, value: f64) -> usize {
        self.add(time, value);
        0
    }

    fn take_all(&mut self, other: &Self) -> usize {
        self.merge(other);
        0
    }
}

impl Cell for Values {
    fn take(&mut self, _: i64, value: f64) -> usize {
        extended(&mut self.0, &[value])
    }

    fn take_all(&mut self, other: &Self) -> usize {
        extended(&mut self.0, &other.0)
    }
}

impl Cell for Timed {
    fn take(&mut self, time: i64, value: f64) -> usize {
        extended(&mut self.0, &[(time, value)])
    }

    fn take_all(&mut self, other: &Self) -> usize {
        extended(&mut self.0, &other.0)
    }
}

fn extended<T: Copy>(list: &mut Vec<T>, more: &[T]) -> usize {
    let before = list.capacity();
    list.extend_from_slice(more);
    (list.capacity() - before) * size_of::<T>()
}
