//! Spans of OpenTelemetry as Zipkin sees them, and the way back.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};

use super::*;
use crate::any_value::{attribute, bool, bytes, double, from_json, int, string};
use crate::{from_otlp, span_from_otlp, to_json};

fn bare() -> OtlpSpan {
    OtlpSpan { trace_id: vec![7; 16], span_id: vec![8; 8], ..OtlpSpan::default() }
}

fn with_attributes(kind: SpanKind, attributes: &[(&str, &str)]) -> Span<'static> {
    let attributes = attributes.iter().map(|(key, value)| attribute(*key, string(*value))).collect();
    let span = OtlpSpan { attributes, kind: kind.into(), ..bare() };
    span_from_otlp(&Resource::default(), &InstrumentationScope::default(), &span, "").unwrap()
}

fn tags<'a>(span: &'a Span<'_>) -> Vec<(&'a str, &'a str)> {
    span.tags.iter().collect()
}

/// Everything that OTLP has and Zipkin can hold, with its attributes in order.
fn full() -> ExportTraceServiceRequest {
    let span = OtlpSpan {
        trace_state: "a=b".into(),
        parent_span_id: vec![9; 8],
        name: "GET /items".into(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: 1_472_470_996_199_000_000,
        end_time_unix_nano: 1_472_470_996_199_207_000,
        attributes: vec![attribute("http.route", string("/items")), attribute("network.peer.port", int(9000))],
        dropped_attributes_count: 1,
        events: vec![
            Event { time_unix_nano: 1_472_470_996_199_100_000, name: "plain".into(), ..Event::default() },
            Event {
                time_unix_nano: 1_472_470_996_199_200_000,
                name: "exception".into(),
                attributes: vec![
                    attribute("escaped", bool(true)),
                    attribute("list", from_json(serde_json::json!(["x", 1, {"y": null}]))),
                    attribute("ratio", double(0.5)),
                ],
                dropped_attributes_count: 2,
            },
        ],
        dropped_events_count: 3,
        links: vec![Link {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            trace_state: "c=d".into(),
            attributes: vec![attribute("k", string("v|{w"))],
            ..Link::default()
        }],
        dropped_links_count: 4,
        status: Some(Status { code: StatusCode::Error.into(), message: "out of stock".into() }),
        ..bare()
    };
    let scope = InstrumentationScope { name: "shop".into(), version: "1.2".into(), ..InstrumentationScope::default() };
    let attributes = vec![attribute("host.name", string("web-1")), attribute("service.name", string("catalog"))];
    let resource = Resource { attributes, ..Resource::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

#[test]
fn everything_has_a_place() {
    let read: serde_json::Value = serde_json::from_slice(&to_json(&from_otlp(&full(), "").spans).unwrap()).unwrap();
    insta::assert_json_snapshot!(read);
}

#[test]
fn everything_comes_back() {
    let spans = from_otlp(&full(), "").spans;
    assert_eq!(request(&translated(Format::JsonV2, to_json(&spans).unwrap())), full());
    assert_eq!(request(&translated(Format::ProtobufV2, crate::to_protobuf(&spans))), full());
}

#[test]
fn a_service_without_a_name_has_the_next_best_or_the_default() {
    let of = |attributes: &[(&str, &str)], default: &str| {
        let attributes = attributes.iter().map(|(key, value)| attribute(*key, string(*value))).collect();
        let resource = Resource { attributes, ..Resource::default() };
        let span = span_from_otlp(&resource, &InstrumentationScope::default(), &bare(), default).unwrap();
        let source = span.tags.get("otlp.service.name.source").map(str::to_owned);
        (span.local_endpoint.map(|endpoint| endpoint.service_name.into_owned()), source)
    };
    assert_eq!(of(&[("service.name", "a"), ("faas.name", "b")], "x"), (Some("a".into()), None));
    let substitute = of(&[("process.executable.name", "c"), ("k8s.deployment.name", "b")], "x");
    assert_eq!(substitute, (Some("b".into()), Some("k8s.deployment.name".into())));
    assert_eq!(of(&[("host.name", "h")], "x"), (Some("x".into()), None));
    assert_eq!(of(&[], ""), (None, None));
}

#[test]
fn the_other_side_is_named_by_the_specifications_ranks() {
    let remote = |kind, attributes: &[(&str, &str)]| with_attributes(kind, attributes).remote_endpoint;
    let named =
        |service_name: &'static str| Some(Endpoint { service_name: service_name.into(), ..Endpoint::default() });
    let database = [("db.name", "orders"), ("server.address", "db.example")];
    assert_eq!(remote(SpanKind::Client, &database), named("db.example"));
    assert_eq!(remote(SpanKind::Server, &database), None);
    assert_eq!(remote(SpanKind::Server, &[("service.peer.name", "web")]), named("web"));
    let span = with_attributes(SpanKind::Client, &[("server.address", "db.example"), ("peer.service", "db")]);
    assert_eq!(
        (span.remote_endpoint.as_ref(), tags(&span)),
        (named("db").as_ref(), vec![("server.address", "db.example")])
    );
}

#[test]
fn addresses_of_all_names_are_read_and_what_is_none_stays_a_tag() {
    let span = with_attributes(
        SpanKind::Server,
        &[
            ("network.peer.address", "10.0.0.1"),
            ("net.peer.ip", "::1"),
            ("net.sock.peer.addr", "10.0.0.2"),
            ("net.peer.port", "80"),
            ("network.peer.port", "x"),
            ("net.host.ip", "/var/run/socket"),
        ],
    );
    let expected = Endpoint {
        ipv4: Some([10, 0, 0, 1].into()),
        ipv6: Some(std::net::Ipv6Addr::LOCALHOST),
        port: 80,
        ..Endpoint::default()
    };
    assert_eq!((span.remote_endpoint.as_ref(), span.local_endpoint.as_ref()), (Some(&expected), None));
    let left = [("net.host.ip", "/var/run/socket"), ("net.sock.peer.addr", "10.0.0.2"), ("network.peer.port", "x")];
    assert_eq!(tags(&span), left);
}

#[test]
fn only_failures_have_the_tag_error() {
    let of = |status: Option<Status>| {
        let span = OtlpSpan { status, attributes: vec![attribute("error", bool(false))], ..bare() };
        let span = span_from_otlp(&Resource::default(), &InstrumentationScope::default(), &span, "").unwrap();
        span.tags.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect::<Vec<_>>()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(of(None), []);
    assert_eq!(
        of(Some(Status { code: StatusCode::Ok.into(), message: String::new() })),
        [pair("otel.status_code", "OK")]
    );
    let failed = |message: &str| of(Some(Status { code: StatusCode::Error.into(), message: message.to_owned() }));
    assert_eq!(failed(""), [pair("error", "true"), pair("otel.status_code", "ERROR")]);
    assert_eq!(failed("no"), [pair("error", "no"), pair("otel.status_code", "ERROR")]);
    let code = pair("otel.status_code", "ERROR");
    assert_eq!(failed("false"), [pair("error", "true"), code, pair("otel.status_description", "false")]);
}

#[test]
fn values_become_text_and_the_spans_own_win() {
    let scope_attributes = vec![attribute("a", string("scope")), attribute("b", string("scope"))];
    let scope = InstrumentationScope { attributes: scope_attributes, ..InstrumentationScope::default() };
    let attributes = vec![
        attribute("a", string("span")),
        attribute("bytes", bytes(vec![1])),
        attribute("double", double(2.0)),
        attribute("list", from_json(serde_json::json!([1, "x"]))),
    ];
    let span = OtlpSpan { attributes, ..bare() };
    let span = span_from_otlp(&Resource::default(), &scope, &span, "").unwrap();
    assert_eq!(
        tags(&span),
        [("a", "span"), ("b", "scope"), ("bytes", "AQ=="), ("double", "2.0"), ("list", r#"[1,"x"]"#)]
    );
}

#[test]
fn short_spans_take_a_microsecond_and_open_ones_have_no_duration() {
    let of = |start: u64, end: u64| {
        let span = OtlpSpan { start_time_unix_nano: start, end_time_unix_nano: end, ..bare() };
        let span = span_from_otlp(&Resource::default(), &InstrumentationScope::default(), &span, "").unwrap();
        (span.timestamp, span.duration)
    };
    assert_eq!(of(5_000, 5_001), (Some(5), Some(1)));
    assert_eq!(of(5_000, 7_600), (Some(5), Some(3)));
    assert_eq!(of(5_000, 5_000), (Some(5), None));
    assert_eq!(of(5_000, 0), (Some(5), None));
    assert_eq!(of(0, 0), (None, None));
}

#[test]
fn spans_without_ids_are_named() {
    let mut request = full();
    let spans = &mut request.resource_spans[0].scope_spans[0].spans;
    spans.push(OtlpSpan { trace_id: vec![0; 16], ..bare() });
    spans.push(OtlpSpan { span_id: vec![1], ..bare() });
    let result = from_otlp(&request, "");
    assert_eq!(result.spans.len(), 1);
    insta::assert_snapshot!(result.rejected.message().unwrap(), @"2 spans cannot be taken: resource_spans[0].scope_spans[0].spans[1].trace_id: is zero; resource_spans[0].scope_spans[0].spans[2].span_id: has 1 bytes instead of 8");
}
