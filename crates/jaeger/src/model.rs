//! Spans as Jaeger sees them, whatever they are written in (`model.proto` of jaeger-idl).
//!
//! Ids are numbers, times are nanoseconds since 1970 and durations nanoseconds; Thrift and JSON know microseconds. Text and bytes are
//! borrowed from what was read where they lie there as they are.

use std::borrow::Cow;

/// Spans that a process made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch<'a> {
    pub process: Option<Process<'a>>,
    pub spans: Vec<Span<'a>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Process<'a> {
    pub service_name: Cow<'a, str>,
    pub tags: Vec<Tag<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tag<'a> {
    pub key: Cow<'a, str>,
    pub value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    String(Cow<'a, str>),
    Bool(bool),
    Int64(i64),
    Float64(f64),
    Binary(Cow<'a, [u8]>),
}

impl<'a> Tag<'a> {
    pub fn string(key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        Self { key: key.into(), value: Value::String(value.into()) }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log<'a> {
    pub time: u64,
    pub fields: Vec<Tag<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceType {
    ChildOf,
    FollowsFrom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    pub kind: ReferenceType,
    pub trace_id: u128,
    pub span_id: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span<'a> {
    pub trace_id: u128,
    pub span_id: u64,
    pub operation_name: Cow<'a, str>,
    /// The parent is among them: [`Span::parent`].
    pub references: Vec<Reference>,
    /// [`SAMPLED`], [`DEBUG`] and others.
    pub flags: u32,
    pub start: u64,
    pub duration: u64,
    pub tags: Vec<Tag<'a>>,
    pub logs: Vec<Log<'a>>,
    /// Another than that of the batch.
    pub process: Option<Process<'a>>,
    pub warnings: Vec<Cow<'a, str>>,
}

pub const SAMPLED: u32 = 1;
pub const DEBUG: u32 = 2;

impl Span<'_> {
    /// The first span of the same trace that this one is a child of, else the first that it follows from.
    pub fn parent(&self) -> Option<u64> {
        let in_trace = |kind| {
            let fits = move |reference: &&Reference| reference.kind == kind && reference.trace_id == self.trace_id;
            self.references.iter().find(fits).map(|reference| reference.span_id)
        };
        in_trace(ReferenceType::ChildOf).or_else(|| in_trace(ReferenceType::FollowsFrom)).filter(|id| *id != 0)
    }

    /// For forms that tell the parent beside the references: makes it the one that the references tell. 0 is none.
    pub fn set_parent(&mut self, span_id: u64) {
        if span_id == 0 || self.parent() == Some(span_id) {
            return;
        }
        let parent = Reference { kind: ReferenceType::ChildOf, trace_id: self.trace_id, span_id };
        self.references.retain(|reference| *reference != parent);
        self.references.insert(0, parent);
    }
}

/// Bytes as text; what is no UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Much faster than the one that replaces, where nothing is to be replaced.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Microseconds as nanoseconds. What is before 1970, or a negative duration, becomes 0.
pub(crate) fn nanoseconds(microseconds: i64) -> u64 {
    u64::try_from(microseconds).unwrap_or(0).saturating_mul(1000)
}
