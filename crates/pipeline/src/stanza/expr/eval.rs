//! What an expression is of an entry.

use std::borrow::Cow;
use std::cmp::Ordering;

use trefoil_go::pattern;

use super::ast::{Expr, Operator};
use super::functions::number;
use crate::stanza::entry::Entry;
use crate::stanza::value::{Map, Value};

type Found<'a> = Result<Cow<'a, Value>, String>;

pub fn evaluate<'a>(expr: &'a Expr, entry: &'a Entry) -> Found<'a> {
    match expr {
        Expr::Literal(value) => Ok(Cow::Borrowed(value)),
        Expr::Root(root) => Ok(Cow::Borrowed(root.of(entry))),
        Expr::Index { of, key, lenient } => index(evaluate(of, entry)?, &*evaluate(key, entry)?, *lenient),
        Expr::Not(inner) => match evaluate(inner, entry)?.as_ref() {
            Value::Bool(value) => Ok(truth(!value)),
            other => Err(format!("`not` takes true or false, not {}", other.kind())),
        },
        Expr::Minus(inner) => match evaluate(inner, entry)?.as_ref() {
            Value::Int(number) => Ok(Cow::Owned(Value::Int(number.wrapping_neg()))),
            Value::Double(number) => Ok(Cow::Owned(Value::Double(-number))),
            other => Err(format!("`-` takes a number, not {}", other.kind())),
        },
        Expr::Binary(operator, left, right) => binary(*operator, left, right, entry),
        Expr::Matches(left, regex) => match evaluate(left, entry)?.as_ref() {
            Value::String(text) => Ok(truth(regex.is_match(text))),
            Value::Null => Ok(truth(false)),
            other => Err(format!("`matches` takes a string, not {}", other.kind())),
        },
        Expr::Choice(condition, yes, no) => match evaluate(condition, entry)?.as_ref() {
            Value::Bool(true) => evaluate(yes, entry),
            Value::Bool(false) => evaluate(no, entry),
            other => Err(format!("`?` takes true or false, not {}", other.kind())),
        },
        Expr::List(items) => {
            let items = items.iter().map(|item| evaluate(item, entry).map(Cow::into_owned));
            Ok(Cow::Owned(Value::List(items.collect::<Result<_, _>>()?)))
        }
        Expr::Map(members) => {
            let member =
                |(key, value): &'a (String, Expr)| Ok::<_, String>((key.clone(), evaluate(value, entry)?.into_owned()));
            Ok(Cow::Owned(Value::Map(members.iter().map(member).collect::<Result<Map, _>>()?)))
        }
        Expr::Call(function, arguments) => {
            let arguments: Vec<_> =
                arguments.iter().map(|argument| evaluate(argument, entry)).collect::<Result<_, _>>()?;
            function.call(&arguments).map(Cow::Owned)
        }
    }
}

fn truth<'a>(value: bool) -> Cow<'a, Value> {
    Cow::Owned(Value::Bool(value))
}

/// A member that is not there is nothing; what has no members is an error.
fn index<'a>(of: Cow<'a, Value>, key: &Value, lenient: bool) -> Found<'a> {
    let nothing = || Cow::Owned(Value::Null);
    let place = |length: usize| match key {
        Value::Int(place) if *place < 0 => length.checked_sub(place.unsigned_abs() as usize),
        Value::Int(place) => usize::try_from(*place).ok(),
        _ => None,
    };
    match (&*of, key) {
        (Value::Null, _) if lenient => return Ok(nothing()),
        (Value::Map(_), Value::String(_)) => {}
        (Value::List(items), Value::Int(at)) => {
            if place(items.len()).is_none_or(|place| place >= items.len()) {
                return Err(format!("there is no item {at} in a list of {}", items.len()));
            }
        }
        (other, key) => return Err(format!("{} has no member `{key}`", other.kind())),
    }
    Ok(match of {
        Cow::Borrowed(Value::Map(map)) => map.get(key.as_str().unwrap_or_default()).map_or_else(nothing, Cow::Borrowed),
        Cow::Borrowed(Value::List(items)) => {
            place(items.len()).and_then(|place| items.get(place)).map_or_else(nothing, Cow::Borrowed)
        }
        Cow::Owned(Value::Map(mut map)) => {
            map.swap_remove(key.as_str().unwrap_or_default()).map_or_else(nothing, Cow::Owned)
        }
        Cow::Owned(Value::List(mut items)) => match place(items.len()).filter(|place| *place < items.len()) {
            Some(place) => Cow::Owned(items.swap_remove(place)),
            None => nothing(),
        },
        _ => nothing(),
    })
}

