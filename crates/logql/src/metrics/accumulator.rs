//! Lines on their way to series: one range aggregation, line by line, in any order.

use trefoil_promql::error::EvalError;
use trefoil_promql::labels::Labels;
use trefoil_promql::source::{RawSeries, Samples};
use trefoil_promql::times::Times;

use super::series::{Errors, Series, SeriesLabels, SeriesSet};
use super::slide::slide;
use super::summary::{Count, First, Greatest, Last, Least, Spread, Sum, Summary, Timed, Values};
use super::windows::Windows;
use super::{Grid, MetricsError, counter, quantile};
use crate::ast::RangeOp;

/// How much one range aggregation may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub series: usize,
    /// What is kept of each series for each piece of time, and of functions that need every value all values.
    pub bytes: usize,
}

/// What a range aggregation calculates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Function {
    pub op: RangeOp,
    /// Of `quantile_over_time`.
    pub quantile: f64,
    /// `rate` of lines counts them, of unwrapped values it adds them up.
    pub of_values: bool,
    /// Nanoseconds.
    pub range: i64,
    /// Nanoseconds.
    pub offset: i64,
    pub errors: Errors,
}

/// The lines of one range aggregation, added up by series and piece of time.
#[derive(Debug)]
pub struct Accumulator {
    function: Function,
    windows: Windows,
    limits: Limits,
    set: SeriesSet,
    cells: Cells,
    /// What single values hold.
    bytes: usize,
}

/// Of each series as many cells as there are pieces, one series after the other.
#[derive(Debug)]
enum Cells {
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

macro_rules! each {
    ($cells:expr, $list:ident => $body:expr) => {
        match $cells {
            Cells::Count($list) => $body,
            Cells::Sum($list) => $body,
            Cells::Least($list) => $body,
            Cells::Greatest($list) => $body,
            Cells::Spread($list) => $body,
            Cells::First($list) => $body,
            Cells::Last($list) => $body,
            Cells::Values($list) => $body,
            Cells::Timed($list) => $body,
        }
    };
}

impl Accumulator {
    pub fn new(function: Function, labels: SeriesLabels, grid: Grid, limits: Limits) -> Result<Self, MetricsError> {
        let cells = match function.op {
            RangeOp::CountOverTime | RangeOp::AbsentOverTime => Cells::Count(Vec::new()),
            RangeOp::Rate if !function.of_values => Cells::Count(Vec::new()),
            RangeOp::Rate
            | RangeOp::BytesOverTime
            | RangeOp::BytesRate
            | RangeOp::SumOverTime
            | RangeOp::AvgOverTime => Cells::Sum(Vec::new()),
            RangeOp::MinOverTime => Cells::Least(Vec::new()),
            RangeOp::MaxOverTime => Cells::Greatest(Vec::new()),
            RangeOp::StdvarOverTime | RangeOp::StddevOverTime => Cells::Spread(Vec::new()),
            RangeOp::FirstOverTime => Cells::First(Vec::new()),
            RangeOp::LastOverTime => Cells::Last(Vec::new()),
            RangeOp::QuantileOverTime => Cells::Values(Vec::new()),
            RangeOp::RateCounter => Cells::Timed(Vec::new()),
        };
        let windows = Windows::new(grid, function.range, function.offset);
        let mut new = Self { function, windows, limits, set: SeriesSet::new(labels, function.errors), cells, bytes: 0 };
        // A series that is there without lines.
        if new.set.len() > 0 {
            new.grow()?;
        }
        Ok(new)
    }

    /// The times of lines that count: later than the first, no later than the second (nanoseconds since the epoch).
    pub fn bounds(&self) -> (i64, i64) {
        self.windows.bounds()
    }

    /// The series of a line with these labels, each name once, best in the order of names. Fails for a line whose stages failed.
    pub fn series<'a, I>(&mut self, labels: I) -> Result<Series, MetricsError>
    where
        I: IntoIterator<Item = (&'a str, &'a str)>,
        I::IntoIter: Clone,
    {
        let (series, is_new) = self.set.of(labels.into_iter())?;
        if is_new {
            self.grow()?;
        }
        Ok(series)
    }

    /// Adds a line: its length where bytes are counted, its unwrapped value where the function takes values, else nothing that is
    /// looked at. A time that is in no window does not count.
    pub fn add(&mut self, series: Series, time: i64, value: f64) -> Result<(), MetricsError> {
        let Some(piece) = self.windows.piece(time) else { return Ok(()) };
        let place = series.0 as usize * self.windows.pieces() + piece;
        let held = match &mut self.cells {
            Cells::Count(cells) => summed(cells, place, time, value),
            Cells::Sum(cells) => summed(cells, place, time, value),
            Cells::Least(cells) => summed(cells, place, time, value),
            Cells::Greatest(cells) => summed(cells, place, time, value),
            Cells::Spread(cells) => summed(cells, place, time, value),
            Cells::First(cells) => summed(cells, place, time, value),
            Cells::Last(cells) => summed(cells, place, time, value),
            Cells::Values(cells) => pushed(cells.get_mut(place).map(|cell| &mut cell.0), value),
            Cells::Timed(cells) => pushed(cells.get_mut(place).map(|cell| &mut cell.0), (time, value)),
        };
        if held == 0 {
            return Ok(());
        }
        self.bytes += held;
        self.check_bytes(0)
    }

    /// About what it holds in memory.
    pub fn bytes(&self) -> usize {
        let cells = each!(&self.cells, list => size_of_val(list.as_slice()));
        self.set.bytes() + self.bytes + cells
    }

