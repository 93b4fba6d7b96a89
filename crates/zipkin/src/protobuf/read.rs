//! Spans of protobuf, whose texts are borrowed from the body.

use std::borrow::Cow;
use std::net::IpAddr;

use trefoil_model::wire::{Field, Reader, WireError};

use super::field::{annotation, endpoint, entry, list_of_spans, span};
use crate::problem::Problem;
use crate::span::{Annotation, Endpoint, Kind, Span};
use crate::to_otlp::check_micros;

/// Hands over each span of a `ListOfSpans`. What is broken within a span is a problem of that span alone.
///
/// The fields of the list are split before anything is taken, so that a body that breaks off is refused as a whole.
pub(crate) fn read<'a>(body: &'a [u8], mut each: impl FnMut(Result<Span<'a>, Problem>)) -> Result<(), String> {
    for field in Reader::new(body) {
        let field = field.map_err(|error| error.to_string())?;
        if field.number == list_of_spans::SPANS {
            field.message().map_err(|error| error.to_string())?;
        }
    }
    let spans = Reader::new(body).flatten().filter(|field| field.number == list_of_spans::SPANS);
    spans.flat_map(|field| field.message()).for_each(|message| each(read_span(message)));
    Ok(())
}

fn read_span(message: Reader<'_>) -> Result<Span<'_>, Problem> {
    let (mut trace_id, mut parent_id, mut id): (&[u8], &[u8], &[u8]) = Default::default();
    let (mut timestamp, mut duration) = (0, 0);
    let (mut local_endpoint, mut remote_endpoint) = (None, None);
    let (mut annotations, mut tags) = (Vec::new(), Vec::new());
    let mut read = Span::default();
    for field in message {
        let field = field.map_err(broken)?;
        match field.number {
            span::TRACE_ID => trace_id = field.bytes().map_err(broken)?,
            span::PARENT_ID => parent_id = field.bytes().map_err(broken)?,
            span::ID => id = field.bytes().map_err(broken)?,
            span::KIND => read.kind = kind(field.int32().map_err(broken)?),
            span::NAME => read.name = text("name", &field)?,
            span::TIMESTAMP => timestamp = field.fixed64().map_err(broken)?,
            span::DURATION => duration = field.uint64().map_err(broken)?,
            span::LOCAL_ENDPOINT => endpoint_fields("local_endpoint", &field, local_endpoint.get_or_insert_default())?,
            span::REMOTE_ENDPOINT => {
                endpoint_fields("remote_endpoint", &field, remote_endpoint.get_or_insert_default())?;
            }
            span::ANNOTATIONS => {
                let annotation = read_annotation(&field);
                annotations.push(annotation.map_err(|problem| problem.at(annotations.len()).within("annotations"))?);
            }
            span::TAGS => tags.push(read_tag(&field).map_err(|problem| problem.within("tags"))?),
            span::DEBUG => read.debug = field.bool().map_err(broken)?,
            span::SHARED => read.shared = field.bool().map_err(broken)?,
            _ => {}
        }
    }
    Ok(Span {
        trace_id: read_trace_id(trace_id)?,
        parent_id: read_span_id("parent_id", parent_id)?,
        id: read_span_id("id", id)?.ok_or_else(|| Problem::new("id", "is missing or zero"))?,
        timestamp: Some(micros("timestamp", timestamp)?).filter(|micros| *micros > 0),
        duration: Some(micros("duration", duration)?).filter(|micros| *micros > 0),
        local_endpoint: read_endpoint("local_endpoint", local_endpoint)?,
        remote_endpoint: read_endpoint("remote_endpoint", remote_endpoint)?,
        annotations,
        tags: tags.into(),
        ..read
    })
}

/// The framing within a span.
#[cold]
fn broken(error: WireError) -> Problem {
    Problem::new("", error.to_string())
}

#[inline]
fn text<'a>(name: &'static str, field: &Field<'a>) -> Result<Cow<'a, str>, Problem> {
    let text = std::str::from_utf8(field.bytes().map_err(broken)?);
    text.map(Cow::Borrowed).map_err(|_| Problem::new(name, "is not UTF-8"))
}

/// One that is not known is none.
fn kind(number: i32) -> Option<Kind> {
    match number {
        1 => Some(Kind::Client),
        2 => Some(Kind::Server),
        3 => Some(Kind::Producer),
        4 => Some(Kind::Consumer),
        _ => None,
    }
}

fn micros(name: &'static str, micros: u64) -> Result<u64, Problem> {
    check_micros(micros).map_err(|reason| Problem::new(name, reason))
}

fn read_trace_id(bytes: &[u8]) -> Result<u128, Problem> {
    let id = match bytes.len() {
        8 | 16 => bytes.iter().fold(0, |id, byte| id << 8 | u128::from(*byte)),
        0 => return Err(Problem::new("trace_id", "is missing")),
        length => return Err(Problem::new("trace_id", format!("has {length} bytes instead of 16 or 8"))),
    };
    if id == 0 { Err(Problem::new("trace_id", "is zero")) } else { Ok(id) }
}

/// Zero is none.
fn read_span_id(name: &'static str, bytes: &[u8]) -> Result<Option<u64>, Problem> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes: [u8; 8] =
        bytes.try_into().map_err(|_| Problem::new(name, format!("has {} bytes instead of 8", bytes.len())))?;
    Ok(Some(u64::from_be_bytes(bytes)).filter(|id| *id != 0))
}

fn read_annotation<'a>(field: &Field<'a>) -> Result<Annotation<'a>, Problem> {
    let mut read = Annotation::default();
    for field in field.message().map_err(broken)? {
        let field = field.map_err(broken)?;
        match field.number {
            annotation::TIMESTAMP => read.timestamp = field.fixed64().map_err(broken)?,
            annotation::VALUE => read.value = text("value", &field)?,
            _ => {}
        }
    }
    micros("timestamp", read.timestamp)?;
    Ok(read)
}

