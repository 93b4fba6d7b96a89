//! Members of JSON objects, of the types that Zipkin's clients write them in.
//!
//! `null` is the same as nothing. Texts may be numbers and the other way round, as Zipkin's own reader takes them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ids;
use crate::problem::Problem;
use crate::span::Endpoint;
use crate::to_otlp::check_micros;
use crate::tree::Json;

/// Hands over each element of a JSON list. The error is for what is no list of JSON at all; whatever was handed over before is void
/// then.
///
/// An element may be JSON and yet be none that can be read (nested too deep, a number beyond all bounds, half of a pair of
/// surrogates): that is a problem of its own.
pub(crate) fn for_each(body: &[u8], mut each: impl FnMut(Result<Json<'_>, Problem>)) -> Result<(), String> {
    let mut taken = 0;
    if let Ok(text) = std::str::from_utf8(body) {
        let whole = for_each_as(serde_json::Deserializer::from_str(text), |element| {
            taken += 1;
            each(Ok(element));
        });
        if whole.is_ok() {
            return Ok(());
        }
    }
    // What is wrong is told by where an element ends, which can be seen without reading it.
    let mut index = 0;
    let rest = for_each_as(serde_json::Deserializer::from_slice(body), |element: &RawValue| {
        if index >= taken {
            each(serde_json::from_str(element.get()).map_err(|error| Problem::new("", error.to_string())));
        }
        index += 1;
    });
    rest.map_err(|error| error.to_string())
}

/// Hands over each element of a list as what it is asked for as.
fn for_each_as<'de, R: serde_json::de::Read<'de>, T: Deserialize<'de>>(
    mut deserializer: serde_json::Deserializer<R>,
    each: impl FnMut(T),
) -> serde_json::Result<()> {
    struct Elements<T, F>(F, PhantomData<T>);

    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Elements<T, F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of spans")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(element) = list.next_element()? {
                self.0(element);
            }
            Ok(())
        }
    }

    deserializer.deserialize_seq(Elements(each, PhantomData))?;
    deserializer.end()
}

/// One JSON object.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a>(&'a [(Cow<'a, str>, Json<'a>)]);

impl<'a> Object<'a> {
    pub fn of(value: &'a Json<'a>) -> Result<Self, Problem> {
        match value {
            Json::Object(members) => Ok(Object(members)),
            other => Err(Problem::new("", format!("is {} instead of an object", other.kind()))),
        }
    }

    pub fn get(&self, name: &str) -> Option<&'a Json<'a>> {
        let (_, value) = self.0.iter().rev().find(|(other, _)| other == name)?;
        Some(value).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.text().map(Some).ok_or_else(|| Problem::new(name, format!("is {} instead of text", value.kind())))
    }

    /// Of 0 or more; a fraction is cut off.
    fn number(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let float = |number: f64| (0.0..u64::MAX as f64).contains(&number).then_some(number as u64);
        let number = match value {
            Json::Number(number) => number.as_u64().or_else(|| float(number.as_f64()?)),
            Json::Text(text) => text.parse().ok(),
            _ => None,
        };
        let what = || match value {
            Json::Number(number) => number.to_string(),
            Json::Text(text) => format!("{text:?}"),
            other => other.kind().to_owned(),
        };
        number.map(Some).ok_or_else(|| Problem::new(name, format!("{} is not a number of 0 or more", what())))
    }

    /// Microseconds that fit OTLP's nanoseconds.
    pub fn micros(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let micros = self.number(name)?;
        micros.map(|micros| check_micros(micros).map_err(|reason| Problem::new(name, reason))).transpose()
    }

    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Problem::new(name, format!("is {} instead of true or false", other.kind()))),
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
        let list = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Json::List(list)) => list,
            Some(other) => return Err(Problem::new(name, format!("is {} instead of a list", other.kind()))),
        };
        let elements = list.iter().enumerate().filter(|(_, element)| !element.is_null());
        elements
            .map(|(index, element)| {
                let element = Object::of(element).and_then(&mut read);
                element.map_err(|problem| problem.at(index).within(name))
            })
            .collect()
    }

    /// All, in the order in which they were written.
    pub fn members(&self) -> &'a [(Cow<'a, str>, Json<'a>)] {
        self.0
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
    pub fn endpoint(&self, name: &'static str) -> Result<Option<Endpoint<'a>>, Problem> {
        let Some(object) = self.object(name)? else { return Ok(None) };
        let read = || {
            let port = object.number("port")?.unwrap_or_default();
            let port = u16::try_from(port).map_err(|_| Problem::new("port", format!("{port} is above 65535")))?;
            let service_name = object.text("serviceName")?.unwrap_or_default();
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
