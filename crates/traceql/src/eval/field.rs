//! Expressions over one span.
//!
//! What cannot be compared is not equal, not unequal, not anything: a filter that says something of an attribute does not
//! hold for a span without it.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex::Regex;
use trefoil_go::pattern;

use super::{Slots, Trace};
use crate::ast::{ArithmeticOp, CompareOp, Field as Source};
use crate::check::compare_takes;
use crate::value::Value;

#[derive(Debug)]
pub enum Field {
    Value(Value),
    Attribute(usize),
    Not(Box<Field>),
    Negative(Box<Field>),
    Exists(Box<Field>),
    IsNil(Box<Field>),
    And(Vec<Field>),
    Or(Vec<Field>),
    Compare {
        op: CompareOp,
        left: Box<Field>,
        right: Box<Field>,
    },
    /// `None`: the pattern is none, which checks refuse.
    Match {
        of: Box<Field>,
        pattern: Option<Regex>,
        is_negated: bool,
    },
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Field>,
        right: Box<Field>,
    },
}

impl Field {
    pub fn new(source: &Source, slots: &mut Slots) -> Field {
        let mut of = |source: &Source| Box::new(Field::new(source, slots));
        match source {
            Source::Value(value) => Field::Value(value.clone()),
            Source::Attribute(attribute) => Field::Attribute(slots.of(attribute)),
            Source::Not(each) => Field::Not(of(each)),
            Source::Negative(each) => Field::Negative(of(each)),
            Source::Exists(each) => Field::Exists(of(each)),
            Source::IsNil(each) => Field::IsNil(of(each)),
            Source::And(list) => Field::And(list.iter().map(|each| *of(each)).collect()),
            Source::Or(list) => Field::Or(list.iter().map(|each| *of(each)).collect()),
            Source::Compare { op: op @ (CompareOp::Regex | CompareOp::NotRegex), left, right } => {
                let pattern = match &**right {
                    Source::Value(Value::String(text)) => pattern::compile(text).ok(),
                    _ => None,
                };
                Field::Match { of: of(left), pattern, is_negated: *op == CompareOp::NotRegex }
            }
            Source::Compare { op, left, right } => Field::Compare { op: *op, left: of(left), right: of(right) },
            Source::Arithmetic { op, left, right } => Field::Arithmetic { op: *op, left: of(left), right: of(right) },
        }
    }

    pub fn holds(&self, trace: &Trace, span: u32) -> bool {
        matches!(*self.value(trace, span), Value::Bool(true))
    }

    pub fn value<'v>(&'v self, trace: &'v Trace, span: u32) -> Cow<'v, Value> {
        let truth = |is_so| Cow::Owned(Value::Bool(is_so));
        match self {
            Field::Value(value) => Cow::Borrowed(value),
            Field::Attribute(slot) => Cow::Borrowed(&trace.columns[*slot][span as usize]),
            Field::Not(of) => match *of.value(trace, span) {
                Value::Bool(is_so) => truth(!is_so),
                _ => Cow::Owned(Value::Nil),
            },
            Field::Negative(of) => Cow::Owned(match *of.value(trace, span) {
                Value::Int(number) => Value::Int(number.wrapping_neg()),
                Value::Float(number) => Value::Float(-number),
                Value::Duration(nanos) => Value::Duration(nanos.wrapping_neg()),
                _ => Value::Nil,
            }),
            Field::Exists(of) => truth(!of.value(trace, span).is_nil()),
            Field::IsNil(of) => truth(of.value(trace, span).is_nil()),
            Field::And(list) => truth(list.iter().all(|each| each.holds(trace, span))),
            Field::Or(list) => truth(list.iter().any(|each| each.holds(trace, span))),
            Field::Compare { op, left, right } => {
                truth(compare(*op, &left.value(trace, span), &right.value(trace, span)))
            }
            Field::Match { of, pattern, is_negated } => truth(
                pattern.as_ref().is_some_and(|pattern| matches_text(&of.value(trace, span), pattern, *is_negated)),
            ),
            Field::Arithmetic { op, left, right } => {
                Cow::Owned(arithmetic(*op, &left.value(trace, span), &right.value(trace, span)))
            }
        }
    }
}

