//! Metric names: which values lose them, and when.

use hashbrown::HashMap;

use super::Evaluator;
use crate::error::EvalError;
use crate::labels::{Labels, METRIC_NAME, METRIC_TYPE, METRIC_UNIT};
use crate::points::{PointRef, Points};
use crate::value::StepSeries;

/// The labels that say what the metric is.
const NAMES: [&str; 3] = [METRIC_NAME, METRIC_TYPE, METRIC_UNIT];

/// Without the name and what else says what the metric is: a value that was computed is another thing.
pub(crate) fn without_name(labels: &Labels) -> Labels {
    labels.without(&NAMES)
}

/// Whether a label of that name says what the metric is.
pub(crate) fn names_metric(label: &str) -> bool {
    NAMES.contains(&label)
}

impl Evaluator<'_> {
    /// What functions and operators hand their rows through. Unless names are dropped at the end of the query, rows that are
    /// marked lose their names here; rows that have the same labels then become one.
    pub fn finish(&self, rows: Vec<StepSeries>) -> Result<Vec<StepSeries>, EvalError> {
        match self.options.delayed_name_removal {
            true => Ok(rows),
            false => drop_at_end(rows),
        }
    }

    /// [`Evaluator::finish`] for rows of which no two have the same labels: where they lose one and the same name, none will.
    pub fn finish_distinct(&self, mut rows: Vec<StepSeries>) -> Result<Vec<StepSeries>, EvalError> {
        let same = |a: &StepSeries, b: &StepSeries| NAMES.iter().all(|name| a.labels.get(name) == b.labels.get(name));
        let is_one = rows.iter().all(|row| row.drop_name) && rows.windows(2).all(|pair| same(&pair[0], &pair[1]));
        if self.options.delayed_name_removal || !is_one {
            return self.finish(rows);
        }
        rows.iter_mut().for_each(|row| row.labels = without_name(&row.labels));
        Ok(rows)
    }
}

/// Drops the names of all rows that are marked, and makes one of rows with the same labels.
pub(super) fn drop_at_end(mut rows: Vec<StepSeries>) -> Result<Vec<StepSeries>, EvalError> {
    for row in rows.iter_mut().filter(|row| row.drop_name) {
        row.labels = without_name(&row.labels);
    }
    merge(rows)
}

/// Makes one row of those with the same labels, where the first of them is; fails where two have a value at the same step.
pub(crate) fn merge(rows: Vec<StepSeries>) -> Result<Vec<StepSeries>, EvalError> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    let mut merged: Vec<StepSeries> = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(row.labels.clone()).or_insert(merged.len());
        match merged.get_mut(place) {
            None => merged.push(row),
            Some(first) => absorb(&mut first.points, &row.points)?,
        }
    }
    Ok(merged)
}

fn absorb(into: &mut Points, from: &Points) -> Result<(), EvalError> {
    for (step, point) in from.iter() {
        if into.has(step) {
            return Err(same_labels());
        }
        match point {
            PointRef::Float(value) => into.set_float(step, value),
            PointRef::Histogram(histogram) => into.set_histogram(step, histogram.clone()),
        }
    }
    Ok(())
}

/// Two values of one series at one step.
pub(crate) fn same_labels() -> EvalError {
    EvalError::Execution("vector cannot contain metrics with the same labelset".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, drop_name: bool, values: &[Option<f64>]) -> StepSeries {
        let mut points = Points::empty(values.len());
        for (step, value) in values.iter().enumerate() {
            if let Some(value) = value {
                points.set_float(step, *value);
            }
        }
        let labels = Labels::from_pairs([(METRIC_NAME, name), (METRIC_TYPE, "gauge"), ("job", "x")]);
        StepSeries { labels, drop_name, points }
    }

    #[test]
    fn rows_that_lose_their_names_are_merged_where_they_do_not_meet() {
        let kept = row("c", false, &[Some(1.0), Some(2.0)]);
        let merged =
            drop_at_end(vec![row("a", true, &[Some(1.0), None]), kept.clone(), row("b", true, &[None, Some(2.0)])])
                .unwrap();
        assert_eq!(merged.len(), 2);
        assert_eq!(merged[0].labels.to_string(), r#"{job="x"}"#);
        assert_eq!((merged[0].points.float(0), merged[0].points.float(1)), (Some(1.0), Some(2.0)));
        assert_eq!(merged[1].labels, kept.labels);

        let meeting = vec![row("a", true, &[Some(1.0), None]), row("b", true, &[Some(1.0), None])];
        assert_eq!(drop_at_end(meeting).unwrap_err(), same_labels());
    }
}
