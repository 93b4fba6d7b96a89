//! Both text formats: what is taken, what is refused and where.

use super::*;

#[test]
fn text_is_taken_as_prometheus_takes_it() {
    let body = concat!(
        "# A comment, then nothing.\n#\n\n",
        "# HELP name two-line\\n doc  str\\\\ing\n",
        "  #    TYPE    name   histogram \n",
        "name_bucket { le = \"1\" , a=\"b\\\"v\\\\a\\nue\", } 0.23 1234567890\n",
        "name_bucket{le=\"+Inf\"}\t3 -5\n",
        "{\"my.metric\", \"a.b\"=\"c\",} NaN\n",
        "# TYPE \"my.metric\" untyped\n",
        "job:x:rate5m{}-Inf\n",
        "# HELP\n# TYPE\n# HELP \n",
        "last 1",
    );
    let expected = [
        r#"HELP name "two-line\n doc  str\\ing""#,
        "TYPE name histogram",
        r#"name_bucket{le="1.0",a="b\"v\\a\nue"} 0.23 @1234567890"#,
        r#"name_bucket{le="+Inf"} 3 @-5"#,
        r#"my.metric{a.b="c"} NaN"#,
        "TYPE my.metric unknown",
        "job:x:rate5m{} -inf",
        "last{} 1",
    ];
    assert_eq!(text(body).unwrap(), expected);
}

