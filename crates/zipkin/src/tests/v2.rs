//! Spans of version 2 as OpenTelemetry sees them.

use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::*;
use crate::any_value::{bool, double, int, string};
use crate::json;

const CLIENT: &str = r#"[{
    "traceId": "4d1e00c0db9010db86154a4ba6e91385", "parentId": "86154a4ba6e91385", "id": "4d1e00c0db9010db",
    "kind": "CLIENT", "name": "get", "timestamp": 1472470996199000, "duration": 207000,
    "localEndpoint": {"serviceName": "frontend", "ipv6": "2001:db8::c001"},
    "remoteEndpoint": {"serviceName": "backend", "ipv4": "192.168.99.101", "port": 9000},
    "annotations": [{"timestamp": 1472470996238000, "value": "foo"},
                    {"timestamp": 1472470996403000, "value": "retry|{\"attempt\":2}|1"}],
    "tags": {"http.path": "/api", "host.name": "web-1", "otel.library.name": "brave", "otel.library.version": "6",
             "w3c.tracestate": "a=b", "otlp.link.0": "4fd0b6131f19f39af59518d127b0cafe|0000000000000456|c=d|{\"k\":\"v\"}|1",
             "otel.dropped_events_count": "4"}
}]"#;

/// The attributes and the status of a span with the tags.
fn of_tags(tags: &str) -> (Vec<(String, String)>, Status) {
    let body = format!(r#"[{{"traceId": "1", "id": "2", "timestamp": 1, "tags": {tags}}}]"#);
    let span = spans(&request(&translated(Format::JsonV2, body))).remove(0);
    (texts(&span.attributes), span.status.unwrap_or_default())
}

/// The only span of a JSON list.
fn one(body: &str) -> OtlpSpan {
    let mut spans = spans(&request(&translated(Format::JsonV2, body)));
    assert_eq!(spans.len(), 1);
    spans.remove(0)
}

#[test]
fn a_client_span_is_one_of_opentelemetry() {
    insta::assert_json_snapshot!(otlp_json(&translated(Format::JsonV2, CLIENT)));
}

#[test]
fn protobuf_says_the_same() {
    let mut read = Vec::new();
    json::read(CLIENT.as_bytes(), |span| read.push(owned(span.unwrap()))).unwrap();
    assert_eq!(translated(Format::ProtobufV2, crate::to_protobuf(&read)), translated(Format::JsonV2, CLIENT));
}

#[test]
fn ids_are_padded_and_zero_is_no_parent() {
    let span = one(r#"[{"traceId": "86154a4ba6e91385", "parentId": "0", "id": "1"}]"#);
    assert_eq!(span.trace_id, 0x8615_4a4b_a6e9_1385_u128.to_be_bytes());
    assert_eq!((span.span_id, span.parent_span_id), (1_u64.to_be_bytes().to_vec(), vec![]));
    let own_parent = one(r#"[{"traceId": "1", "parentId": "2", "id": "2"}]"#);
    assert!(own_parent.parent_span_id.is_empty());
}

#[test]
fn shared_and_debug_are_not_lost() {
    let body = r#"[{"traceId": "1", "id": "2", "kind": "CLIENT", "timestamp": 5},
                   {"traceId": "1", "id": "2", "kind": "SERVER", "timestamp": 6, "shared": true, "debug": true}]"#;
    let spans = spans(&request(&translated(Format::JsonV2, body)));
    assert_eq!(texts(&spans[0].attributes), []);
    let flags = [("otel.zipkin.debug", "true"), ("otel.zipkin.shared", "true")];
    assert_eq!(texts(&spans[1].attributes), flags.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(spans[0].span_id, spans[1].span_id);
}

#[test]
fn without_a_timestamp_a_span_begins_with_its_annotations_or_when_it_came() {
    let span = one(r#"[{"traceId": "1", "id": "2", "duration": 3,
        "annotations": [{"timestamp": 9, "value": "b"}, {"timestamp": 7, "value": "a"}]}]"#);
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (7000, 10_000));
    assert_eq!(texts(&span.attributes), [("otel.zipkin.absentField.startTime".to_owned(), "true".to_owned())]);
    let span = one(r#"[{"traceId": "1", "id": "2", "timestamp": 0, "duration": null}]"#);
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (RECEIVED, RECEIVED));
}

#[test]
fn whoever_has_the_same_resource_and_scope_stands_together() {
    let span = |id: u32, service: &str, tags: &str| {
        format!(r#"{{"traceId": "1", "id": "{id}", "localEndpoint": {{"serviceName": "{service}"}}, "tags": {tags}}}"#)
    };
    let body = [
        span(1, "a", r#"{"host.name": "x"}"#),
        span(2, "b", "{}"),
        span(3, "a", r#"{"host.name": "x", "otel.scope.name": "s"}"#),
        span(4, "a", r#"{"host.name": "y"}"#),
        span(5, "b", "{}"),
        span(6, "", "{}"),
        span(7, "OTLPResourceNoServiceName", "{}"),
    ];
    let request = request(&translated(Format::JsonV2, format!("[{}]", body.join(","))));
    let ids: Vec<Vec<Vec<u8>>> = request
        .resource_spans
        .iter()
        .map(|resource| {
            let scopes = resource.scope_spans.iter();
            scopes.map(|scope| scope.spans.iter().map(|span| span.span_id[7]).collect()).collect()
        })
        .collect();
    assert_eq!(ids, [vec![vec![1], vec![3]], vec![vec![2, 5]], vec![vec![4]], vec![vec![6, 7]]]);
    let resources = resources(&request);
    assert_eq!(resources[0][0], ("host.name".to_owned(), "x".to_owned()));
    assert_eq!(resources[0][1], ("service.name".to_owned(), "a".to_owned()));
    assert!(resources[3].is_empty());
}

#[test]
fn the_name_of_a_service_goes_back_to_where_it_came_from() {
    let of = |tags: &str| {
        let body =
            format!(r#"[{{"traceId": "1", "id": "2", "localEndpoint": {{"serviceName": "a"}}, "tags": {tags}}}]"#);
        let request = request(&translated(Format::JsonV2, body));
        (resources(&request).remove(0), texts(&spans(&request)[0].attributes)[..].first().cloned())
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(of(r#"{"otlp.service.name.source": "faas.name"}"#).0, [pair("faas.name", "a")]);
    let (resource, attribute) = of(r#"{"service.name": "b"}"#);
    assert_eq!(
        (resource, attribute),
        (vec![pair("service.name", "a")], Some(pair("otel.zipkin.absentField.startTime", "true")))
    );
}

#[test]
fn kinds_have_their_names() {
    let kind = |json: &str| one(&format!(r#"[{{"traceId": "1", "id": "2", "timestamp": 1, {json}}}]"#));
    for (json, expected) in [
        (r#""kind": "SERVER""#, SpanKind::Server),
        (r#""kind": "producer""#, SpanKind::Producer),
        (r#""kind": "CONSUMER""#, SpanKind::Consumer),
        (r#""kind": "INTERNAL""#, SpanKind::Internal),
        (r#""kind": null, "tags": {"span.kind": "internal"}"#, SpanKind::Internal),
        (r#""tags": {"span.kind": "client"}"#, SpanKind::Client),
        (r#""kind": """#, SpanKind::Unspecified),
    ] {
        let span = kind(json);
        assert_eq!((span.kind(), span.attributes.len()), (expected, 0), "{json}");
    }
    let unknown = kind(r#""kind": "PEER""#);
    assert_eq!(unknown.kind(), SpanKind::Unspecified);
    assert_eq!(texts(&unknown.attributes), [("span.kind".to_owned(), "peer".to_owned())]);
}

#[test]
fn an_error_is_a_status() {
    let status = |code: StatusCode, message: &str| Status { message: message.to_owned(), code: code.into() };
    for (tags, expected) in [
        ("{}", Status::default()),
        (r#"{"error": "true"}"#, status(StatusCode::Error, "")),
        (r#"{"error": ""}"#, status(StatusCode::Error, "")),
        (r#"{"error": "timed out"}"#, status(StatusCode::Error, "timed out")),
        (r#"{"error": true}"#, status(StatusCode::Error, "")),
        (r#"{"otel.status_code": "OK"}"#, status(StatusCode::Ok, "")),
        (r#"{"otel.status_code": "Error", "otel.status_description": "no"}"#, status(StatusCode::Error, "no")),
        (r#"{"otel.status_code": "STATUS_CODE_ERROR", "error": "no"}"#, status(StatusCode::Error, "no")),
        (
            r#"{"otel.status_code": "ERROR", "otel.status_description": "no", "error": "true"}"#,
            status(StatusCode::Error, "no"),
        ),
    ] {
        assert_eq!(of_tags(tags), (vec![], expected), "{tags}");
    }
    let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    assert_eq!(of_tags(r#"{"error": "false"}"#), (pair("error", "false"), Status::default()));
    assert_eq!(of_tags(r#"{"otel.status_code": "odd"}"#), (pair("otel.status_code", "odd"), Status::default()));
    let both = of_tags(r#"{"error": "a", "otel.status_code": "ERROR", "otel.status_description": "b"}"#);
    assert_eq!(both, (pair("error", "a"), status(StatusCode::Error, "b")));
}

#[test]
fn tags_are_parsed_where_it_is_asked_for() {
    let body = r#"[{"traceId": "1", "id": "2", "timestamp": 1,
        "tags": {"a": "7", "b": "1.5", "c": "true", "d": "x", "e": 7}}]"#;
    let values = |parse_string_tags| {
        let options = Options { parse_string_tags, received: RECEIVED };
        let request = request(&translate(Format::JsonV2, body.as_bytes(), &options).unwrap());
        let attributes = spans(&request).remove(0).attributes;
        attributes.into_iter().map(|attribute| attribute.value.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(values(true), [int(7), double(1.5), bool(true), string("x"), int(7)]);
    assert_eq!(values(false), ["7", "1.5", "true", "x", "7"].map(string));
}

#[test]
fn endpoints_keep_both_addresses() {
    let span = one(r#"[{"traceId": "1", "id": "2", "timestamp": 1,
        "localEndpoint": {"serviceName": "a", "ipv4": "10.0.0.1", "ipv6": "::1", "port": 80},
        "remoteEndpoint": {"ipv6": "::ffff:10.0.0.2", "ipv4": "not-an-address"}}]"#);
    let expected = [
        ("net.host.ip", "::1"),
        ("network.local.address", "10.0.0.1"),
        ("network.local.port", "80"),
        ("network.peer.address", "10.0.0.2"),
    ];
    assert_eq!(texts(&span.attributes), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn links_that_are_none_stay_tags() {
    let link = r#"4fd0b6131f19f39af59518d127b0cafe|0000000000000456||{}|0"#;
    let span = one(&format!(
        r#"[{{"traceId": "1", "id": "2", "timestamp": 1, "tags": {{"otlp.link.0": "x", "otlp.link.1": "{link}"}}}}]"#
    ));
    assert_eq!(span.links.len(), 1);
    assert_eq!(texts(&span.attributes), [("otlp.link.0".to_owned(), "x".to_owned())]);
}