#[inline]
fn read_tag<'a>(field: &Field<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Problem> {
    let (mut name, mut value) = (Cow::default(), Cow::default());
    for field in field.message().map_err(broken)? {
        let field = field.map_err(broken)?;
        match field.number {
            entry::KEY => name = text("key", &field)?,
            entry::VALUE => value = text("value", &field)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// An endpoint as it is written.
#[derive(Default)]
struct EndpointFields<'a> {
    service_name: Cow<'a, str>,
    ipv4: &'a [u8],
    ipv6: &'a [u8],
    port: i32,
}

/// A message that is there twice is one, of all the fields of both.
fn endpoint_fields<'a>(name: &'static str, field: &Field<'a>, read: &mut EndpointFields<'a>) -> Result<(), Problem> {
    let mut fields = || {
        for field in field.message().map_err(broken)? {
            let field = field.map_err(broken)?;
            match field.number {
                endpoint::SERVICE_NAME => read.service_name = text("service_name", &field)?,
                endpoint::IPV4 => read.ipv4 = field.bytes().map_err(broken)?,
                endpoint::IPV6 => read.ipv6 = field.bytes().map_err(broken)?,
                endpoint::PORT => read.port = field.int32().map_err(broken)?,
                _ => {}
            }
        }
        Ok(())
    };
    fields().map_err(|problem: Problem| problem.within(name))
}

fn read_endpoint<'a>(name: &'static str, fields: Option<EndpointFields<'a>>) -> Result<Option<Endpoint<'a>>, Problem> {
    let Some(EndpointFields { service_name, ipv4, ipv6, port }) = fields else { return Ok(None) };
    let problem = |field: &'static str, reason: String| Problem::new(field, reason).within(name);
    let port = u16::try_from(port).map_err(|_| problem("port", format!("{port} is not between 0 and 65535")))?;
    let mut read = Endpoint { service_name, port, ..Endpoint::default() };
    for (field, bytes) in [("ipv4", ipv4), ("ipv6", ipv6)] {
        if bytes.is_empty() {
            continue;
        }
        let address = <[u8; 4]>::try_from(bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
            .map_err(|_| problem(field, format!("has {} bytes instead of 4 or 16", bytes.len())))?;
        read.add_address(address);
    }
    Ok(read.some())
}