#[test]
fn bounds_and_quantiles_are_normalized_where_the_type_says_so() {
    let body = "x{le=\"1\",quantile=\"1\"} 1\n# TYPE x summary\nx{le=\"1\",quantile=\"1\"} 1\n";
    let expected = [r#"x{le="1",quantile="1"} 1"#, "TYPE x summary", r#"x{le="1",quantile="1.0"} 1"#];
    assert_eq!(text(body).unwrap(), expected);
}

#[test]
fn a_mistake_in_text_is_told_with_its_place() {
    for (body, expected) in [
        (
            "a 1\nmetric{label=bla} 3.14\n",
            r#"line 2, column 14: expected label value, got "bla" in "metric{label=bla} 3.14""#,
        ),
        ("a\n", r#"line 1, column 2: expected value after metric, got "" in "a""#),
        ("a 1 2.5\n", r#"line 1, column 5: expected timestamp or new record, got "2.5" in "a 1 2.5""#),
        ("a 1 2 3\n", r#"line 1, column 7: expected next entry after timestamp, got "3" in "a 1 2 3""#),
        ("a{b=\"c\nd\"} 1\n", "line 1, column 5: label value has a newline inside"),
        ("a{b=\"c", "line 1, column 5: label value does not end"),
        ("a{b} 1\n", r#"line 1, column 4: expected equal, got "}""#),
        ("a{\"b\"} 1\n", r#"line 1, column 3: metric name already set"#),
        ("{b=\"c\"} 1\n", "line 1, column 1: metric name not set"),
        ("a{b=\"c\"d=\"e\"} 1\n", r#"line 1, column 8: expected comma or brace close, got "d""#),
        ("@a 1\n", "line 1, column 1: expected a valid start token"),
        ("# TYPE a bla\n", r#"line 1, column 10: invalid metric type, got "bla""#),
        ("a 1e999\n", r#"line 1, column 3: expected value after metric, got "1e999""#),
        ("a{__name__=\"b\"} 1\n", r#"line 1, column 3: label name "__name__" is reserved"#),
    ] {
        let error = text(body).unwrap_err();
        assert!(error.starts_with(expected), "{body:?}: {error}");
    }
    let error = seen(Format::Text, b"a{b=\"\xff\"} 1\n", Options::default()).unwrap_err();
    assert!(error.to_string().contains("expected valid UTF-8"), "{error}");
}

#[test]
fn nothing_comes_after_a_mistake() {
    let mut parser = Parser::new(Format::Text, b"a 1\n@\nb 1\n", Options::default());
    assert!(matches!(parser.next(), Ok(Some(Entry::Series(_)))));
    assert!(parser.next().is_err());
    assert_eq!(parser.next(), Ok(None));
}

const FAMILIES: &str = r#"# HELP go_gc GC \"quoted\"
# TYPE go_gc counter
# UNIT go_gc 
go_gc_total{a="1"} 7 1520879607.789 # {id="x"} 0.5 1520879607
go_gc_created{a="1"} 1520872607.123
go_gc_total{a="2"} 8.0 # {} 1
go_gc_created{a="2"} 1520872608
# TYPE lat_seconds histogram
# UNIT lat_seconds seconds
lat_seconds_created 5
lat_seconds_bucket{le="1"} 1
lat_seconds_bucket{le="+Inf"} 2
lat_seconds_count 2
lat_seconds_sum 3.5
# TYPE ii info
ii_info{version="1"} 1
# TYPE ss stateset
ss{ss="on"} 1
# TYPE gh gaugehistogram
gh_bucket{le="+Inf"} 1
# TYPE plain unknown
plain 1
{"a.b",c="d"} 2
# EOF
"#;

#[test]
fn open_metrics_is_taken_as_prometheus_takes_it() {
    let expected = [
        r#"HELP go_gc "GC \"quoted\"""#,
        "TYPE go_gc counter",
        "UNIT go_gc ",
        r#"go_gc_total{a="1"} 7 @1520879607789 # {id="x"} 0.5 @1520879607000"#,
        r#"go_gc_created{a="1"} 1520872607.123"#,
        r#"go_gc_total{a="2"} 8 # {} 1"#,
        r#"go_gc_created{a="2"} 1520872608"#,
        "TYPE lat_seconds histogram",
        "UNIT lat_seconds seconds",
        "lat_seconds_created{} 5",
        r#"lat_seconds_bucket{le="1.0"} 1"#,
        r#"lat_seconds_bucket{le="+Inf"} 2"#,
        "lat_seconds_count{} 2",
        "lat_seconds_sum{} 3.5",
        "TYPE ii info",
        r#"ii_info{version="1"} 1"#,
        "TYPE ss stateset",
        r#"ss{ss="on"} 1"#,
        "TYPE gh gaugehistogram",
        r#"gh_bucket{le="+Inf"} 1"#,
        "TYPE plain unknown",
        "plain{} 1",
        r#"a.b{c="d"} 2"#,
    ];
    assert_eq!(open_metrics(FAMILIES, Options::default()).unwrap(), expected);
}

#[test]
fn created_lines_can_be_starts() {
    let lines = open_metrics(FAMILIES, Options { created: Created::AsStart, ..Options::default() }).unwrap();
    assert!(!lines.iter().any(|line| line.contains("_created")), "{lines:?}");
    let with_start: Vec<_> = lines.iter().filter(|line| line.contains("since")).map(String::as_str).collect();
    let expected = [
        r#"go_gc_total{a="1"} 7 @1520879607789 since 1520872607123 # {id="x"} 0.5 @1520879607000"#,
        r#"go_gc_total{a="2"} 8 since 1520872608000 # {} 1"#,
        r#"lat_seconds_bucket{le="1.0"} 1 since 5000"#,
        r#"lat_seconds_bucket{le="+Inf"} 2 since 5000"#,
        "lat_seconds_count{} 2 since 5000",
        "lat_seconds_sum{} 3.5 since 5000",
    ];
    assert_eq!(with_start, expected);
}

#[test]
fn a_mistake_in_open_metrics_is_told_with_its_place() {
    for (body, expected) in [
        ("", "data does not end with # EOF"),
        ("a 1\n", "line 2, column 1: data does not end with # EOF"),
        ("# EOF\na 1\n", "line 2, column 1: unexpected data after # EOF"),
        ("\n# EOF", "line 1, column 1: expected a valid start token"),
        ("#\tTYPE a counter\n# EOF\n", "line 1, column 1: expected a valid start token"),
        ("# TYPE a\n# EOF", "invalid metric type"),
        ("# UNIT a_b seconds\n# EOF", r#"unit "seconds" not a suffix of metric "a_b""#),
        ("a  1\n# EOF", "expected value after metric"),
        ("a 1 NaN\n# EOF", "invalid timestamp"),
        ("a 1 # {b=\"c\"}\n# EOF", "expected the value of an exemplar"),
        ("a 1 # {\"b\"} 1\n# EOF", "expected equal after each label name of an exemplar"),
        ("a 1 1 1\n# EOF", "expected a new line"),
        ("a{b = \"c\"} 1\n# EOF", "expected equal"),
    ] {
        let error = open_metrics(body, Options::default()).unwrap_err();
        assert!(error.contains(expected), "{body:?}: {error}");
    }
}

#[test]
fn classic_histograms_can_be_converted() {
    let body = concat!(
        "# TYPE h histogram\n",
        "h_bucket{a=\"1\",le=\"0.5\"} 1\nh_bucket{a=\"1\",le=\"1\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 4\n",
        "h_sum{a=\"1\"} 9\nh_count{a=\"1\"} 4\n",
        "h_bucket{a=\"2\",le=\"0.5\"} 1.5\nh_sum{a=\"2\"} 1\nh_count{a=\"2\"} 2\n",
        "h_bucket{a=\"3\",le=\"0.5\"} 3\nh_bucket{a=\"3\",le=\"1\"} 2\nh_count{a=\"3\"} 4\n",
        "# TYPE up gauge\nup 1\n",
        "h_count 3\n",
    );
    let converting = Options { convert_classic: true, ..Options::default() };
    let expected = [
        "TYPE h histogram",
        r#"h{a="1"} schema -53 sum 9 Integer { count: 4, zero: 0, positive: [1, 3], negative: [] } [(0, 1), (1, 1)] [0.5, 1.0]"#,
        r#"h{a="2"} schema -53 sum 1 Float { count: 2.0, zero: 0.0, positive: [1.5, 0.5], negative: [] } [(0, 2)] [0.5]"#,
        "TYPE up gauge",
        "up{} 1",
        "h_count{} 3",
    ];
    assert_eq!(seen(Format::Text, body.as_bytes(), converting).unwrap(), expected);
    let mut parser = Parser::new(Format::Text, body.as_bytes(), converting);
    while parser.next().unwrap().is_some() {}
    assert_eq!(parser.unconverted(), 1);

    let both = seen(Format::Text, body.as_bytes(), Options { keep_classic: true, ..converting }).unwrap();
    assert_eq!(both.len(), text(body).unwrap().len() + 2);
    assert!(both[6].starts_with(r#"h{a="1"} schema -53"#), "{both:?}");
}

#[test]
fn a_histogram_at_the_end_is_converted_too() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\nh_sum 1\n";
    let lines = seen(Format::Text, body.as_bytes(), Options { convert_classic: true, ..Options::default() }).unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
}
