//! Spans as protobuf.

use trefoil_model::wire::write::{bytes, fixed64, message, uint64};

use super::field::{annotation, endpoint, entry, list_of_spans, span};
use crate::span::{Endpoint, Kind, Span};

/// A `ListOfSpans` as `/api/v2/spans` takes it.
pub fn to_protobuf(spans: &[Span<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for span in spans {
        message(&mut out, list_of_spans::SPANS, |out| write_span(out, span));
    }
    out
}

fn write_span(out: &mut Vec<u8>, of: &Span<'_>) {
    // 8 bytes say the same as 16 that begin with zeros.
    match u64::try_from(of.trace_id) {
        Ok(low) => bytes(out, span::TRACE_ID, &low.to_be_bytes()),
        Err(_) => bytes(out, span::TRACE_ID, &of.trace_id.to_be_bytes()),
    }
    if let Some(parent) = of.parent_id {
        bytes(out, span::PARENT_ID, &parent.to_be_bytes());
    }
    bytes(out, span::ID, &of.id.to_be_bytes());
    let kind = match of.kind {
        None => 0,
        Some(Kind::Client) => 1,
        Some(Kind::Server) => 2,
        Some(Kind::Producer) => 3,
        Some(Kind::Consumer) => 4,
    };
    uint64(out, span::KIND, kind);
    bytes(out, span::NAME, of.name.as_bytes());
    fixed64(out, span::TIMESTAMP, of.timestamp.unwrap_or_default());
    uint64(out, span::DURATION, of.duration.unwrap_or_default());
    for (field, endpoint) in [(span::LOCAL_ENDPOINT, &of.local_endpoint), (span::REMOTE_ENDPOINT, &of.remote_endpoint)]
    {
        if let Some(endpoint) = endpoint {
            message(out, field, |out| write_endpoint(out, endpoint));
        }
    }
    for of in &of.annotations {
        message(out, span::ANNOTATIONS, |out| {
            fixed64(out, annotation::TIMESTAMP, of.timestamp);
            bytes(out, annotation::VALUE, of.value.as_bytes());
        });
    }
    for (name, text) in of.tags.iter() {
        message(out, span::TAGS, |out| {
            bytes(out, entry::KEY, name.as_bytes());
            bytes(out, entry::VALUE, text.as_bytes());
        });
    }
    uint64(out, span::DEBUG, of.debug.into());
    uint64(out, span::SHARED, of.shared.into());
}

fn write_endpoint(out: &mut Vec<u8>, of: &Endpoint<'_>) {
    bytes(out, endpoint::SERVICE_NAME, of.service_name.as_bytes());
    if let Some(address) = of.ipv4 {
        bytes(out, endpoint::IPV4, &address.octets());
    }
    if let Some(address) = of.ipv6 {
        bytes(out, endpoint::IPV6, &address.octets());
    }
    uint64(out, endpoint::PORT, of.port.into());
}
