//! `irate` and `idelta`: what happened between the last two samples.

use std::sync::Arc;

use super::histogram_edges::subtract;
use super::scope::Scope;
use super::starts;
use super::window::{View, Window};
use crate::histogram::{CounterResetHint, FloatHistogram};
use crate::points::{Point, PointRef};

#[derive(Clone, Copy)]
struct Last<'a> {
    time: i64,
    start: i64,
    point: PointRef<'a>,
}

/// The last samples of one kind, the newest first.
fn last<'a, T>(view: View<'a, T>, point: impl Fn(&'a T) -> PointRef<'a>) -> impl Iterator<Item = Last<'a>> {
    let lasts = (0..view.len()).rev().take(2);
    lasts.map(move |index| Last {
        time: view.times[index],
        start: view.start(index),
        point: point(&view.values[index]),
    })
}

pub(super) fn irate(scope: &Scope<'_>, window: &Window<'_>) -> Option<Point> {
    change(scope, window, true)
}

pub(super) fn idelta(scope: &Scope<'_>, window: &Window<'_>) -> Option<Point> {
    change(scope, window, false)
}

/// Of a counter by second.
fn change(scope: &Scope<'_>, window: &Window<'_>, is_counter: bool) -> Option<Point> {
    let floats = last(window.floats, |value| PointRef::Float(*value));
    let mut lasts: Vec<Last<'_>> = floats.chain(last(window.histograms, PointRef::Histogram)).collect();
    lasts.sort_by_key(|last| std::cmp::Reverse(last.time));
    let [new, old, ..] = lasts[..] else { return None };
    if new.time == old.time {
        return None;
    }
    let seconds = (new.time - old.time) as f64 / 1000.0;
    let began_anew = starts::is_reset(old.start, old.time, new.start, new.time);
    match (old.point, new.point) {
        (PointRef::Float(old), PointRef::Float(new)) if is_counter => {
            let change = if new < old || began_anew { new } else { new - old };
            Some(Point::Float(change / seconds))
        }
        (PointRef::Float(old), PointRef::Float(new)) => Some(Point::Float(new - old)),
        (PointRef::Histogram(old), PointRef::Histogram(new)) => {
            let mut change = histogram_change(scope, (old, new), is_counter, began_anew)?;
            if is_counter {
                change.div_assign(seconds);
            }
            Some(Point::Histogram(Arc::new(change)))
        }
        _ => {
            scope.notes.mixed();
            None
        }
    }
}

fn histogram_change(
    scope: &Scope<'_>,
    (old, new): (&FloatHistogram, &FloatHistogram),
    is_counter: bool,
    began_anew: bool,
) -> Option<FloatHistogram> {
    let gauges = [old, new].iter().filter(|it| it.counter_reset_hint == CounterResetHint::Gauge).count();
    if is_counter && gauges > 0 {
        scope.notes.histogram_is_no_counter();
    }
    if !is_counter && gauges < 2 {
        scope.notes.histogram_is_no_gauge();
    }
    let mut change = new.clone();
    if !is_counter || !(began_anew || new.detect_reset(old)) {
        subtract(&mut change, old, &scope.notes)?;
    }
    change.counter_reset_hint = CounterResetHint::Gauge;
    change.compact(0);
    Some(change)
}
