//! `rate`, `increase` and `delta`, extrapolated to the edges of their range.

use std::cmp::Ordering;

use super::edges::Edges;
use super::scope::Scope;
use super::window::{View, Window};
use super::{histogram_point, histogram_rate, starts};
use crate::ast::Extension;
use crate::points::Point;

#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// Values only fall where counting begins anew.
    pub is_counter: bool,
    /// The change is asked for by second.
    pub per_second: bool,
}

impl Rate {
    pub const RATE: Self = Self { is_counter: true, per_second: true };
    pub const INCREASE: Self = Self { is_counter: true, per_second: false };
    pub const DELTA: Self = Self { is_counter: false, per_second: false };

    pub fn of(self, scope: &Scope<'_>, window: &Window<'_>) -> Option<Point> {
        if window.is_mixed() {
            scope.notes.mixed();
            return None;
        }
        let edges = scope.extension.map(|extension| Edges {
            start: window.start,
            end: window.end,
            smoothed: extension == Extension::Smoothed,
        });
        match (window.histograms.is_empty(), edges) {
            (true, None) => self.extrapolated(scope, window).map(Point::Float),
            (true, Some(edges)) => self.between_edges(window, edges).map(Point::Float),
            (false, None) => histogram_rate::extrapolated(self, scope, window).map(histogram_point),
            (false, Some(edges)) => histogram_rate::between_edges(self, scope, window, edges).map(histogram_point),
        }
    }

    fn extrapolated(self, scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
        let floats = window.floats;
        let (first, last) = (*floats.values.first()?, *floats.values.last()?);
        let mut change = last - first;
        let mut began = None;
        if self.is_counter {
            if scope.any_overlap(&floats) {
                scope.notes.overlap();
            }
            for reset in scope.float_resets(&floats) {
                change += floats.values[reset - floats.first - 1];
            }
            began = counting_began(window.start, floats);
        }
        match began {
            Some(_) => change += first,
            None if floats.len() == 1 => return None,
            None => {}
        }
        let share = (self.is_counter && began.is_none() && change > 0.0 && first >= 0.0).then(|| first / change);
        Some(change * self.factor(window, floats.times, began, share, scope.range_seconds))
    }

    /// What the change between the first and the last sample is to be multiplied with.
    ///
    /// `began` is the time of a 0 before the first sample, `share_before` how many times the change it is from 0 to the
    /// first sample.
    pub fn factor(
        self,
        window: &Window<'_>,
        times: &[i64],
        began: Option<i64>,
        share_before: Option<f64>,
        range_seconds: f64,
    ) -> f64 {
        Reach::of(window, times, began).map_or(0.0, |reach| self.scaled(reach.factor(share_before), range_seconds))
    }

    /// The factor of what is asked for.
    pub fn scaled(self, factor: f64, range_seconds: f64) -> f64 {
        if self.per_second { factor / range_seconds } else { factor }
    }

    /// With values at the edges themselves, so that nothing is extrapolated.
    fn between_edges(self, window: &Window<'_>, edges: Edges) -> Option<f64> {
        let floats = window.floats;
        let (first, last) = edges.samples(floats.times)?;
        if edges.smoothed && floats.times[first] > edges.end {
            return None;
        }
        let (left, right) = edges.values(floats, first, last, self.is_counter);
        let mut change = right - left;
        if self.is_counter {
            // What happened at the edges is in their values already.
            let inside = &floats.values[edges.between(floats.times, first, last)];
            change += lost_in_resets(left, right, inside);
        }
        Some(if self.per_second { change / seconds_of(edges.end - edges.start) } else { change })
    }
}

/// How far the samples of a window reach, in seconds; it depends on times only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// From the first to the last, or from where the counter was 0 before the first.
    sampled: f64,
    /// To the edges, as far as the series is taken to have gone on.
    to_start: f64,
    to_end: f64,
}

