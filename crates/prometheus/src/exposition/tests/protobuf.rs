//! The protobuf format.

use super::*;

fn histogram(native: Option<NativeHistogram>) -> Family {
    let exemplar = |value| Exemplar {
        labels: vec![Label { name: "trace_id".into(), value: "abc".into() }],
        value,
        timestamp: Some(1500),
    };
    let bucket = |bound, count| Bucket { bound, count, exemplar: None };
    let value = MetricValue::Histogram(Box::new(Distribution {
        count: 3.0,
        sum: 4.5,
        buckets: vec![Bucket { exemplar: Some(exemplar(0.4)), ..bucket(0.5, 1.0) }, bucket(f64::INFINITY, 3.0)],
        exemplars: if native.is_some() { vec![exemplar(0.7)] } else { Vec::new() },
        native,
    }));
    let metric = Metric { labels: vec![("a".into(), "b".into())], value, timestamp: Some(7), start: Some(1234) };
    Family {
        name: "h".into(),
        kind: MetricType::Histogram,
        help: "help".into(),
        unit: "seconds".into(),
        metrics: vec![metric],
    }
}

fn body(family: &Family) -> Vec<u8> {
    Written { format: Format::Protobuf, escaping: crate::names::Escaping::AllowUtf8 }.body([family])
}

fn native() -> NativeHistogram {
    NativeHistogram {
        schema: 3,
        zero_threshold: 0.001,
        sum: 4.5,
        counts: Counts::Integer { count: 3, zero: 1, positive: vec![2, 0], negative: vec![] },
        positive_spans: vec![Span { offset: -2, length: 1 }, Span { offset: 3, length: 1 }],
        ..NativeHistogram::default()
    }
}

const METADATA: [&str; 3] = ["HELP h \"help\"", "TYPE h histogram", "UNIT h seconds"];
const CLASSIC: [&str; 4] = [
    r#"h_count{a="b"} 3 @7 since 1234"#,
    r#"h_sum{a="b"} 4.5 @7 since 1234"#,
    r#"h_bucket{a="b",le="0.5"} 1 @7 since 1234 # {trace_id="abc"} 0.4 @1500"#,
    r#"h_bucket{a="b",le="+Inf"} 3 @7 since 1234"#,
];
const NATIVE: &str = r#"h{a="b"} schema 3 sum 4.5 Integer { count: 3, zero: 1, positive: [2, 0], negative: [] } [(-2, 1), (3, 1)] [] @7 since 1234 # {trace_id="abc"} 0.7 @1500"#;

#[test]
fn classic_histograms_are_series() {
    let lines = seen(Format::Protobuf, &body(&histogram(None)), Options::default()).unwrap();
    assert_eq!(lines, [&METADATA[..], &CLASSIC].concat());
}

#[test]
fn native_histograms_come_with_or_without_their_classic_series() {
    let body = body(&histogram(Some(native())));
    let lines = seen(Format::Protobuf, &body, Options::default()).unwrap();
    assert_eq!(lines, [&METADATA[..], &[NATIVE]].concat());
    let lines = seen(Format::Protobuf, &body, Options { keep_classic: true, ..Options::default() }).unwrap();
    assert_eq!(lines, [&METADATA[..], &[NATIVE], &CLASSIC].concat());
    let lines = seen(Format::Protobuf, &body, Options { native_histograms: false, ..Options::default() }).unwrap();
    assert_eq!(lines, [&METADATA[..], &CLASSIC].concat());
    // What is native already is not converted.
    let lines = seen(Format::Protobuf, &body, Options { convert_classic: true, ..Options::default() }).unwrap();
    assert_eq!(lines, [&METADATA[..], &[NATIVE]].concat());
}

#[test]
fn what_is_no_family_is_refused_with_its_place() {
    let whole = body(&histogram(Some(native())));
    for length in 1..whole.len() {
        assert!(seen(Format::Protobuf, &whole[..length], Options::default()).is_err(), "{length}");
    }
    let refused = |body: &[u8]| seen(Format::Protobuf, body, Options::default()).unwrap_err().to_string();
    assert!(refused(&[0]).contains("a metric family has no name"), "{}", refused(&[0]));
    assert!(refused(&[0xff; 12]).contains("expected the length of a metric family"));
    assert!(refused(&[5, 10, 1]).contains("at byte 0: the body ends before"));
    // A counter in a family of gauges.
    assert!(refused(&[9, 10, 1, b'a', 24, 1, 34, 2, 26, 0]).contains("at byte 8: expected a gauge"));
    let broken = NativeHistogram { positive_spans: vec![Span { offset: 0, length: u32::MAX }], ..native() };
    let error = refused(&body(&histogram(Some(broken))));
    assert!(error.contains("the spans of a native histogram need 4294967295 buckets, have 2 buckets"), "{error}");
    let overlapping = NativeHistogram {
        positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: -1, length: 1 }],
        ..native()
    };
    assert!(
        refused(&body(&histogram(Some(overlapping)))).contains("span 1 of a native histogram has a negative offset")
    );
}

#[test]
fn empty_native_histograms_are_native() {
    let empty = NativeHistogram { schema: 0, ..NativeHistogram::default() };
    let lines = seen(Format::Protobuf, &body(&histogram(Some(empty))), Options::default()).unwrap();
    assert!(lines[3].starts_with(r#"h{a="b"} schema 0 sum 4.5 Integer { count: 0"#), "{lines:?}");
}
