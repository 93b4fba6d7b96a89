//! Values at the edges of a range, for `anchored` and `smoothed`.

use super::window::View;
use crate::source::Samples;

/// A range whose edges have values: by the sample at or before them (`anchored`), or between their neighbours (`smoothed`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    pub start: i64,
    pub end: i64,
    pub smoothed: bool,
}

impl Edges {
    /// The samples that the edges are computed from, first and last; `None` where none is in the range or around it.
    pub fn samples(&self, times: &[i64]) -> Option<(usize, usize)> {
        let last = times.len().checked_sub(1)?;
        let first = times[..last].partition_point(|time| *time <= self.start).saturating_sub(1);
        let last = match self.smoothed {
            true => times[..last].partition_point(|time| *time < self.end),
            false => last,
        };
        (times[last] > self.start).then_some((first, last))
    }

    /// The values at both edges, from the samples that [`Edges::samples`] names.
    pub fn values(&self, floats: View<'_, f64>, first: usize, last: usize, is_counter: bool) -> (f64, f64) {
        let between = |index: usize, time: i64| interpolate(floats, index, time, is_counter);
        let left = match self.smoothed && floats.times[first] < self.start {
            true => between(first, self.start),
            false => floats.values[first],
        };
        let right = match self.smoothed && last > 0 && floats.times[last] > self.end {
            true => between(last - 1, self.end),
            false => floats.values[last],
        };
        (left, right)
    }

    /// The samples strictly between the edges.
    pub fn between(&self, times: &[i64], first: usize, last: usize) -> std::ops::Range<usize> {
        let first = if times[first] <= self.start { first + 1 } else { first };
        let end = if times[last] >= self.end { last } else { last + 1 };
        first..end.max(first)
    }

    /// The range's samples with one at each edge.
    pub fn extend(&self, floats: View<'_, f64>) -> Samples {
        let mut extended = Samples::default();
        let Some((first, last)) = self.samples(floats.times) else { return extended };
        let (left, right) = self.values(floats, first, last, false);
        extended.push_float(self.start, left);
        for index in self.between(floats.times, first, last) {
            extended.push_float(floats.times[index], floats.values[index]);
        }
        extended.push_float(self.end, right);
        extended
    }
}

/// The value at a time between a sample and the next one. A counter that was reset began again at 0.
pub(super) fn interpolate(floats: View<'_, f64>, index: usize, time: i64, is_counter: bool) -> f64 {
    let (before, after) = (floats.values[index], floats.values[index + 1]);
    let before = if is_counter && after < before { 0.0 } else { before };
    let (from, to) = (floats.times[index], floats.times[index + 1]);
    before + (after - before) * (time - from) as f64 / (to - from) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_have_values() {
        let times = [0, 10, 20, 30];
        let floats = View { first: 0, times: &times, values: &[0.0, 10.0, 0.0, 30.0], starts: &[] };
        let pairs = |start, end, smoothed| {
            let samples = Edges { start, end, smoothed }.extend(floats);
            samples.times.iter().copied().zip(samples.floats).collect::<Vec<_>>()
        };
        assert_eq!(pairs(5, 25, true), [(5, 5.0), (10, 10.0), (20, 0.0), (25, 15.0)]);
        assert_eq!(pairs(5, 35, false), [(5, 0.0), (10, 10.0), (20, 0.0), (30, 30.0), (35, 30.0)]);
        assert_eq!(pairs(10, 30, false), [(10, 10.0), (20, 0.0), (30, 30.0)]);
        assert_eq!(pairs(30, 40, false), []);
        // A counter between 10 and its reset to 0 is interpolated from 0.
        let edges = Edges { start: 15, end: 25, smoothed: true };
        assert_eq!(edges.values(floats, 1, 3, true), (0.0, 15.0));
        assert_eq!(edges.values(floats, 1, 3, false), (5.0, 15.0));
    }
}
