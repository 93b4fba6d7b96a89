//! Spans of version 1, in JSON and in thrift.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::thrift_body::{Thrift, annotation, binary_annotation, body, endpoint};
use super::*;
use crate::any_value::{bool, bytes, double, int, string};

/// A call of which both sides are in one span, as storages kept it.
const CALL: &str = r#"[{
    "traceId": "bd7a977555f6b982", "name": "get", "parentId": "0000000000000001", "id": "ebf33e1a81dc6f71",
    "timestamp": 1458702548467000, "duration": 386000, "debug": true,
    "annotations": [
        {"endpoint": {"serviceName": "zipkin-query", "ipv4": "192.168.1.2", "port": 9411}, "timestamp": 1458702548478000, "value": "sr"},
        {"endpoint": {"serviceName": "web", "ipv4": "192.168.1.1"}, "timestamp": 1458702548467000, "value": "cs"},
        {"endpoint": {"serviceName": "zipkin-query", "ipv4": "192.168.1.2"}, "timestamp": 1458702548480000, "value": "cache miss"},
        {"endpoint": {"serviceName": "web", "ipv4": "192.168.1.1"}, "timestamp": 1458702548470000, "value": "sent"},
        {"endpoint": {"serviceName": "zipkin-query", "ipv4": "192.168.1.2", "port": 9411}, "timestamp": 1458702548800000, "value": "ss"},
        {"endpoint": {"serviceName": "web", "ipv4": "192.168.1.1"}, "timestamp": 1458702548853000, "value": "cr"}
    ],
    "binaryAnnotations": [
        {"key": "sa", "value": true, "endpoint": {"serviceName": "zipkin-query", "ipv4": "192.168.1.2", "port": 9411}},
        {"key": "ca", "value": true, "endpoint": {"serviceName": "web", "ipv4": "192.168.1.1"}},
        {"key": "http.path", "value": "/api", "endpoint": {"serviceName": "web"}},
        {"key": "rows", "value": 7, "endpoint": {"serviceName": "zipkin-query"}}
    ]
}]"#;

fn call_in_thrift() -> Vec<u8> {
    let web = || endpoint("web", i32::from_be_bytes([192, 168, 1, 1]), 0);
    let query = |port| endpoint("zipkin-query", i32::from_be_bytes([192, 168, 1, 2]), port);
    let annotations = vec![
        annotation(1_458_702_548_478_000, "sr", query(9411)),
        annotation(1_458_702_548_467_000, "cs", web()),
        annotation(1_458_702_548_480_000, "cache miss", query(0)),
        annotation(1_458_702_548_470_000, "sent", web()),
        annotation(1_458_702_548_800_000, "ss", query(9411)),
        annotation(1_458_702_548_853_000, "cr", web()),
    ];
    let binary = vec![
        binary_annotation("sa", &[1], 0, Some(query(9411))),
        binary_annotation("ca", &[1], 0, Some(web())),
        binary_annotation("http.path", b"/api", 6, Some(endpoint("web", 0, 0))),
        binary_annotation("rows", &7_i32.to_be_bytes(), 3, Some(endpoint("zipkin-query", 0, 0))),
    ];
    body(vec![Thrift::Struct(vec![
        (1, Thrift::I64(0xbd7a_9775_55f6_b982_u64 as i64)),
        (3, "get".into()),
        (4, Thrift::I64(0xebf3_3e1a_81dc_6f71_u64 as i64)),
        (5, Thrift::I64(1)),
        (6, Thrift::List(annotations)),
        (8, Thrift::List(binary)),
        (9, Thrift::Bool(true)),
        (10, Thrift::I64(1_458_702_548_467_000)),
        (11, Thrift::I64(386_000)),
        // A field of the future.
        (99, Thrift::List(vec![Thrift::Struct(vec![(1, "x".into())])])),
    ])])
}

