//! What is read, in each form, and what is written.

use trefoil_model::wire::write::{bytes, message, uint64};

use super::*;
use crate::{to_json, to_protobuf};

const BODY: &str = r#"{"streams": [
    {"stream": {"job": "varlogs", "service_name": "shop", "empty": ""}, "values": [
        ["1795232524000000002", "second", {"trace_id": "463ac35c9f6413ad48485a3953bb6124", "span_id": "A2FB4A1D1A96D312", "user.id": "7"}],
        ["1795232524000000001", "first"],
        ["1795232524000000001", "", {}]
    ]},
    {"stream": {"nothing": "here"}, "values": []},
    {"stream": {"app": "api", "job": "x"}, "values": [["1795232524000000003", "tab\there \u00e9"]]}
], "other": [1]}"#;

#[test]
fn a_push_as_otlp() {
    let translated = translated(Format::Json, BODY, &Options::default());
    assert_eq!(translated.entries, 4);
    insta::assert_json_snapshot!(otlp_json(&translated));
}

#[test]
fn both_forms_are_written_as_they_are_read() {
    let streams = again(&translated(Format::Json, BODY, &literal()));
    let expected = [
        (r#"{job="varlogs", service_name="shop"}"#, vec!["second", "first", ""]),
        (r#"{app="api", job="x"}"#, vec!["tab\there é"]),
    ];
    let found: Vec<_> = streams.iter().map(|stream| (stream.labels.to_string(), stream)).collect();
    let lines = |stream: &Stream| stream.entries.iter().map(|entry| entry.line.clone()).collect::<Vec<_>>();
    let found: Vec<_> = found.into_iter().map(|(labels, stream)| (labels, lines(stream))).collect();
    assert_eq!(
        found,
        expected.map(|(labels, lines)| (labels.to_owned(), lines.into_iter().map(str::to_owned).collect()))
    );
    insta::assert_snapshot!(String::from_utf8(to_json(&streams).unwrap()).unwrap());
    for (format, body) in [(Format::Json, to_json(&streams).unwrap()), (Format::Protobuf, to_protobuf(&streams))] {
        assert_eq!(again(&translated(format, body, &literal())), streams, "{format}");
    }
}

#[test]
fn the_old_form_is_read() {
    let body = r#"{"streams": [{"entries": [
        {"ts": "2026-11-21T03:42:04.5Z", "line": "a"},
        {"line": "b", "ts": "2026-11-21T04:42:05+01:00", "structuredMetadata": [{"name": "k", "value": "v"}]}
    ], "labels": "{job=\"x\", b=`2`}"}]}"#;
    let mut expected = stream(r#"{b="2", job="x"}"#, &[(RECEIVED + 500_000_000, "a"), (RECEIVED + 1_000_000_000, "b")]);
    expected.entries[1].metadata.push(("k".to_owned(), "v".to_owned()));
    assert_eq!(again(&translated(Format::Json, body, &literal())), [expected]);
}

