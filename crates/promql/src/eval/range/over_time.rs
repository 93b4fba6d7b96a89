//! The `…_over_time` functions that pick, count or add up samples.

use super::scope::Scope;
use super::window::Window;
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

/// The most extreme float and the second it is from; `beats` says whether a value counts more than the one so far.
///
/// NaN is the result only if there is nothing else.
fn extreme(scope: &Scope<'_>, window: &Window<'_>, beats: impl Fn(f64, f64) -> bool) -> Option<(f64, f64)> {
    let floats = window.floats;
    let (mut best, mut at) = (*floats.values.first()?, *floats.times.first()?);
    scope.say_ignored_histograms(window);
    for (value, time) in floats.values.iter().zip(floats.times) {
        if beats(*value, best) || best.is_nan() {
            (best, at) = (*value, *time);
        }
    }
    Some((best, at as f64 / 1000.0))
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
}
