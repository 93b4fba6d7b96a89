//! What is broken costs itself, and is told with its place.

use super::*;
use crate::scan::Scanner;

#[test]
fn spans_of_otlp() {
    let bad_id = resource(&["b"]).replace("0102030405060708\"", "\"");
    let bad_time = resource(&["x", "d"]).replacen("\"5\"", "\"soon\"", 1);
    let text = format!(
        "{{\"resourceSpans\":[{},\n{bad_id},\n{}]}}\n{{\"resourceSpans\":\n[{}]}}",
        resource(&["a"]),
        bad_time.replace("},{", "},\n{"),
        resource(&["e"])
    );
    let found = read(text);
    assert_eq!(found.names(), ["a", "d", "e"]);
    assert_eq!(
        found.problems(),
        [
            "line 2, resourceSpans[1].scopeSpans[0].spans[0]: `spanId` must be 8 bytes that are not all zero",
            "line 3, resourceSpans[2].scopeSpans[0].spans[0]: `startTimeUnixNano` must be an unsigned 64-bit integer, found \"soon\"",
        ]
    );
    assert!(found.problems.iter().all(|problem| problem.spans == Some(1)));
}

#[test]
fn a_resource_of_otlp_costs_its_spans() {
    let bad = resource(&["b", "c"]).replace("\"attributes\":[", "\"attributes\":[5,");
    let found = read(format!("{{\"resourceSpans\":[{bad},{}]}}", resource(&["d"])));
    assert_eq!(found.names(), ["d"]);
    assert_eq!(found.problems[0].spans, Some(2));
    assert!(found.problems()[0].starts_with("line 1, resourceSpans[0]: "), "{:?}", found.problems());
}

#[test]
fn spans_of_jaeger() {
    let bad = |spans: &str| jaeger(&["a", "b", "c"]).replacen("\"cd\"", spans, 1);
    for (wrong, reason) in [
        (bad("\"xyz\""), "line 1, data[0].spans[0]: spanID \"xyz\" is not up to 16 hexadecimal digits"),
        (bad("\"0\""), "line 1, data[0].spans[0]: traceID and spanID must not be zero"),
        (bad("7"), "line 1, data[0].spans[0]: invalid type: integer `7`, expected a string"),
        (
            bad("\"cd\",\"tags\":[{\"key\":\"n\",\"type\":\"int64\",\"value\":\"x\"}]"),
            "line 1, data[0].spans[0]: the tag \"n\" has no value of its type \"int64\"",
        ),
        (
            bad("\"cd\",\"processID\":\"p9\"").replacen(",\"processID\":\"p1\"", "", 1),
            "line 1, data[0].spans[0]: there is no process \"p9\"",
        ),
    ] {
        let found = read(format!("{{\"data\":[{wrong}]}}"));
        assert_eq!((found.names(), found.problems()), (vec!["b", "c"], vec![reason.to_owned()]), "{wrong}");
    }
    let wrong = jaeger(&["a"]).replace("\"serviceName\":\"shop\"", "\"serviceName\":5");
    assert_eq!(
        read(wrong).problems(),
        ["line 1, spans[0]: its process \"p1\" cannot be read: invalid type: integer `5`, expected a string"]
    );
    let lines = jaeger(&["a", "b"]).replace("},{", "},\n{").replacen(
        "\"startTime\":5,\"processID\":\"p1\"}]",
        "\"startTime\":-5}]",
        1,
    );
    assert!(read(lines).problems()[0].starts_with("line 2, spans[1]: invalid value: integer `-5`"));
}

#[test]
fn spans_of_zipkin() {
    let text = format!("[{},\n{},\n5,\n{}]", zipkin("a"), zipkin("b").replace("\"ab\"", "\"xy\""), zipkin("c"));
    let found = read(text);
    assert_eq!(found.names(), ["a", "c"]);
    assert_eq!(
        found.problems(),
        ["line 2, [1]: traceId: \"xy\" is not hexadecimal", "line 3, [2]: is a number instead of an object"]
    );
}