impl Reach {
    /// `None` where there are no samples. `began` is the time of a 0 before the first one.
    pub fn of(window: &Window<'_>, times: &[i64], began: Option<i64>) -> Option<Self> {
        let (first, last) = (times.first()?, times.last()?);
        let seconds = |from: i64, to: i64| (to - from) as f64 / 1000.0;
        let sampled = seconds(*first, *last);
        let interval = if times.len() > 1 { sampled / (times.len() - 1) as f64 } else { 0.0 };
        // Samples that come more or less regularly would have been seen, had the series gone on to the edge: where one is
        // missing, the series is taken to begin or end halfway to it.
        let threshold = interval * 1.1;
        let to_edge = |distance: f64| if distance >= threshold { interval / 2.0 } else { distance };
        let (sampled, to_start) = match began {
            Some(began) => (seconds(began, *last), 0.0),
            None => (sampled, to_edge(seconds(window.start, *first))),
        };
        Some(Self { sampled, to_start, to_end: to_edge(seconds(*last, window.end)) })
    }

    /// How many times the change between the samples the change to the edges is. `share_before` is how many times it is the
    /// change from 0 to the first sample.
    pub fn factor(&self, share_before: Option<f64>) -> f64 {
        let Self { sampled, to_start, to_end } = *self;
        // A counter cannot have been negative: it is not followed back beyond where it was 0.
        let to_zero = share_before.map(|share| sampled * share);
        let to_start = to_zero.filter(|to_zero| *to_zero < to_start).unwrap_or(to_start);
        if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled }
    }

    /// Whether a counter may have been 0 on the way to the start: without a division, and so perhaps in vain.
    pub fn may_reach_zero(&self, first: f64, change: f64) -> bool {
        let order = (self.sampled * first).partial_cmp(&(self.to_start * change * 1.000_001));
        // What cannot be compared may.
        order != Some(Ordering::Greater)
    }
}

/// When counting began, if that is within the range but before the first sample: there it was 0.
pub(super) fn counting_began<T>(range_start: i64, view: View<'_, T>) -> Option<i64> {
    let (began, first) = (*view.starts.first()?, *view.times.first()?);
    (began != 0 && began > range_start && began < first).then_some(began)
}

fn lost_in_resets(left: f64, right: f64, inside: &[f64]) -> f64 {
    let (mut lost, mut before) = (0.0, left);
    for value in inside.iter().chain([&right]) {
        if *value < before {
            lost += before;
        }
        before = *value;
    }
    lost
}

/// Whole seconds and the rest of them apart, as Go computes it: other roundings would show in results.
pub(super) fn seconds_of(millis: i64) -> f64 {
    (millis / 1000) as f64 + ((millis % 1000) * 1_000_000) as f64 / 1e9
}

/// Whether counting began anew between neighbouring samples, by their start times.
pub(super) fn is_start_reset<T>(view: &View<'_, T>, index: usize) -> bool {
    !view.starts.is_empty()
        && starts::is_reset(view.start(index - 1), view.times[index - 1], view.start(index), view.times[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(rate: Rate, times: &[i64], (start, end): (i64, i64), began: Option<i64>, share: Option<f64>) -> f64 {
        let empty = View { first: 0, times: &[], values: &[], starts: &[] };
        let histograms = View { first: 0, times: &[], values: &[], starts: &[] };
        let window = Window { time: end, start, end, floats: empty, histograms };
        rate.factor(&window, times, began, share, seconds_of(end - start))
    }

    #[test]
    fn changes_are_extrapolated_to_near_edges_only() {
        let times = [10_000, 20_000, 30_000];
        let increase = |edges, began, share| factor(Rate::INCREASE, &times, edges, began, share);
        // Both edges are nearer than an interval and a tenth.
        assert_eq!(increase((0, 40_000), None, None), 2.0);
        assert_eq!(increase((-900, 40_900), None, None), 41.8 / 20.0);
        // Both are farther: half an interval is added.
        assert_eq!(increase((-1_000, 41_000), None, None), 1.5);
        // The counter was 0 two seconds before its first sample.
        assert_eq!(increase((0, 30_000), None, Some(0.1)), 1.1);
        // It is known when it was 0.
        assert_eq!(increase((0, 30_000), Some(5_000), None), 1.0);
        assert_eq!(factor(Rate::RATE, &times, (0, 40_000), None, None), 2.0 / 40.0);
        assert_eq!(factor(Rate::INCREASE, &[10_000], (0, 40_000), Some(5_000), None), 1.0);
    }

    #[test]
    fn falls_of_a_counter_are_resets() {
        assert_eq!(lost_in_resets(5.0, 1.0, &[7.0, 3.0, 4.0]), 11.0);
        assert_eq!(lost_in_resets(5.0, 6.0, &[]), 0.0);
        assert_eq!(seconds_of(1_100), 1.1);
    }
}
