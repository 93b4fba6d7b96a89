//! Range vectors: windows over samples, and the functions that look at them.

mod absent;
mod changes;
mod edges;
mod histogram_edges;
mod histogram_rate;
mod histogram_sums;
mod input;
mod last_two;
mod notes;
mod over_time;
mod plain_rate;
mod rate;
mod scope;
mod smoothed;
mod spread;
mod starts;
mod table;
mod trend;
mod window;

use std::sync::Arc;

use self::input::Input;
use self::notes::Notes;
use self::scope::Scope;
use self::window::{Span, Tracks, for_each_window};
use super::Evaluator;
use crate::ast::{Call, Expr, MatrixSelector};
use crate::error::{EvalError, Position};
use crate::histogram::FloatHistogram;
use crate::points::{Point, Points};
use crate::source::RawSeries;
use crate::value::{StepSeries, Value};

pub(crate) use self::absent::labels_of_absent;
pub(super) use self::table::RangeFunction;

/// After so many samples in windows of one series it is asked whether the query still runs.
const LONGEST_UNCHECKED: usize = 1 << 20;

impl Evaluator<'_> {
    /// The value of a call of a function over range vectors, or over the times of samples; `None` where the function is none
    /// of those.
    pub fn range_call(&self, call: &Call) -> Option<Result<Value, EvalError>> {
        let first = call.args.first().map(Expr::unwrapped);
        let rows = match (call.function.name, first) {
            ("timestamp", Some(Expr::Vector(selector))) => self.times(self.instant_selector_times(selector)),
            ("start_timestamp", Some(Expr::Vector(selector))) if self.options.use_start_timestamps => {
                self.times(self.instant_selector_start_times(selector))
            }
            // What was computed has no start time.
            ("start_timestamp", Some(arg)) => self.eval(arg).map(|_| Vec::new()),
            ("absent_over_time", Some(arg)) => {
                let present = self.range_function(call, table::named("present_over_time")?);
                present.map(|rows| absent::absent(arg, &rows, self.steps.count()))
            }
            (name, _) => {
                let rows = self.range_function(call, table::named(name)?);
                rows.and_then(|rows| self.finish_distinct(rows))
            }
        };
        Some(rows.map(Value::Vector))
    }

    fn times(&self, rows: Result<Vec<StepSeries>, EvalError>) -> Result<Vec<StepSeries>, EvalError> {
        self.finish(rows?.into_iter().map(|row| StepSeries { drop_name: true, ..row }).collect())
    }

    fn range_function(&self, call: &Call, function: &RangeFunction) -> Result<Vec<StepSeries>, EvalError> {
        let Some(range) = call.args.iter().find(|arg| is_range(arg)) else {
            return Err(EvalError::Execution(format!("{} is called without a range vector", call.function.name)));
        };
        let input = match range.unwrapped() {
            Expr::Matrix(matrix) => self.selected(matrix, call.function.name)?,
            Expr::Subquery(subquery) => self.subquery_samples(subquery)?,
            _ => return Ok(Vec::new()),
        };
        self.evaluate(call, function, &self.range_params(call)?, input)
    }

    /// What a function is given beside the range, at each step.
    pub(super) fn range_params(&self, call: &Call) -> Result<Vec<Vec<f64>>, EvalError> {
        let mut params: Vec<Vec<f64>> = Vec::new();
        for arg in call.args.iter().filter(|arg| !is_range(arg)) {
            match self.eval(arg)? {
                Value::Scalar(values) => params.push(values),
                _ => return Err(EvalError::Execution(format!("{} is given no scalar", call.function.name))),
            }
        }
        Ok(params)
    }

    /// The values of a function over some of the series of its selector.
    pub(super) fn range_rows(
        &self,
        call: &Call,
        function: &RangeFunction,
        params: &[Vec<f64>],
        span: Span,
        series: Vec<RawSeries>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        self.evaluate(call, function, params, Input::of(series, span, None))
    }

    fn evaluate(
        &self,
        call: &Call,
        function: &RangeFunction,
        params: &[Vec<f64>],
        input: Input,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let position = position(call);
        let before = self.shared.samples.get();
        let (mut rows, mut held, mut overlaps) = (Vec::new(), 0, Vec::new());
        let with_starts = self.options.use_start_timestamps && function.uses_start_times;
        let plain = function.plain.filter(|_| !with_starts && input.extension.is_none());
        let mut waiting = input.series.into_iter().peekable();
        while waiting.peek().is_some() {
            if let Some(rate) = plain {
                let mut plain = std::iter::from_fn(|| waiting.next_if(|series| series.samples.histograms.is_none()));
                for (series, rated) in self.plain_rates(rate, input.span, &mut plain)? {
                    if rated.points.is_empty() {
                        continue;
                    }
                    if function.is_for_counters {
                        let notes = Notes::new(self, series.labels.metric_name(), position);
                        self.say_if_no_counter(&notes, &series.labels, &rated.points);
                    }
                    held += rated.points.count();
                    self.settle(before, held + rated.largest)?;
                    let drop_name = !function.keeps_name || series.drop_name;
                    rows.push(StepSeries { labels: series.labels, drop_name, points: rated.points });
                    self.check_rows(rows.len())?;
                }
                if waiting.peek().is_none_or(|series| series.samples.histograms.is_none()) {
                    continue;
                }
            }
            let Some(series) = waiting.next() else { break };
            self.check_running()?;
            let notes = Notes::new(self, series.labels.metric_name(), position);
            let scope = Scope::new(notes, Tracks::new(series.samples, with_starts), input.extension, input.span.range);
            let mut points = Points::empty(self.steps.count());
            let (mut largest, mut unchecked) = (0, 0);
            for_each_window(&scope.tracks, input.span, self.steps, |step, window| {
                if window.is_empty() {
                    return Ok(());
                }
                let size = window.size();
                self.looked.at(step, size as u64);
                largest = largest.max(size);
                unchecked += size;
                if unchecked > LONGEST_UNCHECKED {
                    unchecked = 0;
                    self.check_running()?;
                }
                let param = |index: usize| params.get(index).and_then(|values| values.get(step)).copied();
                let params = [param(0).unwrap_or(f64::NAN), param(1).unwrap_or(f64::NAN)];
                if let Some(point) = (function.evaluate)(&scope, &window, params)? {
                    points.set(step, point);
                }
                Ok::<_, EvalError>(())
            })?;
            if scope.notes.overlaps() > 0 {
                overlaps.push((series.labels.metric_name().to_owned(), scope.notes.overlaps()));
            }
            if points.is_empty() {
                continue;
            }
            if function.is_for_counters {
                self.say_if_no_counter(&scope.notes, &series.labels, &points);
            }
            held += points.count();
            self.settle(before, held + largest)?;
            let drop_name = !function.keeps_name || series.drop_name;
            let row = StepSeries { labels: series.labels.clone(), drop_name, points };
            self.hold_row(&row)?;
            rows.push(row);
            self.check_rows(rows.len())?;
        }
        self.say_overlaps(overlaps, position);
        Ok(rows)
    }
}

fn is_range(arg: &Expr) -> bool {
    matches!(arg.unwrapped(), Expr::Matrix(_) | Expr::Subquery(_))
}

/// The function over a range selector that a call is; `None` for all other calls.
pub(super) fn range_selector(call: &Call) -> Option<(&'static RangeFunction, &MatrixSelector)> {
    let function = table::named(call.function.name)?;
    match call.args.iter().find(|arg| is_range(arg))?.unwrapped() {
        Expr::Matrix(matrix) => Some((function, matrix)),
        _ => None,
    }
}

/// Where notes about a call are: at its first argument, which is not always the range. Subqueries have lost their place.
fn position(call: &Call) -> Position {
    match call.args.first().map(Expr::unwrapped) {
        None | Some(Expr::Subquery(_)) => Position::default(),
        Some(arg) => arg.position(),
    }
}

fn histogram_point(histogram: FloatHistogram) -> Point {
    Point::Histogram(Arc::new(histogram))
}
