//! `rate`, `increase` and `delta` of floats that say no more than their values: nearly all series there are.
//!
//! Which samples are in a window, and how far the change between them is to be extrapolated, depends on times only. It is worked
//! out once for all neighbouring series that were measured at the same times; for a series remains a subtraction, a
//! multiplication and a look whether it came from zero.

use std::convert::Infallible;
use std::sync::Arc;

use super::super::plans::Plans;
use super::super::{Evaluator, Running};
use super::input::InputSeries;
use super::rate::{Rate, Reach, seconds_of};
use super::starts;
use super::window::{Span, Tracks, for_each_window};
use crate::error::EvalError;
use crate::points::Points;
use crate::shares::{SERIES_AT_ONCE, shared_out};
use crate::steps::Steps;

/// What a series comes to.
pub(super) struct Rated {
    pub points: Points,
    /// Samples in the largest window.
    pub largest: usize,
    /// Samples in the window of each step; shared with neighbours that were measured at the same times.
    looked_at: Arc<[u32]>,
}

/// The windows of all series that were measured at the same times.
#[derive(Default)]
struct Plan {
    windows: Vec<Planned>,
    /// A bit a step: there is a value.
    present: Vec<u64>,
    looked_at: Arc<[u32]>,
    largest: usize,
}

/// A window of at least two samples.
struct Planned {
    step: usize,
    /// Places of its first and its last sample.
    first: usize,
    last: usize,
    reach: Reach,
    /// What the change is multiplied with, unless the series came from zero within the window.
    factor: f64,
}

impl Evaluator<'_> {
    /// The next of the series that are waiting; at least one, if there is one. They have no histograms, and neither start times
    /// nor values at the edges count.
    pub(super) fn plain_rates(
        &self,
        rate: Rate,
        span: Span,
        waiting: &mut impl Iterator<Item = InputSeries>,
    ) -> Result<Vec<(InputSeries, Rated)>, EvalError> {
        self.check_running()?;
        let mut series: Vec<InputSeries> = waiting.take(SERIES_AT_ONCE).collect();
        self.hold_rows(series.len())?;
        let (steps, running) = (self.steps, self.shared.running());
        let rated = shared_out(&mut series, steps.count(), |share| rates(rate, span, steps, share, running))?;
        for same in rated.chunk_by(|a, b| Arc::ptr_eq(&a.looked_at, &b.looked_at)) {
            let Some(first) = same.first() else { continue };
            let by_step = first.looked_at.iter().enumerate();
            by_step.for_each(|(step, samples)| self.looked.at(step, u64::from(*samples) * same.len() as u64));
        }
        Ok(series.into_iter().zip(rated).collect())
    }
}

/// Takes the samples away.
fn rates(
    rate: Rate,
    span: Span,
    steps: Steps,
    series: &mut [InputSeries],
    running: Running<'_>,
) -> Result<Vec<Rated>, EvalError> {
    let mut plans = Plans::default();
    let mut rated = Vec::with_capacity(series.len());
    for series in series {
        running.check()?;
        let tracks = Tracks::new(std::mem::take(&mut series.samples), false);
        let plan = plans.of(&tracks.floats.times, || Plan::new(rate, span, steps, &tracks));
        rated.push(plan.rated(rate, steps, span, &tracks));
    }
    Ok(rated)
}

impl Plan {
    fn new(rate: Rate, span: Span, steps: Steps, tracks: &Tracks) -> Self {
        let present = vec![0; steps.count().div_ceil(64)];
        let mut plan = Self { present, ..Self::default() };
        let mut looked_at = vec![0; steps.count()];
        let Ok(()) = for_each_window(tracks, span, steps, |step, window| {
            let floats = window.floats;
            looked_at[step] = u32::try_from(floats.len()).unwrap_or(u32::MAX);
            plan.largest = plan.largest.max(floats.len());
            if floats.len() < 2 {
                return Ok::<_, Infallible>(());
            }
            if let Some(reach) = Reach::of(&window, floats.times, None) {
                let (first, last) = (floats.first, floats.first + floats.len() - 1);
                let factor = rate.scaled(reach.factor(None), seconds_of(span.range));
                plan.windows.push(Planned { step, first, last, reach, factor });
                plan.present[step / 64] |= 1 << (step % 64);
            }
            Ok(())
        });
        plan.looked_at = looked_at.into();
        plan
    }

