//! Jaeger's protobuf, `jaeger.api_v2` (`model.proto` and `collector.proto` of jaeger-idl).
//!
//! Strings are bytes here: of text that is no UTF-8 the rest of the message should not suffer.

use prost::Message as _;
use thiserror::Error;
use trefoil_model::wire::{Reader, Value as Wire, WireError};

use crate::model;
use crate::model::ReferenceType;

/// The full name of the method that takes spans, and the message it takes is [`PostSpansRequest`]; its answer is empty.
pub const POST_SPANS: &str = "/jaeger.api_v2.CollectorService/PostSpans";

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

/// A message that is none, or not of Jaeger.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtoError {
    #[error(transparent)]
    Malformed(#[from] WireError),
    #[error("malformed protobuf: {0}")]
    Schema(String),
    /// Empty messages take two bytes each, and much more once they are read.
    #[error("the message holds too many empty spans, tags or logs for its {0} bytes")]
    Hollow(usize),
    #[error("{name} has {length} bytes, more than {most}")]
    LongId { name: &'static str, length: usize, most: usize },
    #[error("{0} knows no {1}")]
    UnknownVariant(&'static str, i32),
}

/// Reads the request of `PostSpans`.
pub fn read_post_spans(bytes: &[u8]) -> Result<model::Batch, ProtoError> {
    if weight(Reader::new(bytes), &REQUEST)? > bytes.len() + SLACK {
        return Err(ProtoError::Hollow(bytes.len()));
    }
    let request = PostSpansRequest::decode(bytes).map_err(|error| ProtoError::Schema(error.to_string()))?;
    request.batch.unwrap_or_default().try_into()
}

/// Writes the request of `PostSpans`.
pub fn write_post_spans(batch: &model::Batch) -> Vec<u8> {
    PostSpansRequest { batch: Some(batch.into()) }.encode_to_vec()
}

/// The same for processes that are the same.
pub(crate) fn process_key(process: &model::Process) -> Vec<u8> {
    Process::from(process).encode_to_vec()
}

/// A few empty messages do no harm.
const SLACK: usize = 1 << 10;

/// A message, how few bytes one that says something takes, and its messages by field number.
struct Shape {
    least: usize,
    within: &'static [(u32, &'static Shape)],
}

const TAG: Shape = Shape { least: 4, within: &[] };
const REFERENCE: Shape = Shape { least: 10, within: &[] };
const LOG: Shape = Shape { least: 2, within: &[(2, &TAG)] };
const PROCESS: Shape = Shape { least: 2, within: &[(2, &TAG)] };
const SPAN: Shape = Shape { least: 20, within: &[(4, &REFERENCE), (8, &TAG), (9, &LOG), (10, &PROCESS)] };
const BATCH: Shape = Shape { least: 0, within: &[(1, &SPAN), (2, &PROCESS)] };
const REQUEST: Shape = Shape { least: 0, within: &[(1, &BATCH)] };

/// The bytes that all messages in `message` should take at least.
fn weight(message: Reader<'_>, shape: &Shape) -> Result<usize, WireError> {
    let mut sum = shape.least;
    for field in message {
        let field = field?;
        let known = shape.within.iter().find(|(number, _)| *number == field.number);
        if let (Some((_, shape)), Wire::Bytes(inner)) = (known, field.value) {
            sum += weight(inner, shape)?;
        }
    }
    Ok(sum)
}

