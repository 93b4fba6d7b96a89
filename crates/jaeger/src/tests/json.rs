use proptest::prelude::*;

use super::generate;
use crate::json::{of_batches, read, to_otlp, traces};
use crate::model::*;

#[test]
fn what_the_ui_downloads_a_list_and_one_trace_are_read() {
    let trace = r#"{"traceID": "1", "spans": [{"traceID": "1", "spanID": "2", "operationName": "get", "startTime": 5,
        "references": null, "tags": [{"key": "n", "value": 1}, {"key": "t", "type": "string", "value": 7}],
        "parentSpanID": "3", "processID": "p1"}], "processes": {"p1": {"serviceName": "svc", "tags": null}}}"#;
    let expected = read(trace.as_bytes()).unwrap();
    let list = format!(" [{trace}]");
    let answer = format!("{{\"total\": 0, \"data\": [{trace}], \"errors\": null}}");
    assert_eq!(read(list.as_bytes()).unwrap(), expected);
    assert_eq!(read(answer.as_bytes()).unwrap(), expected);

    let request = to_otlp(expected).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.start_time_unix_nano, span.parent_span_id.as_slice()), (5000, &[0, 0, 0, 0, 0, 0, 0, 3][..]));
    assert_eq!(span.attributes.len(), 2);
}

#[test]
fn a_span_may_bring_its_process() {
    let text = br#"{"spans": [{"traceID": "ab", "spanID": "cd", "startTime": 1, "process": {"serviceName": "svc"}}]}"#;
    let request = to_otlp(read(text).unwrap()).unwrap();
    assert_eq!(request.resource_spans[0].resource.as_ref().unwrap().attributes.len(), 1);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let error = |text: &str| match read(text.as_bytes()).and_then(to_otlp) {
        Err(error) => error.to_string(),
        Ok(request) => panic!("{text}: {request:?}"),
    };
    let span = |rest: &str| error(&format!(r#"{{"traceID": "1", "spans": [{{"startTime": 1, {rest}}}]}}"#));
    assert!(error("{}").contains("missing field `spans` at line 1 column 2"));
    assert!(error(r#"{"data": [5]}"#).contains("invalid type: integer `5`"));
    assert_eq!(
        span(r#""traceID": "x", "spanID": "2""#),
        "trace 1, span 2: traceID \"x\" is not up to 32 hexadecimal digits"
    );
    assert!(span(r#""traceID": "1", "spanID": "+1""#).contains("spanID \"+1\""));
    assert!(span(r#""traceID": "1", "spanID": "00000000000000001""#).contains("up to 16 hexadecimal digits"));
    assert!(span(r#""traceID": "1", "spanID": "2", "processID": "p9""#).contains("there is no process \"p9\""));
    let tag = r#""traceID": "1", "spanID": "2", "tags": [{"key": "k", "type": "int64", "value": "x"}]"#;
    assert!(span(tag).contains("the tag \"k\" has no value of its type \"int64\""));
    let reference = r#""traceID": "1", "spanID": "2", "references": [{"refType": "X", "traceID": "1", "spanID": "1"}]"#;
    assert!(span(reference).contains("refType is \"X\""));
}

#[test]
fn numbers_that_javascript_cannot_hold_are_text() {
    let tags = [(1i64 << 53) - 1, 1 << 53, -(1 << 53), i64::MIN]
        .map(|value| Tag { key: "k".into(), value: Value::Int64(value) });
    let odd =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|value| Tag { key: "k".into(), value: Value::Float64(value) });
    let span = Span { trace_id: 1, tags: [&tags[..], &odd].concat(), ..Span::default() };
    let trace = of_batches([Batch { process: None, spans: vec![span] }]).remove(0);
    let values: Vec<String> = trace.spans[0].tags.iter().map(|tag| tag.value.to_string()).collect();
    let expected = [
        "9007199254740991",
        "\"9007199254740992\"",
        "\"-9007199254740992\"",
        "\"-9223372036854775808\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"-Infinity\"",
    ];
    assert_eq!(values, expected);
    let back = serde_json::to_vec(&trace).unwrap();
    let request = to_otlp(read(&back).unwrap()).unwrap();
    let again = traces(&request.resource_spans).remove(0);
    assert_eq!(again.spans[0].tags, trace.spans[0].tags);
}

#[test]
fn traces_are_told_apart_and_processes_numbered() {
    let span = |trace_id, span_id| Span { trace_id, span_id, ..Span::default() };
    let process = |name: &'static str| Some(Process { service_name: name.into(), tags: vec![] });
    let batches = [
        Batch { process: process("a"), spans: vec![span(1 << 64, 1), span(2, 2)] },
        Batch { process: process("b"), spans: vec![span(1 << 64, 3)] },
        Batch { process: process("a"), spans: vec![span(1 << 64, 4)] },
    ];
    let traces = of_batches(batches);
    let ids: Vec<&str> = traces.iter().map(|trace| trace.trace_id.as_str()).collect();
    assert_eq!(ids, ["00000000000000010000000000000000", "0000000000000002"]);
    let processes: Vec<&str> = traces[0].spans.iter().map(|span| span.process_id.as_str()).collect();
    assert_eq!((processes, traces[0].processes.len()), (vec!["p1", "p2", "p1"], 2));
}

proptest! {
    #[test]
    fn traces_are_read_as_they_were_written(batch in generate::batch()) {
        let traces = of_batches([batch.clone()]);
        let text = serde_json::to_vec(&traces).unwrap();
        let read = read(&text).unwrap();
        prop_assert_eq!(&read, &traces);
        prop_assert_eq!(to_otlp(read).unwrap(), crate::otlp::to_request([batch]));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = read(text.as_bytes()).and_then(to_otlp);
    }
}
