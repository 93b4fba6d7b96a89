//! Functions where names are dropped at once, as by default; Prometheus' own scripts drop them at the end.

use crate::eval::binary::fixture::Series;

const SERIES: Series = Series(&[
    ("m job=a instance=1", "1 2 3"),
    ("n job=a instance=1", "_ _ 30"),
    ("early x=1", "-1 _ _"),
    ("late x=1", "_ -2 -3"),
    ("target_info job=a instance=1 version=v1", "1 1 _"),
    ("target_info job=a instance=1 version=v2", "_ 1 1"),
    ("build_info job=a instance=1 version=b", "1 1 1"),
    ("h_bucket le=0.5", "5 5 _"),
    ("h_bucket le=1", "4 10 _"),
    ("h_bucket le=+Inf", "20 20 _"),
    ("h_bucket le=x", "_ 1 _"),
]);

fn check(query: &str, steps: i64, expected: &[&str]) {
    assert_eq!(SERIES.ask(query, steps, false).unwrap(), expected, "{query}");
}

fn check_error(query: &str, steps: i64, expected: &str) {
    for delayed in [false, true] {
        assert_eq!(SERIES.ask(query, steps, delayed).unwrap_err(), expected, "{query} delayed {delayed}");
    }
}

#[test]
fn hyperbolic_functions_overflow_where_those_of_go_do() {
    check("sinh(vector(710))", 1, &["{} inf"]);
    check("sinh(vector(-710))", 1, &["{} -inf"]);
    check("cosh(vector(-710))", 1, &["{} inf"]);
    check("sinh(vector(21.5)) / (exp(vector(21.5)) / 2)", 1, &["{} 1"]);
    check("cosh(vector(0)) + sinh(vector(0))", 1, &["{} 1"]);
}

