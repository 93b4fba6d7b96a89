//! Lines on their way to series: one range aggregation, line by line, in any order.

use trefoil_promql::error::EvalError;
use trefoil_promql::labels::Labels;
use trefoil_promql::source::{RawSeries, Samples};
use trefoil_promql::times::Times;

use super::cells::Cells;
use super::series::{Errors, Series, SeriesLabels, SeriesSet};
use super::settled::Settled;
use super::slide::slide;
use super::summary::Summary;
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
    settled: Settled,
}

impl Accumulator {
    pub fn new(function: Function, labels: SeriesLabels, grid: Grid, limits: Limits) -> Result<Self, MetricsError> {
        let cells = Cells::new(function.op, function.of_values);
        let windows = Windows::new(grid, function.range, function.offset);
        let set = SeriesSet::new(labels, function.errors);
        let mut new = Self { function, windows, limits, set, cells, bytes: 0, settled: Settled::default() };
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
        let held = self.cells.add(place, time, value);
        if held == 0 {
            return Ok(());
        }
        self.bytes += held;
        self.check_bytes(0)
    }

    /// Adds lines at these times, whose values are all the same. Where they are in order and lines are only counted, those of a piece
    /// are added at once.
    pub fn add_all(&mut self, series: Series, mut times: &[i64], value: f64) -> Result<(), MetricsError> {
        while let Some(time) = times.first() {
            let last = self.windows.last_like(*time);
            let (like, rest) = times.split_at(times.iter().take_while(|next| (*time..=last).contains(next)).count());
            times = rest;
            let Some(piece) = self.windows.piece(*time) else { continue };
            let place = series.0 as usize * self.windows.pieces() + piece;
            if !self.cells.count(place, like.len() as u64) {
                like.iter().try_for_each(|time| self.add(series, *time, value))?;
            }
        }
        Ok(())
    }

    /// Whether it takes less memory where lines come roughly in the order of their times, and [settling](Self::settle) is told of that.
    pub fn is_settled_by_time(&self) -> bool {
        matches!(self.cells, Cells::Values(_))
    }

    /// No line that is added or merged later is earlier than `before` (nanoseconds since the epoch): what lies before that is worked out.
    /// `check` is asked between windows whether to go on.
    pub fn settle(&mut self, before: i64, check: &dyn Fn() -> Result<(), EvalError>) -> Result<(), MetricsError> {
        if let Cells::Values(cells) = &mut self.cells {
            let (more, less) = self.settled.settle(before, self.function.quantile, &self.windows, cells, check)?;
            self.bytes = (self.bytes + more).saturating_sub(less);
        }
        Ok(())
    }

    /// Takes over what another one has added up, of the same aggregation and grid: of lines that were read on another thread.
    pub fn merge(&mut self, other: Accumulator) -> Result<(), MetricsError> {
        let pieces = self.windows.pieces();
        if other.function != self.function || other.windows != self.windows || other.settled.windows() > 0 {
            return Err(MetricsError::Invalid("only lines of one aggregation can be put together"));
        }
        for (place, labels) in other.set.into_labels().iter().enumerate() {
            let pairs = labels.iter().map(|label| (label.name.as_ref(), label.value.as_ref()));
            let pairs: Vec<(&str, &str)> = pairs.collect();
            let (series, is_new) = self.set.of_checked(pairs.iter().copied())?;
            if is_new {
                self.grow()?;
            }
            let (to, from) = (series.0 as usize * pieces, place * pieces);
            self.bytes += self.cells.merge(to..to + pieces, &other.cells, from..from + pieces);
            self.check_bytes(0)?;
        }
        Ok(())
    }

    /// About what it holds in memory.
    pub fn bytes(&self) -> usize {
        self.set.bytes() + self.bytes + self.cells.bytes()
    }

    /// Each series' values, a step of the grid as a millisecond, those without any left out. Sorted by labels. `check` is asked
    /// between series whether to go on.
    pub(super) fn finish(self, check: &dyn Fn() -> Result<(), EvalError>) -> Result<Vec<RawSeries>, MetricsError> {
        let Accumulator { function, windows, set, cells, settled, .. } = self;
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
            Cells::Values(cells) => finishing.rows(cells, |series, cells, take| {
                settled.of(series).iter().for_each(|(window, value)| take(*window, *value));
                quantile::of_windows(function.quantile, cells, &windows, settled.windows(), check, take)
            }),
            Cells::Timed(cells) => finishing.rows(cells, |_, cells, take| {
                let summaries: Vec<counter::Counter> = cells.iter_mut().map(counter::Counter::of).collect();
                slide(&summaries, &windows, |window, counter| {
                    let (begin, end) = windows.times_of(window);
                    if let Some(rate) = counter.rate(begin, end) {
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
        self.check_bytes(pieces.saturating_mul(self.cells.size()))?;
        self.cells.grow(pieces.saturating_mul(count));
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
        self.rows(cells, |_, cells, take| {
            slide(cells, &windows, |window, summary| {
                if let Some(value) = value(summary) {
                    take(window, value);
                }
            });
            Ok(())
        })
    }

    /// `values` hands over the windows that have a value, for one series after the other, whose place it is told.
    fn rows<S>(
        self,
        mut cells: Vec<S>,
        values: impl Fn(usize, &mut [S], &mut dyn FnMut(usize, f64)) -> Result<(), EvalError>,
    ) -> Result<Vec<RawSeries>, MetricsError> {
        let all: Times = (0..self.windows.count() as i64).collect();
        let mut series = Vec::with_capacity(self.labels.len());
        let pieces = self.windows.pieces().max(1);
        for (place, (labels, cells)) in self.labels.into_iter().zip(cells.chunks_mut(pieces)).enumerate() {
            (self.check)()?;
            let (mut steps, mut floats) = (Vec::new(), Vec::new());
            values(place, cells, &mut |window, value| {
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
