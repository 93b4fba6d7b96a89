//! Thrift of version 1: a list of spans in the binary protocol.
//!
//! Lengths from outside reserve nothing: a string may be as long as the body, and lists grow as their elements are read.

use std::borrow::Cow;

use thrift::TConfiguration;
use thrift::protocol::{TBinaryInputProtocol, TInputProtocol as _, TType};

use super::{Annotation, BinaryAnnotation, Span, Value};
use crate::problem::Problem;
use crate::span::Endpoint;
use crate::to_otlp::check_micros;

/// The types of binary annotations (`AnnotationType`).
const BOOL: i32 = 0;
const I16: i32 = 2;
const I32: i32 = 3;
const I64: i32 = 4;
const DOUBLE: i32 = 5;
const STRING: i32 = 6;

type Protocol<'a> = TBinaryInputProtocol<&'a [u8]>;

/// The inner error is for one span, of which the rest of the body can do without.
type Checked<T> = thrift::Result<Result<T, Problem>>;

pub(crate) fn read(body: &[u8], mut each: impl FnMut(Result<Span<'static>, Problem>)) -> Result<(), String> {
    let size = Some(body.len());
    let config = TConfiguration::builder().max_frame_size(None).max_message_size(size).max_string_size(size);
    let config = config.build().map_err(|error| error.to_string())?;
    let mut protocol = TBinaryInputProtocol::with_config(body, false, config);
    let mut index = 0;
    let result = read_list(&mut protocol, |protocol| {
        let span = span(protocol)?;
        each(span);
        index += 1;
        Ok(())
    });
    result.map_err(|error| {
        let offset = body.len() - protocol.transport.len();
        format!("[{index}] breaks off at byte {offset}: {}", reason(&error))
    })
}

fn reason(error: &thrift::Error) -> String {
    match error {
        thrift::Error::Transport(error) if error.kind == thrift::TransportErrorKind::EndOfFile => {
            "the body ends before it is complete".to_owned()
        }
        thrift::Error::Transport(error) => error.message.clone(),
        thrift::Error::Protocol(error) => error.message.clone(),
        other => other.to_string(),
    }
}

/// Reads the structs of a list.
fn read_list(
    protocol: &mut Protocol<'_>,
    mut element: impl FnMut(&mut Protocol<'_>) -> thrift::Result<()>,
) -> thrift::Result<()> {
    let list = protocol.read_list_begin()?;
    if list.size > 0 && list.element_type != TType::Struct {
        let message = format!("the list is of {} instead of structs", list.element_type);
        return Err(thrift::Error::Protocol(thrift::ProtocolError::new(
            thrift::ProtocolErrorKind::InvalidData,
            message,
        )));
    }
    for _ in 0..list.size {
        element(protocol)?;
    }
    protocol.read_list_end()
}

/// Reads the fields of a struct. `field` says whether it has read the one; others are skipped, of other types as well.
fn read_struct(
    protocol: &mut Protocol<'_>,
    mut field: impl FnMut(&mut Protocol<'_>, i16, TType) -> thrift::Result<bool>,
) -> thrift::Result<()> {
    protocol.read_struct_begin()?;
    loop {
        let found = protocol.read_field_begin()?;
        if found.field_type == TType::Stop {
            break;
        }
        if !field(protocol, found.id.unwrap_or_default(), found.field_type)? {
            protocol.skip(found.field_type)?;
        }
        protocol.read_field_end()?;
    }
    protocol.read_struct_end()
}

fn span(protocol: &mut Protocol<'_>) -> Checked<Span<'static>> {
    let (mut trace_id, mut trace_id_high, mut name) = (0, 0, Vec::new());
    let (mut timestamp, mut duration) = (0, 0);
    let (mut annotations, mut binary_annotations) = (Vec::new(), Vec::new());
    let mut span = Span::default();
    read_struct(protocol, |protocol, id, kind| {
        match (id, kind) {
            (1, TType::I64) => trace_id = protocol.read_i64()?,
            (3, TType::String) => name = protocol.read_bytes()?,
            (4, TType::I64) => span.id = protocol.read_i64()? as u64,
            (5, TType::I64) => span.parent_id = Some(protocol.read_i64()? as u64).filter(|id| *id != 0),
            (6, TType::List) => read_list(protocol, |protocol| {
                annotations.push(annotation(protocol)?);
                Ok(())
            })?,
            (8, TType::List) => read_list(protocol, |protocol| {
                binary_annotations.push(binary_annotation(protocol)?);
                Ok(())
            })?,
            (9, TType::Bool) => span.debug = protocol.read_bool()?,
            (10, TType::I64) => timestamp = protocol.read_i64()?,
            (11, TType::I64) => duration = protocol.read_i64()?,
            (12, TType::I64) => trace_id_high = protocol.read_i64()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let complete = || {
        span.trace_id = u128::from(trace_id_high as u64) << 64 | u128::from(trace_id as u64);
        if span.trace_id == 0 {
            return Err(Problem::new("trace_id", "is missing or zero"));
        }
        if span.id == 0 {
            return Err(Problem::new("id", "is missing or zero"));
        }
        span.name = text("name", name)?;
        span.timestamp = Some(micros("timestamp", timestamp)?).filter(|micros| *micros > 0);
        span.duration = Some(micros("duration", duration)?).filter(|micros| *micros > 0);
        span.annotations = elements("annotations", annotations)?;
        span.binary_annotations = elements("binary_annotations", binary_annotations)?;
        Ok(span)
    };
    Ok(complete())
}

fn elements<T>(name: &'static str, list: Vec<Result<T, Problem>>) -> Result<Vec<T>, Problem> {
    let elements = list.into_iter().enumerate();
    elements.map(|(index, element)| element.map_err(|problem| problem.at(index).within(name))).collect()
}

fn annotation(protocol: &mut Protocol<'_>) -> Checked<Annotation<'static>> {
    let (mut timestamp, mut value, mut host) = (0, Vec::new(), Ok(None));
    read_struct(protocol, |protocol, id, kind| {
        match (id, kind) {
            (1, TType::I64) => timestamp = protocol.read_i64()?,
            (2, TType::String) => value = protocol.read_bytes()?,
            (3, TType::Struct) => host = endpoint(protocol)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let complete = || {
        let timestamp = micros("timestamp", timestamp)?;
        Ok(Annotation { timestamp, value: text("value", value)?, endpoint: host? })
    };
    Ok(complete())
}

fn binary_annotation(protocol: &mut Protocol<'_>) -> Checked<BinaryAnnotation<'static>> {
    let (mut key, mut bytes, mut annotation_type, mut host) = (Vec::new(), Vec::new(), STRING, Ok(None));
    read_struct(protocol, |protocol, id, kind| {
        match (id, kind) {
            (1, TType::String) => key = protocol.read_bytes()?,
            (2, TType::String) => bytes = protocol.read_bytes()?,
            (3, TType::I32) => annotation_type = protocol.read_i32()?,
            (4, TType::Struct) => host = endpoint(protocol)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let complete =
        || Ok(BinaryAnnotation { key: text("key", key)?, value: value(annotation_type, bytes), endpoint: host? });
    Ok(complete())
}

/// Bytes that are not of their type stay bytes.
fn value(annotation_type: i32, bytes: Vec<u8>) -> Value<'static> {
    let typed = match (annotation_type, &bytes[..]) {
        (BOOL, [flag]) => Some(Value::Bool(*flag != 0)),
        (I16, bytes) => bytes.try_into().ok().map(|bytes| Value::Int(i16::from_be_bytes(bytes).into())),
        (I32, bytes) => bytes.try_into().ok().map(|bytes| Value::Int(i32::from_be_bytes(bytes).into())),
        (I64, bytes) => bytes.try_into().ok().map(|bytes| Value::Int(i64::from_be_bytes(bytes))),
        (DOUBLE, bytes) => bytes.try_into().ok().map(|bytes| Value::Double(f64::from_be_bytes(bytes))),
        (STRING, bytes) => std::str::from_utf8(bytes).ok().map(|text| Value::Text(text.to_owned().into())),
        _ => None,
    };
    typed.unwrap_or(Value::Bytes(bytes))
}

fn endpoint(protocol: &mut Protocol<'_>) -> Checked<Option<Endpoint<'static>>> {
    let (mut ipv4, mut port, mut name, mut ipv6) = (0_i32, 0_i16, Vec::new(), Vec::new());
    read_struct(protocol, |protocol, id, kind| {
        match (id, kind) {
            (1, TType::I32) => ipv4 = protocol.read_i32()?,
            (2, TType::I16) => port = protocol.read_i16()?,
            (3, TType::String) => name = protocol.read_bytes()?,
            (4, TType::String) => ipv6 = protocol.read_bytes()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let complete = || {
        // Ports are unsigned, but the schema has no such numbers.
        let (service_name, port) = (text("service_name", name)?, port as u16);
        let mut endpoint = Endpoint { service_name, port, ..Endpoint::default() };
        if ipv4 != 0 {
            endpoint.add_address(ipv4.to_be_bytes().into());
        }
        if !ipv6.is_empty() {
            let bytes: [u8; 16] = ipv6[..]
                .try_into()
                .map_err(|_| Problem::new("ipv6", format!("has {} bytes instead of 16", ipv6.len())))?;
            endpoint.add_address(bytes.into());
        }
        Ok(endpoint.some())
    };
    Ok(complete().map_err(|problem: Problem| problem.within("host")))
}

fn text(name: &'static str, bytes: Vec<u8>) -> Result<Cow<'static, str>, Problem> {
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Problem::new(name, "is not UTF-8"))
}

fn micros(name: &'static str, micros: i64) -> Result<u64, Problem> {
    let unsigned = u64::try_from(micros).map_err(|_| format!("{micros} is not a number of 0 or more"));
    unsigned.and_then(check_micros).map_err(|reason| Problem::new(name, reason))
}
