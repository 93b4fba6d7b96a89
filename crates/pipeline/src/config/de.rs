//! From a [`Node`] to any type that implements serde's `Deserialize`, with errors that know their place.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Node, Segment, Value, quoted};
use super::problem::{Location, suggestion};

/// The first thing that does not fit; [`super::section`] repeats the reading to find the others.
#[derive(Debug, Clone)]
pub struct Error {
    pub message: String,
    pub kind: Kind,
    /// Filled in on the way out of the tree: innermost first.
    pub path: Vec<Segment>,
    pub at: Option<Location>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A value is wrong.
    Value,
    /// A key is; the path leads to its value.
    UnknownKey(String),
    /// The named key is not there; the path leads to the mapping.
    Missing(&'static str),
}

impl Error {
    fn new(kind: Kind, message: String) -> Self {
        Self { message, kind, path: Vec::new(), at: None }
    }

    fn located(mut self, at: &Location) -> Self {
        self.at.get_or_insert_with(|| at.clone());
        self
    }

    fn inside(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Value, message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Kind::Value, format!("expected {}, found {}", in_words(expected), found_in_words(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let message = format!("unknown option{}", suggestion(field, known.iter().copied()));
        Self::new(Kind::UnknownKey(field.to_owned()), message)
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        // Aliases in capitals are understood, but nobody needs to be told.
        let shown =
            known.iter().copied().filter(|name| !known.contains(&name.to_lowercase().as_str()) || !is_capital(name));
        let message = format!("unknown value {}{}", quoted(found), suggestion(found, shown));
        Self::new(Kind::Value, message)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::Missing(field), format!("the option `{field}` is missing"))
    }
}

fn is_capital(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Serde names Rust's types; people write YAML.
fn in_words(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "a mapping".to_owned(),
        "a sequence" => "a list".to_owned(),
        "path string" | "a borrowed string" => "a string".to_owned(),
        _ if text.starts_with("struct ") || text.starts_with("internally tagged enum ") => "a mapping".to_owned(),
        _ if text.starts_with("enum ") || text.starts_with("variant of enum") => "one of its names".to_owned(),
        _ => text,
    }
}

fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
pub struct NodeDeserializer<'a>(pub &'a Node);

impl<'a> NodeDeserializer<'a> {
    fn wrong(self, expected: &str) -> Error {
        Error::new(Kind::Value, format!("expected {expected}, found {}", self.0.describe()))
    }

    fn plain(self) -> Option<&'a str> {
        match &self.0.value {
            Value::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            _ if self.0.is_null() => visitor.visit_unit(),
            Value::Scalar { text, plain: false } => visitor.visit_str(text),
            Value::Scalar { text, plain: true } => match resolve(text) {
                Some(Number::Bool(value)) => visitor.visit_bool(value),
                Some(Number::Unsigned(value)) => visitor.visit_u64(value),
                Some(Number::Signed(value)) => visitor.visit_i64(value),
                Some(Number::Float(value)) => visitor.visit_f64(value),
                None => visitor.visit_str(text),
            },
            Value::Sequence(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Mapping(entries) => visitor.visit_map(Members { entries: entries.iter(), value: None }),
            Value::Removed => visitor.visit_unit(),
        }
    }
}

enum Number {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// YAML 1.2's core schema, and integers in groups of digits (`131_072`), which Go's reader takes from YAML 1.1.
fn resolve(text: &str) -> Option<Number> {
    match text {
        "true" | "True" | "TRUE" => return Some(Number::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Number::Bool(false)),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Some(Number::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Number::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Some(Number::Float(f64::NAN)),
        _ => {}
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Number::Unsigned);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Number::Unsigned);
    }
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = text.replace('_', "");
    if let Ok(value) = digits.parse() {
        return Some(Number::Unsigned(value));
    }
    if let Ok(value) = digits.parse() {
        return Some(Number::Signed(value));
    }
    text.parse().ok().map(Number::Float)
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor).map_err(|error| error.located(&self.0.at))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match (&self.0.value, &self.0.original) {
            (_, Some(original)) => visitor.visit_str(original),
            _ if self.0.is_null() => Err(self.wrong("a string")),
            (Value::Scalar { text, .. }, None) => visitor.visit_str(text),
            _ => self.any(visitor),
        };
        result.map_err(|error| error.located(&self.0.at))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    /// Nothing is an empty mapping: `batch:` alone configures a batch processor.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.0.value {
            _ if self.0.is_null() => visitor.visit_map(Members { entries: [].iter(), value: None }),
            Value::Mapping(entries) => visitor.visit_map(Members { entries: entries.iter(), value: None }),
            _ => Err(self.wrong("a mapping")),
        };
        result.map_err(|error| error.located(&self.0.at))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.0.value {
            _ if self.0.is_null() => visitor.visit_seq(Items { items: [].iter().enumerate() }),
            Value::Sequence(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            _ => Err(self.wrong("a list")),
        };
        result.map_err(|error| error.located(&self.0.at))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self).map_err(|error| error.located(&self.0.at))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = match &self.0.value {
            Value::Scalar { text, .. } if !self.0.is_null() => visitor.visit_enum(StrDeserializer::<Error>::new(text)),
            Value::Mapping(entries) if entries.len() == 1 => visitor.visit_enum(Variant(&entries[0])),
            _ => Err(self.wrong("a name")),
        };
        result.map_err(|error| error.located(&self.0.at))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match self.plain().and_then(resolve) {
            Some(Number::Unsigned(value)) => visitor.visit_f64(value as f64),
            Some(Number::Signed(value)) => visitor.visit_f64(value as f64),
            Some(Number::Float(value)) => visitor.visit_f64(value),
            _ => Err(self.wrong("a number")),
        };
        result.map_err(|error| error.located(&self.0.at))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char bytes byte_buf unit_struct tuple tuple_struct ignored_any
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, item)) = self.items.find(|(_, item)| item.value != Value::Removed) else {
            return Ok(None);
        };
        seed.deserialize(NodeDeserializer(item))
            .map(Some)
            .map_err(|error| error.located(&item.at).inside(Segment::Index(index)))
    }
}

struct Members<'a> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.entries.find(|entry| entry.value.value != Value::Removed) else {
            return Ok(None);
        };
        self.value = Some(entry);
        seed.deserialize(StrDeserializer::<Error>::new(&entry.key))
            .map(Some)
            .map_err(|error| error.located(&entry.key_at).inside(Segment::Key(entry.key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(NodeDeserializer(&entry.value))
            .map_err(|error| error.located(&entry.value.at).inside(Segment::Key(entry.key.clone())))
    }
}

/// `name: value` as a variant with content.
struct Variant<'a>(&'a Entry);

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = NodeDeserializer<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, NodeDeserializer<'a>), Error> {
        let variant = seed
            .deserialize(StrDeserializer::<Error>::new(&self.0.key))
            .map_err(|error| error.located(&self.0.key_at))?;
        Ok((variant, NodeDeserializer(&self.0.value)))
    }
}

impl<'de> VariantAccess<'de> for NodeDeserializer<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.0.is_null() { Ok(()) } else { Err(self.wrong("nothing").located(&self.0.at)) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_map(self, visitor)
    }
}
