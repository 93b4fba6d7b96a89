//! `eq`, `lt` and their like: basic types compare with their own kind only.

use std::cmp::Ordering;

use crate::print;
use crate::value::Value;

#[derive(PartialEq, Eq, Clone, Copy)]
enum Basic {
    None,
    Bool,
    Int,
    Float,
    Text,
}

fn basic(value: &Value<'_>) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_) | Value::Duration(_) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::String(_) => Basic::Text,
        _ => Basic::None,
    }
}

fn incompatible(one: &Value<'_>, other: &Value<'_>) -> String {
    format!("incompatible types for comparison: {} and {}", one.type_name(), other.type_name())
}

/// Whether the first one is any of the others.
pub(super) fn equal(one: &Value<'_>, others: &[Value<'_>]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal_to(one, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal_to(one: &Value<'_>, other: &Value<'_>) -> Result<bool, String> {
    if let (Value::Nil, _) | (_, Value::Nil) = (one, other) {
        return Ok(matches!((one, other), (Value::Nil, Value::Nil)));
    }
    if basic(one) != basic(other) {
        return Err(incompatible(one, other));
    }
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        (Value::Int(one) | Value::Duration(one), Value::Int(other) | Value::Duration(other)) => Ok(one == other),
        (Value::Float(one), Value::Float(other)) => Ok(one == other),
        (Value::String(one), Value::String(other)) => Ok(one == other),
        (Value::Time(one), Value::Time(other)) => Ok(one == other),
        (_, Value::List(_) | Value::Map(_) | Value::Fields(_)) if kind(one) == kind(other) => {
            Err(format!("non-comparable type {}: {}", print::shown_by(other, 's'), other.type_name()))
        }
        _ => Err(format!(
            "non-comparable types {}: {}, {}: {}",
            print::shown_by(one, 's'),
            one.type_name(),
            other.type_name(),
            print::shown(other)
        )),
    }
}

fn kind(value: &Value<'_>) -> u8 {
    match value {
        Value::List(_) => 1,
        Value::Map(_) => 2,
        Value::Fields(fields) if !matches!(fields.shape(), crate::Shape::Structure(_)) => 2,
        Value::Fields(_) => 3,
        _ => 0,
    }
}

pub(super) fn less(one: &Value<'_>, other: &Value<'_>) -> Result<bool, String> {
    let invalid = || Err("invalid type for comparison".to_owned());
    if [one, other].iter().any(|value| basic(value) == Basic::None) {
        return invalid();
    }
    if basic(one) != basic(other) {
        return Err(incompatible(one, other));
    }
    match (one, other) {
        (Value::Int(one) | Value::Duration(one), Value::Int(other) | Value::Duration(other)) => Ok(one < other),
        (Value::Float(one), Value::Float(other)) => Ok(one < other),
        (Value::String(one), Value::String(other)) => Ok(one.cmp(other) == Ordering::Less),
        _ => invalid(),
    }
}

pub(super) fn at_most(one: &Value<'_>, other: &Value<'_>) -> Result<bool, String> {
    Ok(less(one, other)? || equal_to(one, other)?)
}
