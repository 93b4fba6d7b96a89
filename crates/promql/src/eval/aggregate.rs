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

use std::ops::ControlFlow;

use super::Evaluator;
use super::budget::CELLS_PER_SAMPLE;
use super::memory::bytes_of_labels;
use crate::ast::{Aggregate, AggregateOp};
use crate::error::EvalError;
use crate::labels::Labels;
use crate::points::Points;
use crate::value::{StepSeries, Value};
use grouping::{Grouping, Groups};
use running::Running;

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
            _ => self.run(aggregate),
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
                let row = StepSeries { labels, drop_name, points };
                self.hold_row(&row)?;
                results.push(row);
            }
        }
        self.finish(results)
    }

    /// What takes in one series after another, as they are read where that is possible.
    fn run(&self, aggregate: &Aggregate) -> Result<Vec<StepSeries>, EvalError> {
        if let Some(rows) = self.run_along(aggregate)? {
            return self.finish(rows);
        }
        let rows = self.vector(&aggregate.expr)?;
        self.group_rows(aggregate, &rows, |evaluator, rows| match (aggregate.op, have_histograms(rows)) {
            (AggregateOp::Sum | AggregateOp::Avg, true) => evaluator.sums_with_histograms(aggregate, rows),
            (op, has_histograms) => {
                if has_histograms {
                    evaluator.say_ignored(aggregate);
                }
                let mut running = evaluator.running(op)?;
                rows.iter().for_each(|row| running.add(&row.points));
                Ok(running.finish())
            }
        })
    }

    /// `None` where the series have to be known all at once.
    fn run_along(&self, aggregate: &Aggregate) -> Result<Option<Vec<StepSeries>>, EvalError> {
        let Some(stream) = self.stream(&aggregate.expr) else { return Ok(None) };
        let mut grouping = Grouping::new(aggregate, !self.options.delayed_name_removal);
        let mut groups: Vec<(Running, bool)> = Vec::new();
        let (before, bytes_before) = (self.shared.samples.get(), self.shared.memory.bytes());
        let mut group_bytes = 0_usize;
        let has_run = self.run_stream(&stream, &mut |rows: Vec<StepSeries>| {
            grouping.forget_texts();
            for row in &rows {
                if have_histograms(&[row]) {
                    match aggregate.op {
                        AggregateOp::Sum | AggregateOp::Avg => return Ok(ControlFlow::Break(())),
                        _ => self.say_ignored(aggregate),
                    }
                }
                let place = grouping.place(row);
                if place == groups.len() {
                    self.check_rows(groups.len() + 1)?;
                    let labels = grouping.labels.last().map_or(0, bytes_of_labels);
                    let bytes = Running::bytes(aggregate.op, self.steps.count()).saturating_add(labels);
                    self.hold_bytes(bytes)?;
                    group_bytes = group_bytes.saturating_add(bytes);
                    groups.push((self.running(aggregate.op)?, false));
                }
                if let Some((running, drop_name)) = groups.get_mut(place) {
                    running.add(&row.points);
                    *drop_name |= row.drop_name && self.options.delayed_name_removal;
                }
            }
            drop(rows);
            // At the least: not every step has a value. Exactly it is counted at the end.
            self.settle(before, groups.len() * self.steps.count() / CELLS_PER_SAMPLE)?;
            self.settle_bytes(bytes_before, group_bytes)?;
            Ok(ControlFlow::Continue(()))
        })?;
        if has_run.is_break() {
            self.settle(before, 0)?;
            self.settle_bytes(bytes_before, 0)?;
            return Ok(None);
        }
        let rows = grouping.labels.into_iter().zip(groups).map(|(labels, (running, drop_name))| StepSeries {
            labels,
            drop_name,
            points: running.finish(),
        });
        Ok(Some(rows.filter(|row| !row.points.is_empty()).collect()))
    }

    fn running(&self, op: AggregateOp) -> Result<Running, EvalError> {
        Running::new(op, self.steps.count())
            .ok_or_else(|| EvalError::Execution(format!("{} needs a parameter", op.name())))
    }

    /// Of what is only for floats.
    fn say_ignored(&self, aggregate: &Aggregate) {
        if !matches!(aggregate.op, AggregateOp::Count | AggregateOp::Group) {
            self.ignored_histograms(aggregate.op, aggregate.expr.unwrapped().position());
        }
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
