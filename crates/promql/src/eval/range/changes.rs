//! `changes` and `resets`: how often neighbouring samples differ, and how often counting began anew.

use std::sync::Arc;

use super::scope::Scope;
use super::starts;
use super::window::Window;
use crate::ast::Extension;
use crate::histogram::FloatHistogram;

/// A sample of either kind.
#[derive(Clone, Copy)]
enum Sample<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

#[derive(Clone, Copy)]
struct Timed<'a> {
    time: i64,
    start: i64,
    sample: Sample<'a>,
}

pub(super) fn changes(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    count(scope, window, |before, after| match (before.sample, after.sample) {
        (Sample::Float(before), Sample::Float(after)) => before != after && !(before.is_nan() && after.is_nan()),
        (Sample::Histogram(before), Sample::Histogram(after)) => !after.equals(before),
        _ => true,
    })
}

pub(super) fn resets(scope: &Scope<'_>, window: &Window<'_>) -> Option<f64> {
    count(scope, window, |before, after| {
        let began_anew = starts::is_reset(before.start, before.time, after.start, after.time);
        match (before.sample, after.sample) {
            (Sample::Float(before), Sample::Float(after)) => began_anew || after < before,
            (Sample::Histogram(before), Sample::Histogram(after)) => began_anew || after.detect_reset(before),
            _ => true,
        }
    })
}

/// How many neighbours `differ`.
fn count(scope: &Scope<'_>, window: &Window<'_>, differ: impl Fn(Timed<'_>, Timed<'_>) -> bool) -> Option<f64> {
    let (float, histogram) = first_samples(scope, window)?;
    let floats = (float..window.floats.len()).map(|index| Timed {
        time: window.floats.times[index],
        start: window.floats.start(index),
        sample: Sample::Float(window.floats.values[index]),
    });
    let histograms = (histogram..window.histograms.len()).map(|index| Timed {
        time: window.histograms.times[index],
        start: window.histograms.start(index),
        sample: Sample::Histogram(Arc::as_ref(&window.histograms.values[index])),
    });
    let mut samples = by_time(floats, histograms);
    let mut before = samples.next()?;
    let mut count = 0;
    for after in samples {
        count += usize::from(differ(before, after));
        before = after;
    }
    Some(count as f64)
}

/// The first float and the first histogram to look at. With `anchored` the newest sample at or before the range's start is
/// what the first one within is compared with; `None` where nothing is within.
fn first_samples(scope: &Scope<'_>, window: &Window<'_>) -> Option<(usize, usize)> {
    if scope.extension != Some(Extension::Anchored) {
        return Some((0, 0));
    }
    let (floats, histograms) = (window.floats.times, window.histograms.times);
    let float = floats.partition_point(|time| *time <= window.start);
    let histogram = histograms.partition_point(|time| *time <= window.start);
    if float == floats.len() && histogram == histograms.len() {
        return None;
    }
    let before = |times: &[i64], index: usize| index.checked_sub(1).and_then(|index| times.get(index)).copied();
    match (before(floats, float), before(histograms, histogram)) {
        (None, None) => Some((float, histogram)),
        (Some(a), Some(b)) if a < b => Some((float, histogram - 1)),
        (None, Some(_)) => Some((float, histogram - 1)),
        (Some(_), _) => Some((float - 1, histogram)),
    }
}

fn by_time<'a>(
    floats: impl Iterator<Item = Timed<'a>>,
    histograms: impl Iterator<Item = Timed<'a>>,
) -> impl Iterator<Item = Timed<'a>> {
    let (mut floats, mut histograms) = (floats.peekable(), histograms.peekable());
    std::iter::from_fn(move || match (floats.peek(), histograms.peek()) {
        (Some(float), Some(histogram)) if float.time > histogram.time => histograms.next(),
        (None, _) => histograms.next(),
        _ => floats.next(),
    })
}
