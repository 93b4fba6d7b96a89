//! `sum` and `avg` where there are histograms among the values.

use std::sync::Arc;

use trefoil_go::quote::quote;

use super::average::Average;
use crate::ast::{Aggregate, AggregateOp};
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::histogram::{AddNotes, CounterResetHint, FloatHistogram, Incompatible, Kahan};
use crate::points::{Point, PointRef, Points};
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
                AggregateOp::Avg => together::<Average, Mean>(values),
                _ => together::<Kahan, Sum>(values),
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

/// What floats are brought together in: their sum or their mean.
trait Floats {
    fn of(value: f64) -> Self;
    fn add(&mut self, value: f64);
    fn result(self) -> f64;
}

/// The same for histograms.
trait Histograms {
    fn of(histogram: &FloatHistogram) -> Self;
    fn add(&mut self, histogram: &FloatHistogram) -> Result<AddNotes, Incompatible>;
    fn result(self) -> FloatHistogram;
}

/// The sum or mean of the values of one step; none of a mix, nor of histograms whose buckets do not fit.
fn together<'a, F: Floats, H: Histograms>(
    values: impl Iterator<Item = (&'a StepSeries, PointRef<'a>)>,
) -> (Option<Point>, Notes) {
    let (mut floats, mut histograms): (Option<F>, Option<H>) = (None, None);
    let (mut notes, mut hints) = (Notes::default(), Hints::default());
    for (row, value) in values {
        match value {
            PointRef::Float(value) => {
                match &mut floats {
                    Some(floats) => floats.add(value),
                    none => *none = Some(F::of(value)),
                }
                notes.mixed |= histograms.is_some();
            }
            // A mix has no result, so there is nothing to begin a sum for.
            PointRef::Histogram(_) if floats.is_some() && histograms.is_none() => notes.mixed = true,
            PointRef::Histogram(histogram) => {
                hints.add(histogram);
                match &mut histograms {
                    None => histograms = Some(H::of(histogram)),
                    Some(histograms) => match histograms.add(histogram) {
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
        (Some(histograms), _) => (Some(Point::Histogram(Arc::new(histograms.result()))), notes),
        (None, floats) => (floats.map(|floats| Point::Float(floats.result())), notes),
    }
}

impl Floats for Kahan {
    fn of(value: f64) -> Self {
        Self { sum: value, compensation: 0.0 }
    }

    fn add(&mut self, value: f64) {
        Kahan::add(self, value);
    }

    fn result(self) -> f64 {
        self.total()
    }
}

impl Floats for Average {
    fn of(value: f64) -> Self {
        Average::of(value)
    }

    fn add(&mut self, value: f64) {
        Average::add(self, value);
    }

    fn result(self) -> f64 {
        Average::result(self)
    }
}

/// A sum of histograms and what rounding has lost of it.
#[derive(Debug, Clone)]
struct Sum {
    value: FloatHistogram,
    compensation: Option<FloatHistogram>,
}

impl Histograms for Sum {
    fn of(histogram: &FloatHistogram) -> Self {
        Self { value: histogram.clone(), compensation: None }
    }

    fn add(&mut self, histogram: &FloatHistogram) -> Result<AddNotes, Incompatible> {
        self.value.kahan_add_assign(histogram, &mut self.compensation)
    }

    fn result(mut self) -> FloatHistogram {
        if let Some(compensation) = &self.compensation {
            // They have the same layout, so this cannot fail.
            let _ = self.value.add_assign(compensation);
        }
        self.value.compact(0);
        self.value
    }
}

impl Sum {
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

impl Histograms for Mean {
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
        self.sum.result()
    }
}
