//! `sum` and `avg` where there are histograms among the values.

use std::sync::Arc;

use super::average::Average;
use crate::ast::{Aggregate, AggregateOp};
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::histogram::{AddNotes, CounterResetHint, FloatHistogram, Incompatible, kahan_inc};
use crate::points::{Point, PointRef, Points};
use crate::quote::quote;
use crate::value::StepSeries;

impl Evaluator<'_> {
    pub(super) fn sums_with_histograms(
        &self,
        aggregate: &Aggregate,
        rows: &[&StepSeries],
    ) -> Result<Points, EvalError> {
        let position = aggregate.expr.unwrapped().position();
        let mut points = Points::empty(self.steps.count());
        for step in 0..points.len() {
            self.check_running()?;
            let values = rows.iter().filter_map(|row| Some((*row, row.points.get(step)?)));
            let (result, notes) = match aggregate.op {
                AggregateOp::Avg => mean_at(values),
                _ => sum_at(values),
            };
            if let Some(name) = notes.incompatible {
                let message =
                    "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
                self.warn(format!("{message} {}", quote(&name)), position);
            }
            if notes.reconciled {
                self.info("mismatched custom buckets were reconciled during aggregation", position);
            }
            if notes.mixed {
                self.warn("encountered a mix of histograms and floats for aggregation", position);
            }
            if notes.collision {
                self.warn("conflicting counter resets during histogram aggregation", position);
            }
            if let Some(result) = result {
                points.set(step, result);
            }
        }
        Ok(points)
    }
}

/// What is to be said about one step.
#[derive(Debug, Default)]
struct Notes {
    /// Metric names of histograms whose buckets did not fit those before.
    incompatible: Option<String>,
    reconciled: bool,
    mixed: bool,
    collision: bool,
}

/// Which counter reset hints there are. Unlike between two histograms, in an aggregation a contradiction does not cost the
/// result.
#[derive(Debug, Default)]
struct Hints {
    reset: bool,
    no_reset: bool,
}

impl Hints {
    fn add(&mut self, histogram: &FloatHistogram) {
        self.reset |= histogram.counter_reset_hint == CounterResetHint::CounterReset;
        self.no_reset |= histogram.counter_reset_hint == CounterResetHint::NotCounterReset;
    }

    fn contradict(&self) -> bool {
        self.reset && self.no_reset
    }
}

fn sum_at<'a>(values: impl Iterator<Item = (&'a StepSeries, PointRef<'a>)>) -> (Option<Point>, Notes) {
    let (mut floats, mut histograms): (Option<(f64, f64)>, Option<Sum>) = (None, None);
    let (mut notes, mut hints) = (Notes::default(), Hints::default());
    for (row, value) in values {
        match value {
            PointRef::Float(value) => {
                floats = Some(floats.map_or((value, 0.0), |(sum, lost)| kahan_inc(value, sum, lost)));
                notes.mixed |= histograms.is_some();
            }
            // A mix has no result, so there is nothing to begin a sum for.
            PointRef::Histogram(_) if floats.is_some() && histograms.is_none() => notes.mixed = true,
            PointRef::Histogram(histogram) => {
                hints.add(histogram);
                match &mut histograms {
                    None => histograms = Some(Sum::of(histogram)),
                    Some(sum) => match sum.add(histogram) {
                        Ok(added) => notes.reconciled |= added.nhcb_bounds_reconciled,
                        Err(Incompatible) => {
                            notes.incompatible = Some(row.labels.metric_name().to_owned());
                            break;
                        }
                    },
                }
            }
        }
    }
    if notes.mixed || notes.incompatible.is_some() {
        return (None, notes);
    }
    notes.collision = hints.contradict();
    match (histograms, floats) {
        (Some(sum), _) => (Some(Point::Histogram(Arc::new(sum.total()))), notes),
        (None, Some((sum, lost))) => (Some(Point::Float(sum + lost)), notes),
        (None, None) => (None, notes),
    }
}

fn mean_at<'a>(values: impl Iterator<Item = (&'a StepSeries, PointRef<'a>)>) -> (Option<Point>, Notes) {
    let (mut floats, mut histograms): (Option<Average>, Option<Mean>) = (None, None);
    let (mut notes, mut hints) = (Notes::default(), Hints::default());
    for (row, value) in values {
        match value {
            PointRef::Float(value) => {
                match &mut floats {
                    Some(average) => average.add(value),
                    none => *none = Some(Average::of(value)),
                }
                notes.mixed |= histograms.is_some();
            }
            PointRef::Histogram(_) if floats.is_some() && histograms.is_none() => notes.mixed = true,
            PointRef::Histogram(histogram) => {
                hints.add(histogram);
                match &mut histograms {
                    None => histograms = Some(Mean::of(histogram)),
                    Some(mean) => match mean.add(histogram) {
                        Ok(added) => notes.reconciled |= added.nhcb_bounds_reconciled,
                        Err(Incompatible) => {
                            notes.incompatible = Some(row.labels.metric_name().to_owned());
                            break;
                        }
                    },
                }
            }
        }
    }
    if notes.mixed || notes.incompatible.is_some() {
        return (None, notes);
    }
    notes.collision = hints.contradict();
    match (histograms, floats) {
        (Some(mean), _) => (Some(Point::Histogram(Arc::new(mean.result()))), notes),
        (None, Some(average)) => (Some(Point::Float(average.result())), notes),
        (None, None) => (None, notes),
    }
}

/// A sum of histograms and what rounding has lost of it.
#[derive(Debug, Clone)]
struct Sum {
    value: FloatHistogram,
    compensation: Option<FloatHistogram>,
}

impl Sum {
    fn of(histogram: &FloatHistogram) -> Self {
        Self { value: histogram.clone(), compensation: None }
    }

    fn add(&mut self, histogram: &FloatHistogram) -> Result<AddNotes, Incompatible> {
        self.value.kahan_add_assign(histogram, &mut self.compensation)
    }

    fn total(mut self) -> FloatHistogram {
        if let Some(compensation) = &self.compensation {
            // They have the same layout, so this cannot fail.
            let _ = self.value.add_assign(compensation);
        }
        self.value.compact(0);
        self.value
    }

    fn scale(&mut self, f: impl Fn(&mut FloatHistogram)) {
        f(&mut self.value);
        self.compensation.iter_mut().for_each(f);
    }
}

/// A sum that turns into a running mean where the sum is too large for floats, as [`Average`] does.
#[derive(Debug)]
struct Mean {
    count: f64,
    sum: Sum,
    is_mean: bool,
}

impl Mean {
    fn of(histogram: &FloatHistogram) -> Self {
        Self { count: 1.0, sum: Sum::of(histogram), is_mean: false }
    }

    fn add(&mut self, histogram: &FloatHistogram) -> Result<AddNotes, Incompatible> {
        self.count += 1.0;
        let (before, count) = (self.count - 1.0, self.count);
        if !self.is_mean {
            let mut sum = self.sum.clone();
            let notes = sum.add(histogram)?;
            if !sum.value.has_overflow() {
                self.sum = sum;
                return Ok(notes);
            }
            self.is_mean = true;
            self.sum.scale(|part| {
                part.div_assign(before);
            });
        }
        self.sum.scale(|part| {
            part.mul_assign(before / count);
        });
        self.sum.add(&histogram.div(count))
    }

    fn result(mut self) -> FloatHistogram {
        if !self.is_mean {
            let count = self.count;
            self.sum.scale(|part| {
                part.div_assign(count);
            });
        }
        self.sum.total()
    }
}
