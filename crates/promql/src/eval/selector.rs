//! Selectors: raw samples to a value for each step.

use super::Evaluator;
use super::stats_only::{BucketUse, Read, without_buckets};
use crate::ast::{Extension, VectorSelector};
use crate::error::EvalError;
use crate::points::Points;
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
        let reference = self.reference(selector.at, selector.offset.as_ref())?;
        let series = self.select(selector, reference, 0, self.options.lookback_delta, 0)?;
        self.newest_values(reference, series)
    }

    /// Like [`Evaluator::instant_selector`], but instead of a sample's value the second it was taken.
    pub fn instant_selector_times(&self, selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        self.instant_selector_with(selector, |points, step, samples, index| {
            points.set_float(step, samples.times[index] as f64 / 1000.0);
        })
    }

    /// Instead of a sample's value the second its counting began; 0 where that is unknown.
    pub fn instant_selector_start_times(&self, selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        self.instant_selector_with(selector, |points, step, samples, index| {
            let start = samples.start_times.as_ref().and_then(|starts| starts.get(index)).copied().unwrap_or(0);
            points.set_float(step, start as f64 / 1000.0);
        })
    }

    /// Instead of a sample's value what `take` makes of it.
    pub(super) fn instant_selector_with(
        &self,
        selector: &VectorSelector,
        take: impl Fn(&mut Points, usize, &Samples, usize),
    ) -> Result<Vec<StepSeries>, EvalError> {
        let reference = self.reference(selector.at, selector.offset.as_ref())?;
        let series = self.select(selector, reference, 0, self.options.lookback_delta, 0)?;
        self.newest_samples(reference, series, take)
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
        let hints = self.hints(reference, range, back, ahead);
        let mut selected = self.source.select(&selector.matchers, &hints)?;
        self.hold_series(&selected)?;
        if self.buckets == BucketUse::None {
            self.without_buckets(&mut selected, reference, (range, back, ahead));
        }
        Ok(selected)
    }

    /// Leaves the buckets of histograms out where only their count and sum are asked for; `reach` is range, back and ahead of
    /// [`Evaluator::select`].
    pub(super) fn without_buckets(&self, selected: &mut [RawSeries], reference: Reference, reach: (i64, i64, i64)) {
        let (range, back, ahead) = reach;
        let from = self.hints(reference, range, back, ahead).start;
        for series in selected {
            without_buckets(&mut series.samples, from, self.reads(reference, range, back, ahead));
        }
    }

    /// What [`Evaluator::select`] looks at.
    pub(super) fn hints(&self, reference: Reference, range: i64, back: i64, ahead: i64) -> SelectHints {
        let (first, last) = reference.between(self.steps);
        SelectHints {
            // Windows are open on the left.
            start: first.saturating_sub(range).saturating_sub(back).saturating_add(1),
            end: last.saturating_add(ahead),
            step: self.steps.interval,
            range,
        }
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
