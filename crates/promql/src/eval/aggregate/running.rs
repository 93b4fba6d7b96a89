//! Aggregations that run along rows: the state of all steps is a row itself, and takes in one series after another.

use super::average::Average;
use crate::ast::AggregateOp;
use crate::eval::binary::mask::Mask;
use crate::histogram::kahan_inc;
use crate::points::Points;

/// One group on its way.
pub(super) struct Running {
    /// The steps that have seen a value.
    seen: Mask,
    states: States,
}

enum States {
    /// Sums and what rounding has lost of them.
    Sum(Vec<(f64, f64)>),
    Average(Vec<Average>),
    Count(Vec<f64>),
    Group(usize),
    Min(Vec<f64>),
    Max(Vec<f64>),
    Variance(Vec<Moments>),
    Deviation(Vec<Moments>),
}

/// Of Welford's algorithm.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Running {
    /// Without a value at any of `len` steps. `None` for what has to see all values of a step at once.
    pub fn new(op: AggregateOp, len: usize) -> Option<Self> {
        let states = match op {
            AggregateOp::Sum => States::Sum(vec![(0.0, 0.0); len]),
            AggregateOp::Avg => States::Average(vec![Average::default(); len]),
            AggregateOp::Count => States::Count(vec![0.0; len]),
            AggregateOp::Group => States::Group(len),
            AggregateOp::Min => States::Min(vec![0.0; len]),
            AggregateOp::Max => States::Max(vec![0.0; len]),
            AggregateOp::Stdvar => States::Variance(vec![Moments::default(); len]),
            AggregateOp::Stddev => States::Deviation(vec![Moments::default(); len]),
            _ => return None,
        };
        Some(Self { seen: Mask::none(len), states })
    }

    /// In memory, of a group of `len` steps.
    pub fn bytes(op: AggregateOp, len: usize) -> usize {
        let state = match op {
            AggregateOp::Sum => size_of::<(f64, f64)>(),
            AggregateOp::Avg => size_of::<Average>(),
            AggregateOp::Stdvar | AggregateOp::Stddev => size_of::<Moments>(),
            _ => size_of::<f64>(),
        };
        size_of::<Self>().saturating_add(len.saturating_mul(state)).saturating_add(len / 8)
    }

    /// Takes in the next series. Histograms are only counted.
    pub fn add(&mut self, points: &Points) {
        let seen = &mut self.seen;
        match &mut self.states {
            States::Sum(states) => fold(
                states,
                seen,
                points,
                |state, value| *state = (value, 0.0),
                |state, value| *state = kahan_inc(value, state.0, state.1),
            ),
            States::Average(states) => {
                fold(states, seen, points, |state, value| *state = Average::of(value), |state, value| state.add(value))
            }
            States::Count(counts) => {
                for (words, counts) in points.present().iter().zip(counts.chunks_mut(64)) {
                    match *words {
                        0 => {}
                        u64::MAX => counts.iter_mut().for_each(|count| *count += 1.0),
                        words => {
                            let by_bit = counts.iter_mut().enumerate();
                            by_bit.for_each(|(bit, count)| *count += (words >> bit & 1) as f64);
                        }
                    }
                }
                seen.or(points.present());
            }
            States::Group(_) => seen.or(points.present()),
            States::Min(states) => extreme(states, seen, points, |value, best| value < best),
            States::Max(states) => extreme(states, seen, points, |value, best| value > best),
            States::Variance(states) | States::Deviation(states) => {
                fold(states, seen, points, |state, value| *state = Moments::of(value), Moments::add);
            }
        }
    }

    pub fn finish(self) -> Points {
        let floats = match self.states {
            States::Sum(states) => states.into_iter().map(|(sum, compensation)| sum + compensation).collect(),
            States::Average(states) => states.into_iter().map(Average::result).collect(),
            States::Count(floats) | States::Min(floats) | States::Max(floats) => floats,
            States::Group(len) => vec![1.0; len],
            States::Variance(states) => states.into_iter().map(Moments::variance).collect(),
            States::Deviation(states) => states.into_iter().map(|state| state.variance().sqrt()).collect(),
        };
        Points::masked(floats, self.seen.into_words())
    }
}

impl Moments {
    fn of(value: f64) -> Self {
        let squares = if value.is_finite() { 0.0 } else { f64::NAN };
        Self { count: 1.0, mean: value, squares }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    /// Of the population.
    fn variance(self) -> f64 {
        self.squares / self.count
    }
}

/// The value that `beats` all others. NaN only where there is nothing else.
fn extreme(states: &mut [f64], seen: &mut Mask, points: &Points, beats: impl Fn(f64, f64) -> bool) {
    fold(
        states,
        seen,
        points,
        |best, value| *best = value,
        |best, value| {
            if beats(value, *best) || best.is_nan() {
                *best = value;
            }
        },
    );
}

/// Calls `first` or `next` with each float and the state of its step, by whether the step has seen one before.
fn fold<S>(
    states: &mut [S],
    seen: &mut Mask,
    points: &Points,
    first: impl Fn(&mut S, f64),
    next: impl Fn(&mut S, f64),
) {
    let floats = points.floats();
    let without_histograms;
    let present = match points.has_histograms() {
        false => points.present(),
        true => {
            let mut present = Mask::all_of(&[points.present()]);
            for step in points.iter().filter_map(|(step, point)| point.float().is_none().then_some(step)) {
                present.clear(step);
            }
            without_histograms = present;
            without_histograms.words()
        }
    };
    for (index, words) in present.iter().zip(seen.words()).enumerate() {
        let range = index * 64..floats.len().min(index * 64 + 64);
        let (states, floats) = (&mut states[range.clone()], &floats[range]);
        match words {
            (0, _) => {}
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
    seen.or(present);
}