    /// Each series' values, a step of the grid as a millisecond, those without any left out. Sorted by labels. `check` is asked
    /// between series whether to go on.
    pub(super) fn finish(self, check: &dyn Fn() -> Result<(), EvalError>) -> Result<Vec<RawSeries>, MetricsError> {
        let Accumulator { function, windows, set, cells, .. } = self;
        let finishing = Finishing { windows, labels: set.into_labels(), check };
        let seconds = function.range as f64 / 1e9;
        let divisor = match function.op {
            RangeOp::Rate | RangeOp::BytesRate => seconds,
            _ => 1.0,
        };
        match cells {
            Cells::Count(cells) if function.op == RangeOp::AbsentOverTime => {
                finishing.joined(cells, |count| (count.0 == 0).then_some(1.0))
            }
            Cells::Count(cells) => finishing.joined(cells, |count| (count.0 > 0).then(|| count.0 as f64 / divisor)),
            Cells::Sum(cells) if function.op == RangeOp::AvgOverTime => {
                finishing.joined(cells, |sum| (sum.count > 0).then(|| sum.value() / sum.count as f64))
            }
            Cells::Sum(cells) => finishing.joined(cells, |sum| (sum.count > 0).then(|| sum.value() / divisor)),
            Cells::Least(cells) => finishing.joined(cells, |least| least.0),
            Cells::Greatest(cells) => finishing.joined(cells, |greatest| greatest.0),
            Cells::Spread(cells) if function.op == RangeOp::StddevOverTime => {
                finishing.joined(cells, |spread| (spread.count > 0).then(|| spread.variance().sqrt()))
            }
            Cells::Spread(cells) => finishing.joined(cells, |spread| (spread.count > 0).then(|| spread.variance())),
            Cells::First(cells) => finishing.joined(cells, |first| first.0.map(|(_, value)| value)),
            Cells::Last(cells) => finishing.joined(cells, |last| last.0.map(|(_, value)| value)),
            Cells::Values(cells) => finishing
                .rows(cells, |cells, take| quantile::of_windows(function.quantile, cells, &windows, check, take)),
            Cells::Timed(cells) => finishing.rows(cells, |cells, take| {
                let summaries: Vec<counter::Counter> = cells.iter_mut().map(counter::Counter::of).collect();
                slide(&summaries, &windows, |window, counter| {
                    if let Some(rate) = counter.rate(seconds) {
                        take(window, rate);
                    }
                });
                Ok(())
            }),
        }
    }

    /// Room for one more series.
    fn grow(&mut self) -> Result<(), MetricsError> {
        let count = self.set.len();
        if count > self.limits.series {
            return Err(MetricsError::TooManySeries(self.limits.series));
        }
        let pieces = self.windows.pieces();
        let size = each!(&self.cells, list => size_of_cell(list));
        self.check_bytes(pieces.saturating_mul(size))?;
        each!(&mut self.cells, list => list.resize_with(pieces.saturating_mul(count), Default::default));
        Ok(())
    }

    /// Whether so many bytes more may be held.
    fn check_bytes(&self, more: usize) -> Result<(), MetricsError> {
        match self.bytes().saturating_add(more) > self.limits.bytes {
            true => Err(MetricsError::TooMuchMemory { series: self.set.len(), limit: self.limits.bytes }),
            false => Ok(()),
        }
    }
}

fn size_of_cell<S>(_: &[S]) -> usize {
    size_of::<S>()
}

/// Adds the value to a cell. It holds no more than before.
fn summed<S: Summary>(cells: &mut [S], place: usize, time: i64, value: f64) -> usize {
    if let Some(cell) = cells.get_mut(place) {
        cell.add(time, value);
    }
    0
}

/// How many bytes more the cell holds.
fn pushed<T>(cell: Option<&mut Vec<T>>, value: T) -> usize {
    let Some(list) = cell else { return 0 };
    let before = list.capacity();
    list.push(value);
    (list.capacity() - before) * size_of::<T>()
}

/// From cells to series.
struct Finishing<'a> {
    windows: Windows,
    labels: Vec<Labels>,
    check: &'a dyn Fn() -> Result<(), EvalError>,
}

impl Finishing<'_> {
    /// `value`: that of a window's values as one.
    fn joined<S: Summary>(
        self,
        cells: Vec<S>,
        value: impl Fn(&S) -> Option<f64>,
    ) -> Result<Vec<RawSeries>, MetricsError> {
        let windows = self.windows;
        self.rows(cells, |cells, take| {
            slide(cells, &windows, |window, summary| {
                if let Some(value) = value(summary) {
                    take(window, value);
                }
            });
            Ok(())
        })
    }

    /// `values` hands over the windows that have a value, for one series after the other.
    fn rows<S>(
        self,
        mut cells: Vec<S>,
        values: impl Fn(&mut [S], &mut dyn FnMut(usize, f64)) -> Result<(), EvalError>,
    ) -> Result<Vec<RawSeries>, MetricsError> {
        let all: Times = (0..self.windows.count() as i64).collect();
        let mut series = Vec::with_capacity(self.labels.len());
        let pieces = self.windows.pieces().max(1);
        for (labels, cells) in self.labels.into_iter().zip(cells.chunks_mut(pieces)) {
            (self.check)()?;
            let (mut steps, mut floats) = (Vec::new(), Vec::new());
            values(cells, &mut |window, value| {
                steps.push(window as i64);
                floats.push(value);
            })?;
            if floats.is_empty() {
                continue;
            }
            let times = if floats.len() == all.len() { all.clone() } else { steps.into() };
            series.push(RawSeries { labels, samples: Samples { times, floats, ..Samples::default() } });
        }
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }
}
