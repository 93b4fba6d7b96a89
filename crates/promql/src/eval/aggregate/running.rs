//! Aggregations that run along rows: the state of all steps is a row itself, and takes in one series after another.

use crate::eval::binary::mask::Mask;
use crate::histogram::kahan_inc;
use crate::points::Points;
use crate::value::StepSeries;

/// Calls `first` or `next` with each float and the state of its step, by whether the step has seen one before. Steps that
/// have are given back.
pub(super) fn fold<S>(
    states: &mut [S],
    rows: &[&StepSeries],
    first: impl Fn(&mut S, f64),
    next: impl Fn(&mut S, f64),
) -> Mask {
    let mut seen = Mask::none(states.len());
    for row in rows {
        let floats = row.points.floats();
        let mut present = Mask::all_of(&[row.points.present()]);
        if row.points.has_histograms() {
            for step in row.points.iter().filter_map(|(step, point)| point.float().is_none().then_some(step)) {
                present.clear(step);
            }
        }
        for (index, words) in present.words().iter().zip(seen.words()).enumerate() {
            let range = index * 64..floats.len().min(index * 64 + 64);
            let (states, floats) = (&mut states[range.clone()], &floats[range]);
            match words {
                // Nearly always: a value at each step, and one before.
                (&u64::MAX, &u64::MAX) => states.iter_mut().zip(floats).for_each(|(state, value)| next(state, *value)),
                (&present, &seen) => {
                    for (bit, (state, value)) in states.iter_mut().zip(floats).enumerate() {
                        match (present >> bit & 1, seen >> bit & 1) {
                            (0, _) => {}
                            (_, 0) => first(state, *value),
                            _ => next(state, *value),
                        }
                    }
                }
            }
        }
        seen.or(present.words());
    }
    seen
}

pub(super) fn sum(len: usize, rows: &[&StepSeries]) -> Points {
    let mut states = vec![(0.0, 0.0); len];
    let seen = fold(
        &mut states,
        rows,
        |state, value| *state = (value, 0.0),
        |state, value| *state = kahan_inc(value, state.0, state.1),
    );
    Points::masked(states.into_iter().map(|(sum, compensation)| sum + compensation).collect(), seen.into_words())
}

/// The value that `beats` all others. NaN only where there is nothing else.
pub(super) fn extreme(len: usize, rows: &[&StepSeries], beats: impl Fn(f64, f64) -> bool) -> Points {
    let mut states = vec![0.0; len];
    let seen = fold(
        &mut states,
        rows,
        |best, value| *best = value,
        |best, value| {
            if beats(value, *best) || best.is_nan() {
                *best = value;
            }
        },
    );
    Points::masked(states, seen.into_words())
}

/// Population variance by Welford's algorithm.
pub(super) fn variance(len: usize, rows: &[&StepSeries]) -> Points {
    #[derive(Clone, Copy, Default)]
    struct State {
        count: f64,
        mean: f64,
        squares: f64,
    }
    let mut states = vec![State::default(); len];
    let seen = fold(
        &mut states,
        rows,
        |state, value| {
            let squares = if value.is_finite() { 0.0 } else { f64::NAN };
            *state = State { count: 1.0, mean: value, squares };
        },
        |state, value| {
            state.count += 1.0;
            let delta = value - state.mean;
            state.mean += delta / state.count;
            state.squares += delta * (value - state.mean);
        },
    );
    Points::masked(states.into_iter().map(|state| state.squares / state.count).collect(), seen.into_words())
}

/// Histograms count, too.
pub(super) fn count(len: usize, rows: &[&StepSeries]) -> Points {
    let mut counts = vec![0.0; len];
    for row in rows {
        for (words, counts) in row.points.present().iter().zip(counts.chunks_mut(64)) {
            counts.iter_mut().enumerate().for_each(|(bit, count)| *count += (words >> bit & 1) as f64);
        }
    }
    Points::masked(counts, present(len, rows).into_words())
}

pub(super) fn group(len: usize, rows: &[&StepSeries]) -> Points {
    Points::masked(vec![1.0; len], present(len, rows).into_words())
}

fn present(len: usize, rows: &[&StepSeries]) -> Mask {
    let mut seen = Mask::none(len);
    rows.iter().for_each(|row| seen.or(row.points.present()));
    seen
}
