//! Series out of spans: what `rate()` and its like come to, and what is done with their series.
//!
//! Spans are observed one after the other ([`Aggregation`], [`Comparison`]), whatever told that they match; then
//! [`combined`] puts the series of a query's parts together. Durations count in seconds, as Tempo has them.

mod aggregation;
mod comparison;
mod exemplars;
mod grid;
mod quantile;
mod stages;

use std::collections::BTreeMap;

use crate::ast::{Attribute, Field, Hint, Metrics, MetricsFunction, Pipeline};
use crate::value::Value;

pub use aggregation::{Aggregation, Group};
pub use comparison::{Comparison, ValueId};
pub use exemplars::Room;
pub use grid::Grid;
pub use stages::combined;

/// Names and values, in the order in which a query names them.
pub type Labels = Vec<(String, Value)>;

/// The label that says which function made a series without other labels.
pub const NAME: &str = "__name__";

#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub labels: Labels,
    /// One for each interval of the grid; `NaN` where there is none.
    pub values: Vec<f64>,
    pub exemplars: Vec<Exemplar>,
}

/// One span of those that made a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    pub labels: Labels,
    /// `NaN`: what the series has at its time.
    pub value: f64,
    /// Nanoseconds since the epoch.
    pub time: i64,
}

/// The part of a query that looks at spans.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'m> {
    pub spans: &'m Pipeline,
    pub function: &'m MetricsFunction,
    pub by: &'m [Attribute],
}

/// The parts of a query that look at spans, in the order in which [`combined`] takes their series.
pub fn leaves(metrics: &Metrics) -> Vec<Leaf<'_>> {
    match metrics {
        Metrics::Query { spans, function, by } => vec![Leaf { spans, function, by }],
        Metrics::Then { of, .. } => leaves(of),
        Metrics::WithScalar { metrics, .. } => leaves(metrics),
        Metrics::Operation { left, right, .. } => [leaves(left), leaves(right)].concat(),
    }
}

impl Leaf<'_> {
    /// Of which attribute the function makes numbers.
    pub fn measured(&self) -> Option<&Attribute> {
        match self.function {
            MetricsFunction::MinOverTime(of)
            | MetricsFunction::MaxOverTime(of)
            | MetricsFunction::AvgOverTime(of)
            | MetricsFunction::SumOverTime(of)
            | MetricsFunction::HistogramOverTime(of)
            | MetricsFunction::QuantileOverTime { of, .. } => Some(of),
            MetricsFunction::Rate | MetricsFunction::CountOverTime | MetricsFunction::Compare { .. } => None,
        }
    }

    /// What `compare()` tells apart.
    pub fn selection(&self) -> Option<&Field> {
        match self.function {
            MetricsFunction::Compare { selection, .. } => Some(selection),
            _ => None,
        }
    }
}

/// How many exemplars hints ask for, if they say so.
pub fn exemplars_hint(hints: &[Hint]) -> Option<usize> {
    hints.iter().filter(|hint| hint.name == "exemplars").find_map(|hint| match hint.value {
        Value::Int(count) => Some(usize::try_from(count).unwrap_or(0)),
        Value::Bool(false) => Some(0),
        _ => None,
    })
}

/// Whether spans stand for those that were not sampled, too.
pub fn extrapolate_hint(hints: &[Hint]) -> bool {
    hints.iter().any(|hint| hint.name == "extrapolate" && hint.value == Value::Bool(true))
}

/// The share of traces to look at, where hints allow for less than all of them.
pub fn sample_hint(hints: &[Hint]) -> Option<f64> {
    hints.iter().filter(|hint| matches!(hint.name.as_str(), "sample" | "trace_sample")).find_map(|hint| {
        let share = match hint.value {
            Value::Float(share) => share,
            _ => return None,
        };
        (share > 0.0 && share < 1.0).then_some(share)
    })
}

/// What labels are told apart by.
type Key = BTreeMap<String, Vec<u8>>;

/// Which function made a series does not count.
fn key(labels: &Labels) -> Key {
    let key = |value: &Value| {
        let mut bytes = Vec::new();
        value.key(&mut bytes);
        bytes
    };
    let named = labels.iter().filter(|(name, _)| name != NAME);
    named.map(|(name, value)| (name.clone(), key(value))).collect()
}

#[cfg(test)]
mod tests;
