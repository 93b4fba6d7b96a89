//! Bad spans cost only themselves, and errors name the place.

use super::thrift_body::{Thrift, annotation, body, endpoint};
use super::*;
use crate::Unreadable;

fn message(format: Format, body: impl AsRef<[u8]>) -> (u64, String) {
    let translated = translated(format, body);
    (translated.spans, translated.rejected.message().unwrap_or_default())
}

fn unreadable(format: Format, body: impl AsRef<[u8]>) -> String {
    let error: Unreadable = translate(format, body.as_ref(), &Options::default()).unwrap_err();
    error.to_string()
}

#[test]
fn places_in_json() {
    for (span, expected) in [
        ("7", "[1]: is a number instead of an object"),
        ("{}", "[1].traceId: is missing"),
        (r#"{"traceId": "0", "id": "1"}"#, "[1].traceId: is zero"),
        (r#"{"traceId": "g", "id": "1"}"#, "[1].traceId: \"g\" is not hexadecimal"),
        (r#"{"traceId": "1"}"#, "[1].id: is missing or zero"),
        (
            r#"{"traceId": "1", "id": "00000000000000001"}"#,
            "[1].id: has 17 characters instead of at most 16 hexadecimal digits",
        ),
        (r#"{"traceId": "1", "id": "1", "parentId": "-"}"#, "[1].parentId: \"-\" is not hexadecimal"),
        (r#"{"traceId": "1", "id": "1", "timestamp": -1}"#, "[1].timestamp: -1 is not a number of 0 or more"),
        (
            r#"{"traceId": "1", "id": "1", "timestamp": 9223372036854776}"#,
            "[1].timestamp: 9223372036854776 µs are beyond the year 2262, the last that can be told in nanoseconds",
        ),
        (
            r#"{"traceId": "1", "id": "1", "timestamp": 9223372036854775, "duration": 1}"#,
            "[1].duration: the span ends beyond the year 2262",
        ),
        (
            r#"{"traceId": "1", "id": "1", "localEndpoint": {"port": 65536}}"#,
            "[1].localEndpoint.port: 65536 is above 65535",
        ),
        (r#"{"traceId": "1", "id": "1", "annotations": {}}"#, "[1].annotations: is an object instead of a list"),
        (
            r#"{"traceId": "1", "id": "1", "annotations": [{"timestamp": 1, "value": "a"}, {"timestamp": "x", "value": "b"}]}"#,
            "[1].annotations[1].timestamp: \"x\" is not a number of 0 or more",
        ),
        (r#"{"traceId": "1", "id": "1", "tags": {"a": {}}}"#, "[1].tags[\"a\"]: is an object instead of text"),
        (r#"{"traceId": "1", "id": "1", "shared": 1}"#, "[1].shared: is a number instead of true or false"),
    ] {
        let body = format!(r#"[{{"traceId": "1", "id": "1"}}, {span}, {{"traceId": "1", "id": "2"}}]"#);
        assert_eq!(message(Format::JsonV2, body), (2, format!("1 span cannot be taken: {expected}")));
    }
    let deep = format!("[{}{}, {{\"traceId\": \"1\", \"id\": \"2\"}}]", "[".repeat(500), "]".repeat(500));
    let (spans, reason) = message(Format::JsonV2, deep);
    assert!(spans == 1 && reason.contains("[0]: recursion limit exceeded"), "{reason}");
    let v1 = r#"[{"traceId": "1", "id": "1", "binaryAnnotations": [{"key": "a", "value": []}]}]"#;
    let expected = "1 span cannot be taken: [0].binaryAnnotations[0].value: is a list instead of text";
    assert_eq!(message(Format::JsonV1, v1), (0, expected.to_owned()));
}

/// That it is JSON is enough for the others to be taken.
#[test]
fn what_is_json_and_cannot_be_read_costs_only_itself() {
    let span = |id: u32, name: &str| format!(r#"{{"traceId": "1", "id": "{id}", "name": {name}}}"#);
    let spans = [span(1, "\"a\""), span(2, r#""\ud800""#), span(3, "\"b\""), span(4, "1e999"), span(5, "\"c\"")];
    let translated = translated(Format::JsonV2, format!("[{}]", spans.join(",")));
    let ids: Vec<u8> = super::spans(&request(&translated)).iter().map(|span| span.span_id[7]).collect();
    assert_eq!(ids, [1, 3, 5]);
    insta::assert_snapshot!(translated.rejected.message().unwrap(), @"2 spans cannot be taken: [1]: unexpected end of hex escape at line 1 column 44; [3]: number out of range at line 1 column 41");
    let mut bytes = format!("[{}, {}]", span(1, "\"a\""), span(2, "\"?\"")).into_bytes();
    let place = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[place] = 0xff;
    let reason = unreadable(Format::JsonV2, bytes);
    assert!(reason.contains("invalid unicode code point at line 1 column"), "{reason}");
}

#[test]
fn only_the_first_problems_are_told() {
    let body = format!("[{}]", vec!["1"; 100].join(","));
    let (spans, reason) = message(Format::JsonV2, body);
    assert_eq!(spans, 0);
    assert!(reason.starts_with("100 spans cannot be taken: [0]: is a number"), "{reason}");
    assert!(reason.ends_with("[4]: is a number instead of an object; …"), "{reason}");
}

#[test]
fn what_is_no_list_is_refused_as_a_whole() {
    for (body, expected) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{}", "invalid type: map, expected a list of spans at line 1 column 0"),
        ("[{\"traceId\": \"1\", \"id\": \"1\"}, {]", "key must be a string at line 1 column 32"),
        ("[] x", "trailing characters at line 1 column 4"),
    ] {
        let prefix = "the body is not a list of spans in Zipkin's JSON (v2): ";
        assert_eq!(unreadable(Format::JsonV2, body), format!("{prefix}{expected}"));
    }
    assert_eq!(translated(Format::JsonV2, "[]"), Translated::default());
}

#[test]
fn places_in_protobuf() {
    // Fields of spans: trace_id = 1, id = 3, name = 5, local_endpoint = 8.
    let id = |number: u8, id: &[u8]| [&[number << 3 | 2, id.len() as u8], id].concat();
    let good = [id(1, &[1; 8]), id(3, &[2; 8])].concat();
    let list = |spans: &[&[u8]]| spans.iter().flat_map(|span| id(1, span)).collect::<Vec<u8>>();
    for (span, expected) in [
        (vec![], "[1].trace_id: is missing"),
        ([id(1, &[1; 7]), id(3, &[2; 8])].concat(), "[1].trace_id: has 7 bytes instead of 16 or 8"),
        (id(1, &[1; 16]), "[1].id: is missing or zero"),
        ([id(1, &[1; 16]), id(3, &[2; 9])].concat(), "[1].id: has 9 bytes instead of 8"),
        ([good.clone(), id(8, &id(2, &[1; 5]))].concat(), "[1].local_endpoint.ipv4: has 5 bytes instead of 4 or 16"),
        (
            [good.clone(), id(8, &[0x20, 0x80, 0x80, 0x04])].concat(),
            "[1].local_endpoint.port: 65536 is not between 0 and 65535",
        ),
        ([good.clone(), id(5, &[0xff])].concat(), "[1].name: is not UTF-8"),
        ([good.clone(), id(8, &id(1, &[0xff]))].concat(), "[1].local_endpoint.service_name: is not UTF-8"),
        ([good.clone(), id(10, &[]), id(10, &id(2, &[0xff]))].concat(), "[1].annotations[1].value: is not UTF-8"),
        ([good.clone(), id(11, &id(2, &[0xff]))].concat(), "[1].tags.value: is not UTF-8"),
        // Within a span, lengths that lie and fields of other types.
        (
            [good.clone(), vec![0x5a, 3, 0x0a, 2, b'k']].concat(),
            "[1].tags: malformed protobuf at byte 48: the message ends before its announced length",
        ),
        (
            [good.clone(), vec![0x28, 1]].concat(),
            "[1]: malformed protobuf at byte 44: field 5 must be length-delimited, found a varint",
        ),
    ] {
        let body = list(&[&good, &span, &good]);
        assert_eq!(message(Format::ProtobufV2, body), (2, format!("1 span cannot be taken: {expected}")));
    }
    let mut cut = list(&[&good]);
    cut.pop();
    let expected = "the body is not a list of spans in Zipkin's protobuf: malformed protobuf at byte 2: the message ends before its announced length";
    assert_eq!(unreadable(Format::ProtobufV2, cut), expected);
    let error = unreadable(Format::ProtobufV2, [8, 1]);
    assert!(error.contains("field 1 must be"), "{error}");
}

#[test]
fn places_in_thrift() {
    let span =
        |fields: Vec<(i16, Thrift)>| Thrift::Struct([vec![(1, Thrift::I64(1)), (4, Thrift::I64(2))], fields].concat());
    for (bad, expected) in [
        (Thrift::Struct(vec![(4, Thrift::I64(2))]), "[1].trace_id: is missing or zero"),
        (Thrift::Struct(vec![(1, Thrift::I64(2))]), "[1].id: is missing or zero"),
        (span(vec![(3, Thrift::Bytes(vec![0xff]))]), "[1].name: is not UTF-8"),
        (span(vec![(10, Thrift::I64(-5))]), "[1].timestamp: -5 is not a number of 0 or more"),
        (
            span(vec![(6, Thrift::List(vec![annotation(-5, "a", endpoint("a", 0, 0))]))]),
            "[1].annotations[0].timestamp: -5 is not a number of 0 or more",
        ),
        (
            span(vec![(6, Thrift::List(vec![annotation(5, "a", Thrift::Struct(vec![(4, "x".into())]))]))]),
            "[1].annotations[0].host.ipv6: has 1 bytes instead of 16",
        ),
    ] {
        let body = body(vec![span(vec![]), bad, span(vec![])]);
        assert_eq!(message(Format::ThriftV1, body), (2, format!("1 span cannot be taken: {expected}")));
    }
}

#[test]
fn thrift_that_lies_about_lengths_is_refused() {
    let whole = body(vec![Thrift::Struct(vec![(1, Thrift::I64(1)), (4, Thrift::I64(2)), (3, "name".into())])]);
    for length in 0..whole.len() {
        let error = unreadable(Format::ThriftV1, &whole[..length]);
        assert!(
            error.contains("breaks off at byte") && error.contains("the body ends before it is complete"),
            "{error}"
        );
    }
    // A list of 2^31 - 1 spans, a string of as many bytes, a negative length, a list of numbers.
    for (body, expected) in [
        (
            vec![12, 0x7f, 0xff, 0xff, 0xff],
            "[0] breaks off at byte 5: Container would require 2147483647 bytes, exceeding message size limit of 5",
        ),
        (
            vec![12, 0, 0, 0, 1, 11, 0, 3, 0x7f, 0xff, 0xff, 0xff, b'x'],
            "[0] breaks off at byte 12: Byte array size 2147483647 exceeds maximum allowed size of 13",
        ),
        (vec![12, 0xff, 0xff, 0xff, 0xff], "[0] breaks off at byte 5: Negative container size: -1"),
        (
            vec![10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7],
            "[0] breaks off at byte 5: the list is of i64 instead of structs",
        ),
    ] {
        let prefix = "the body is not a list of spans in Zipkin's thrift: ";
        assert_eq!(unreadable(Format::ThriftV1, body), format!("{prefix}{expected}"));
    }
    // Structs in structs, beyond any schema.
    let nested = [vec![12, 0, 0, 0, 1], [12, 0, 99].repeat(10_000)].concat();
    assert!(unreadable(Format::ThriftV1, nested).contains("breaks off"));
}
