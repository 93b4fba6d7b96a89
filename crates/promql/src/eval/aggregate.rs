//! Aggregations: many series to one for each group, step by step.
//!
//! Rows are assigned to groups once. Sums and the like then run along rows, into one row of running state for each group;
//! what has to see all values of a step at once (`topk`, `quantile`, histograms) loops over steps.

mod average;
mod count_values;
mod grouping;
mod histograms;
mod param;
mod ranked;
mod running;
#[cfg(test)]
mod tests;

use super::Evaluator;
use crate::ast::{Aggregate, AggregateOp};
use crate::error::EvalError;
use crate::labels::Labels;
use crate::points::Points;
use crate::value::{StepSeries, Value};
use grouping::Groups;

pub(in crate::eval) use ranked::quantile_of;

impl Evaluator<'_> {
    pub fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<StepSeries>, EvalError> {
        match (aggregate.op, &aggregate.param) {
            (AggregateOp::CountValues, Some(param)) => {
                let label = match self.eval(param)? {
                    Value::String(label) => label,
                    _ => return Err(EvalError::Execution("count_values needs the name of a label".to_owned())),
                };
                self.count_values(aggregate, &label, &self.vector(&aggregate.expr)?)
            }
            (AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio, Some(param)) => {
                let param_values = self.param(param)?;
                self.select_rows(aggregate, param, &param_values, self.vector(&aggregate.expr)?)
            }
            (AggregateOp::Quantile, Some(param)) => {
                let param_values = self.param(param)?;
                let rows = self.vector(&aggregate.expr)?;
                param_values.warn_of_quantiles(self, param);
                self.group_rows(aggregate, &rows, |evaluator, rows| evaluator.quantiles(aggregate, &param_values, rows))
            }
            _ => {
                let rows = self.vector(&aggregate.expr)?;
                self.group_rows(aggregate, &rows, |evaluator, rows| evaluator.run(aggregate, rows))
            }
        }
    }

    fn vector(&self, expr: &crate::ast::Expr) -> Result<Vec<StepSeries>, EvalError> {
        match self.eval(expr)? {
            Value::Vector(rows) => Ok(rows),
            _ => Err(EvalError::Execution("only instant vectors can be aggregated".to_owned())),
        }
    }

    /// One row for each group, made of the group's rows by `fold`.
    fn group_rows(
        &self,
        aggregate: &Aggregate,
        rows: &[StepSeries],
        fold: impl Fn(&Self, &[&StepSeries]) -> Result<Points, EvalError>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let groups = Groups::new(aggregate, rows);
        self.check_rows(groups.labels.len())?;
        let mut results = Vec::with_capacity(groups.labels.len());
        for (labels, members) in groups.labels.into_iter().zip(&groups.members) {
            self.check_running()?;
            let members: Vec<&StepSeries> = members.iter().map(|index| &rows[*index]).collect();
            let points = fold(self, &members)?;
            if !points.is_empty() {
                // Grouped by name, the name is still that of values that should have lost it.
                let drop_name = members.iter().any(|row| row.drop_name);
                results.push(StepSeries { labels, drop_name, points });
            }
        }
        self.finish(results)
    }

    fn run(&self, aggregate: &Aggregate, rows: &[&StepSeries]) -> Result<Points, EvalError> {
        let has_histograms = have_histograms(rows);
        let len = self.steps.count();
        Ok(match aggregate.op {
            AggregateOp::Sum | AggregateOp::Avg if has_histograms => self.sums_with_histograms(aggregate, rows)?,
            AggregateOp::Sum => running::sum(len, rows),
            AggregateOp::Avg => average::average(len, rows),
            AggregateOp::Count => running::count(len, rows),
            AggregateOp::Group => running::group(len, rows),
            op => {
                if has_histograms {
                    self.ignored_histograms(op, aggregate.expr.unwrapped().position());
                }
                match op {
                    AggregateOp::Min => running::extreme(len, rows, |value, best| value < best),
                    AggregateOp::Max => running::extreme(len, rows, |value, best| value > best),
                    AggregateOp::Stdvar => running::variance(len, rows),
                    AggregateOp::Stddev => running::variance(len, rows).map_floats(f64::sqrt),
                    _ => return Err(EvalError::Execution(format!("{} needs a parameter", op.name()))),
                }
            }
        })
    }

    fn ignored_histograms(&self, op: AggregateOp, position: crate::error::Position) {
        self.info(format!("ignored histogram in {} aggregation", op.name()), position);
    }
}

/// Whether any value is a histogram.
fn have_histograms(rows: &[&StepSeries]) -> bool {
    rows.iter().any(|row| row.points.has_histograms() && row.points.iter().any(|(_, point)| point.float().is_none()))
}

/// The labels that a group of a series has.
fn group_labels(aggregate: &Aggregate, labels: &Labels) -> Labels {
    let mut names: Vec<&str> = aggregate.grouping.iter().map(String::as_str).collect();
    match aggregate.without {
        true => {
            names.push(crate::labels::METRIC_NAME);
            labels.without(&names)
        }
        false => labels.only(&names),
    }
}
