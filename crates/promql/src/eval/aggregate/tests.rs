//! Groups whose series come and go, and parameters that change.

use crate::eval::binary::fixture::Series;
use crate::eval::{Engine, EngineOptions};
use crate::parser::ParserOptions;
use crate::steps::Steps;

const SERIES: Series = Series(&[
    ("m a=1 b=1", "1 NaN 3 inf"),
    ("m a=1 b=2", "2 4 _ -inf"),
    ("m a=2 b=1", "_ 7 8 9"),
    ("k", "1 2 0 1"),
    ("q", "0 0.5 1 2"),
]);

fn check(query: &str, expected: &[&str]) {
    for delayed in [false, true] {
        assert_eq!(SERIES.ask(query, 4, delayed).unwrap(), expected, "{query} delayed {delayed}");
    }
}

#[test]
fn groups_are_of_the_series_that_are_there() {
    check("sum by (a) (m)", &[r#"{a="1"} 3 NaN 3 NaN"#, r#"{a="2"} _ 7 8 9"#]);
    check("avg without (b) (m)", &[r#"{a="1"} 1.5 NaN 3 NaN"#, r#"{a="2"} _ 7 8 9"#]);
    check("count(m)", &["{} 2 3 2 3"]);
    check("group by (b) (m)", &[r#"{b="1"} 1 1 1 1"#, r#"{b="2"} 1 1 _ 1"#]);
    check("max by (a) (m)", &[r#"{a="1"} 2 4 3 inf"#, r#"{a="2"} _ 7 8 9"#]);
    check("min by (a) (m)", &[r#"{a="1"} 1 4 3 -inf"#, r#"{a="2"} _ 7 8 9"#]);
    check("stdvar by (a) (m)", &[r#"{a="1"} 0.25 NaN 0 NaN"#, r#"{a="2"} _ 0 0 0"#]);
    check("sum by (__name__) (m{a=\"2\"})", &[r#"{__name__="m"} _ 7 8 9"#]);
    check("sum(nothing)", &[]);
}

#[test]
fn series_that_are_added_up_are_not_held() {
    let options = EngineOptions { max_samples: 8, ..EngineOptions::default() };
    let engine = Engine::new(options, ParserOptions::ALL);
    let steps = Steps::range(0, 3 * 60_000, 60_000);
    let ask = |query: &str| engine.range(&SERIES, query, steps).map(|answer| answer.stats.peak_samples);
    assert!(ask("m").unwrap_err().to_string().contains("too many samples"));
    assert!(ask("quantile(0.5, m)").unwrap_err().to_string().contains("too many samples"));
    assert_eq!(ask("sum(m)"), Ok(5));
    // Two groups are still held when the third begins.
    assert_eq!(ask("count by (a, b) (m{a=\"1\"})"), Ok(8));
    assert!(ask("max by (a, b) (m)").unwrap_err().to_string().contains("too many samples"));
}

#[test]
fn parameters_may_be_others_at_each_step() {
    check(
        "topk(scalar(k), m)",
        &[
            r#"{__name__="m", a="1", b="1"} _ _ _ inf"#,
            r#"{__name__="m", a="1", b="2"} 2 4 _ _"#,
            r#"{__name__="m", a="2", b="1"} _ 7 _ _"#,
        ],
    );
    check(
        "limitk by (a) (1, m)",
        &[r#"{__name__="m", a="1", b="1"} 1 NaN 3 inf"#, r#"{__name__="m", a="2", b="1"} _ 7 8 9"#],
    );
    check(
        "quantile(scalar(q), m)",
        &["{} 1 4 8 inf", "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"],
    );
    check(
        "count_values by (a) (\"v\", m{a=\"1\"})",
        &[
            r#"{a="1", v="+Inf"} _ _ _ 1"#,
            r#"{a="1", v="-Inf"} _ _ _ 1"#,
            r#"{a="1", v="1"} 1 _ _ _"#,
            r#"{a="1", v="2"} 1 _ _ _"#,
            r#"{a="1", v="3"} _ _ 1 _"#,
            r#"{a="1", v="4"} _ 1 _ _"#,
            r#"{a="1", v="NaN"} _ 1 _ _"#,
        ],
    );
}

#[test]
fn parameters_that_are_no_numbers_are_errors() {
    for (query, expected) in [
        ("topk(NaN, m)", "Parameter value is NaN"),
        ("topk(1e100, m)", "Scalar value 1e+100 overflows int64"),
        ("bottomk(scalar(k) - 1e100 * (time() > bool 0) + 1e18, m)", "Scalar value -1e+100 underflows int64"),
        ("limit_ratio(NaN, m)", "Ratio value is NaN"),
        ("count_values(\"\", m)", "invalid label name \"\""),
    ] {
        assert_eq!(SERIES.ask(query, 4, true).unwrap_err(), expected, "{query}");
    }
    check("topk(0.5, m)", &[]);
}
