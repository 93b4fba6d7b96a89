//! The structs of `jaeger.thrift`. A field of another type than the schema's is left out, as generated readers do; a required one is
//! then missing.

use thrift::protocol::{TMessageType, TType};

use super::read::{Reader, Strings};
use super::{Problem, ThriftError};
use crate::model::{Batch, Log, Process, Reference, ReferenceType, Span, Tag, Value, nanoseconds};

type Result<T> = std::result::Result<T, ThriftError>;

pub fn emit_batch<'a, P: Strings>(reader: &mut Reader<'a, P>) -> Result<Batch<'a>> {
    let message = reader.message()?;
    if !matches!(message.message_type, TMessageType::Call | TMessageType::OneWay) {
        return Err(reader.error(Problem::NoCall));
    }
    if message.name != "emitBatch" {
        return Err(reader.error(Problem::Method(message.name)));
    }
    reader.begin()?;
    let mut found = None;
    while let Some((field, kind)) = reader.field()? {
        match (field, kind) {
            (1, TType::Struct) => found = Some(batch(reader)?),
            _ => reader.skip(kind)?,
        }
    }
    required(reader, "emitBatch", "batch", found)
}

pub fn batch<'a, P: Strings>(reader: &mut Reader<'a, P>) -> Result<Batch<'a>> {
    reader.begin()?;
    let (mut process_of_all, mut spans) = (None, None);
    while let Some((field, kind)) = reader.field()? {
        match (field, kind) {
            (1, TType::Struct) => process_of_all = Some(process(reader)?),
            (2, TType::List) => spans = Some(reader.structs(span)?),
            _ => reader.skip(kind)?,
        }
    }
    let process = required(reader, "Batch", "process", process_of_all)?;
    Ok(Batch { process: Some(process), spans: required(reader, "Batch", "spans", spans)? })
}

fn process<'a, P: Strings>(reader: &mut Reader<'a, P>) -> Result<Process<'a>> {
    reader.begin()?;
    let (mut service_name, mut tags) = (None, Vec::new());
    while let Some((field, kind)) = reader.field()? {
        match (field, kind) {
            (1, TType::String) => service_name = Some(reader.text()?),
            (2, TType::List) => tags = reader.structs(tag)?,
            _ => reader.skip(kind)?,
        }
    }
    Ok(Process { service_name: required(reader, "Process", "serviceName", service_name)?, tags })
}

fn span<'a, P: Strings>(reader: &mut Reader<'a, P>) -> Result<Span<'a>> {
    reader.begin()?;
    let mut span = Span::default();
    let (mut low, mut high, mut id, mut parent, mut name) = (None, None, None, None, None);
    let (mut flags, mut start, mut duration) = (None, None, None);
    while let Some((field, kind)) = reader.field()? {
        match (field, kind) {
            (1, TType::I64) => low = Some(reader.i64()?),
            (2, TType::I64) => high = Some(reader.i64()?),
            (3, TType::I64) => id = Some(reader.i64()?),
            (4, TType::I64) => parent = Some(reader.i64()?),
            (5, TType::String) => name = Some(reader.text()?),
            (6, TType::List) => span.references = reader.structs(reference)?,
            (7, TType::I32) => flags = Some(reader.i32()?),
            (8, TType::I64) => start = Some(reader.i64()?),
            (9, TType::I64) => duration = Some(reader.i64()?),
            (10, TType::List) => span.tags = reader.structs(tag)?,
            (11, TType::List) => span.logs = reader.structs(log)?,
            _ => reader.skip(kind)?,
        }
    }
    let low = required(reader, "Span", "traceIdLow", low)?;
    span.trace_id = trace_id(required(reader, "Span", "traceIdHigh", high)?, low);
    span.span_id = required(reader, "Span", "spanId", id)? as u64;
    span.operation_name = required(reader, "Span", "operationName", name)?;
    span.flags = required(reader, "Span", "flags", flags)? as u32;
    span.start = nanoseconds(required(reader, "Span", "startTime", start)?);
    span.duration = nanoseconds(required(reader, "Span", "duration", duration)?);
    span.set_parent(required(reader, "Span", "parentSpanId", parent)? as u64);
    Ok(span)
}

fn reference<P: Strings>(reader: &mut Reader<'_, P>) -> Result<Reference> {
    reader.begin()?;
    let (mut kind_of, mut low, mut high, mut id) = (None, None, None, None);
    while let Some((field, kind)) = reader.field()? {
        match (field, kind) {
            (1, TType::I32) => kind_of = Some(reader.i32()?),
            (2, TType::I64) => low = Some(reader.i64()?),
            (3, TType::I64) => high = Some(reader.i64()?),
            (4, TType::I64) => id = Some(reader.i64()?),
            _ => reader.skip(kind)?,
        }
    }
    let kind = match required(reader, "SpanRef", "refType", kind_of)? {
        0 => ReferenceType::ChildOf,
        1 => ReferenceType::FollowsFrom,
        other => return Err(reader.error(Problem::UnknownVariant("SpanRefType", other))),
    };
    let low = required(reader, "SpanRef", "traceIdLow", low)?;
    let trace_id = trace_id(required(reader, "SpanRef", "traceIdHigh", high)?, low);
    Ok(Reference { kind, trace_id, span_id: required(reader, "SpanRef", "spanId", id)? as u64 })
}

fn log<'a, P: Strings>(reader: &mut Reader<'a, P>) -> Result<Log<'a>> {
    reader.begin()?;
    let (mut time, mut fields) = (None, None);
    while let Some((field, kind)) = reader.field()? {
        match (field, kind) {
            (1, TType::I64) => time = Some(reader.i64()?),
            (2, TType::List) => fields = Some(reader.structs(tag)?),
            _ => reader.skip(kind)?,
        }
    }
    let time = nanoseconds(required(reader, "Log", "timestamp", time)?);
    Ok(Log { time, fields: required(reader, "Log", "fields", fields)? })
}

fn tag<'a, P: Strings>(reader: &mut Reader<'a, P>) -> Result<Tag<'a>> {
    reader.begin()?;
    let (mut key, mut kind_of) = (None, None);
    let (mut text, mut double, mut boolean, mut long, mut binary) = <(_, _, _, _, &[u8])>::default();
    while let Some((field, kind)) = reader.field()? {
        match (field, kind) {
            (1, TType::String) => key = Some(reader.text()?),
            (2, TType::I32) => kind_of = Some(reader.i32()?),
            (3, TType::String) => text = reader.text()?,
            (4, TType::Double) => double = reader.double()?,
            (5, TType::Bool) => boolean = reader.bool()?,
            (6, TType::I64) => long = reader.i64()?,
            (7, TType::String) => binary = reader.bytes()?,
            _ => reader.skip(kind)?,
        }
    }
    let value = match required(reader, "Tag", "vType", kind_of)? {
        0 => Value::String(text),
        1 => Value::Float64(double),
        2 => Value::Bool(boolean),
        3 => Value::Int64(long),
        4 => Value::Binary(binary.into()),
        other => return Err(reader.error(Problem::UnknownVariant("TagType", other))),
    };
    Ok(Tag { key: required(reader, "Tag", "key", key)?, value })
}

fn required<T, P: Strings>(
    reader: &Reader<'_, P>,
    of: &'static str,
    field: &'static str,
    found: Option<T>,
) -> Result<T> {
    found.ok_or_else(|| reader.error(Problem::Missing(of, field)))
}

fn trace_id(high: i64, low: i64) -> u128 {
    u128::from(high as u64) << 64 | u128::from(low as u64)
}