#[test]
fn series_that_lose_their_names_become_one_unless_they_meet() {
    check("abs({__name__=~\"early|late\"})", 3, &[r#"{x="1"} 1 2 3"#]);
    check("{__name__=~\"early|late\"} * 2", 3, &[r#"{x="1"} -2 -4 -6"#]);
    check("-early or -late", 3, &[r#"{x="1"} 1 2 3"#]);
    check("sum by (x) (early or late)", 3, &[r#"{x="1"} -1 -2 -3"#]);
    let same = "vector cannot contain metrics with the same labelset";
    check("abs({job=\"a\",__name__=~\"m|n\"})", 2, &[r#"{instance="1", job="a"} 1 2"#]);
    check_error("abs({job=\"a\",__name__=~\"m|n\"})", 3, same);
    check_error("{job=\"a\",__name__=~\"m|n\"} > bool 1", 3, same);
}

#[test]
fn labels_are_rewritten() {
    check(
        "label_replace(m, \"to\", \"$2-${1}x$$\", \"job\", \"(a)(.*)\")",
        1,
        &[r#"{__name__="m", instance="1", job="a", to="-ax$"} 1"#],
    );
    check("label_replace(m, \"job\", \"\", \"job\", \".*\")", 1, &[r#"{__name__="m", instance="1"} 1"#]);
    check("label_replace(m, \"to\", \"x\", \"job\", \"b\")", 1, &[r#"{__name__="m", instance="1", job="a"} 1"#]);
    check(
        "label_join(m, \"to\", \"/\", \"job\", \"none\", \"instance\")",
        1,
        &[r#"{__name__="m", instance="1", job="a", to="a//1"} 1"#],
    );
    // A name given on purpose stays.
    check(
        "label_replace(abs(m), \"__name__\", \"x\", \"job\", \"a\")",
        1,
        &[r#"{__name__="x", instance="1", job="a"} 1"#],
    );
    for (query, expected) in [
        ("label_replace(m, \"to\", \"\", \"job\", \"(\")", "invalid regular expression in label_replace(): ("),
        ("label_replace(m, \"\", \"\", \"job\", \"\")", "invalid destination label name in label_replace(): "),
        ("label_join(m, \"to\", \"\", \"\")", "invalid source label name in label_join(): "),
    ] {
        check_error(query, 1, expected);
    }
}

#[test]
fn info_is_what_is_known_at_the_step() {
    let with = |version: &str, values: &str| {
        format!(r#"{{__name__="m", instance="1", job="a", version="{version}"}} {values}"#)
    };
    check("info(m)", 1, &[&with("v1", "1")]);
    check("info(m, {__name__=\"build_info\"})", 3, &[&with("b", "1 2 3")]);
    check("info(m, {version=\"v2\"})", 3, &[&with("v2", "_ 2 3")]);
    check("info(m offset 1m)", 2, &[&with("v1", "_ 1")]);
    check("info(m @ 0)", 3, &[&with("v1", "1 1 1")]);
    check("info((m @ 0) or (m @ 60 offset 1m))", 3, &[&with("v1", "1 1 1")]);
    check("info(m offset 1m * 1)", 2, &[r#"{instance="1", job="a", version="v1"} _ 1"#]);
    check("info(last_over_time((m offset 30s)[1m:30s] offset 30s))", 2, &[&with("v1", "_ 1")]);
    // Where selectors look at different times, or something looks at none, info series are looked at when it is evaluated.
    for other in ["m offset 2m", "m @ 0", "vector(1)", "vector(scalar(m offset 1m))"] {
        check(&format!("info((m offset 1m) or ({other}), {{version=\"v2\"}})"), 3, &[&with("v2", "_ 1 2")]);
    }
    check(
        "info(build_info, {__name__=~\".*_info\"})",
        1,
        &[r#"{__name__="build_info", instance="1", job="a", version="b"} 1"#],
    );
    check_error("info(m, {__name__=~\".+_info\"})", 1, "conflicting label: version");
    check_error(
        "info(m)",
        2,
        "found duplicate series for info metric: \
         existing {__name__=\"target_info\", instance=\"1\", job=\"a\", version=\"v1\"} @ 60000, \
         new {__name__=\"target_info\", instance=\"1\", job=\"a\", version=\"v2\"} @ 60000",
    );
}

#[test]
fn classic_histograms_are_put_together_at_each_step() {
    let docs = "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile";
    check(
        "histogram_quantile(0.5, h_bucket)",
        3,
        &[
            "{} 1 1 _",
            r#"PromQL warning: bucket label "le" is missing or has a malformed value of "x" (1:25)"#,
            &format!(
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see {docs}), from buckets 1 to 1, \
             with a max diff of 1, over 1 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:25)"
            ),
        ],
    );
    check(
        "histogram_quantile(2, h_bucket{le!=\"x\"})",
        2,
        &["{} inf inf", "PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)"],
    );
    check(
        "histogram_quantiles(h_bucket{le=~\"0.5|.Inf\"}, \"q\", 0.1, 1)",
        2,
        &[r#"{q="0.1"} 0.2 0.2"#, r#"{q="1.0"} 0.5 0.5"#],
    );
    check("histogram_fraction(0, 0.5, h_bucket{le!=\"x\"})", 2, &["{} 0.25 0.25"]);
}

#[test]
fn the_time_is_that_of_the_query_or_of_the_step() {
    check("vector(end() - start() + step())", 3, &["{} 180 180 180"]);
    check("vector(time())", 2, &["{} 0 60"]);
    check("minute()", 2, &["{} 0 1"]);
    check("timestamp(m + 0)", 2, &[r#"{instance="1", job="a"} 0 60"#]);
    check("absent(m{a=\"b\",job=~\"x\"})", 2, &[r#"{a="b"} 1 1"#]);
    check("absent(early)", 2, &["{} _ 1"]);
    check("clamp(m, time() / 30, 5)", 3, &[r#"{instance="1", job="a"} 1 2 4"#]);
    check("vector(scalar({job=\"a\",__name__=~\"m|n\"}))", 3, &["{} 1 2 NaN"]);
    check(
        "sort(m)",
        2,
        &[
            r#"{__name__="m", instance="1", job="a"} 1 2"#,
            "PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)",
        ],
    );
}
