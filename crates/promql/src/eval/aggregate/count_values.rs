//! `count_values`: how often each value comes, as a series for each.

use hashbrown::HashMap;
use trefoil_go::number::decimal;

use super::group_labels;
use crate::ast::Aggregate;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::points::{PointRef, Points};
use crate::value::StepSeries;

impl Evaluator<'_> {
    pub(super) fn count_values(
        &self,
        aggregate: &Aggregate,
        label: &str,
        rows: &[StepSeries],
    ) -> Result<Vec<StepSeries>, EvalError> {
        // A broken character stands in a text as U+FFFD.
        if label.is_empty() || label.contains(char::REPLACEMENT_CHARACTER) {
            return Err(EvalError::Execution(format!("invalid label name {}", trefoil_go::quote::quote(label))));
        }
        let mut by_value = aggregate.clone();
        if !by_value.without {
            by_value.grouping.push(label.to_owned());
        }
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut results: Vec<StepSeries> = Vec::new();
        for row in rows {
            self.check_running()?;
            for (step, point) in row.points.iter() {
                let mut builder = row.labels.builder();
                builder.set(label, text(point));
                let labels = group_labels(&by_value, &builder.build());
                let place = match places.get(&labels) {
                    Some(place) => *place,
                    None => {
                        self.check_rows(results.len() + 1)?;
                        self.hold_rows(1)?;
                        let points = Points::empty(self.steps.count());
                        results.push(StepSeries { labels: labels.clone(), drop_name: false, points });
                        places.insert(labels, results.len() - 1);
                        results.len() - 1
                    }
                };
                let points = &mut results[place].points;
                points.set_float(step, points.float(step).unwrap_or(0.0) + 1.0);
            }
        }
        self.finish(results)
    }
}

fn text(point: PointRef<'_>) -> String {
    match point {
        PointRef::Float(value) => decimal(value),
        PointRef::Histogram(histogram) => histogram.describe(),
    }
}