#[test]
fn labels_may_stand_behind_entries() {
    let json = format!(r#"{{"streams": [{{"values": [["{RECEIVED}", "x"]], "stream": {{"a": "b"}}}}]}}"#);
    let mut protobuf = Vec::new();
    message(&mut protobuf, 1, |out| {
        message(out, 2, |out| {
            message(out, 1, |out| uint64(out, 1, RECEIVED / 1_000_000_000));
            bytes(out, 2, b"x");
        });
        bytes(out, 1, br#"{a="b"}"#);
        uint64(out, 3, 7);
    });
    for (format, body) in [(Format::Json, json.into_bytes()), (Format::Protobuf, protobuf)] {
        assert_eq!(
            again(&translated(format, body, &literal())),
            [stream(r#"{a="b"}"#, &[(RECEIVED, "x")])],
            "{format}"
        );
    }
}

#[test]
fn numbers_and_truth_values_are_texts() {
    let body = format!(
        r#"{{"streams": [{{"stream": {{"a": 1, "b": true, "c": null}}, "values": [[{RECEIVED}, 7, {{"n": 0.5, "z": null}}]]}}]}}"#
    );
    let mut expected = stream(r#"{a="1", b="true"}"#, &[(RECEIVED, "7")]);
    expected.entries[0].metadata.push(("n".to_owned(), "0.5".to_owned()));
    assert_eq!(again(&translated(Format::Json, body, &literal())), [expected]);
}

#[test]
fn lines_need_not_be_utf_8() {
    let mut protobuf = Vec::new();
    message(&mut protobuf, 1, |out| {
        bytes(out, 1, br#"{a="b"}"#);
        message(out, 2, |out| bytes(out, 2, b"cut \xc3"));
    });
    let mut json = br#"{"streams": [{"stream": {"a": "b"}, "values": [["0", "cut "#.to_vec();
    json.extend_from_slice(b"\xc3\"]]}]}");
    for (format, body) in [(Format::Protobuf, protobuf), (Format::Json, json)] {
        let streams = again(&translated(format, body, &literal()));
        // An entry without a time has that of its arrival.
        assert_eq!(streams, [stream(r#"{a="b"}"#, &[(RECEIVED, "cut \u{fffd}")])], "{format}");
    }
}

#[test]
fn times_can_be_those_of_arrival() {
    let options = Options { use_incoming_timestamp: false, ..literal() };
    let body = r#"{"streams": [{"stream": {"a": "b"}, "values": [["1", "x"]]}]}"#;
    let expected = [stream(r#"{a="b"}"#, &[(RECEIVED, "x")])];
    assert_eq!(again(&translated(Format::Json, body, &options)), expected);
}

#[test]
fn services_are_found_as_loki_finds_them() {
    let service = |labels: &str, options: &Options| {
        let body = format!(
            r#"{{"streams": [{{"labels": {labels:?}, "entries": [{{"ts": "2026-11-21T03:42:04Z", "line": ""}}]}}]}}"#
        );
        let streams = again(&translated(Format::Json, body, options));
        streams[0].labels.get("service_name").map(str::to_owned)
    };
    for (labels, expected) in [
        (r#"{job="j", container="c"}"#, "c"),
        (r#"{app="a", service="s"}"#, "s"),
        (r#"{service_name="n", service="s"}"#, "n"),
        (r#"{k8s_job_name="k"}"#, "k"),
        (r#"{host="h"}"#, "unknown_service"),
    ] {
        assert_eq!(service(labels, &Options::default()).as_deref(), Some(expected), "{labels}");
        let named = labels.contains("service_name").then_some("n");
        assert_eq!(service(labels, &literal()).as_deref(), named, "{labels}");
    }
    let limits = Limits { discover_service_name: vec!["host".to_owned()], ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    assert_eq!(service(r#"{app="a", host="h"}"#, &options).as_deref(), Some("h"));
}

#[test]
fn only_valid_ids_are_ids_of_the_record() {
    let body = |id: &str| {
        format!(
            r#"{{"streams": [{{"stream": {{"a": "b"}}, "values": [["{RECEIVED}", "", {{"trace_id": "{id}", "span_id": "{id}"}}]]}}]}}"#
        )
    };
    let ids = |id: &str| {
        let request = request(&translated(Format::Json, body(id), &literal()));
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        // They stay where they were.
        assert_eq!(record.attributes.len(), 2);
        (record.trace_id.len(), record.span_id.len())
    };
    assert_eq!(ids("463ac35c9f6413ad48485a3953bb6124"), (16, 0));
    assert_eq!(ids("463ac35c9f6413ad"), (0, 8));
    for none in ["", "0000000000000000", "00000000000000000000000000000000", "463ac35c9f6413az", "463ac35c-f6413ad"] {
        assert_eq!(ids(none), (0, 0), "{none}");
    }
}
