//! Conditions of TraceQL that searches of other systems are made of.

use trefoil_traceql::ast::{Attribute, CompareOp, Field, Scope};
use trefoil_traceql::value::Value;

pub(crate) fn service_attribute() -> Attribute {
    Attribute::Named { scope: Some(Scope::Resource), name: "service.name".to_owned() }
}

pub(crate) fn compared(attribute: Attribute, op: CompareOp, value: Value) -> Field {
    Field::Compare { op, left: Box::new(Field::Attribute(attribute)), right: Box::new(Field::Value(value)) }
}

/// The values whose text is this one.
pub(crate) fn typed(text: &str) -> Vec<Value> {
    let integer = text.parse().ok().filter(|number: &i64| number.to_string() == text);
    let float = text.parse().ok().filter(|number: &f64| number.is_finite() && text.contains(['.', 'e', 'E']));
    let flag = match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    };
    let others = [integer.map(Value::Int), float.map(Value::Float), flag];
    std::iter::once(Value::string(text)).chain(others.into_iter().flatten()).collect()
}

/// One of several conditions; none holds never.
pub(crate) fn any(conditions: impl IntoIterator<Item = Field>) -> Field {
    let mut conditions: Vec<Field> = conditions.into_iter().collect();
    match conditions.len() {
        0 => Field::Value(Value::Bool(false)),
        1 => conditions.remove(0),
        _ => Field::Or(conditions),
    }
}

/// All of several conditions; none holds always.
pub(crate) fn all(conditions: impl IntoIterator<Item = Field>) -> Field {
    let mut conditions: Vec<Field> = conditions.into_iter().collect();
    match conditions.len() {
        0 => Field::Value(Value::Bool(true)),
        1 => conditions.remove(0),
        _ => Field::And(conditions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_values_that_are_written_so() {
        for (text, expected) in [
            ("a", vec![Value::string("a")]),
            ("7", vec![Value::string("7"), Value::Int(7)]),
            ("007", vec![Value::string("007")]),
            ("0.5", vec![Value::string("0.5"), Value::Float(0.5)]),
            ("true", vec![Value::string("true"), Value::Bool(true)]),
            ("NaN", vec![Value::string("NaN")]),
        ] {
            assert_eq!(typed(text), expected, "{text}");
        }
    }
}