/// Of a span with the annotations and binary annotations.
fn spans_of(annotations: &str, binary_annotations: &str) -> (Vec<OtlpSpan>, Vec<Vec<(String, String)>>) {
    let body = format!(
        r#"[{{"traceId": "1", "id": "2", "name": "n", "annotations": {annotations}, "binaryAnnotations": {binary_annotations}}}]"#
    );
    let request = request(&translated(Format::JsonV1, body));
    (spans(&request), resources(&request))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn both_sides_of_a_call_are_spans() {
    let translated = translated(Format::JsonV1, CALL);
    assert_eq!(translated.spans, 2);
    insta::assert_json_snapshot!(otlp_json(&translated));
}

#[test]
fn thrift_says_the_same() {
    assert_eq!(translated(Format::ThriftV1, call_in_thrift()), translated(Format::JsonV1, CALL));
}

#[test]
fn thrift_has_long_trace_ids_and_types() {
    let ipv6 = std::net::Ipv6Addr::LOCALHOST.octets().to_vec();
    let host = Thrift::Struct(vec![(2, Thrift::I16(-1)), (3, "a".into()), (4, Thrift::Bytes(ipv6))]);
    let binary = [
        ("bool", vec![1], 0),
        ("bytes", vec![0xff, 0], 1),
        ("i16", (-2_i16).to_be_bytes().to_vec(), 2),
        ("i32", (-3_i32).to_be_bytes().to_vec(), 3),
        ("i64", (-4_i64).to_be_bytes().to_vec(), 4),
        ("double", 0.5_f64.to_be_bytes().to_vec(), 5),
        ("string", b"7".to_vec(), 6),
        ("short", vec![1], 4),
        ("not utf8", vec![0xff], 6),
        ("unknown", vec![1], 9),
    ];
    let binary = binary.iter().map(|(key, value, kind)| binary_annotation(key, value, *kind, None)).collect();
    let body = body(vec![Thrift::Struct(vec![
        (1, Thrift::I64(2)),
        (12, Thrift::I64(1)),
        (4, Thrift::I64(3)),
        (6, Thrift::List(vec![annotation(5, "sr", host)])),
        (8, Thrift::List(binary)),
    ])]);
    let options = Options { parse_string_tags: true, received: RECEIVED };
    let request = request(&translate(Format::ThriftV1, &body, &options).unwrap());
    let span = spans(&request).remove(0);
    assert_eq!(span.trace_id, ((1_u128 << 64) | 2).to_be_bytes());
    assert_eq!((span.kind(), span.start_time_unix_nano), (SpanKind::Server, 5000));
    let values: Vec<_> = span.attributes.into_iter().map(|a| (a.key, a.value.unwrap())).collect();
    let expected = [
        ("bool", bool(true)),
        ("bytes", bytes(vec![0xff, 0])),
        ("double", double(0.5)),
        ("i16", int(-2)),
        ("i32", int(-3)),
        ("i64", int(-4)),
        ("network.local.address", string("::1")),
        ("network.local.port", int(65535)),
        ("not utf8", bytes(vec![0xff])),
        ("short", bytes(vec![1])),
        ("string", int(7)),
        ("unknown", bytes(vec![1])),
    ];
    assert_eq!(values, expected.map(|(key, value)| (key.to_owned(), value)));
}

#[test]
fn one_side_of_a_call_is_one_span() {
    let (spans, resources) = spans_of(
        r#"[{"timestamp": 10, "value": "sr", "endpoint": {"serviceName": "a", "port": 80}},
            {"timestamp": 30, "value": "ss", "endpoint": {"serviceName": "a", "port": 80}}]"#,
        r#"[{"key": "ca", "value": true, "endpoint": {"serviceName": "web", "ipv4": "10.0.0.1"}}]"#,
    );
    assert_eq!((spans.len(), spans[0].kind()), (1, SpanKind::Server));
    assert_eq!((spans[0].start_time_unix_nano, spans[0].end_time_unix_nano), (10_000, 30_000));
    let expected = [("network.local.port", "80"), ("network.peer.address", "10.0.0.1"), ("peer.service", "web")];
    assert_eq!(texts(&spans[0].attributes), pairs(&expected));
    assert_eq!((resources, spans[0].events.len()), (vec![pairs(&[("service.name", "a")])], 0));
}