/// Of an array: whether one matches; negated: whether none does.
fn matches_text(value: &Value, pattern: &Regex, is_negated: bool) -> bool {
    match value {
        Value::String(text) => pattern.is_match(text) != is_negated,
        Value::Strings(list) => list.iter().any(|text| pattern.is_match(text)) != is_negated,
        _ => false,
    }
}

/// Whether a comparison (of no pattern) holds. Of an array: for one of its elements; `!=`: for all.
pub fn compare(op: CompareOp, left: &Value, right: &Value) -> bool {
    let (left_type, right_type) = (left.of_type(), right.of_type());
    if left.is_nil() || right.is_nil() || !left_type.matches(right_type) {
        return false;
    }
    match (left_type.element(), right_type.element()) {
        (Some(_), Some(_)) => left_type == right_type && compare_one(op, left, right),
        (None, None) => compare_one(op, left, right),
        (Some(_), None) => quantified(op, left, |element| compare_one(op, element, right)),
        (None, Some(_)) => quantified(op, right, |element| compare_one(op, left, element)),
    }
}

fn quantified(op: CompareOp, array: &Value, mut holds: impl FnMut(&Value) -> bool) -> bool {
    let elements = array.elements();
    match op {
        CompareOp::NotEqual => elements.iter().all(&mut holds),
        _ => elements.iter().any(&mut holds),
    }
}

fn compare_one(op: CompareOp, left: &Value, right: &Value) -> bool {
    let takes = compare_takes(op);
    if left.of_type().element().is_none() && !(takes(left.of_type()) && takes(right.of_type())) {
        return false;
    }
    let order = match (left.as_float(), right.as_float()) {
        // Whole numbers exactly, others as floats; NaN is in no order.
        (Some(a), Some(b)) => match (left, right) {
            (Value::Float(_), _) | (_, Value::Float(_)) => a.partial_cmp(&b),
            _ => Some(left.order(right)),
        },
        _ => Some(left.order(right)),
    };
    match op {
        CompareOp::Equal => order == Some(Ordering::Equal),
        CompareOp::NotEqual => order != Some(Ordering::Equal),
        CompareOp::Less => order == Some(Ordering::Less),
        CompareOp::LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        CompareOp::Greater => order == Some(Ordering::Greater),
        CompareOp::GreaterEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        CompareOp::Regex | CompareOp::NotRegex => false,
    }
}

/// Of two whole numbers a whole number, of any others a float (durations count in nanoseconds). `Nil` where there is none:
/// divided by zero, or not numbers.
pub fn arithmetic(op: ArithmeticOp, left: &Value, right: &Value) -> Value {
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let (a, b) = (*a, *b);
        return match op {
            ArithmeticOp::Add => Value::Int(a.wrapping_add(b)),
            ArithmeticOp::Sub => Value::Int(a.wrapping_sub(b)),
            ArithmeticOp::Mul => Value::Int(a.wrapping_mul(b)),
            ArithmeticOp::Div if b == 0 => Value::Nil,
            ArithmeticOp::Mod if b == 0 => Value::Nil,
            ArithmeticOp::Div => Value::Int(a.wrapping_div(b)),
            ArithmeticOp::Mod => Value::Int(a.wrapping_rem(b)),
            ArithmeticOp::Pow => match u32::try_from(b) {
                Ok(exponent) => Value::Int(a.wrapping_pow(exponent)),
                Err(_) => Value::Int((a as f64).powf(b as f64) as i64),
            },
        };
    }
    let (Some(a), Some(b)) = (left.as_float(), right.as_float()) else { return Value::Nil };
    Value::Float(match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Sub => a - b,
        ArithmeticOp::Mul => a * b,
        ArithmeticOp::Div => a / b,
        ArithmeticOp::Mod => a % b,
        ArithmeticOp::Pow => a.powf(b),
    })
}
