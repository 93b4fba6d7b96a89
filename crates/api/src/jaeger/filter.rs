//! Structured filters of version 3 (`jaeger.expression.v1`, RFC 0005 of Jaeger) as TraceQL.
//!
//! `some` and times of spans have no counterpart there, and are refused.

use prost::Message;
use serde::Deserialize;
use trefoil_go::duration;
use trefoil_traceql::ast::{Attribute, CompareOp, Field, Intrinsic, Scope};
use trefoil_traceql::value::{Kind, Status, Value};

use crate::conditions::{all, any, compared, service_attribute, typed};

/// The operators that are understood, for those who ask what is.
pub(super) const OPERATORS: [&str; 13] =
    ["and", "or", "not", "eq", "ne", "gt", "lt", "gte", "lte", "regex", "exists", "in", "not_in"];
pub(super) const LEVELS: [&str; 5] = ["span", "resource", "scope", "event", "link"];

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Call {
    #[prost(string, tag = "1")]
    pub op: String,
    #[prost(message, repeated, tag = "2")]
    pub args: Vec<Expression>,
}

/// One of its members.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expression {
    #[prost(message, optional, tag = "1")]
    pub attr: Option<AttributeReference>,
    #[prost(message, optional, tag = "2")]
    pub field: Option<FieldReference>,
    #[prost(message, optional, tag = "3")]
    pub nested: Option<NestedReference>,
    #[prost(message, optional, tag = "4")]
    pub scalar: Option<Scalar>,
    #[prost(message, optional, tag = "5")]
    pub list: Option<List>,
    #[prost(message, optional, tag = "6")]
    pub call: Option<Call>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AttributeReference {
    #[prost(string, tag = "1")]
    pub key: String,
    /// Empty: of the span or the resource.
    #[prost(string, tag = "2")]
    pub level: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FieldReference {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub level: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NestedReference {
    #[prost(string, tag = "1")]
    pub level: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Scalar {
    #[prost(string, tag = "1")]
    pub value: String,
    /// `string`, `int`, `double` or `bool`; empty for any.
    #[prost(string, tag = "2")]
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct List {
    #[prost(string, repeated, tag = "1")]
    pub values: Vec<String>,
    #[prost(string, tag = "2")]
    #[serde(rename = "type")]
    pub kind: String,
}

type Read<T> = Result<T, String>;

/// What the filter says of a span; the error says what of it cannot be.
pub(super) fn field(call: &Call) -> Read<Field> {
    let calls =
        || call.args.iter().map(|arg| field(arg.call.as_ref().ok_or_else(|| format!("{} takes calls", call.op))?));
    match (call.op.as_str(), call.args.as_slice()) {
        ("and", [_, ..]) => Ok(all(calls().collect::<Read<Vec<_>>>()?)),
        ("or", [_, ..]) => Ok(any(calls().collect::<Read<Vec<_>>>()?)),
        ("not", [_]) => Ok(negated(all(calls().collect::<Read<Vec<_>>>()?))),
        ("exists", [of]) => {
            let exists = |attribute| Field::Exists(Box::new(Field::Attribute(attribute)));
            Ok(any(Reference::of(of)?.attributes.into_iter().map(exists)))
        }
        ("in" | "not_in", [of, Expression { list: Some(list), .. }]) => {
            let scalar = |value: &String| Scalar { value: value.clone(), kind: list.kind.clone() };
            let reference = Reference::of(of)?;
            let each = list.values.iter().map(|value| reference.compared(CompareOp::Equal, &scalar(value)));
            let is_in = any(each.collect::<Read<Vec<_>>>()?);
            Ok(if call.op == "in" { is_in } else { negated(is_in) })
        }
        (op, [of, Expression { scalar: Some(scalar), .. }]) if comparison(op).is_some() => {
            compare(op, &Reference::of(of)?, scalar)
        }
        // The constant may come first.
        (op, [Expression { scalar: Some(scalar), .. }, of]) if comparison(op).is_some() && op != "regex" => {
            compare(turned(op), &Reference::of(of)?, scalar)
        }
        (op, _) if op == "some" || !OPERATORS.contains(&op) => Err(format!("the operator {op:?} is not supported")),
        (op, args) => Err(format!("{op} cannot take these {} operands", args.len())),
    }
}

fn compare(op: &str, reference: &Reference, scalar: &Scalar) -> Read<Field> {
    match op {
        // What is not there is not equal.
        "ne" => Ok(negated(reference.compared(CompareOp::Equal, scalar)?)),
        op => reference.compared(comparison(op).unwrap_or(CompareOp::Equal), scalar),
    }
}

fn negated(field: Field) -> Field {
    Field::Not(Box::new(field))
}

fn comparison(op: &str) -> Option<CompareOp> {
    Some(match op {
        "eq" | "ne" => CompareOp::Equal,
        "gt" => CompareOp::Greater,
        "lt" => CompareOp::Less,
        "gte" => CompareOp::GreaterEqual,
        "lte" => CompareOp::LessEqual,
        "regex" => CompareOp::Regex,
        _ => return None,
    })
}

fn turned(op: &str) -> &str {
    match op {
        "gt" => "lt",
        "lt" => "gt",
        "gte" => "lte",
        "lte" => "gte",
        op => op,
    }
}

/// Where a value is, and what a constant beside it means.
struct Reference {
    attributes: Vec<Attribute>,
    kind: ValueKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Attribute,
    Text,
    Duration,
    SpanKind,
    Status,
}

impl Reference {
    fn of(expression: &Expression) -> Read<Reference> {
        match expression {
            Expression { attr: Some(AttributeReference { key, .. }), .. } if key.is_empty() => {
                Err("an attribute has a key".to_owned())
            }
            Expression { attr: Some(AttributeReference { key, level }), .. } => {
                let scopes = match level.as_str() {
                    "" => vec![Scope::Span, Scope::Resource],
                    "span" => vec![Scope::Span],
                    "resource" => vec![Scope::Resource],
                    "scope" => vec![Scope::Instrumentation],
                    "event" => vec![Scope::Event],
                    "link" => vec![Scope::Link],
                    other => return Err(format!("there is no level {other:?}")),
                };
                let named = |scope| Attribute::Named { scope: Some(scope), name: key.clone() };
                Ok(Reference { attributes: scopes.into_iter().map(named).collect(), kind: ValueKind::Attribute })
            }
            Expression { field: Some(FieldReference { name, level }), .. } => {
                let (attribute, kind) = built_in(level, name)
                    .ok_or_else(|| format!("the field {name:?} of the level {level:?} is not supported"))?;
                Ok(Reference { attributes: vec![attribute], kind })
            }
            _ => Err("a comparison is of an attribute or field with a constant".to_owned()),
        }
    }

    fn compared(&self, op: CompareOp, scalar: &Scalar) -> Read<Field> {
        let values = self.constants(op, scalar)?;
        let pairs = self.attributes.iter().flat_map(|attribute| values.iter().map(move |value| (attribute, value)));
        Ok(any(pairs.map(|(attribute, value)| compared(attribute.clone(), op, value.clone()))))
    }

    fn constants(&self, op: CompareOp, scalar: &Scalar) -> Read<Vec<Value>> {
        let text = scalar.value.as_str();
        let wrong = |what: &str| format!("{text:?} is not {what}");
        if op == CompareOp::Regex {
            trefoil_go::pattern::compile(text).map_err(|error| format!("{text:?} is no pattern: {error}"))?;
            // Jaeger's patterns match anywhere.
            return Ok(vec![Value::string(&format!("(?s:.*)(?:{text})(?s:.*)"))]);
        }
        Ok(vec![match (self.kind, scalar.kind.as_str()) {
            (ValueKind::Duration, _) => Value::Duration(duration::parse(text).ok_or_else(|| wrong("a duration"))?),
            (ValueKind::SpanKind, _) => Value::Kind(Kind::named(text).ok_or_else(|| wrong("a kind of spans"))?),
            (ValueKind::Status, _) => Value::Status(Status::named(text).ok_or_else(|| wrong("a status"))?),
            (ValueKind::Text, _) | (ValueKind::Attribute, "string") => Value::string(text),
            (ValueKind::Attribute, "int") => Value::Int(text.parse().map_err(|_| wrong("an integer"))?),
            (ValueKind::Attribute, "double") => Value::Float(text.parse().map_err(|_| wrong("a number"))?),
            (ValueKind::Attribute, "bool") => Value::Bool(text.parse().map_err(|_| wrong("true or false"))?),
            (ValueKind::Attribute, "") => return Ok(typed(text)),
            (ValueKind::Attribute, other) => return Err(format!("there is no type {other:?}")),
        }])
    }
}

fn built_in(level: &str, name: &str) -> Option<(Attribute, ValueKind)> {
    let text = |intrinsic| Some((Attribute::Intrinsic(intrinsic), ValueKind::Text));
    match (level, name) {
        ("span", "traceID") => text(Intrinsic::TraceId),
        ("span", "spanID") => text(Intrinsic::SpanId),
        ("span", "parentSpanID") => text(Intrinsic::ParentId),
        ("span", "name") => text(Intrinsic::Name),
        ("span", "statusMessage") => text(Intrinsic::StatusMessage),
        ("span", "kind") => Some((Attribute::Intrinsic(Intrinsic::Kind), ValueKind::SpanKind)),
        ("span", "status") => Some((Attribute::Intrinsic(Intrinsic::Status), ValueKind::Status)),
        ("span", "duration") => Some((Attribute::Intrinsic(Intrinsic::Duration), ValueKind::Duration)),
        ("resource", "service") => Some((service_attribute(), ValueKind::Text)),
        ("scope", "name") => text(Intrinsic::InstrumentationName),
        ("scope", "version") => text(Intrinsic::InstrumentationVersion),
        ("event", "name") => text(Intrinsic::EventName),
        ("event", "timeSinceStart") => {
            Some((Attribute::Intrinsic(Intrinsic::EventTimeSinceStart), ValueKind::Duration))
        }
        ("link", "traceID") => text(Intrinsic::LinkTraceId),
        ("link", "spanID") => text(Intrinsic::LinkSpanId),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trefoil_traceql::eval::{Filter, Trace};

    use super::*;

    fn read(json: &str) -> Read<String> {
        field(&serde_json::from_str::<Call>(json).map_err(|error| error.to_string())?).map(|field| field.to_string())
    }

    #[test]
    fn filters_are_traceql() {
        for (json, expected) in [
            (
                r#"{"op":"eq","args":[{"field":{"name":"service","level":"resource"}},{"scalar":{"value":"shop"}}]}"#,
                "resource.service.name = `shop`",
            ),
            (
                r#"{"op":"gte","args":[{"scalar":{"value":"2s"}},{"field":{"name":"duration","level":"span"}}]}"#,
                "duration <= 2s",
            ),
            (
                r#"{"op":"ne","args":[{"attr":{"key":"n","level":"span"}},{"scalar":{"value":"5","type":"int"}}]}"#,
                "!(span.n = 5)",
            ),
            (
                r#"{"op":"regex","args":[{"field":{"name":"name","level":"span"}},{"scalar":{"value":"^GET"}}]}"#,
                "name =~ `(?s:.*)(?:^GET)(?s:.*)`",
            ),
            (
                r#"{"op":"and","args":[{"call":{"op":"exists","args":[{"attr":{"key":"a","level":"event"}}]}},
                   {"call":{"op":"not_in","args":[{"field":{"name":"kind","level":"span"}},{"list":{"values":["client","server"]}}]}}]}"#,
                "(event.a != nil) && (!((kind = client) || (kind = server)))",
            ),
        ] {
            assert_eq!(read(json).as_deref(), Ok(expected), "{json}");
        }
        let any_level = r#"{"op":"eq","args":[{"attr":{"key":"c"}},{"scalar":{"value":"500"}}]}"#;
        insta::assert_snapshot!(read(any_level).unwrap(), @"(span.c = `500`) || (span.c = 500) || (resource.c = `500`) || (resource.c = 500)");
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for (json, told) in [
            (r#"{"op":"some","args":[]}"#, "the operator \"some\" is not supported"),
            (r#"{"op":"and","args":[]}"#, "and cannot take these 0 operands"),
            (
                r#"{"op":"eq","args":[{"field":{"name":"startTime","level":"span"}},{"scalar":{"value":"x"}}]}"#,
                "the field \"startTime\"",
            ),
            (
                r#"{"op":"gt","args":[{"field":{"name":"duration","level":"span"}},{"scalar":{"value":"long"}}]}"#,
                "\"long\" is not a duration",
            ),
            (
                r#"{"op":"regex","args":[{"field":{"name":"name","level":"span"}},{"scalar":{"value":"("}}]}"#,
                "\"(\" is no pattern",
            ),
            (
                r#"{"op":"eq","args":[{"attr":{"key":"c","level":"x"}},{"scalar":{"value":"500"}}]}"#,
                "there is no level \"x\"",
            ),
            (r#"{"op":"exists","args":[{"attr":{"key":""}}]}"#, "an attribute has a key"),
            (r#"{"op":"eq","extra":1}"#, "unknown field `extra`"),
        ] {
            assert!(read(json).unwrap_err().starts_with(told), "{json}: {:?}", read(json));
        }
    }

    fn any_call() -> impl Strategy<Value = Call> {
        let text = || prop_oneof![Just(String::new()), ".{0,3}", "span|event|kind|duration|name|int|bool|5|2s|client"];
        let attr = (text(), text()).prop_map(|(key, level)| Expression {
            attr: Some(AttributeReference { key, level }),
            ..Expression::default()
        });
        let field = (text(), text()).prop_map(|(name, level)| Expression {
            field: Some(FieldReference { name, level }),
            ..Expression::default()
        });
        let scalar = (text(), text())
            .prop_map(|(value, kind)| Expression { scalar: Some(Scalar { value, kind }), ..Expression::default() });
        let list = (proptest::collection::vec(text(), 0..3), text())
            .prop_map(|(values, kind)| Expression { list: Some(List { values, kind }), ..Expression::default() });
        let op = || proptest::sample::select([&OPERATORS[..], &["some", ""]].concat()).prop_map(str::to_owned);
        let atom = prop_oneof![attr, field, scalar, list];
        let tree = atom.prop_recursive(4, 20, 3, move |inner| {
            (op(), proptest::collection::vec(inner, 0..3))
                .prop_map(|(op, args)| Expression { call: Some(Call { op, args }), ..Expression::default() })
        });
        tree.prop_map(|expression| Call { op: "and".to_owned(), args: vec![expression] })
    }

    proptest! {
        #[test]
        fn any_filter_can_be_evaluated_or_is_refused(call in any_call()) {
            if let Ok(field) = super::field(&call) {
                let filter = Filter::new(&field);
                let columns = filter.attributes().iter().map(|_| vec![Value::string("a")]).collect();
                filter.holds(&Trace { columns, ..Trace::default() }, 0);
            }
        }
    }
}
