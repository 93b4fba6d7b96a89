//! Selectors: raw samples to a value for each step.

use super::Evaluator;
use super::budget::size_of_point;
use super::stats_only::{BucketUse, Read, without_buckets};
use crate::ast::{Extension, VectorSelector};
use crate::error::EvalError;
use crate::points::{PointRef, Points};
use crate::source::{RawSeries, Samples, SelectHints};
use crate::steps::Steps;
use crate::value::StepSeries;

/// Which time a selector or subquery looks at, by `@` and `offset`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    pub at: Option<i64>,
    pub offset: i64,
}

impl Reference {
    /// The time looked at from `time`.
    pub fn of(&self, time: i64) -> i64 {
        self.at.unwrap_or(time).saturating_sub(self.offset)
    }

    /// The times looked at from the first and from the last step.
    pub fn between(&self, steps: Steps) -> (i64, i64) {
        (self.of(steps.start), self.of(steps.at(steps.count().saturating_sub(1))))
    }
}

impl Evaluator<'_> {
    /// The newest sample of each series no older than the lookback delta, at each step.
    pub fn instant_selector(&self, selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        if selector.extension == Some(Extension::Smoothed) {
            return self.smoothed_selector(selector);
        }
        self.newest_samples(selector, |points, step, samples, index| match samples.point(index) {
            PointRef::Float(value) => points.set_float(step, value),
            PointRef::Histogram(histogram) => points.set_histogram(step, histogram.clone()),
        })
    }

    /// Like [`Evaluator::instant_selector`], but instead of a sample's value the second it was taken.
    pub fn instant_selector_times(&self, selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        self.newest_samples(selector, |points, step, samples, index| {
            points.set_float(step, samples.times[index] as f64 / 1000.0);
        })
    }

    /// Instead of a sample's value the second its counting began; 0 where that is unknown.
    pub fn instant_selector_start_times(&self, selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        self.newest_samples(selector, |points, step, samples, index| {
            let start = samples.start_times.as_ref().and_then(|starts| starts.get(index)).copied().unwrap_or(0);
            points.set_float(step, start as f64 / 1000.0);
        })
    }

    /// Hands over which sample counts at which step.
    pub(super) fn newest_samples(
        &self,
        selector: &VectorSelector,
        take: impl Fn(&mut Points, usize, &Samples, usize),
    ) -> Result<Vec<StepSeries>, EvalError> {
        let reference = self.reference(selector.at, selector.offset.as_ref())?;
        let lookback = self.options.lookback_delta;
        let before = self.shared.samples.get();
        let (mut rows, mut held) = (Vec::new(), 0);
        for RawSeries { labels, samples } in self.select(selector, reference, 0, lookback, 0)? {
            self.check_running()?;
            let mut points = Points::empty(self.steps.count());
            let mut next = 0;
            for (step, time) in self.steps.iter().enumerate() {
                let time = reference.of(time);
                while samples.times.get(next).is_some_and(|sample| *sample <= time) {
                    next += 1;
                }
                let Some(newest) = next.checked_sub(1) else { continue };
                if samples.times[newest] > time.saturating_sub(lookback) && !samples.is_stale(newest) {
                    take(&mut points, step, &samples, newest);
                }
            }
            let count = points.count();
            if count == 0 {
                continue;
            }
            held += count;
            points.iter().for_each(|(step, point)| self.looked.at(step, size_of_point(point) as u64));
            self.settle(before, held)?;
            rows.push(StepSeries { labels, drop_name: false, points });
            self.check_rows(rows.len())?;
        }
        Ok(rows)
    }

    /// The samples that a range selector has to look at for all steps: of each step those later than `range + back` before
    /// its reference and no later than `ahead` behind it.
    pub(super) fn select(
        &self,
        selector: &VectorSelector,
        reference: Reference,
        range: i64,
        back: i64,
        ahead: i64,
    ) -> Result<Vec<RawSeries>, EvalError> {
        let (first, last) = reference.between(self.steps);
        let hints = SelectHints {
            // Windows are open on the left.
            start: first.saturating_sub(range).saturating_sub(back).saturating_add(1),
            end: last.saturating_add(ahead),
            step: self.steps.interval,
            range,
        };
        let mut selected = self.source.select(&selector.matchers, &hints)?;
        if self.buckets == BucketUse::None {
            for series in &mut selected {
                without_buckets(&mut series.samples, hints.start, self.reads(reference, range, back, ahead));
            }
        }
        Ok(selected)
    }

    /// How Prometheus goes through a series: it reads as far back as the first step needs, and later only what is new, but
    /// no more than a step needs.
    fn reads(&self, reference: Reference, range: i64, back: i64, ahead: i64) -> impl Iterator<Item = Read> {
        let whole = range.saturating_add(back).saturating_add(ahead);
        let later = if range == 0 { whole } else { whole.min(self.steps.interval) };
        self.steps.iter().enumerate().map(move |(step, time)| Read {
            time: reference.of(time).saturating_add(ahead),
            reach: if step == 0 { whole } else { later },
        })
    }
}
