//! Histograms at the edges of a range, and sums of histograms with what there is to say about them.

use std::sync::Arc;

use super::edges::Edges;
use super::notes::{Notes, Operation};
use super::window::View;
use crate::histogram::FloatHistogram;

/// The histograms at both edges, from the samples that [`Edges::samples`] names; `None` where they do not go together.
pub(super) fn values(
    edges: Edges,
    view: View<'_, Arc<FloatHistogram>>,
    first: usize,
    last: usize,
    is_counter: bool,
    notes: &Notes<'_>,
) -> Option<(FloatHistogram, FloatHistogram)> {
    let left = match edges.smoothed && view.times[first] < edges.start {
        true => interpolate(view, first, edges.start, is_counter, notes)?,
        false => FloatHistogram::clone(&view.values[first]),
    };
    let right = match edges.smoothed && last > 0 && view.times[last] > edges.end {
        true => interpolate(view, last - 1, edges.end, is_counter, notes)?,
        false => FloatHistogram::clone(&view.values[last]),
    };
    Some((left, right))
}

/// The histogram at a time between a sample and the next one. A counter that was reset began again at 0.
pub(super) fn interpolate(
    view: View<'_, Arc<FloatHistogram>>,
    index: usize,
    time: i64,
    is_counter: bool,
    notes: &Notes<'_>,
) -> Option<FloatHistogram> {
    let (before, after) = (&view.values[index], &view.values[index + 1]);
    let (from, to) = (view.times[index], view.times[index + 1]);
    if time == from {
        return Some(FloatHistogram::clone(before));
    }
    if time == to {
        return Some(FloatHistogram::clone(after));
    }
    let fraction = (time - from) as f64 / (to - from) as f64;
    if is_counter && after.detect_reset(before) {
        return Some(after.mul(fraction));
    }
    let mut between = FloatHistogram::clone(after);
    subtract(&mut between, before, notes)?;
    between.mul_assign(fraction);
    add(&mut between, before, notes)?;
    Some(between)
}

/// `None`, and a warning, where exponential and custom buckets meet.
pub(super) fn add(to: &mut FloatHistogram, other: &FloatHistogram, notes: &Notes<'_>) -> Option<()> {
    let Ok(added) = to.add_assign(other) else {
        notes.mixed_schemas();
        return None;
    };
    if added.nhcb_bounds_reconciled {
        notes.reconciled(Operation::Addition);
    }
    Some(())
}

/// See [`add`].
pub(super) fn subtract(from: &mut FloatHistogram, other: &FloatHistogram, notes: &Notes<'_>) -> Option<()> {
    let Ok(subtracted) = from.sub_assign(other) else {
        notes.mixed_schemas();
        return None;
    };
    if subtracted.nhcb_bounds_reconciled {
        notes.reconciled(Operation::Subtraction);
    }
    Some(())
}
