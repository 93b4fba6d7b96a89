//! Numbers of a spanset.

use super::field::{Field, arithmetic};
use super::{Slots, Trace};
use crate::ast::{Aggregate, ArithmeticOp, Scalar as Source};
use crate::value::Value;

#[derive(Debug)]
pub enum Scalar {
    Constant(Value),
    /// `name` is what answers call it.
    Aggregate {
        function: Aggregate,
        of: Option<Field>,
        name: String,
    },
    Operation {
        op: ArithmeticOp,
        left: Box<Scalar>,
        right: Box<Scalar>,
    },
}

impl Scalar {
    pub fn new(source: &Source, slots: &mut Slots) -> Scalar {
        match source {
            Source::Constant(value) => Scalar::Constant(value.clone()),
            Source::Aggregate { function, of } => Scalar::Aggregate {
                function: *function,
                of: of.as_ref().map(|field| Field::new(field, slots)),
                name: source.to_string(),
            },
            Source::Operation { op, left, right } => Scalar::Operation {
                op: *op,
                left: Box::new(Scalar::new(left, slots)),
                right: Box::new(Scalar::new(right, slots)),
            },
        }
    }

    /// `Nil` where no span has a number. What aggregates come to is added to `told`.
    pub fn value(&self, trace: &Trace, spans: &[u32], told: &mut Vec<(String, Value)>) -> Value {
        match self {
            Scalar::Constant(value) => value.clone(),
            Scalar::Operation { op, left, right } => {
                let left = left.value(trace, spans, told);
                arithmetic(*op, &left, &right.value(trace, spans, told))
            }
            Scalar::Aggregate { function, of, name } => {
                let value = match of {
                    None => Value::Int(spans.len() as i64),
                    Some(field) => {
                        aggregate(*function, spans.iter().map(|span| field.value(trace, *span).into_owned()))
                    }
                };
                if !value.is_nil() {
                    told.push((name.clone(), value.clone()));
                }
                value
            }
        }
    }
}

/// What is no number does not count.
fn aggregate(function: Aggregate, values: impl Iterator<Item = Value>) -> Value {
    let mut numbers = values.filter(|value| value.of_type().is_numeric());
    match function {
        Aggregate::Count => Value::Int(numbers.count() as i64),
        Aggregate::Max => numbers.max_by(Value::order).unwrap_or(Value::Nil),
        Aggregate::Min => numbers.min_by(Value::order).unwrap_or(Value::Nil),
        Aggregate::Sum => numbers.next().map_or(Value::Nil, |first| numbers.fold(first, sum)),
        Aggregate::Avg => {
            let Some(first) = numbers.next() else { return Value::Nil };
            let mut count = 1;
            let total = numbers.inspect(|_| count += 1).fold(first, sum);
            match total {
                Value::Duration(nanos) => Value::Duration(nanos / count),
                total => arithmetic(ArithmeticOp::Div, &total, &Value::Float(count as f64)),
            }
        }
    }
}

/// Durations make a duration.
fn sum(total: Value, next: Value) -> Value {
    match (&total, &next) {
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(a.saturating_add(*b)),
        _ => arithmetic(ArithmeticOp::Add, &total, &next),
    }
}
