//! `rate`, `increase` and `delta` of native histograms.

use std::sync::Arc;

use super::edges::Edges;
use super::histogram_edges::{self, add, subtract};
use super::notes::Notes;
use super::rate::{Rate, counting_began, is_start_reset};
use super::scope::Scope;
use super::starts;
use super::window::{View, Window};
use crate::histogram::{CounterResetHint, FloatHistogram};

type Histograms<'a> = View<'a, Arc<FloatHistogram>>;

/// See [`Rate`].
pub(super) fn extrapolated(rate: Rate, scope: &Scope<'_>, window: &Window<'_>) -> Option<FloatHistogram> {
    let (notes, histograms) = (&scope.notes, window.histograms);
    let first = histograms.values.first()?;
    let change = match histograms.len() > 1 {
        true => Some(change(histograms, rate.is_counter, notes)?),
        false => None,
    };
    let began = if rate.is_counter { counting_began(window.start, histograms) } else { None };
    let (mut change, share) = match (began, change) {
        (Some(_), None) => (FloatHistogram::clone(first), None),
        (Some(_), Some(mut change)) => {
            add(&mut change, first, notes)?;
            (change, None)
        }
        (None, None) => return None,
        (None, Some(change)) => {
            let share =
                (rate.is_counter && change.count > 0.0 && first.count >= 0.0).then(|| first.count / change.count);
            (change, share)
        }
    };
    change.mul_assign(rate.factor(window, histograms.times, began, share, scope.range_seconds));
    Some(change)
}

/// What came between the first and the last of at least two histograms; `None` where they do not go together.
fn change(view: Histograms<'_>, is_counter: bool, notes: &Notes<'_>) -> Option<FloatHistogram> {
    let (first, second, last) = (view.values.first()?, view.values.get(1)?, view.values.last()?);
    let is_gauge = |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
    let mut any_gauge = is_gauge(first) || is_gauge(last);

    // Before a reset the first one does not matter, and neither does whether its buckets fit the others'.
    let empty;
    let before_second: &FloatHistogram = match is_counter && (is_start_reset(&view, 1) || second.detect_reset(first)) {
        true => {
            let (schema, custom_values) = (second.schema, second.custom_values.clone());
            empty = FloatHistogram { schema, custom_values, ..FloatHistogram::default() };
            &empty
        }
        false => first,
    };
    let is_custom = before_second.uses_custom_buckets();
    if last.uses_custom_buckets() != is_custom {
        if is_counter && any_gauge {
            notes.histogram_is_no_counter();
        }
        notes.mixed_schemas();
        return None;
    }
    let mut schema = last.schema.min(before_second.schema);
    if is_counter {
        for histogram in &view.values[1..view.len() - 1] {
            any_gauge |= is_gauge(histogram);
            schema = schema.min(histogram.schema);
            if histogram.uses_custom_buckets() != is_custom {
                notes.mixed_schemas();
                return None;
            }
        }
        if any_gauge {
            notes.histogram_is_no_counter();
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        notes.histogram_is_no_gauge();
    }

    let mut change = last.copy_to_schema(schema);
    subtract(&mut change, before_second, notes)?;
    if is_counter {
        add_what_resets_lost(&mut change, view, before_second, notes)?;
    }
    change.counter_reset_hint = CounterResetHint::Gauge;
    change.compact(0);
    Some(change)
}

fn add_what_resets_lost(
    change: &mut FloatHistogram,
    view: Histograms<'_>,
    before_second: &FloatHistogram,
    notes: &Notes<'_>,
) -> Option<()> {
    let mut any_overlap = false;
    let mut before = before_second;
    for (index, histogram) in view.values.iter().enumerate().skip(1) {
        any_overlap |= !view.starts.is_empty()
            && starts::overlaps(view.start(index - 1), view.times[index - 1], view.start(index));
        if is_start_reset(&view, index) || histogram.detect_reset(before) {
            add(change, before, notes)?;
        }
        before = histogram;
    }
    if any_overlap {
        notes.overlap();
    }
    Some(())
}

/// With values at the edges themselves, so that nothing is extrapolated.
pub(super) fn between_edges(
    rate: Rate,
    scope: &Scope<'_>,
    window: &Window<'_>,
    edges: Edges,
) -> Option<FloatHistogram> {
    let (notes, histograms) = (&scope.notes, window.histograms);
    let (first, last) = edges.samples(histograms.times)?;
    if edges.smoothed && histograms.times[first] > edges.end {
        return None;
    }
    let used = &histograms.values[first..=last];
    let is_custom = histograms.values[first].uses_custom_buckets();
    for histogram in used {
        if histogram.uses_custom_buckets() != is_custom {
            notes.mixed_schemas();
            return None;
        }
        if rate.is_counter && histogram.counter_reset_hint == CounterResetHint::Gauge {
            notes.histogram_is_no_counter();
        }
    }

    let (left, right) = histogram_edges::values(edges, histograms, first, last, rate.is_counter, notes)?;
    let are_gauges = [&left, &right].iter().all(|edge| edge.counter_reset_hint == CounterResetHint::Gauge);
    if !rate.is_counter && !are_gauges {
        notes.histogram_is_no_gauge();
    }
    let mut change = right.clone();
    subtract(&mut change, &left, notes)?;
    if rate.is_counter {
        for lost in lost_in_resets(edges, histograms, (first, last), (&left, &right)) {
            add(&mut change, lost, notes)?;
        }
    }
    if rate.per_second {
        change.div_assign(scope.range_seconds);
    }
    change.counter_reset_hint = CounterResetHint::Gauge;
    change.compact(0);
    Some(change)
}

/// The histograms just before resets between the edges.
fn lost_in_resets<'a>(
    edges: Edges,
    view: Histograms<'a>,
    (first, last): (usize, usize),
    (left, right): (&'a FloatHistogram, &'a FloatHistogram),
) -> Vec<&'a FloatHistogram> {
    let mut lost = Vec::new();
    let (mut next, mut before) = (first + 1, left);
    // The left edge may lie within a reset, which its value knows of: the sample after it is no reset then.
    if edges.smoothed
        && view.times[first] < edges.start
        && let Some(after) = view.values.get(first + 1).filter(|after| after.detect_reset(&view.values[first]))
    {
        before = after;
        next += 1;
    }
    // Both edges lie between the same two samples.
    if next > last {
        return lost;
    }
    // The last sample is what the right edge is made of.
    for histogram in view.values.get(next..last).unwrap_or_default() {
        if histogram.detect_reset(before) {
            lost.push(before);
        }
        before = histogram;
    }
    if right.detect_reset(before) {
        lost.push(before);
    }
    lost
}
