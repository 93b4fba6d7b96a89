//! OTLP/JSON ⇄ OTLP protobuf bytes, so that everything behind the door knows one encoding.
//!
//! The mapping is protobuf's JSON with OTLP's exceptions: trace and span ids are hexadecimal, enums are numbers. As a lenient
//! reader it also takes enum names, `snake_case` field names, 64-bit integers as numbers or strings, `null` for "absent", and
//! skips unknown fields. <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>
//!
//! Messages are written while they are read, from the field tables in [`descriptor`]; no document is built in memory.

mod descriptor;
mod scalar;
mod write;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use crate::Signal;
use descriptor::{Field, Kind, Message};
use scalar::Scalar;

pub use write::from_protobuf;

/// The body is not OTLP/JSON; the text says what and where (`… at line 3 column 17`).
#[derive(Debug, Error)]
#[error("malformed OTLP/JSON: {0}")]
pub struct JsonError(#[from] serde_json::Error);

/// The protobuf encoding of the export request of `signal` that `body` holds as JSON.
pub fn to_protobuf(signal: Signal, body: &[u8]) -> Result<Vec<u8>, JsonError> {
    let message = match signal {
        Signal::Traces => &descriptor::TRACES,
        Signal::Metrics => &descriptor::METRICS,
        Signal::Logs => &descriptor::LOGS,
    };
    let mut out = Vec::with_capacity(body.len() / 2);
    let mut json = serde_json::Deserializer::from_slice(body);
    MessageSeed { message, out: &mut out }.deserialize(&mut json)?;
    json.end()?;
    Ok(out)
}

/// Reads one JSON object as the fields of `message`.
struct MessageSeed<'a> {
    message: &'static Message,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object ({})", self.message.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match self.message.field(&name) {
                Some(field) => map.next_value_seed(FieldSeed { field, out: &mut *self.out })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the value of one field: `null`, a list where the field is repeated, else a single value.
struct FieldSeed<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, kind) = (self.field.name, self.field.kind);
        match self.field.repeated {
            true => write!(f, "`{name}` to be a list of {kind}"),
            false => write!(f, "`{name}` to be {kind}"),
        }
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.field.repeated {
            true => json.deserialize_seq(self),
            false => ValueSeed { field: self.field, out: self.out }.deserialize(json),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(ValueSeed { field: self.field, out: &mut *self.out })?.is_some() {}
        Ok(())
    }
}

/// Reads one value of a field and writes it with its tag.
struct ValueSeed<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Kind::Message(message) = self.field.kind else {
            let scalar = Scalar::read(self.field, json)?;
            scalar.write(self.field.number, self.out);
            return Ok(());
        };
        scalar::put_tag(self.field.number, scalar::LENGTH_DELIMITED, self.out);
        let start = self.out.len();
        MessageSeed { message, out: &mut *self.out }.deserialize(json)?;
        let length = u32::try_from(self.out.len() - start).map_err(|_| D::Error::custom("a message exceeds 4 GiB"))?;
        let mut prefix = Vec::with_capacity(5);
        scalar::put_varint(u64::from(length), &mut prefix);
        self.out.splice(start..start, prefix);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