#[test]
fn lines_that_break_off() {
    let whole = otlp(&["a"]);
    // In every place that a crash may leave.
    for end in 1..whole.len() {
        let text = format!("{}\n{}\n{}", otlp(&["x"]), &whole[..end], otlp(&["y", "z"]));
        let found = read(&text);
        let names: Vec<&str> = found.names().into_iter().filter(|name| *name != "a").collect();
        assert_eq!(names, ["x", "y", "z"], "{text}\n{:?}", found.problems());
        assert_eq!(found.problems.len(), 1, "{text}\n{:?}", found.problems());
        assert_eq!(found.problems[0].place.line, 2, "{text}");
    }
    let found = read(&whole[..whole.len() - 2]);
    assert_eq!(
        (found.names().len(), found.problems()),
        (1, vec!["line 1, resourceSpans[1]: the file ends before the document does (line 1)".to_owned()])
    );
}

#[test]
fn brackets_that_do_not_fit() {
    let text = format!(
        "[{},\n{{\"traceId\":\"ab\",\"id\":\"cd\",\"tags\":[}},\n{},\n{}\n]",
        zipkin("a"),
        zipkin("c"),
        zipkin("d")
    );
    let found = read(text);
    assert_eq!(
        (found.names(), found.problems()),
        (vec!["a", "c", "d"], vec!["line 2, [1]: a [ is closed by a } (line 2)".to_owned()])
    );
}

#[test]
fn what_is_no_traces() {
    for (text, expected) in [
        ("hello", "line 1: neither an object nor a list of JSON begins with \"hello\""),
        ("\n\n{\"a\":1}", "line 3: it has none of resourceSpans, batches, trace, data and result"),
        (r#"{"resourceMetrics":[{}]}"#, "line 1, resourceMetrics: only traces are read, and these are none"),
        (r#"{"resourceSpans":{}}"#, "line 1, resourceSpans: it is no list"),
        (r#"{"trace":5}"#, "line 1, trace: it is no object"),
        (r#"[{"a":1}]"#, "line 1, [0]: it is no span of Zipkin, trace of Jaeger or ResourceSpans of OTLP: {\"a\":1}"),
        (r#"{"data":[5]}"#, "line 1, data[0]: invalid type: integer `5`, expected struct Parts"),
        ("[[[[[1]]]]]", "line 1, [0][0][0][0]: lists are nested deeper than those of any system"),
        ("{\"a\" 1}", "line 1: no colon follows \"a\" (line 1)"),
        ("{\"a\":}", "line 1: a value is missing (line 1)"),
        ("[}", "line 1, [0]: a value is missing (line 1)"),
        ("{5:1}", "line 1: the name of a member is missing (line 1)"),
        ("{\"a\":\"b\n\"}", "line 1: a text does not end on its line (line 1)"),
    ] {
        let found = read(text);
        assert_eq!(found.problems(), [expected], "{text}");
        assert!(found.batches.is_empty());
    }
    for empty in ["", "\n", "{}", "[]", "[[]]", r#"{"resourceSpans":[]}"#, r#"{"data":null,"errors":[]}"#] {
        assert_eq!(read(empty), Found::default(), "{empty}");
    }
}

#[test]
fn what_is_too_long_or_too_deep() {
    let scanner = Scanner::new(Trickle(b"", 1), None).with_max_item_bytes(1 << 20);
    assert!(all(Batches::of(scanner, RECEIVED)).batches.is_empty());
    let long = zipkin(&"x".repeat(2 << 20));
    let text = format!("[{},{long},{}]", zipkin("a"), zipkin("b"));
    let scanner = Scanner::new(Trickle(text.as_bytes(), 1000), None).with_max_item_bytes(1 << 20);
    let found = all(Batches::of(scanner, RECEIVED));
    assert_eq!(
        (found.names(), found.problems()),
        (vec!["a", "b"], vec!["line 1, [1]: it is longer than 1 MiB".to_owned()])
    );

    let deep = format!("[{},\n{{\"a\":{}\n{}", zipkin("a"), "[".repeat(1000), zipkin("b"));
    let found = read(deep);
    assert_eq!(
        (found.names(), found.problems()),
        (vec!["a", "b"], vec!["line 2, [1]: it is nested too deep (line 2)".to_owned()])
    );
}
