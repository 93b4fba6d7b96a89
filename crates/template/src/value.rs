//! What templates work with.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::fields::{Fields, Shape};
use crate::time::Time;

/// A value. Copies are cheap: what is long is borrowed from the data or the template, or shared.
#[derive(Clone, Default)]
pub enum Value<'a> {
    /// Nothing: a missing key, `nil`.
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(Text<'a>),
    Time(Time),
    /// Nanoseconds.
    Duration(i64),
    List(List<'a>),
    Map(Map<'a>),
    Fields(&'a dyn Fields),
}

/// A text, borrowed or shared.
#[derive(Debug, Clone)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

/// Of what type Go's lists and maps have their values: it shows in errors, and in what a missing key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `interface {}`.
    Any,
    /// `string`.
    Text,
}

#[derive(Debug, Clone)]
pub struct List<'a> {
    pub of: Element,
    pub items: Arc<[Value<'a>]>,
}

#[derive(Debug, Clone)]
pub struct Map<'a> {
    pub of: Element,
    pub entries: Arc<BTreeMap<Text<'a>, Value<'a>>>,
}

impl<'a> Value<'a> {
    pub fn list(items: Vec<Value<'a>>) -> Value<'a> {
        Value::List(List { of: Element::Any, items: items.into() })
    }

    pub fn map(entries: BTreeMap<Text<'a>, Value<'a>>) -> Value<'a> {
        Value::Map(Map { of: Element::Any, entries: Arc::new(entries) })
    }

    /// As Go names it in errors. Nothing has no type; it is shown as `<nil>`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::String(_) => "string",
            Value::Time(_) => "time.Time",
            Value::Duration(_) => "time.Duration",
            Value::List(List { of: Element::Any, .. }) => "[]interface {}",
            Value::List(List { of: Element::Text, .. }) => "[]string",
            Value::Map(Map { of: Element::Any, .. }) => Shape::Values.type_name(),
            Value::Map(Map { of: Element::Text, .. }) => Shape::Texts.type_name(),
            Value::Fields(fields) => fields.shape().type_name(),
        }
    }

    /// What `if` makes of it: zero and what is empty is false.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) | Value::Duration(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::String(text) => !text.is_empty(),
            Value::Time(_) => true,
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !map.entries.is_empty(),
            Value::Fields(fields) => match fields.shape() {
                Shape::Structure(_) => true,
                Shape::Texts | Shape::Values => !fields.entries().is_empty(),
            },
        }
    }

    /// How much there is to look at, in bytes, roughly.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Value::String(text) => text.len() as u64,
            Value::List(list) => 16 * list.items.len() as u64,
            Value::Map(map) => 32 * map.entries.len() as u64,
            _ => 0,
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Text<'_>) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Text<'_>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Text<'_>) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text::Borrowed(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text::Shared(text.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::String(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::String(text.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<Time> for Value<'_> {
    fn from(value: Time) -> Self {
        Value::Time(value)
    }
}

impl<'a, T: Fields> From<&'a T> for Value<'a> {
    fn from(fields: &'a T) -> Value<'a> {
        Value::Fields(fields)
    }
}

/// As JSON says it, where every number is a float, as it is to Go.
impl From<serde_json::Value> for Value<'_> {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Array(items) => Value::list(items.into_iter().map(Value::from).collect()),
            serde_json::Value::Object(members) => {
                Value::map(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
            }
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::print::shown(self))
    }
}
