//! Any text as a PromQL query, a metric, a selector and a duration, and what is a query evaluated. No panic, no endless work;
//! errors name a place inside the text; what is printed and parses again prints the same.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use trefoil_promql::error::EvalError;
use trefoil_promql::eval::{Engine, EngineOptions, QueryLimits};
use trefoil_promql::labels::Labels;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::parser::{ParserOptions, parse, parse_duration, parse_metric, parse_selector};
use trefoil_promql::print::pretty;
use trefoil_promql::source::{RawSeries, Samples, SelectHints, SeriesSource};
use trefoil_promql::steps::Steps;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let options = EngineOptions { max_samples: 100_000, ..EngineOptions::default() };
    Engine::new(options, ParserOptions::ALL)
});

/// Whatever is asked for, two series with a few samples in the first minutes.
struct FewSeries;

impl SeriesSource for FewSeries {
    fn select(&self, matchers: &[Matcher], _: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
        let series = ["1", "2"].into_iter().map(|value| {
            let labels = Labels::from_pairs([("__name__", "foo"), ("a", value), ("le", "0.5")]);
            let mut samples = Samples::default();
            for minute in 0..5 {
                samples.push_float(minute * 60_000, minute as f64);
            }
            RawSeries { labels, samples }
        });
        Ok(series.filter(|series| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels))).collect())
    }
}

/// An infinity prints with its sign, as in Prometheus. Where it is the base of a power, the parser reads a sign of the power's.
fn one_sign(mut text: String) -> String {
    while text.contains("++Inf") {
        text = text.replace("++Inf", "+Inf");
    }
    text
}

fuzz_target!(|text: &str| {
    let _ = parse_duration(text);
    let _ = (parse_metric(text), parse_selector(text));
    let expr = match parse(text, ParserOptions::ALL) {
        Ok(expr) => expr,
        Err(error) => {
            assert!(text.get(error.position.start..error.position.end).is_some(), "{error}");
            return;
        }
    };
    let printed = expr.to_string();
    // What is shorter than a millisecond prints as none.
    if let Ok(again) = parse(&printed, ParserOptions::ALL) {
        assert_eq!(one_sign(again.to_string()), one_sign(printed));
    }
    let _ = pretty(&expr);
    let limits = QueryLimits { deadline: Some(Instant::now() + Duration::from_secs(1)), canceled: None, memory: None };
    let _ = ENGINE.instant_expr(&FewSeries, &expr, 120_000, limits);
    let steps = Steps { start: 0, end: 300_000, interval: 60_000 };
    let _ = ENGINE.range_expr(&FewSeries, &expr, steps, limits);
});
