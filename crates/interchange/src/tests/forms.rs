//! What each system writes.

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::decompressed;

#[test]
fn otlp_is_a_document_or_many() {
    let (one, two) = (otlp(&["a", "b"]), otlp(&["c"]));
    for text in [
        format!("{one}\n{two}\n"),
        format!("{one}{two}"),
        format!("\u{feff}{one}\r\n\r\n{two}"),
        format!("\u{1e}{one}\n\u{1e}{two}\n"),
        format!(r#"{{"resourceSpans":[{},{}]}}"#, resource(&["a", "b"]), resource(&["c"])),
        format!("{}\n{}\n", resource(&["a", "b"]), resource(&["c"])),
        format!(r#"[{},{}]"#, resource(&["a", "b"]), resource(&["c"])),
        format!(r#"{{"result":{one}}} {{"result": {two}}}"#),
    ] {
        let found = read(&text);
        assert_eq!(found.problems(), [""; 0], "{text}");
        assert_eq!(found.names(), ["a", "b", "c"], "{text}");
        assert_eq!(found.forms, [Form::Otlp], "{text}");
    }
}

#[test]
fn tempo_and_grafana_have_other_names_and_ids() {
    let span = r#"{"traceId":"AQIDBAUGBwgJCgsMDQ4PEA==","spanId":"AQIDBAUGBwg=","name":"a","kind":"SPAN_KIND_SERVER","startTimeUnixNano":1627471657255809000}"#;
    let new = format!(r#"{{"scopeSpans":[{{"spans":[{span}]}}]}}"#);
    let old = format!(
        r#"{{"resource":{{"attributes":[],"droppedAttributesCount":0}},"instrumentationLibrarySpans":[{{"spans":[{span}]}}]}}"#
    );
    for text in [
        format!(r#"{{"batches":[{new}]}}"#),
        format!("{{\n  \"batches\": [\n{old}\n]\n}}"),
        format!(r#"{{"trace":{{"resourceSpans":[{new}]}},"metrics":{{"inspectedBytes":"5"}},"status":"COMPLETE"}}"#),
        format!(r#"{{"metrics":{{"a":[1,{{}}]}},"trace":{{"batches":[{old}]}}}}"#),
    ] {
        let found = read(&text);
        assert_eq!(found.problems(), [""; 0], "{text}");
        let span = found.spans()[0];
        assert_eq!(span.trace_id, (1..=16).collect::<Vec<u8>>(), "{text}");
        assert_eq!((span.kind, span.start_time_unix_nano), (2, 1627471657255809000));
    }
    assert!(read(r#"{"trace":{},"metrics":{}}"#).problems.is_empty());
}

#[test]
fn jaeger_is_an_answer_a_list_or_a_trace() {
    let (one, two) = (jaeger(&["a", "b"]), jaeger(&["c"]));
    for text in [
        format!(r#"{{"data":[{one},{two}],"total":0,"limit":0,"offset":0,"errors":null}}"#),
        format!(r#"{{"total":2,"data": [ {one} , {two} ]}}"#),
        format!("[{one},\n{two}]"),
        format!("{one}\n{two}"),
    ] {
        let found = read(&text);
        assert_eq!(found.problems(), [""; 0], "{text}");
        assert_eq!((found.names(), found.forms.as_slice()), (vec!["a", "b", "c"], &[Form::Jaeger][..]), "{text}");
    }
    let found = read(&one);
    let attributes = &found.batches[0].request.resource_spans[0].resource.as_ref().unwrap().attributes;
    assert_eq!(attributes[0].key, "service.name");
}

#[test]
fn zipkin_is_a_list_a_list_of_lists_or_lines() {
    let (a, b) = (zipkin("a"), zipkin("b"));
    for text in [format!("[{a},{b}]"), format!("[[{a}],[{b}]]"), format!("[[{a},{b}],[]]"), format!("{a}\n{b}")] {
        let found = read(&text);
        assert_eq!(found.problems(), [""; 0], "{text}");
        assert_eq!((found.names(), found.forms.as_slice()), (vec!["a", "b"], &[Form::Zipkin][..]), "{text}");
        // Those of a service stand together.
        assert_eq!(found.batches[0].request.resource_spans.len(), 1);
    }
    let v1 = r#"{"traceId":"ab","id":"cd","name":"old","annotations":[{"timestamp":5,"value":"sr","endpoint":{"serviceName":"shop"}}]}"#;
    let found = read(format!("[{v1},{a}]"));
    assert_eq!((found.names(), found.problems()), (vec!["old", "a"], vec![]));
    assert_eq!(found.spans()[0].kind, 2);
    let timeless = r#"[{"traceId":"ab","id":"cd"}]"#;
    assert_eq!(read(timeless).spans()[0].start_time_unix_nano, RECEIVED);
}

#[test]
fn a_form_that_is_given_is_what_is_read() {
    let text = otlp(&["a"]);
    assert_eq!(read_by(text.as_bytes(), 100, Some(Form::Otlp)).names(), ["a"]);
    let found = read_by(text.as_bytes(), 100, Some(Form::Jaeger));
    assert_eq!(found.problems(), ["line 1, resourceSpans: it is OTLP's, and something else was asked for"]);
    let found = read_by(format!("[{}]", zipkin("a")).as_bytes(), 100, Some(Form::Jaeger));
    assert_eq!(found.problems(), ["line 1, [0]: missing field `spans`"]);
}

#[test]
fn what_is_compressed_is_found_out() {
    let text = otlp(&["a"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    // Files that were appended to have many parts.
    let (two_gzip, two_zstd) = ([gzip.clone(), gzip].concat(), [zstd.clone(), zstd].concat());
    for bytes in [two_gzip, two_zstd, format!("{text}{text}").into_bytes()] {
        let found = all(Batches::new(decompressed(Cursor::new(bytes)).unwrap(), None, RECEIVED));
        assert_eq!(found.names(), ["a", "a"]);
    }
    for short in ["", "[", "{}"] {
        let mut said = String::new();
        decompressed(short.as_bytes()).unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, short);
    }
}

#[test]
fn what_breaks_off_is_an_error_behind_all_that_came() {
    let text = otlp(&["a"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(format!("{text}{text}").as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let mut batches = Batches::new(decompressed(&whole[..whole.len() - 12]).unwrap(), None, RECEIVED);
    let Some(Part::Batch(batch)) = batches.next_part().unwrap() else { panic!() };
    assert_eq!(batch.spans, 1);
    assert!(batches.next_part().is_err());
    assert_eq!(batches.next_part().unwrap(), None);
}

#[test]
fn batches_are_bounded() {
    let names: Vec<String> = (0..300).map(|n| format!("{n:0>50000}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = read(format!("{}{}", otlp(&names[..200]), otlp(&names[200..])));
    assert_eq!(found.names(), names);
    assert!(found.batches.len() > 2);
    for batch in &found.batches {
        assert!(prost::Message::encoded_len(&batch.request) < 5 << 20);
        assert_eq!(batch.request.resource_spans[0].resource.as_ref().unwrap().attributes.len(), 1);
    }
}
