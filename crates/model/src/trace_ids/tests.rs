use proptest::prelude::*;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn rules(patterns: &[&str], span_patterns: &[&str]) -> Result<TraceIds, RuleError> {
    let (keys, span_keys) = (owned(&TRACE_KEYS), owned(&SPAN_KEYS));
    let (patterns, span_patterns) = (owned(patterns), owned(span_patterns));
    TraceIds::new(Rules { keys: &keys, patterns: &patterns }, Rules { keys: &span_keys, patterns: &span_patterns })
}

/// The ids in hexadecimal digits; empty where there is none.
fn told(found: Found) -> (String, String) {
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    (found.trace.map(|id| hex(&id)).unwrap_or_default(), found.span.map(|id| hex(&id)).unwrap_or_default())
}

fn in_text(text: &str) -> (String, String) {
    told(rules(&[], &[]).unwrap().in_text(text.as_bytes()))
}

#[test]
fn ids_stand_behind_their_names() {
    let both = [
        format!(r#"{{"level":"info","trace_id":"{TRACE}","span_id":"{SPAN}","n":1}}"#),
        format!(r#"{{ "TraceId" : "{TRACE}", "SpanId" : "{SPAN}" }}"#),
        format!(r#"{{"@t":"2024-01-01T00:00:00Z","@tr":"{TRACE}","@sp":"{SPAN}"}}"#),
        format!(r#"{{"log":"{{\"traceId\":\"{TRACE}\",\"spanId\":\"{SPAN}\"}}\n","stream":"stdout"}}"#),
        format!(r#"{{"otelTraceID": "{TRACE}", "otelSpanID": "{SPAN}"}}"#),
        format!(r#"{{"trace.id":"{TRACE}","span.id":"{SPAN}"}}"#),
        format!("time=2024-01-01T00:00:00Z level=info traceID={TRACE} spanID={SPAN} msg=done"),
        format!(
            "2024-01-01 12:00:01 INFO [app] [x.py:3] [trace_id={TRACE} span_id={SPAN} resource.service.name=s] - m"
        ),
        format!("12:00:01 traceId: {TRACE}, spanId: {SPAN} it went well"),
        format!("calling with traceparent=00-{TRACE}-{SPAN}-01"),
        format!(r#"{{"headers":{{"traceparent":"00-{TRACE}-{SPAN}-00","x":"y"}}}}"#),
        format!("X-B3-TraceId: {TRACE} X-B3-SpanId: {SPAN}"),
        format!("trace_id={} span_id={}", TRACE.to_uppercase(), SPAN.to_uppercase()),
    ];
    for text in both {
        assert_eq!(in_text(&text), (TRACE.to_owned(), SPAN.to_owned()), "{text}");
    }
}

#[test]
fn ids_of_64_bits_have_zeros_in_front() {
    assert_eq!(in_text(&format!("traceId={SPAN}")).0, format!("0000000000000000{SPAN}"));
}

#[test]
fn what_is_no_id_is_left() {
    for text in [
        "",
        "trace_id=",
        "trace_id",
        "trace_id=abc-123",
        "trace_id=0af7651916cd43dd8448eb211c80319",
        "trace_id=0af7651916cd43dd8448eb211c80319cc",
        "trace_id=0af7651916cd43dd8448eb211c80319c-x",
        "trace_id=00000000000000000000000000000000 span_id=0000000000000000",
        "my_trace_id=0af7651916cd43dd8448eb211c80319c",
        "xtrace_id=0af7651916cd43dd8448eb211c80319c",
        "trace_ids=0af7651916cd43dd8448eb211c80319c",
        "order_id=0af7651916cd43dd8448eb211c80319c",
        "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "traceparent=00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "|0af7651916cd43dd8448eb211c80319c|",
    ] {
        assert_eq!(in_text(text), Default::default(), "{text}");
    }
}

#[test]
fn the_first_good_one_counts() {
    let text = format!("trace_id=- traceId={TRACE} trace_id=ffffffffffffffffffffffffffffffff");
    assert_eq!(in_text(&text).0, TRACE);
}

#[test]
fn patterns_find_ids_without_names() {
    let of =
        |patterns: &[&str], spans: &[&str], text: &str| told(rules(patterns, spans).unwrap().in_text(text.as_bytes()));
    let line = format!("[23:22:57 INF] |{TRACE}| HTTP GET /api/Articles responded 200 in 301.7052 ms");
    assert_eq!(of(&[r"\|(\w+)\|"], &[], &line).0, TRACE);
    let line = format!("|INFO|main|{TRACE}|");
    assert_eq!(of(&[r"\|(\w+)\|"], &[], &line).0, TRACE, "what ends a match begins the next one");
    let line = format!("INFO [shop,{TRACE},{SPAN}] 7 --- started");
    let spring = r"\[[^,\]]*,([0-9a-f]+),";
    let of_span = r"\[[^,\]]*,[0-9a-f]+,([0-9a-f]+)";
    assert_eq!(of(&[spring], &[of_span], &line), (TRACE.to_owned(), SPAN.to_owned()));
    assert_eq!(of(&["x*()"], &[], &"x".repeat(100)), Default::default(), "an empty group goes on");
    let named = format!("trace_id={SPAN} |{TRACE}|");
    assert!(of(&[r"\|(\w+)\|"], &[], &named).0.ends_with(SPAN), "names come first");
}

#[test]
fn wrong_rules_are_told() {
    let cases = [
        (r"\|\w+\|", r"`\|\w+\|` must have one group, which is the id; it has 0"),
        ("(a)(b)", "`(a)(b)` must have one group, which is the id; it has 2"),
        ("(a", "`(a`: unclosed group"),
        (r"(\w{1000}){1000}", r"`(\w{1000}){1000}`: Compiled regex exceeds size limit of 1048576 bytes."),
    ];
    for (pattern, expected) in cases {
        assert_eq!(rules(&[pattern], &[]).map(|_| ()).unwrap_err().to_string(), expected);
    }
    let keys = owned(&["trace id"]);
    let none = Rules { keys: &[], patterns: &[] };
    let error = TraceIds::new(Rules { keys: &keys, patterns: &[] }, none).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("`trace id` is no name"), "{error}");
    let many = vec!["a".to_owned(); 65];
    assert!(TraceIds::new(none, Rules { keys: &many, patterns: &[] }).is_err());
}

#[test]
fn attributes_are_named_as_a_whole() {
    let ids = rules(&[], &[]).unwrap();
    let of = |attributes: &[(&str, &str)]| {
        let mut found = Found::default();
        attributes.iter().for_each(|(key, value)| ids.in_attribute(key.as_bytes(), value.as_bytes(), &mut found));
        told(found)
    };
    assert_eq!(of(&[("TraceID", TRACE), ("x.span_id", SPAN)]), (TRACE.to_owned(), String::new()));
    assert_eq!(
        of(&[("trace_id", "nothing"), ("traceId", TRACE), ("spanid", SPAN)]),
        (TRACE.to_owned(), SPAN.to_owned())
    );
    let parent = format!("00-{TRACE}-{SPAN}-01");
    assert_eq!(of(&[("traceparent", &parent)]), (TRACE.to_owned(), SPAN.to_owned()));
    let other = SPAN.repeat(2);
    assert_eq!(of(&[("trace_id", &other), ("traceparent", &parent)]), (other, String::new()), "spans of other traces");
}

#[test]
fn what_is_a_label_is_always_an_id() {
    let of = |key: &str, value: &str| {
        let mut found = Found::default();
        in_labelled_attribute(key.as_bytes(), value.as_bytes(), &mut found);
        told(found)
    };
    for key in ["trace_id", "trace.id", "trace-id"] {
        assert_eq!(of(key, TRACE).0, TRACE, "{key}");
    }
    assert_eq!(of("span_id", SPAN).1, SPAN);
    for key in ["traceId", "traceXid", "Trace_id", "trace_id_"] {
        assert_eq!(of(key, TRACE), Default::default(), "{key}");
    }
}

proptest! {
    /// A slow reading of the same rules: a name, whatever stands between, the digits, and an end.
    #[test]
    fn a_named_id_is_found_wherever_it_stands(
        before in "[ a-z=:\"{,\\\\|0-9]{0,40}",
        after in "[ a-z=:\"},\\\\|0-9]{0,40}",
        key in proptest::sample::select(vec!["trace_id", "TRACEID", "trace.id"]),
        sign in proptest::sample::select(vec!["=", ":", "\":\"", "\\\":\\\"", " : ", "='"]),
    ) {
        prop_assume!(!before.ends_with(|c: char| c.is_ascii_alphanumeric()));
        prop_assume!(!after.starts_with(|c: char| c.is_ascii_alphanumeric()));
        let text = format!("{before}{key}{sign}{TRACE}{after}");
        prop_assert_eq!(in_text(&text).0, TRACE, "{}", text);
    }

    #[test]
    fn any_bytes_can_be_looked_at(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let ids = rules(&[r"\|(\w+)\|", r"(?i)t(.*?)e"], &[r"(\d*)"]).unwrap();
        ids.in_text(&text);
    }
}
