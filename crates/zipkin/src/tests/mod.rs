use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use prost::Message as _;
use trefoil_model::{Signal, json};

use crate::any_value::to_text;
use crate::{Annotation, Endpoint, Format, Options, Span, Translated, translate};

mod bad_input;
mod conformance;
mod otlp;
mod properties;
mod thrift_body;
mod v1;
mod v2;

/// 2026-06-01, in nanoseconds.
const RECEIVED: u64 = 1_780_272_000_000_000_000;

fn translated(format: Format, body: impl AsRef<[u8]>) -> Translated {
    translate(format, body.as_ref(), &Options { parse_string_tags: false, received: RECEIVED }).unwrap()
}

fn request(translated: &Translated) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&translated.request[..]).unwrap()
}

/// As OTLP/JSON, for snapshots.
fn otlp_json(translated: &Translated) -> serde_json::Value {
    assert_eq!(translated.rejected.message(), None);
    serde_json::from_slice(&json::from_protobuf(Signal::Traces, &translated.request).unwrap()).unwrap()
}

/// All spans, in the order of the request.
fn spans(request: &ExportTraceServiceRequest) -> Vec<OtlpSpan> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.clone()).collect()
}

fn texts(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |attribute: &KeyValue| (attribute.key.clone(), to_text(attribute.value.as_ref().unwrap()));
    attributes.iter().map(text).collect()
}

/// `[("service.name", "a")]` of each resource.
fn resources(request: &ExportTraceServiceRequest) -> Vec<Vec<(String, String)>> {
    request.resource_spans.iter().map(|spans| texts(&spans.resource.as_ref().unwrap().attributes)).collect()
}

/// Apart from what it was read from.
fn owned(span: Span<'_>) -> Span<'static> {
    let text = |text: &str| text.to_owned().into();
    let endpoint = |endpoint: Endpoint<'_>| Endpoint {
        service_name: text(&endpoint.service_name),
        ipv4: endpoint.ipv4,
        ipv6: endpoint.ipv6,
        port: endpoint.port,
    };
    let annotations = span.annotations.iter();
    Span {
        trace_id: span.trace_id,
        parent_id: span.parent_id,
        id: span.id,
        kind: span.kind,
        name: text(&span.name),
        timestamp: span.timestamp,
        duration: span.duration,
        local_endpoint: span.local_endpoint.map(endpoint),
        remote_endpoint: span.remote_endpoint.map(endpoint),
        annotations: annotations.map(|one| Annotation { timestamp: one.timestamp, value: text(&one.value) }).collect(),
        tags: span.tags.iter().map(|(name, value)| (text(name), text(value))).collect(),
        debug: span.debug,
        shared: span.shared,
    }
}
