//! Sorting, which is for instant queries only: series of a range are always sorted by labels.

use std::cmp::Ordering;

use super::natural;
use crate::ast::Call;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::value::{StepSeries, Value};

impl Evaluator<'_> {
    /// By value, NaN last; histograms have no order and are left out.
    pub(super) fn sort(&self, call: &Call) -> Result<Value, EvalError> {
        let mut rows = self.vector_arg(call, 0)?;
        self.check_sorted(call);
        for row in rows.iter_mut().filter(|row| row.points.has_histograms()) {
            row.points = row.points.clone().map_floats(|value| value);
        }
        rows.retain(|row| !row.points.is_empty());
        if self.steps.count() == 1 {
            let value = |row: &StepSeries| row.points.float(0).unwrap_or(f64::NAN);
            let descending = call.function.name == "sort_desc";
            rows.sort_by(|a, b| by_value(value(a), value(b), descending));
        }
        Ok(Value::Vector(rows))
    }

    pub(super) fn sort_by_label(&self, call: &Call) -> Result<Value, EvalError> {
        let mut rows = self.vector_arg(call, 0)?;
        self.check_sorted(call);
        if self.steps.count() != 1 {
            return Ok(Value::Vector(rows));
        }
        let names = (1..call.args.len()).map(|index| super::text_arg(call, index)).collect::<Result<Vec<_>, _>>()?;
        let compare = |a: &StepSeries, b: &StepSeries| {
            let named = names.iter().map(|name| natural::compare(a.labels.get(name), b.labels.get(name)));
            named.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.labels.cmp(&b.labels))
        };
        match call.function.name {
            "sort_by_label" => rows.sort_by(compare),
            _ => rows.sort_by(|a, b| compare(b, a)),
        }
        Ok(Value::Vector(rows))
    }

    fn check_sorted(&self, call: &Call) {
        if self.steps.start != self.steps.end {
            let message = "sort is ineffective for range queries since results are always ordered by labels";
            self.warn(message, call.position);
        }
    }
}

fn by_value(a: f64, b: f64, descending: bool) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then_with(|| {
        let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
        if descending { order.reverse() } else { order }
    })
}
