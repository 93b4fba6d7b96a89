//! The `…_over_time` functions that pick, count or add up samples.

use std::collections::VecDeque;

use super::scope::Scope;
use super::window::{View, Window};
use super::{histogram_point, histogram_sums};
use crate::histogram::{Kahan, kahan_inc};
use crate::points::Point;

pub(super) fn count(window: &Window<'_>) -> Point {
    Point::Float((window.floats.len() + window.histograms.len()) as f64)
}

pub(super) fn first(window: &Window<'_>) -> Option<Point> {
    let (floats, histograms) = (window.floats, window.histograms);
    match (floats.times.first(), histograms.times.first()) {
        (Some(float), Some(histogram)) if float < histogram => floats.values.first().copied().map(Point::Float),
        (_, Some(_)) => histograms.values.first().cloned().map(Point::Histogram),
        _ => floats.values.first().copied().map(Point::Float),
    }
}

pub(super) fn last(window: &Window<'_>) -> Option<Point> {
    let (floats, histograms) = (window.floats, window.histograms);
    match (floats.times.last(), histograms.times.last()) {
        (Some(float), Some(histogram)) if histogram < float => floats.values.last().copied().map(Point::Float),
        (_, Some(_)) => histograms.values.last().cloned().map(Point::Histogram),
        _ => floats.values.last().copied().map(Point::Float),
    }
}

/// In seconds, as all times that are values.
pub(super) fn time_of_first(window: &Window<'_>) -> Option<f64> {
    let times = [window.floats.times.first(), window.histograms.times.first()];
    times.into_iter().flatten().min().map(|time| *time as f64 / 1000.0)
}

pub(super) fn time_of_last(window: &Window<'_>) -> Option<f64> {
    let times = [window.floats.times.last(), window.histograms.times.last()];
    times.into_iter().flatten().max().map(|time| *time as f64 / 1000.0)
}

/// The most extreme float and the second it is from; `beats` says whether a value counts more than one before it.
///
/// NaN is the result only if there is nothing else.
fn extreme(scope: &Scope<'_>, window: &Window<'_>, beats: impl Fn(f64, f64) -> bool) -> Option<(f64, f64)> {
    let floats = window.floats;
    let last = floats.len().checked_sub(1)?;
    scope.say_ignored_histograms(window);
    let best = scope.extreme.borrow_mut().slide_to(&floats, &scope.tracks.floats.values, beats);
    let best = best.map_or(last, |place| place - floats.first);
    Some((floats.values[best], floats.times[best] as f64 / 1000.0))
}

/// The most extreme float of a window, found in one pass over all windows.
#[derive(Debug, Default)]
pub(super) struct Extreme {
    /// How far the track was looked at.
    seen: usize,
    /// The places of those that are, or may become, the most extreme: each beats all behind it.
    candidates: VecDeque<usize>,
}

impl Extreme {
    /// The place in the track; `None` where there is only NaN. Windows only move forward.
    fn slide_to(&mut self, view: &View<'_, f64>, track: &[f64], beats: impl Fn(f64, f64) -> bool) -> Option<usize> {
        let end = view.first + view.len();
        for place in self.seen.max(view.first)..end {
            let value = track[place];
            if value.is_nan() {
                continue;
            }
            while self.candidates.pop_back_if(|candidate| beats(value, track[*candidate])).is_some() {}
            self.candidates.push_back(place);
        }
        self.seen = self.seen.max(end);
        while self.candidates.pop_front_if(|candidate| *candidate < view.first).is_some() {}
        self.candidates.front().copied()
    }
}

pub(super) fn max(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    extreme(scope, window, |value, best| value > best).map(|(value, _)| value)
}

pub(super) fn min(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    extreme(scope, window, |value, best| value < best).map(|(value, _)| value)
}

/// Of equal values the last one's.
pub(super) fn time_of_max(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    extreme(scope, window, |value, best| value >= best).map(|(_, time)| time)
}

pub(super) fn time_of_min(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    extreme(scope, window, |value, best| value <= best).map(|(_, time)| time)
}

pub(super) fn sum(scope: &Scope<'_>, window: &Window<'_>) -> Option<Point> {
    if window.is_mixed() {
        scope.notes.mixed();
        return None;
    }
    if window.floats.is_empty() {
        return histogram_sums::sum(scope, window).map(histogram_point);
    }
    let mut sum = Kahan::default();
    for value in window.floats.values {
        sum.add(*value);
    }
    Some(Point::Float(if sum.sum.is_infinite() { sum.sum } else { sum.total() }))
}

pub(super) fn avg(scope: &Scope<'_>, window: &Window<'_>) -> Option<Point> {
    if window.is_mixed() {
        scope.notes.mixed();
        return None;
    }
    match window.floats.is_empty() {
        true => histogram_sums::avg(scope, window).map(histogram_point),
        false => mean(window.floats.values).map(Point::Float),
    }
}

/// By the sum as long as that is finite, which is more exact; from there on by a running mean, which cannot overflow.
fn mean(values: &[f64]) -> Option<f64> {
    let (first, others) = values.split_first()?;
    let (mut sum, mut lost) = (*first, 0.0);
    let mut running: Option<(f64, f64)> = None;
    for (index, value) in others.iter().enumerate() {
        let count = (index + 2) as f64;
        let (mean, mean_lost) = match running {
            Some(running) => running,
            None => {
                let (new_sum, new_lost) = kahan_inc(*value, sum, lost);
                if !new_sum.is_infinite() {
                    (sum, lost) = (new_sum, new_lost);
                    continue;
                }
                (sum / (count - 1.0), lost / (count - 1.0))
            }
        };
        let share = (count - 1.0) / count;
        running = Some(kahan_inc(value / count, share * mean, share * mean_lost));
    }
    let count = values.len() as f64;
    Some(match running {
        Some((mean, lost)) => mean + lost,
        None => sum / count + lost / count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_do_not_overflow() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(mean(&[1.0, 1e100, 1.0, -1e100]), Some(0.5));
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_some_and(f64::is_nan));
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn extremes_of_sliding_windows_are_those_of_each() {
        let nan = f64::NAN;
        let track = [nan, 3.0, 1.0, 3.0, nan, nan, 2.0, 2.0, -1.0, nan];
        let times: Vec<i64> = (0..10).collect();
        for width in 1..=10 {
            let (mut first_max, mut last_min) = (Extreme::default(), Extreme::default());
            for first in (0..=10 - width).step_by(2) {
                let (times, values) = (&times[first..first + width], &track[first..first + width]);
                let view = View { first, times, values, starts: &[] };
                let best = |beats: fn(f64, f64) -> bool| {
                    let places = (first..first + width).filter(|place| !track[*place].is_nan());
                    places.reduce(|best, place| if beats(track[place], track[best]) { place } else { best })
                };
                let max = first_max.slide_to(&view, &track, |value, best| value > best);
                assert_eq!(max, best(|value, best| value > best), "{width} {first}");
                let min = last_min.slide_to(&view, &track, |value, best| value <= best);
                assert_eq!(min, best(|value, best| value <= best), "{width} {first}");
            }
        }
    }
}
