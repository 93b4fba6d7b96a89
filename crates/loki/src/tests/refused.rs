//! What is left out, and what its sender hears.

use std::time::Duration;

use super::*;
use crate::to_protobuf;

fn refused(streams: &[Stream], limits: Limits) -> (u64, u64, Option<String>) {
    let options = Options { limits: Limits { discover_service_name: Vec::new(), ..limits }, ..Options::default() };
    let translated = translated(Format::Protobuf, to_protobuf(streams), &options);
    (translated.entries, translated.rejected.entries, translated.rejected.message())
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_line_may_be_just_as_long_as_the_limit() {
    let limit = Limits::default().max_line_size;
    let (fits, too_long) = ("x".repeat(limit), "x".repeat(limit + 1));
    let streams = [stream(r#"{a="b"}"#, &[(RECEIVED, &fits), (RECEIVED, &too_long), (RECEIVED, "y")])];
    let message = "Max entry size '262144' bytes exceeded for stream '{a=\"b\"}' while adding an entry with length '262145' bytes";
    assert_eq!(refused(&streams, Limits::default()), (2, 1, Some(message.to_owned())));
}

#[test]
fn times_have_bounds() {
    let at = |time| refused(&[stream(r#"{a="b"}"#, &[(time, "x")])], Limits::default());
    let too_new = |text: &str| Some(format!("entry for stream '{{a=\"b\"}}' has timestamp too new: {text}"));
    assert_eq!(at(RECEIVED + 600 * SECOND), (1, 0, None));
    assert_eq!(at(RECEIVED + 600 * SECOND + 1), (0, 1, too_new("2026-11-21T03:52:04Z")));
    assert_eq!(at(1), (1, 0, None));

    let unbounded = Limits { creation_grace_period: Duration::ZERO, ..Limits::default() };
    let at = |time| refused(&[stream(r#"{a="b"}"#, &[(time, "x")])], unbounded.clone());
    assert_eq!(at(i64::MAX as u64), (1, 0, None));
    assert_eq!(at(i64::MAX as u64 + 1), (0, 1, too_new("2262-04-11T23:47:16Z")));

    let hour = Limits { reject_old_samples_max_age: Duration::from_secs(3600), ..Limits::default() };
    let at = |time| refused(&[stream(r#"{a="b"}"#, &[(time, "x")])], hour.clone());
    assert_eq!(at(RECEIVED - 3600 * SECOND), (1, 0, None));
    let too_old = "entry for stream '{a=\"b\"}' has timestamp too old: 2026-11-21T02:42:03Z, oldest acceptable timestamp is: 2026-11-21T02:42:04Z";
    assert_eq!(at(RECEIVED - 3600 * SECOND - 1), (0, 1, Some(too_old.to_owned())));
}

#[test]
fn nothing_before_1970_can_be_told() {
    let body = r#"{"streams": [{"stream": {"a": "b"}, "values": [["-1", "x"]]}]}"#;
    let message = translated(Format::Json, body, &literal()).rejected.message().unwrap();
    assert!(
        message.ends_with("too old: 1969-12-31T23:59:59Z, oldest acceptable timestamp is: 1970-01-01T00:00:00Z"),
        "{message}"
    );
}

#[test]
fn wrong_labels_cost_their_stream() {
    let label = |name: &str, value: &str| format!("{{{name}={value:?}}}");
    let many =
        |count| format!("{{{}}}", (0..count).map(|index| format!("l{index:02}=\"x\"")).collect::<Vec<_>>().join(","));
    let cases = [
        ("{}".to_owned(), Some("error at least one label pair is required per stream")),
        (r#"{a=""}"#.to_owned(), Some("error at least one label pair is required per stream")),
        (String::new(), Some("error at least one label pair is required per stream")),
        ("{a=b}".to_owned(), Some("Error parsing labels '{a=b}' with error: at byte 3: expected a value in quotes")),
        (r#"{a="1", a="2"}"#.to_owned(), Some(r#"stream '{a="1", a="2"}' has duplicate label name: 'a'"#)),
        (many(15), None),
        (many(15).replace('}', ",service_name=\"x\"}"), None),
        (many(16), Some("has 16 label names; limit 15")),
        (label(&"n".repeat(1024), &"v".repeat(2048)), None),
        (label(&"n".repeat(1025), "v"), Some("has label name too long: 'nnn")),
        (label("n", &"v".repeat(2049)), Some("has label value too long: 'vvv")),
    ];
    for (labels, expected) in cases {
        let quoted = serde_json::Value::from(labels.as_str()).to_string();
        let body = format!(
            r#"{{"streams": [{{"labels": {quoted}, "entries": [{{"ts": "2026-11-21T03:42:04Z", "line": "1"}}, {{"ts": "x", "line": ""}}]}},
            {{"stream": {{"good": "one"}}, "values": [["{RECEIVED}", "2"]]}}]}}"#
        );
        let translated = translated(Format::Json, body, &literal());
        let told = translated.rejected.message().unwrap();
        let expected = expected.unwrap_or("\"x\" is no time as in RFC 3339");
        assert!(told.contains(expected), "{labels}: {told}");
        let of_time = expected.contains("RFC");
        assert_eq!(
            (translated.entries, translated.rejected.entries),
            if of_time { (2, 1) } else { (1, 2) },
            "{labels}"
        );
    }
}

#[test]
fn streams_without_entries_may_have_any_labels() {
    let body = r#"{"streams": [{"stream": {}, "values": []}, {"labels": "nonsense"}, {"stream": {"a.b": "c"}, "values": null}]}"#;
    assert_eq!(translated(Format::Json, body, &literal()), Translated::default());
    assert_eq!(translated(Format::Protobuf, b"\x0a\x03\x0a\x01{", &literal()), Translated::default());
    for (format, empty) in [(Format::Protobuf, ""), (Format::Json, "{}"), (Format::Json, r#"{"streams": null}"#)] {
        assert_eq!(translated(format, empty, &literal()), Translated::default(), "{empty}");
    }
}

#[test]
fn structured_metadata_has_limits() {
    let with = |metadata: Vec<(String, String)>| {
        let mut stream = stream(r#"{a="b"}"#, &[(RECEIVED, "x"), (RECEIVED, "y")]);
        stream.entries[0].metadata = metadata;
        refused(&[stream], Limits::default())
    };
    let pairs = |count: usize| (0..count).map(|index| (format!("k{index}"), String::new())).collect();
    assert_eq!(with(pairs(128)), (2, 0, None));
    let many = "stream '{a=\"b\"}' has too many structured metadata labels: '129', limit: '128'";
    assert_eq!(with(pairs(129)), (1, 1, Some(many.to_owned())));
    let size = |bytes: usize| vec![("k".to_owned(), "v".repeat(bytes - 1))];
    assert_eq!(with(size(65_536)), (2, 0, None));
    let large = "stream '{a=\"b\"}' has structured metadata too large: '65537' bytes, limit: '65536' bytes";
    assert_eq!(with(size(65_537)), (1, 1, Some(large.to_owned())));
}

#[test]
fn entries_that_cannot_be_read_cost_themselves() {
    let entries = [
        (r#"["x", "line"]"#, r#""x" is no time in nanoseconds"#),
        (r#"[1.5e300, "line"]"#, "is no time in nanoseconds"),
        (r#"["1"]"#, "invalid length 1"),
        (r#"["1", "a", {}, 4]"#, "invalid length 4"),
        (r#"["1", null]"#, "the line is null"),
        (r#"["1", ["a"]]"#, "expected text"),
        (r#"["1", "a", {"k": {}}]"#, "expected text"),
        (r#"["1", "\ud800"]"#, "hex escape"),
        (r#"{"ts": 1}"#, "expected a list of a time, a line and structured metadata"),
        ("null", "expected a list of a time"),
    ];
    for (entry, expected) in entries {
        let body = format!(
            r#"{{"streams": [{{"stream": {{"a": "b"}}, "values": [["{RECEIVED}", "x"], {entry}, ["{RECEIVED}", "y"]]}}]}}"#
        );
        let translated = translated(Format::Json, body, &literal());
        assert_eq!((translated.entries, translated.rejected.entries), (2, 1), "{entry}");
        let message = translated.rejected.message().unwrap();
        assert!(
            message.starts_with("entry for stream '{a=\"b\"}' cannot be read: ") && message.contains(expected),
            "{message}"
        );
    }
    let no_list = r#"{"streams": [{"stream": {"a": "b"}, "values": {"x": 1}}]}"#;
    let message = translated(Format::Json, no_list, &literal()).rejected.message().unwrap();
    assert!(message.contains("expected a list"), "{message}");
}

#[test]
fn what_is_no_push_is_refused_as_a_whole() {
    for (format, body, expected) in [
        (Format::Json, "", "the body is not a push request in JSON: EOF"),
        (Format::Json, "[]", "expected an object with streams"),
        (Format::Json, r#"{"streams": {}}"#, "expected a list"),
        (Format::Json, r#"{"streams": [{"stream": {"a": "b"}, "values": [["1", "x"]"#, "EOF"),
        (Format::Json, "{} x", "trailing characters"),
        (Format::Protobuf, "\x0a\x05\x0a", "the body is not a push request in protobuf: malformed protobuf at byte 2"),
        (Format::Protobuf, "\x08\x01", "field 1 must be length-delimited"),
    ] {
        let error = translate(format, body.as_bytes(), &literal(), RECEIVED).unwrap_err().to_string();
        assert!(error.contains(expected), "{body}: {error}");
    }
}

#[test]
fn many_short_entries_do_not_become_too_much() {
    // Entries of two bytes.
    let entries = 5_000_000;
    let mut body = Vec::new();
    trefoil_model::wire::write::message(&mut body, 1, |out| {
        trefoil_model::wire::write::bytes(out, 1, br#"{a="b"}"#);
        out.extend_from_slice(&[0x12, 0].repeat(entries));
    });
    let error = translate(Format::Protobuf, &body, &literal(), RECEIVED).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("the push request is larger than 67108864 bytes as OTLP"));
}
