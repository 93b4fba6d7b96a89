//! Go's own functions, but for comparisons and escapes.

use super::{Answer, Body, Call, Functions, Kind, compare, escape};
use crate::print;
use crate::printf::printf;
use crate::value::{Element, List, Value};

pub(super) fn functions() -> Functions {
    use Kind::{Any, String};
    Functions::new()
        .with_body("and", Body::And)
        .with_body("or", Body::Or)
        .with("not", &[Any], |_, arguments| Ok(Value::Bool(!arguments[0].is_true())))
        .with("len", &[Any], |_, arguments| length(&arguments[0]).map(Value::Int))
        .with_rest("index", &[Any], Any, |_, arguments| index(&arguments[0], &arguments[1..]))
        .with_rest("slice", &[Any], Any, |call, arguments| slice(call, &arguments[0], &arguments[1..]))
        .with_rest("call", &[Any], Any, |_, arguments| match &arguments[0] {
            Value::Nil => Err("call of nil".to_owned()),
            other => Err(format!("non-function of type {}", other.type_name())),
        })
        .with_rest("print", &[], Any, |call, arguments| call.text(print::print(arguments, call.limits.output)?))
        .with_rest("println", &[], Any, |call, arguments| call.text(print::println(arguments, call.limits.output)?))
        .with_rest("printf", &[String], Any, |call, arguments| {
            call.text(printf(super::text(arguments, 0), &arguments[1..], call.limits.output)?)
        })
        .with_rest("html", &[], Any, |call, arguments| call.text(escape::html(&escape::joined(call, arguments)?)))
        .with_rest("js", &[], Any, |call, arguments| call.text(escape::js(&escape::joined(call, arguments)?)))
        .with_rest("urlquery", &[], Any, |call, arguments| {
            call.text(escape::url_query(&escape::joined(call, arguments)?))
        })
        .with_rest("eq", &[Any], Any, |_, arguments| compare::equal(&arguments[0], &arguments[1..]).map(Value::Bool))
        .with("ne", &[Any, Any], |_, arguments| compare::equal(&arguments[0], &arguments[1..]).map(|is| (!is).into()))
        .with("lt", &[Any, Any], |_, arguments| compare::less(&arguments[0], &arguments[1]).map(Value::Bool))
        .with("le", &[Any, Any], |_, arguments| compare::at_most(&arguments[0], &arguments[1]).map(Value::Bool))
        .with("gt", &[Any, Any], |_, arguments| compare::at_most(&arguments[0], &arguments[1]).map(|is| (!is).into()))
        .with("ge", &[Any, Any], |_, arguments| compare::less(&arguments[0], &arguments[1]).map(|is| (!is).into()))
}

fn length(value: &Value<'_>) -> Result<i64, String> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.entries.len(),
        Value::Fields(fields) if !is_structure(value) => fields.entries().len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(length as i64)
}

fn is_structure(value: &Value<'_>) -> bool {
    matches!(value, Value::Fields(fields) if matches!(fields.shape(), crate::Shape::Structure(_)))
}

/// A place within what has so many, the end included.
fn place(index: &Value<'_>, length: usize) -> Result<usize, String> {
    match index {
        Value::Int(at) => match usize::try_from(*at) {
            Ok(at) if at <= length => Ok(at),
            _ => Err(format!("index out of range: {at}")),
        },
        Value::Nil => Err("cannot index slice/array with nil".to_owned()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    }
}

fn index<'a>(item: &Value<'a>, indexes: &[Value<'a>]) -> Answer<'a> {
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::Nil => return Err("index of nil pointer".to_owned()),
            Value::String(text) => match text.as_bytes().get(place(index, text.len())?) {
                Some(byte) => Value::Int(i64::from(*byte)),
                None => return Err("reflect: string index out of range".to_owned()),
            },
            Value::List(list) => match list.items.get(place(index, list.items.len())?) {
                Some(value) => value.clone(),
                None => return Err("reflect: slice index out of range".to_owned()),
            },
            Value::Map(map) => map.entries.get(key(index)?).cloned().unwrap_or_else(|| zero(map.of)),
            Value::Fields(fields) if !is_structure(&item) => {
                let of = if fields.shape() == crate::Shape::Texts { Element::Text } else { Element::Any };
                fields.get(key(index)?).unwrap_or_else(|| zero(of))
            }
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

fn key<'b>(index: &'b Value<'_>) -> Result<&'b str, String> {
    match index {
        Value::String(text) => Ok(text),
        Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    }
}

/// What a map answers for a key that it does not have.
pub(crate) fn zero<'a>(of: Element) -> Value<'a> {
    match of {
        Element::Any => Value::Nil,
        Element::Text => "".into(),
    }
}

fn slice<'a>(call: &Call<'a>, item: &Value<'a>, indexes: &[Value<'a>]) -> Answer<'a> {
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let length = match item {
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        Value::String(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::String(text) => text.len(),
        Value::List(list) => list.items.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut places = [0, length, length];
    for (at, index) in places.iter_mut().zip(indexes) {
        *at = place(index, length)?;
    }
    let [from, to, most] = places;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > most {
        return Err(format!("invalid slice index: {to} > {most}"));
    }
    match item {
        Value::String(crate::Text::Borrowed(text)) if text.get(from..to).is_some() => Ok(text[from..to].into()),
        Value::String(text) => call.text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()),
        Value::List(list) => Ok(Value::List(List { of: list.of, items: list.items[from..to].into() })),
        _ => Ok(Value::Nil),
    }
}
