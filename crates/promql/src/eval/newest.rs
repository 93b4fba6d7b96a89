//! The newest sample of each series at each step.
//!
//! Of floats without an end, which nearly all are, it depends on times only which sample that is: it is worked out once for all
//! neighbouring series that were measured at the same times.

use super::Evaluator;
use super::budget::size_of_point;
use super::plans::Plans;
use super::selector::Reference;
use crate::error::EvalError;
use crate::points::{PointRef, Points};
use crate::shares::{SERIES_AT_ONCE, shared_out};
use crate::source::{RawSeries, Samples, has_stale};
use crate::steps::Steps;
use crate::value::StepSeries;

/// Which sample counts at which step.
struct Plan {
    /// The first step that has one.
    first: usize,
    /// Of each step from there to the last that has one; 0 where there is none.
    places: Vec<u32>,
    /// A bit a step: there is one.
    present: Vec<u64>,
}

/// How steps look at samples.
#[derive(Clone, Copy)]
struct Look {
    reference: Reference,
    lookback: i64,
    steps: Steps,
}

impl Evaluator<'_> {
    /// The values of the newest samples no older than the lookback delta.
    pub(super) fn newest_values(
        &self,
        reference: Reference,
        series: Vec<RawSeries>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let look = Look { reference, lookback: self.options.lookback_delta, steps: self.steps };
        let before = self.shared.samples.get();
        let (mut rows, mut held) = (Vec::with_capacity(series.len()), 0);
        let running = self.shared.running();
        let mut waiting = series.into_iter();
        while waiting.len() > 0 {
            let mut series: Vec<RawSeries> = waiting.by_ref().take(SERIES_AT_ONCE).collect();
            self.hold_rows(series.len())?;
            let points = shared_out(&mut series, self.steps.count(), |share| {
                let mut plans = Plans::default();
                let points = share.iter_mut().map(|series| {
                    running.check()?;
                    Ok(look.values(&std::mem::take(&mut series.samples), &mut plans))
                });
                points.collect()
            })?;
            for (RawSeries { labels, .. }, points) in series.into_iter().zip(points) {
                let count = points.count();
                if count == 0 {
                    continue;
                }
                held += count;
                self.note_looked(&points);
                rows.push(StepSeries { labels, drop_name: false, points });
            }
            self.settle(before, held)?;
            self.check_rows(rows.len())?;
        }
        Ok(rows)
    }

    /// Instead of their values what `take` makes of them.
    pub(super) fn newest_samples(
        &self,
        reference: Reference,
        series: Vec<RawSeries>,
        take: impl Fn(&mut Points, usize, &Samples, usize),
    ) -> Result<Vec<StepSeries>, EvalError> {
        let look = Look { reference, lookback: self.options.lookback_delta, steps: self.steps };
        let before = self.shared.samples.get();
        let (mut rows, mut held) = (Vec::new(), 0);
        for RawSeries { labels, samples } in series {
            self.check_running()?;
            let mut points = Points::empty(self.steps.count());
            look.for_each(&samples, |step, newest| take(&mut points, step, &samples, newest));
            let count = points.count();
            if count == 0 {
                continue;
            }
            held += count;
            self.note_looked(&points);
            self.settle(before, held)?;
            let row = StepSeries { labels, drop_name: false, points };
            self.hold_row(&row)?;
            rows.push(row);
            self.check_rows(rows.len())?;
        }
        Ok(rows)
    }

    fn note_looked(&self, points: &Points) {
        match points.has_histograms() {
            true => points.iter().for_each(|(step, point)| self.looked.at(step, size_of_point(point) as u64)),
            false => self.looked.at_each(points.present()),
        }
    }
}

impl Look {
    fn values(&self, samples: &Samples, plans: &mut Plans<Plan>) -> Points {
        if samples.histograms.is_some() || has_stale(&samples.floats) {
            let mut points = Points::empty(self.steps.count());
            self.for_each(samples, |step, newest| match samples.point(newest) {
                PointRef::Float(value) => points.set_float(step, value),
                PointRef::Histogram(histogram) => points.set_histogram(step, histogram.clone()),
            });
            return points;
        }
        let plan = plans.of(&samples.times, || self.plan(samples));
        let mut floats = vec![0.0; self.steps.count()];
        for (float, place) in floats.iter_mut().skip(plan.first).zip(&plan.places) {
            *float = samples.floats.get(*place as usize).copied().unwrap_or_default();
        }
        Points::masked(floats, plan.present.clone())
    }

    fn plan(&self, samples: &Samples) -> Plan {
        let (mut first, mut places) = (None, Vec::new());
        let mut present = vec![0; self.steps.count().div_ceil(64)];
        self.for_each(samples, |step, newest| {
            let first = *first.get_or_insert(step);
            places.resize(step - first, 0);
            places.push(u32::try_from(newest).unwrap_or(u32::MAX));
            present[step / 64] |= 1 << (step % 64);
        });
        Plan { first: first.unwrap_or(0), places, present }
    }

    /// Hands over each step that has a sample, and its place.
    fn for_each(&self, samples: &Samples, mut take: impl FnMut(usize, usize)) {
        let mut next = 0;
        for (step, time) in self.steps.iter().enumerate() {
            let time = self.reference.of(time);
            while samples.times.get(next).is_some_and(|sample| *sample <= time) {
                next += 1;
            }
            let Some(newest) = next.checked_sub(1) else { continue };
            if samples.times[newest] > time.saturating_sub(self.lookback) && !samples.is_stale(newest) {
                take(step, newest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::STALE_NAN_BITS;
    use crate::times::Times;

    #[test]
    fn planned_values_are_those_of_each_series() {
        let look = Look {
            reference: Reference { at: None, offset: 0 },
            lookback: 25_000,
            steps: Steps::range(0, 1_000_000, 7_000),
        };
        let times: Times = (0..70).filter(|tick| tick % 9 != 4).map(|tick: i64| tick * 10_000 + 3).collect();
        let mut plans = Plans::default();
        for number in 0..4 {
            let mut floats: Vec<f64> = (0..times.len()).map(|place| place as f64 + f64::from(number) / 10.0).collect();
            if number == 2 {
                floats[30] = f64::from_bits(STALE_NAN_BITS);
            }
            let samples = Samples { times: times.clone(), floats, ..Samples::default() };
            let points = look.values(&samples, &mut plans);
            let mut expected = Points::empty(look.steps.count());
            look.for_each(&samples, |step, newest| expected.set_float(step, samples.floats[newest]));
            let floats = |points: &Points| (0..points.len()).map(|step| points.float(step)).collect::<Vec<_>>();
            assert_eq!(floats(&points), floats(&expected));
            assert!(points.float(0).is_none() && points.float(1).is_some() && points.float(140).is_none());
        }
    }
}