type Read<T> = Result<T, ProtoError>;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn number(name: &'static str, id: &[u8], most: usize) -> Read<u128> {
    if id.len() > most {
        return Err(ProtoError::LongId { name, length: id.len(), most });
    }
    Ok(id.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

impl TryFrom<Batch> for model::Batch {
    type Error = ProtoError;

    fn try_from(batch: Batch) -> Read<Self> {
        // Jaeger's encoder writes a span that is none as an empty one.
        let spans = batch.spans.into_iter().filter(|span| *span != Span::default());
        Ok(Self {
            process: batch.process.map(TryInto::try_into).transpose()?,
            spans: spans.map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<Process> for model::Process {
    type Error = ProtoError;

    fn try_from(process: Process) -> Read<Self> {
        Ok(Self { service_name: text(process.service_name), tags: tags(process.tags)? })
    }
}

impl TryFrom<Span> for model::Span {
    type Error = ProtoError;

    fn try_from(span: Span) -> Read<Self> {
        Ok(Self {
            trace_id: number("trace_id", &span.trace_id, 16)?,
            span_id: number("span_id", &span.span_id, 8)? as u64,
            operation_name: text(span.operation_name),
            references: span.references.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            flags: span.flags,
            start: span.start_time.map_or(0, Time::nanoseconds),
            duration: span.duration.map_or(0, Time::nanoseconds),
            tags: tags(span.tags)?,
            logs: span.logs.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            process: span.process.map(TryInto::try_into).transpose()?,
            warnings: span.warnings.into_iter().map(text).collect(),
        })
    }
}

impl TryFrom<SpanRef> for model::Reference {
    type Error = ProtoError;

    fn try_from(reference: SpanRef) -> Read<Self> {
        let kind = match reference.ref_type {
            0 => ReferenceType::ChildOf,
            1 => ReferenceType::FollowsFrom,
            other => return Err(ProtoError::UnknownVariant("SpanRefType", other)),
        };
        let trace_id = number("trace_id", &reference.trace_id, 16)?;
        Ok(Self { kind, trace_id, span_id: number("span_id", &reference.span_id, 8)? as u64 })
    }
}

impl TryFrom<Log> for model::Log {
    type Error = ProtoError;

    fn try_from(log: Log) -> Read<Self> {
        Ok(Self { time: log.timestamp.map_or(0, Time::nanoseconds), fields: tags(log.fields)? })
    }
}

fn tags(tags: Vec<KeyValue>) -> Read<Vec<model::Tag>> {
    tags.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<KeyValue> for model::Tag {
    type Error = ProtoError;

    fn try_from(tag: KeyValue) -> Read<Self> {
        let value = match tag.v_type {
            0 => model::Value::String(text(tag.v_str)),
            1 => model::Value::Bool(tag.v_bool),
            2 => model::Value::Int64(tag.v_int64),
            3 => model::Value::Float64(tag.v_float64),
            4 => model::Value::Binary(tag.v_binary),
            other => return Err(ProtoError::UnknownVariant("ValueType", other)),
        };
        Ok(Self { key: text(tag.key), value })
    }
}

impl Time {
    /// What is before 1970, or negative, is 0.
    fn nanoseconds(self) -> u64 {
        let nanoseconds = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX)
    }

    fn of(nanoseconds: u64) -> Self {
        Self { seconds: (nanoseconds / 1_000_000_000) as i64, nanos: (nanoseconds % 1_000_000_000) as i32 }
    }
}

impl From<&model::Batch> for Batch {
    fn from(batch: &model::Batch) -> Self {
        Self { spans: batch.spans.iter().map(Into::into).collect(), process: batch.process.as_ref().map(Into::into) }
    }
}

impl From<&model::Process> for Process {
    fn from(process: &model::Process) -> Self {
        Self {
            service_name: process.service_name.clone().into_bytes(),
            tags: process.tags.iter().map(Into::into).collect(),
        }
    }
}

impl From<&model::Span> for Span {
    fn from(span: &model::Span) -> Self {
        Self {
            trace_id: span.trace_id.to_be_bytes().to_vec(),
            span_id: span.span_id.to_be_bytes().to_vec(),
            operation_name: span.operation_name.clone().into_bytes(),
            references: span.references.iter().map(Into::into).collect(),
            flags: span.flags,
            start_time: Some(Time::of(span.start)),
            duration: Some(Time::of(span.duration)),
            tags: span.tags.iter().map(Into::into).collect(),
            logs: span.logs.iter().map(Into::into).collect(),
            process: span.process.as_ref().map(Into::into),
            process_id: Vec::new(),
            warnings: span.warnings.iter().map(|warning| warning.clone().into_bytes()).collect(),
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

impl From<&model::Log> for Log {
    fn from(log: &model::Log) -> Self {
        Self { timestamp: Some(Time::of(log.time)), fields: log.fields.iter().map(Into::into).collect() }
    }
}

impl From<&model::Tag> for KeyValue {
    fn from(tag: &model::Tag) -> Self {
        let key = tag.key.clone().into_bytes();
        match &tag.value {
            model::Value::String(text) => Self { key, v_str: text.clone().into_bytes(), ..Self::default() },
            model::Value::Bool(value) => Self { key, v_type: 1, v_bool: *value, ..Self::default() },
            model::Value::Int64(value) => Self { key, v_type: 2, v_int64: *value, ..Self::default() },
            model::Value::Float64(value) => Self { key, v_type: 3, v_float64: *value, ..Self::default() },
            model::Value::Binary(bytes) => Self { key, v_type: 4, v_binary: bytes.clone(), ..Self::default() },
        }
    }
}