    fn rated(&self, rate: Rate, steps: Steps, span: Span, tracks: &Tracks) -> Rated {
        let values = &tracks.floats.values;
        let resets = if rate.is_counter { starts::float_resets(&tracks.floats) } else { Vec::new() };
        let mut floats = vec![0.0; steps.count()];
        for window in &self.windows {
            let (first, last) = (values[window.first], values[window.last]);
            let mut change = last - first;
            if !resets.is_empty() {
                let from = resets.partition_point(|place| *place <= window.first);
                let to = resets.partition_point(|place| *place <= window.last);
                resets[from..to].iter().for_each(|reset| change += values[reset - 1]);
            }
            let factor =
                match rate.is_counter && change > 0.0 && first >= 0.0 && window.reach.may_reach_zero(first, change) {
                    true => rate.scaled(window.reach.factor(Some(first / change)), seconds_of(span.range)),
                    false => window.factor,
                };
            floats[window.step] = change * factor;
        }
        let points = Points::masked(floats, self.present.clone());
        Rated { points, looked_at: self.looked_at.clone(), largest: self.largest }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::selector::Reference;
    use super::super::window::Window;
    use super::*;
    use crate::labels::Labels;
    use crate::source::Samples;

    /// As the definition has it, window by window.
    fn expected(rate: Rate, span: Span, steps: Steps, samples: &Samples) -> Vec<Option<f64>> {
        let mut values = vec![None; steps.count()];
        let tracks = Tracks::new(samples.clone(), false);
        let visit = |step: usize, window: Window<'_>| {
            let floats = window.floats;
            if floats.len() < 2 {
                return Ok::<_, Infallible>(());
            }
            let (first, last) = (floats.values[0], floats.values[floats.len() - 1]);
            let mut change = last - first;
            if rate.is_counter {
                let falls = floats.values.windows(2).filter(|pair| pair[1] < pair[0]);
                change = falls.fold(change, |change, pair| change + pair[0]);
            }
            let share = (rate.is_counter && change > 0.0 && first >= 0.0).then(|| first / change);
            values[step] = Some(change * rate.factor(&window, floats.times, None, share, seconds_of(span.range)));
            Ok(())
        };
        let Ok(()) = for_each_window(&tracks, span, steps, visit);
        values
    }

    #[test]
    fn planned_rates_are_those_of_each_window() {
        let span = Span { reference: Reference { at: None, offset: 0 }, range: 60_000, back: 0, ahead: 0 };
        let steps = Steps::range(0, 600_000, 7_000);
        let regular: Vec<i64> = (0..40).map(|tick| tick * 15_000).collect();
        let irregular: Vec<i64> = (0..40).map(|tick: i64| tick * 15_000 + tick % 7 * 1_900).collect();
        let from_zero: Vec<f64> = (0..40).map(|tick| f64::from(tick) * 0.3).collect();
        let falling: Vec<f64> = (0..40).map(|tick| f64::from(tick * 13 % 9) + 0.1).collect();
        let strange: Vec<f64> = (0..40).map(|tick| [1.0, f64::NAN, f64::INFINITY, -3.0][tick % 4]).collect();
        let mut series = Vec::new();
        for times in [&regular, &irregular] {
            for floats in [&from_zero, &falling, &strange] {
                let samples = Samples { times: times.clone().into(), floats: floats.clone(), ..Samples::default() };
                series.push(InputSeries { labels: Labels::default(), drop_name: false, samples });
            }
        }
        series.push(InputSeries { labels: Labels::default(), drop_name: false, samples: Samples::default() });
        for rate in [Rate::RATE, Rate::INCREASE, Rate::DELTA] {
            let expected: Vec<_> = series.iter().map(|series| expected(rate, span, steps, &series.samples)).collect();
            let mut taken: Vec<_> = series
                .iter()
                .map(|series| InputSeries {
                    labels: Labels::default(),
                    drop_name: false,
                    samples: series.samples.clone(),
                })
                .collect();
            let rated = rates(rate, span, steps, &mut taken, Running::default()).unwrap();
            for (rated, expected) in rated.iter().zip(&expected) {
                let bits = |value: Option<f64>| value.map(|value| if value.is_nan() { 0 } else { value.to_bits() });
                let got: Vec<_> = (0..steps.count()).map(|step| bits(rated.points.float(step))).collect();
                assert_eq!(got, expected.iter().map(|value| bits(*value)).collect::<Vec<_>>());
            }
        }
    }
}
