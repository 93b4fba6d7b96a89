//! Members of JSON objects, of the types that Zipkin's clients write them in.
//!
//! `null` is the same as nothing. Texts may be numbers and the other way round, as Zipkin's own reader takes them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::span::Endpoint;
use crate::{ids, to_otlp};

/// Reads each element of a JSON list. The error is for what is no list of JSON at all.
///
/// Elements are taken one after another: that all are JSON is looked at before what one means, which is its own matter.
pub(crate) fn for_each<T>(
    body: &[u8],
    read: impl Fn(&Value) -> Result<T, Problem>,
    mut each: impl FnMut(Result<T, Problem>),
) -> Result<(), String> {
    struct Elements<F>(F);

    impl<'de, F: FnMut(usize, &RawValue)> Visitor<'de> for Elements<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of spans")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            let mut index = 0;
            while let Some(element) = list.next_element::<&RawValue>()? {
                self.0(index, element);
                index += 1;
            }
            Ok(())
        }
    }

    let elements = Elements(|index, element: &RawValue| {
        let value = serde_json::from_str(element.get()).map_err(|error| Problem::new("", error.to_string()));
        each(value.and_then(|value| read(&value)).map_err(|problem| problem.at(index)));
    });
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    deserializer.deserialize_seq(elements).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())
}

/// One JSON object.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    pub fn of(value: &'a Value) -> Result<Self, Problem> {
        value
            .as_object()
            .map(Object)
            .ok_or_else(|| Problem::new("", format!("is {} instead of an object", kind(value))))
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        text(value).map(Some).ok_or_else(|| Problem::new(name, format!("is {} instead of text", kind(value))))
    }

    /// Of 0 or more; a fraction is cut off.
    fn number(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let float = |number: f64| (0.0..u64::MAX as f64).contains(&number).then_some(number as u64);
        let number = match value {
            Value::Number(number) => number.as_u64().or_else(|| float(number.as_f64()?)),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| Problem::new(name, format!("{value} is not a number of 0 or more")))
    }

    /// Microseconds that fit OTLP's nanoseconds.
    pub fn micros(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let micros = self.number(name)?;
        micros.map(|micros| to_otlp::check_micros(micros).map_err(|reason| Problem::new(name, reason))).transpose()
    }

    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(Problem::new(name, format!("is {} instead of true or false", kind(value)))),
        }
    }

    pub fn object(&self, name: &'static str) -> Result<Option<Object<'a>>, Problem> {
        self.get(name).map(|value| Object::of(value).map_err(|problem| problem.within(name))).transpose()
    }

    /// Reads each object of a list; `null` is left out.
    pub fn list<T>(
        &self,
        name: &'static str,
        mut read: impl FnMut(Object<'a>) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array();
        let list = list.ok_or_else(|| Problem::new(name, format!("is {} instead of a list", kind(value))))?;
        let elements = list.iter().enumerate().filter(|(_, element)| !element.is_null());
        elements
            .map(|(index, element)| {
                let element = Object::of(element).and_then(&mut read);
                element.map_err(|problem| problem.at(index).within(name))
            })
            .collect()
    }

    pub fn members(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.0.iter()
    }

    /// An id that must be there and not zero.
    pub fn trace_id(&self, name: &'static str) -> Result<u128, Problem> {
        let text = self.text(name)?.ok_or_else(|| Problem::new(name, "is missing"))?;
        let id = ids::parse_trace_id(&text).map_err(|reason| Problem::new(name, reason))?;
        if id == 0 { Err(Problem::new(name, "is zero")) } else { Ok(id) }
    }

    /// Zero is none.
    pub fn span_id(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        let id = ids::parse_span_id(&text).map_err(|reason| Problem::new(name, reason))?;
        Ok(Some(id).filter(|id| *id != 0))
    }

    /// What is no IP address is left out, as Zipkin does.
    pub fn endpoint(&self, name: &'static str) -> Result<Option<Endpoint>, Problem> {
        let Some(object) = self.object(name)? else { return Ok(None) };
        let read = || {
            let port = object.number("port")?.unwrap_or_default();
            let port = u16::try_from(port).map_err(|_| Problem::new("port", format!("{port} is above 65535")))?;
            let service_name = object.text("serviceName")?.unwrap_or_default().into_owned();
            let mut endpoint = Endpoint { service_name, port, ..Endpoint::default() };
            for family in ["ipv4", "ipv6"] {
                if let Some(address) = object.text(family)?.and_then(|text| text.parse().ok()) {
                    endpoint.add_address(address);
                }
            }
            Ok(endpoint.some())
        };
        read().map_err(|problem: Problem| problem.within(name))
    }
}

/// Of texts, numbers and truth values.
pub(crate) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(flag) => Some(flag.to_string().into()),
        _ => None,
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
