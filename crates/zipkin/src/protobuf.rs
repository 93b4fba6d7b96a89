//! Protobuf of version 2. (`zipkin.proto` of `openzipkin/zipkin-api`.)

use std::collections::BTreeMap;
use std::net::IpAddr;

use prost::Message as _;
use trefoil_model::wire::Reader;

use crate::problem::Problem;
use crate::span;
use crate::to_otlp::check_micros;

#[derive(Clone, PartialEq, prost::Message)]
struct ListOfSpans {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    parent_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    id: Vec<u8>,
    #[prost(enumeration = "Kind", tag = "4")]
    kind: i32,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "6")]
    timestamp: u64,
    #[prost(uint64, tag = "7")]
    duration: u64,
    #[prost(message, optional, tag = "8")]
    local_endpoint: Option<Endpoint>,
    #[prost(message, optional, tag = "9")]
    remote_endpoint: Option<Endpoint>,
    #[prost(message, repeated, tag = "10")]
    annotations: Vec<Annotation>,
    #[prost(btree_map = "string, string", tag = "11")]
    tags: BTreeMap<String, String>,
    #[prost(bool, tag = "12")]
    debug: bool,
    #[prost(bool, tag = "13")]
    shared: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Unspecified = 0,
    Client = 1,
    Server = 2,
    Producer = 3,
    Consumer = 4,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Endpoint {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(bytes = "vec", tag = "2")]
    ipv4: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    ipv6: Vec<u8>,
    #[prost(int32, tag = "4")]
    port: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Annotation {
    #[prost(fixed64, tag = "1")]
    timestamp: u64,
    #[prost(string, tag = "2")]
    value: String,
}

/// A `ListOfSpans` as `/api/v2/spans` takes it.
pub fn to_protobuf(spans: &[span::Span]) -> Vec<u8> {
    ListOfSpans { spans: spans.iter().map(to_message).collect() }.encode_to_vec()
}

fn to_message(span: &span::Span) -> Span {
    // 8 bytes say the same as 16 that begin with zeros.
    let trace_id = match u64::try_from(span.trace_id) {
        Ok(low) => low.to_be_bytes().to_vec(),
        Err(_) => span.trace_id.to_be_bytes().to_vec(),
    };
    let kind = match span.kind {
        None => Kind::Unspecified,
        Some(span::Kind::Client) => Kind::Client,
        Some(span::Kind::Server) => Kind::Server,
        Some(span::Kind::Producer) => Kind::Producer,
        Some(span::Kind::Consumer) => Kind::Consumer,
    };
    let annotation =
        |annotation: &span::Annotation| Annotation { timestamp: annotation.timestamp, value: annotation.value.clone() };
    Span {
        trace_id,
        parent_id: span.parent_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        id: span.id.to_be_bytes().to_vec(),
        kind: kind.into(),
        name: span.name.clone(),
        timestamp: span.timestamp.unwrap_or_default(),
        duration: span.duration.unwrap_or_default(),
        local_endpoint: span.local_endpoint.as_ref().map(to_endpoint),
        remote_endpoint: span.remote_endpoint.as_ref().map(to_endpoint),
        annotations: span.annotations.iter().map(annotation).collect(),
        tags: span.tags.clone(),
        debug: span.debug,
        shared: span.shared,
    }
}

fn to_endpoint(endpoint: &span::Endpoint) -> Endpoint {
    Endpoint {
        service_name: endpoint.service_name.clone(),
        ipv4: endpoint.ipv4.map(|address| address.octets().to_vec()).unwrap_or_default(),
        ipv6: endpoint.ipv6.map(|address| address.octets().to_vec()).unwrap_or_default(),
        port: endpoint.port.into(),
    }
}

