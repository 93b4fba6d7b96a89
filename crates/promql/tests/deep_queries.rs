//! What the parser lets through can be evaluated on the stack that threads have by default.

use trefoil_promql::ast::Expr;
use trefoil_promql::error::EvalError;
use trefoil_promql::eval::{Engine, EngineOptions, QueryLimits};
use trefoil_promql::labels::Labels;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::parser::{DEEPEST_NESTING, MOST_OPERATORS, ParserOptions, parse};
use trefoil_promql::source::{RawSeries, Samples, SelectHints, SeriesSource};

struct OneSeries;

impl SeriesSource for OneSeries {
    fn select(&self, _: &[Matcher], _: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
        let mut samples = Samples::default();
        samples.push_float(1000, 1.0);
        Ok(vec![RawSeries { labels: Labels::from_pairs([("__name__", "foo")]), samples }])
    }
}

fn surrounded(left: &str, times: usize, middle: &str, right: &str) -> String {
    format!("{}{middle}{}", left.repeat(times), right.repeat(times))
}

#[test]
fn deep_queries_are_evaluated() {
    let levels = DEEPEST_NESTING - 1;
    let queries = [
        surrounded("(", levels, "foo", ")"),
        surrounded("-", levels, "foo", ""),
        surrounded("abs(", levels, "foo", ")"),
        surrounded("sum by (a) (", levels, "foo", ")"),
        surrounded("foo ^ ", levels, "foo", ""),
        surrounded("max_over_time((", levels / 2, "foo", ")[5s:1s])"),
        surrounded("label_replace(", levels, "foo", ", \"a\", \"$1\", \"b\", \"(.*)\")"),
        surrounded("foo + ", MOST_OPERATORS, "foo", ""),
        surrounded("foo or ", MOST_OPERATORS, "foo", ""),
        format!("foo[{}5s]", surrounded("1s + ", MOST_OPERATORS, "", "")),
    ];
    let evaluate = move || {
        let engine = Engine::new(EngineOptions::default(), ParserOptions::ALL);
        for query in queries {
            let expr: Expr = parse(&query, ParserOptions::ALL).expect("a query");
            engine.instant_expr(&OneSeries, &expr, 1000, QueryLimits::default()).expect("an answer");
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(evaluate).expect("a thread").join().expect("answers");
}
