//! The messages as they are written, which the query API answers with, too.
//!
//! Strings are bytes here: Go's protobuf, in which Jaeger's schema is at home, takes what is no UTF-8.

use crate::model;
use crate::model::ReferenceType;

#[derive(Clone, PartialEq, prost::Message)]
pub struct PostSpansRequest {
    #[prost(message, optional, tag = "1")]
    pub batch: Option<Batch>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    #[prost(message, repeated, tag = "1")]
    pub spans: Vec<Span>,
    #[prost(message, optional, tag = "2")]
    pub process: Option<Process>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Process {
    #[prost(bytes = "vec", tag = "1")]
    pub service_name: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    pub tags: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub operation_name: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    pub references: Vec<SpanRef>,
    #[prost(uint32, tag = "5")]
    pub flags: u32,
    #[prost(message, optional, tag = "6")]
    pub start_time: Option<Time>,
    #[prost(message, optional, tag = "7")]
    pub duration: Option<Time>,
    #[prost(message, repeated, tag = "8")]
    pub tags: Vec<KeyValue>,
    #[prost(message, repeated, tag = "9")]
    pub logs: Vec<Log>,
    #[prost(message, optional, tag = "10")]
    pub process: Option<Process>,
    #[prost(bytes = "vec", tag = "11")]
    pub process_id: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "12")]
    pub warnings: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SpanRef {
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// 0 is `CHILD_OF`, 1 `FOLLOWS_FROM`.
    #[prost(int32, tag = "3")]
    pub ref_type: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Log {
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<Time>,
    #[prost(message, repeated, tag = "2")]
    pub fields: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// 0 is `STRING`, 1 `BOOL`, 2 `INT64`, 3 `FLOAT64`, 4 `BINARY`.
    #[prost(int32, tag = "2")]
    pub v_type: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub v_str: Vec<u8>,
    #[prost(bool, tag = "4")]
    pub v_bool: bool,
    #[prost(int64, tag = "5")]
    pub v_int64: i64,
    #[prost(double, tag = "6")]
    pub v_float64: f64,
    #[prost(bytes = "vec", tag = "7")]
    pub v_binary: Vec<u8>,
}

/// `google.protobuf.Timestamp`, or `Duration`, which is the same on the wire.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Time {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Time {
    /// What is before 1970, or negative, is 0.
    pub(super) fn nanoseconds(self) -> u64 {
        let nanoseconds = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX)
    }

    fn of(nanoseconds: u64) -> Self {
        Self { seconds: (nanoseconds / 1_000_000_000) as i64, nanos: (nanoseconds % 1_000_000_000) as i32 }
    }
}

impl From<&model::Batch<'_>> for Batch {
    fn from(batch: &model::Batch<'_>) -> Self {
        Self { spans: batch.spans.iter().map(Into::into).collect(), process: batch.process.as_ref().map(Into::into) }
    }
}

impl From<&model::Process<'_>> for Process {
    fn from(process: &model::Process<'_>) -> Self {
        Self {
            service_name: process.service_name.as_bytes().to_vec(),
            tags: process.tags.iter().map(Into::into).collect(),
        }
    }
}

impl From<&model::Span<'_>> for Span {
    fn from(span: &model::Span<'_>) -> Self {
        Self {
            trace_id: span.trace_id.to_be_bytes().to_vec(),
            span_id: span.span_id.to_be_bytes().to_vec(),
            operation_name: span.operation_name.as_bytes().to_vec(),
            references: span.references.iter().map(Into::into).collect(),
            flags: span.flags,
            start_time: Some(Time::of(span.start)),
            duration: Some(Time::of(span.duration)),
            tags: span.tags.iter().map(Into::into).collect(),
            logs: span.logs.iter().map(Into::into).collect(),
            process: span.process.as_ref().map(Into::into),
            process_id: Vec::new(),
            warnings: span.warnings.iter().map(|warning| warning.as_bytes().to_vec()).collect(),
        }
    }
}

impl From<&model::Reference> for SpanRef {
    fn from(reference: &model::Reference) -> Self {
        Self {
            trace_id: reference.trace_id.to_be_bytes().to_vec(),
            span_id: reference.span_id.to_be_bytes().to_vec(),
            ref_type: (reference.kind == ReferenceType::FollowsFrom).into(),
        }
    }
}

impl From<&model::Log<'_>> for Log {
    fn from(log: &model::Log<'_>) -> Self {
        Self { timestamp: Some(Time::of(log.time)), fields: log.fields.iter().map(Into::into).collect() }
    }
}

impl From<&model::Tag<'_>> for KeyValue {
    fn from(tag: &model::Tag<'_>) -> Self {
        let key = tag.key.as_bytes().to_vec();
        match &tag.value {
            model::Value::String(text) => Self { key, v_str: text.as_bytes().to_vec(), ..Self::default() },
            model::Value::Bool(value) => Self { key, v_type: 1, v_bool: *value, ..Self::default() },
            model::Value::Int64(value) => Self { key, v_type: 2, v_int64: *value, ..Self::default() },
            model::Value::Float64(value) => Self { key, v_type: 3, v_float64: *value, ..Self::default() },
            model::Value::Binary(bytes) => Self { key, v_type: 4, v_binary: bytes.to_vec(), ..Self::default() },
        }
    }
}
