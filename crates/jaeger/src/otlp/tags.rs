//! Tags of which some mean something: those are taken out, the others are attributes.

use trefoil_model::wire::otlp::{Any, attribute};

use super::key;
use crate::model::{Tag, Value};

/// A key of which the first tag means something, in spans or in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    ScopeName,
    ScopeVersion,
    LibraryName,
    LibraryVersion,
    SpanKind,
    TraceState,
    Error,
    StatusCode,
    StatusDescription,
    /// Of either name.
    HttpStatusCode,
    HttpStatusMessage,
    Event,
    Message,
    DroppedAttributes,
    DroppedEvents,
    DroppedLinks,
}

impl Key {
    const COUNT: usize = Key::DroppedLinks as usize + 1;

    fn of(key: &str) -> Option<Self> {
        Some(match key {
            key::SCOPE_NAME => Key::ScopeName,
            key::SCOPE_VERSION => Key::ScopeVersion,
            key::LIBRARY_NAME => Key::LibraryName,
            key::LIBRARY_VERSION => Key::LibraryVersion,
            key::SPAN_KIND => Key::SpanKind,
            key::TRACE_STATE => Key::TraceState,
            key::ERROR => Key::Error,
            key::STATUS_CODE => Key::StatusCode,
            key::STATUS_DESCRIPTION => Key::StatusDescription,
            key::HTTP_STATUS_CODE | key::HTTP_RESPONSE_STATUS_CODE => Key::HttpStatusCode,
            key::HTTP_STATUS_MESSAGE => Key::HttpStatusMessage,
            key::EVENT => Key::Event,
            key::MESSAGE => Key::Message,
            key::DROPPED_ATTRIBUTES => Key::DroppedAttributes,
            key::DROPPED_EVENTS => Key::DroppedEvents,
            key::DROPPED_LINKS => Key::DroppedLinks,
            _ => return None,
        })
    }
}

/// Of a span, or the fields of a log.
pub struct Tags<'t> {
    all: &'t [Tag<'t>],
    /// Where the first tag of each key is.
    firsts: [Option<usize>; Key::COUNT],
    /// Where those are that are no attributes.
    taken: Vec<usize>,
}

impl<'t> Tags<'t> {
    pub fn new(all: &'t [Tag<'t>]) -> Self {
        let mut firsts = [None; Key::COUNT];
        for (at, tag) in all.iter().enumerate() {
            if let Some(key) = Key::of(&tag.key) {
                firsts[key as usize].get_or_insert(at);
            }
        }
        Self { all, firsts, taken: Vec::new() }
    }

    /// What the first tag of the key says.
    pub fn get(&self, key: Key) -> Option<&'t Value<'t>> {
        self.firsts[key as usize].map(|at| &self.all[at].value)
    }

    /// Takes the first tag of the key out if its value is understood.
    pub fn take<T>(&mut self, key: Key, read: impl Fn(&'t Value<'t>) -> Option<T>) -> Option<T> {
        let at = self.firsts[key as usize]?;
        let value = read(&self.all[at].value)?;
        self.taken.push(at);
        Some(value)
    }

    pub fn take_text(&mut self, key: Key) -> Option<&'t str> {
        self.take(key, text)
    }

    pub fn take_count(&mut self, key: Key) -> u32 {
        let count = self.take(key, |value| match value {
            Value::Int64(count) => u32::try_from(*count).ok(),
            _ => None,
        });
        count.unwrap_or(0)
    }

    /// Takes all tags of the key out that say the same.
    pub fn take_same(&mut self, key: Key, same: &str) {
        let Some(first) = self.firsts[key as usize] else { return };
        for (at, tag) in self.all.iter().enumerate().skip(first) {
            if text(&tag.value) == Some(same) && Key::of(&tag.key) == Some(key) {
                self.taken.push(at);
            }
        }
    }

    /// Writes what was not taken as a list of attributes in `field`.
    pub fn write_rest(mut self, out: &mut Vec<u8>, field: u32) {
        self.taken.sort_unstable();
        let mut taken = self.taken.iter().copied().peekable();
        for (at, tag) in self.all.iter().enumerate() {
            if taken.next_if_eq(&at).is_none() {
                write_tag(out, field, &tag.key, &tag.value);
            }
        }
    }
}

/// A tag as an element of a list of attributes in `field`.
pub fn write_tag(out: &mut Vec<u8>, field: u32, key: &str, value: &Value<'_>) {
    let value = match value {
        Value::String(text) => Any::String(text),
        Value::Bool(value) => Any::Bool(*value),
        Value::Int64(value) => Any::Int(*value),
        Value::Float64(value) => Any::Double(*value),
        Value::Binary(bytes) => Any::Bytes(bytes),
    };
    attribute(out, field, key, value);
}

pub fn text<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
