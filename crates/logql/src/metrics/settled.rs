//! Windows of functions that need every value, worked out before all lines are read.
//!
//! Whoever reads lines in the order of their times, roughly, says from time to time that no earlier ones come. What lies before that needs no
//! values any more, and so a quantile over a day of many lines takes no more memory than one over an hour.

use trefoil_promql::error::EvalError;

use super::quantile;
use super::summary::Values;
use super::windows::Windows;

/// The first windows of each series.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// How many windows.
    windows: usize,
    /// By series: of the windows that have values the number and the quantile.
    values: Vec<Vec<(usize, f64)>>,
}

impl Settled {
    /// Settles the windows in which no line from `before` on is. `cells`: as many for each series as there are pieces. How many bytes more
    /// and less are held then. `check` is asked between windows whether to go on.
    pub fn settle(
        &mut self,
        before: i64,
        of: f64,
        windows: &Windows,
        cells: &mut [Values],
        check: &dyn Fn() -> Result<(), EvalError>,
    ) -> Result<(usize, usize), EvalError> {
        let first = self.windows;
        while self.windows < windows.count() && windows.times_of(self.windows).1 < before {
            self.windows += 1;
        }
        let pieces = windows.pieces();
        if first == self.windows || pieces == 0 {
            return Ok((0, 0));
        }
        let free = windows.pieces_of(first).0..match self.windows < windows.count() {
            true => windows.pieces_of(self.windows).0,
            false => pieces,
        };
        self.values.resize_with(cells.len() / pieces, Vec::new);
        let (mut more, mut less, mut scratch) = (0, 0, Vec::new());
        for (values, cells) in self.values.iter_mut().zip(cells.chunks_mut(pieces)) {
            let held = values.capacity();
            for window in first..self.windows {
                check()?;
                values
                    .extend(quantile::of_window(of, cells, windows, window, &mut scratch).map(|value| (window, value)));
            }
            more += (values.capacity() - held) * size_of::<(usize, f64)>();
            for cell in cells.get_mut(free.clone()).unwrap_or_default() {
                less += std::mem::take(&mut cell.0).capacity() * size_of::<f64>();
            }
        }
        Ok((more, less))
    }

    /// How many windows are settled: nothing may be added to them.
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// Those of a series, by its place.
    pub fn of(&self, series: usize) -> &[(usize, f64)] {
        self.values.get(series).map_or(&[], Vec::as_slice)
    }
}
