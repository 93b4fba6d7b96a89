//! Subqueries: an expression on a grid of its own, read as samples.

use super::Evaluator;
use super::profile::Looked;
use super::selector::Reference;
use super::stats_only::BucketUse;
use crate::ast::{At, Duration, Subquery};
use crate::error::EvalError;
use crate::steps::Steps;
use crate::value::{StepSeries, Value};

impl Evaluator<'_> {
    /// Milliseconds; of an offset.
    pub fn offset(&self, offset: Option<&Duration>) -> Result<i64, EvalError> {
        offset.map_or(Ok(0), |offset| self.shared.durations.any(offset)).map_err(EvalError::Execution)
    }

    /// Milliseconds; of a range or a step.
    pub fn length(&self, length: &Duration) -> Result<i64, EvalError> {
        self.shared.durations.positive(length).map_err(EvalError::Execution)
    }

    pub(super) fn reference(&self, at: Option<At>, offset: Option<&Duration>) -> Result<Reference, EvalError> {
        let at = at.map(|at| match at {
            At::Time(time) => time,
            At::Start => self.query.start,
            At::End => self.query.end,
        });
        Ok(Reference { at, offset: self.offset(offset)? })
    }

    /// The rows of the inner expression, the grid that they are on and how many samples that took. The grid's steps are multiples of the subquery's interval,
    /// whatever the steps outside are, so that neighbouring evaluations see the same samples.
    pub(super) fn subquery_rows(&self, subquery: &Subquery) -> Result<(Vec<StepSeries>, Steps, u64), EvalError> {
        let interval = match &subquery.step {
            Some(step) => self.length(step)?,
            None => self.options.default_evaluation_interval,
        };
        let reference = self.reference(subquery.at, subquery.offset.as_ref())?;
        let (first, last) = reference.between(self.steps);
        let start = first_multiple_after(first.saturating_sub(self.length(&subquery.range)?), interval);
        let steps = Steps::range(start, last, interval);

        let looked = Looked::on(1);
        let inner = Evaluator { steps, buckets: BucketUse::Needed, looked: &looked, ..*self };
        inner.check_grid()?;
        match inner.eval(&subquery.expr)? {
            Value::Vector(rows) => Ok((rows, steps, looked.total())),
            Value::Scalar(_) | Value::String(_) => {
                Err(EvalError::Execution("a subquery is over something that is no vector".to_owned()))
            }
        }
    }
}

fn first_multiple_after(time: i64, interval: i64) -> i64 {
    let interval = interval.max(1);
    time.div_euclid(interval).saturating_add(1).saturating_mul(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subqueries_start_after_the_start_of_their_range() {
        for (time, interval, expected) in [(0, 10, 10), (1, 10, 10), (10, 10, 20), (-1, 10, 0), (-10, 10, 0), (5, 0, 6)]
        {
            assert_eq!(first_multiple_after(time, interval), expected, "{time} {interval}");
        }
    }
}