#[test]
fn what_times_do_not_say_stays_an_event() {
    let (spans, _) = spans_of(r#"[{"timestamp": 30, "value": "cr"}]"#, "[]");
    assert_eq!((spans[0].kind(), spans[0].start_time_unix_nano), (SpanKind::Client, 30_000));
    assert_eq!(spans[0].events[0].name, "cr");
    let body = r#"[{"traceId": "1", "id": "2", "timestamp": 9, "duration": 5,
        "annotations": [{"timestamp": 9, "value": "cs"}, {"timestamp": 13, "value": "cr"}, {"timestamp": 15, "value": "cs"}]}]"#;
    let span = super::spans(&request(&translated(Format::JsonV1, body))).remove(0);
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (9000, 14_000));
    assert_eq!(span.events.iter().map(|event| event.time_unix_nano).collect::<Vec<_>>(), [15_000]);
    let (spans, _) = spans_of(r#"[{"timestamp": 7, "value": "ms"}, {"timestamp": 8, "value": "ms"}]"#, "[]");
    assert_eq!((spans[0].start_time_unix_nano, spans[0].events[0].time_unix_nano), (7000, 8000));
}

#[test]
fn a_side_without_an_endpoint_does_not_get_the_others() {
    let (_, resources) = spans_of(
        r#"[{"timestamp": 10, "value": "cs"}, {"timestamp": 20, "value": "sr", "endpoint": {"serviceName": "b"}}]"#,
        "[]",
    );
    assert_eq!(resources, [vec![], pairs(&[("service.name", "b")])]);
}

#[test]
fn messages_have_producers_and_consumers() {
    let (spans, _) = spans_of(
        r#"[{"timestamp": 10, "value": "ms", "endpoint": {"serviceName": "a"}},
            {"timestamp": 20, "value": "mr", "endpoint": {"serviceName": "b"}}]"#,
        r#"[{"key": "ma", "value": true, "endpoint": {"serviceName": "broker"}}]"#,
    );
    assert_eq!(spans.iter().map(OtlpSpan::kind).collect::<Vec<_>>(), [SpanKind::Producer, SpanKind::Consumer]);
    assert_eq!(texts(&spans[0].attributes), pairs(&[("peer.service", "broker")]));
    assert!(texts(&spans[1].attributes).contains(&("otel.zipkin.shared".into(), "true".into())));
}

#[test]
fn the_other_side_alone_tells_the_kind() {
    for (key, kind) in [("sa", SpanKind::Client), ("ca", SpanKind::Server), ("ma", SpanKind::Producer)] {
        let binary = format!(r#"[{{"key": "{key}", "value": true, "endpoint": {{"serviceName": "db"}}}}]"#);
        let (spans, resources) = spans_of("[]", &binary);
        assert_eq!((spans[0].kind(), resources), (kind, vec![vec![]]), "{key}");
        assert_eq!(texts(&spans[0].attributes)[1], ("peer.service".to_owned(), "db".to_owned()));
    }
    // Text, or nobody: a tag like others.
    let (spans, _) = spans_of("[]", r#"[{"key": "sa", "value": "x"}, {"key": "ca", "value": true}]"#);
    assert_eq!(texts(&spans[0].attributes)[..1], pairs(&[("ca", "true")]));
    assert_eq!((spans[0].kind(), texts(&spans[0].attributes)[2].1.as_str()), (SpanKind::Unspecified, "x"));
}

#[test]
fn local_work_has_a_component() {
    let (spans, resources) =
        spans_of("[]", r#"[{"key": "lc", "value": "archiver", "endpoint": {"serviceName": "a", "ipv4": "10.0.0.1"}}]"#);
    assert_eq!(resources, [pairs(&[("service.name", "a")])]);
    assert_eq!(texts(&spans[0].attributes)[0], ("component".to_owned(), "archiver".to_owned()));
    let (_, resources) = spans_of("[]", r#"[{"key": "lc", "value": "archiver"}]"#);
    assert_eq!(resources, [pairs(&[("service.name", "archiver")])]);
}

#[test]
fn binary_annotations_have_types_in_json() {
    let (spans, _) = spans_of(
        r#"[{"timestamp": 1, "value": "cs"}]"#,
        r#"[{"key": "a", "value": "7", "type": "I64"}, {"key": "b", "value": "AQ==", "type": "BYTES"},
            {"key": "c", "value": "0.5", "type": "DOUBLE"}, {"key": "d", "value": "x", "type": "I16"},
            {"key": "e", "value": "7"}, {"key": "f", "value": 1.5}, {"key": "g", "value": false}]"#,
    );
    let values: Vec<_> = spans[0].attributes.iter().map(|attribute| attribute.value.clone().unwrap()).collect();
    let expected = [int(7), bytes(vec![1]), double(0.5), string("x"), string("7"), double(1.5), bool(false)];
    assert_eq!(values, expected);
}