pub(crate) fn read(body: &[u8], mut each: impl FnMut(Result<span::Span, Problem>)) -> Result<(), String> {
    // The fields are split before anything is taken, so that a body that breaks off is refused as a whole.
    if let Some(error) = Reader::new(body).find_map(Result::err) {
        return Err(error.to_string());
    }
    let spans = Reader::new(body).flatten().filter(|field| field.number == 1);
    for (index, field) in spans.enumerate() {
        let bytes = field.bytes().map_err(|error| error.to_string())?;
        let message = Span::decode(bytes).map_err(|error| Problem::new("", error.to_string()));
        each(message.and_then(from_message).map_err(|problem| problem.at(index)));
    }
    Ok(())
}

fn from_message(message: Span) -> Result<span::Span, Problem> {
    let kind = match message.kind() {
        Kind::Unspecified => None,
        Kind::Client => Some(span::Kind::Client),
        Kind::Server => Some(span::Kind::Server),
        Kind::Producer => Some(span::Kind::Producer),
        Kind::Consumer => Some(span::Kind::Consumer),
    };
    let micros = |name: &'static str, micros: u64| check_micros(micros).map_err(|reason| Problem::new(name, reason));
    let annotation = |(index, annotation): (usize, Annotation)| {
        let timestamp = micros("timestamp", annotation.timestamp);
        let timestamp = timestamp.map_err(|problem| problem.at(index).within("annotations"))?;
        Ok(span::Annotation { timestamp, value: annotation.value })
    };
    Ok(span::Span {
        trace_id: trace_id(&message.trace_id)?,
        parent_id: span_id("parent_id", &message.parent_id)?,
        id: span_id("id", &message.id)?.ok_or_else(|| Problem::new("id", "is missing or zero"))?,
        kind,
        timestamp: Some(micros("timestamp", message.timestamp)?).filter(|micros| *micros > 0),
        duration: Some(micros("duration", message.duration)?).filter(|micros| *micros > 0),
        local_endpoint: from_endpoint("local_endpoint", message.local_endpoint)?,
        remote_endpoint: from_endpoint("remote_endpoint", message.remote_endpoint)?,
        annotations: message.annotations.into_iter().enumerate().map(annotation).collect::<Result<_, _>>()?,
        name: message.name,
        tags: message.tags,
        debug: message.debug,
        shared: message.shared,
    })
}

fn trace_id(bytes: &[u8]) -> Result<u128, Problem> {
    let id = match bytes.len() {
        8 | 16 => bytes.iter().fold(0, |id, byte| id << 8 | u128::from(*byte)),
        0 => return Err(Problem::new("trace_id", "is missing")),
        length => return Err(Problem::new("trace_id", format!("has {length} bytes instead of 16 or 8"))),
    };
    if id == 0 { Err(Problem::new("trace_id", "is zero")) } else { Ok(id) }
}

/// Zero is none.
fn span_id(name: &'static str, bytes: &[u8]) -> Result<Option<u64>, Problem> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes: [u8; 8] =
        bytes.try_into().map_err(|_| Problem::new(name, format!("has {} bytes instead of 8", bytes.len())))?;
    Ok(Some(u64::from_be_bytes(bytes)).filter(|id| *id != 0))
}

fn from_endpoint(name: &'static str, endpoint: Option<Endpoint>) -> Result<Option<span::Endpoint>, Problem> {
    let Some(endpoint) = endpoint else { return Ok(None) };
    let problem = |field: &'static str, reason: String| Problem::new(field, reason).within(name);
    let port = u16::try_from(endpoint.port)
        .map_err(|_| problem("port", format!("{} is not between 0 and 65535", endpoint.port)))?;
    let mut read = span::Endpoint { service_name: endpoint.service_name, port, ..span::Endpoint::default() };
    for (field, bytes) in [("ipv4", endpoint.ipv4), ("ipv6", endpoint.ipv6)] {
        if bytes.is_empty() {
            continue;
        }
        let address = <[u8; 4]>::try_from(&bytes[..])
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(&bytes[..]).map(IpAddr::from))
            .map_err(|_| problem(field, format!("has {} bytes instead of 4 or 16", bytes.len())))?;
        read.add_address(address);
    }
    Ok(read.some())
}