fn binary<'a>(operator: Operator, left: &'a Expr, right: &'a Expr, entry: &'a Entry) -> Found<'a> {
    let first = evaluate(left, entry)?;
    let condition = |value: &Value| match value {
        Value::Bool(value) => Ok(*value),
        other => Err(format!("`{}` takes true or false, not {}", operator.as_str(), other.kind())),
    };
    match operator {
        Operator::Or => return Ok(truth(condition(&first)? || condition(&*evaluate(right, entry)?)?)),
        Operator::And => return Ok(truth(condition(&first)? && condition(&*evaluate(right, entry)?)?)),
        Operator::Coalesce if *first == Value::Null => return evaluate(right, entry),
        Operator::Coalesce => return Ok(first),
        _ => {}
    }
    let second = evaluate(right, entry)?;
    let (a, b) = (&*first, &*second);
    let of_texts = |compare: fn(&str, &str) -> bool| match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(compare(a, b)),
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        _ => Err(format!("`{}` takes strings, not {} and {}", operator.as_str(), a.kind(), b.kind())),
    };
    let value = match operator {
        Operator::Equal => equal(a, b),
        Operator::NotEqual => !equal(a, b),
        Operator::Less => order(operator, a, b)? == Some(Ordering::Less),
        Operator::LessOrEqual => order(operator, a, b)?.is_some_and(Ordering::is_le),
        Operator::Greater => order(operator, a, b)? == Some(Ordering::Greater),
        Operator::GreaterOrEqual => order(operator, a, b)?.is_some_and(Ordering::is_ge),
        Operator::Contains => of_texts(|a, b| a.contains(b))?,
        Operator::StartsWith => of_texts(|a, b| a.starts_with(b))?,
        Operator::EndsWith => of_texts(|a, b| a.ends_with(b))?,
        Operator::Matches => match (a, b) {
            (Value::String(text), Value::String(pattern)) => {
                let regex = pattern::search(pattern).map_err(|_| format!("{pattern:?} is no pattern"))?;
                regex.is_match(text)
            }
            _ => of_texts(|_, _| false)?,
        },
        Operator::In => match (a, b) {
            (_, Value::Null) => false,
            (_, Value::List(items)) => items.iter().any(|item| equal(a, item)),
            (Value::String(key), Value::Map(map)) => map.contains_key(key),
            _ => return Err(format!("`in` does not look for {} in {}", a.kind(), b.kind())),
        },
        _ => return arithmetic(operator, a, b).map(Cow::Owned),
    };
    Ok(truth(value))
}

/// Numbers are equal whatever their type; lists and maps by what is in them.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

fn order(operator: Operator, a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::String(a), Value::String(b)) => Ok(Some(a.cmp(b))),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => Ok(a.partial_cmp(&b)),
            _ => Err(format!("`{}` does not compare {} with {}", operator.as_str(), a.kind(), b.kind())),
        },
    }
}

fn arithmetic(operator: Operator, a: &Value, b: &Value) -> Result<Value, String> {
    if let (Operator::Add, Value::String(a), Value::String(b)) = (operator, a, b) {
        return Ok(Value::String(format!("{a}{b}")));
    }
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        match operator {
            Operator::Add => return Ok(Value::Int(a.wrapping_add(*b))),
            Operator::Subtract => return Ok(Value::Int(a.wrapping_sub(*b))),
            Operator::Multiply => return Ok(Value::Int(a.wrapping_mul(*b))),
            Operator::Remainder => {
                return a.checked_rem(*b).map(Value::Int).ok_or_else(|| "there is no remainder by 0".to_owned());
            }
            _ => {}
        }
    }
    let (Some(x), Some(y)) = (number(a), number(b)) else {
        return Err(format!("`{}` does not take {} and {}", operator.as_str(), a.kind(), b.kind()));
    };
    match operator {
        Operator::Add => Ok(Value::Double(x + y)),
        Operator::Subtract => Ok(Value::Double(x - y)),
        Operator::Multiply => Ok(Value::Double(x * y)),
        Operator::Divide => Ok(Value::Double(x / y)),
        Operator::Power => Ok(Value::Double(x.powf(y))),
        _ => Err(format!("`{}` takes whole numbers", operator.as_str())),
    }
}
