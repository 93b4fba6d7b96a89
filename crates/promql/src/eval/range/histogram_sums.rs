//! Sums and averages of native histograms over time.

use std::sync::Arc;

use super::notes::Operation;
use super::scope::Scope;
use super::window::Window;
use crate::histogram::{AddNotes, CounterResetHint, FloatHistogram, Incompatible};

/// What is said once for all histograms of a window.
#[derive(Default)]
struct Seen {
    reset: bool,
    no_reset: bool,
    reconciled: bool,
}

impl Seen {
    fn histogram(&mut self, histogram: &FloatHistogram) {
        self.reset |= histogram.counter_reset_hint == CounterResetHint::CounterReset;
        self.no_reset |= histogram.counter_reset_hint == CounterResetHint::NotCounterReset;
    }

    fn notes(&mut self, notes: AddNotes) {
        self.reconciled |= notes.nhcb_bounds_reconciled;
    }

    /// Hands a result on, or says why there is none.
    fn say(self, scope: &Scope<'_>, result: Result<FloatHistogram, Incompatible>) -> Option<FloatHistogram> {
        let Ok(result) = result else {
            scope.notes.mixed_schemas();
            return None;
        };
        if self.reset && self.no_reset {
            scope.notes.conflicting_resets();
        }
        if self.reconciled {
            scope.notes.reconciled(Operation::Aggregation);
        }
        Some(result)
    }
}

pub(super) fn sum(scope: &Scope<'_>, window: &Window<'_>) -> Option<FloatHistogram> {
    let mut seen = Seen::default();
    let (first, others) = window.histograms.values.split_first()?;
    let result = total(first, others, &mut seen);
    seen.say(scope, result)
}

fn total(
    first: &FloatHistogram,
    others: &[Arc<FloatHistogram>],
    seen: &mut Seen,
) -> Result<FloatHistogram, Incompatible> {
    let (mut sum, mut lost) = (first.clone(), None);
    seen.histogram(first);
    for histogram in others {
        seen.histogram(histogram);
        seen.notes(sum.kahan_add_assign(histogram, &mut lost)?);
    }
    if let Some(lost) = lost {
        seen.notes(sum.add_assign(&lost)?);
    }
    Ok(sum)
}

pub(super) fn avg(scope: &Scope<'_>, window: &Window<'_>) -> Option<FloatHistogram> {
    let mut seen = Seen::default();
    let (first, others) = window.histograms.values.split_first()?;
    let result = mean(first, others, &mut seen);
    seen.say(scope, result)
}

/// By the sum as long as that is finite, then by a running mean.
fn mean(
    first: &FloatHistogram,
    others: &[Arc<FloatHistogram>],
    seen: &mut Seen,
) -> Result<FloatHistogram, Incompatible> {
    let (mut result, mut lost) = (first.clone(), None::<FloatHistogram>);
    let mut is_running = false;
    seen.histogram(first);
    for (index, histogram) in others.iter().enumerate() {
        seen.histogram(histogram);
        let count = (index + 2) as f64;
        if !is_running {
            let (mut sum, mut sum_lost) = (result.clone(), lost.clone());
            seen.notes(sum.kahan_add_assign(histogram, &mut sum_lost)?);
            if !sum.has_overflow() {
                (result, lost) = (sum, sum_lost);
                continue;
            }
            is_running = true;
            scale(&mut result, &mut lost, |histogram| {
                histogram.div_assign(count - 1.0);
            });
        }
        scale(&mut result, &mut lost, |histogram| {
            histogram.mul_assign((count - 1.0) / count);
        });
        seen.notes(result.kahan_add_assign(&histogram.div(count), &mut lost)?);
    }
    if !is_running {
        let count = (others.len() + 1) as f64;
        scale(&mut result, &mut lost, |histogram| {
            histogram.div_assign(count);
        });
    }
    if let Some(lost) = lost {
        result.add_assign(&lost)?;
    }
    Ok(result)
}

fn scale(sum: &mut FloatHistogram, lost: &mut Option<FloatHistogram>, scale: impl Fn(&mut FloatHistogram)) {
    scale(sum);
    if let Some(lost) = lost {
        scale(lost);
    }
}
