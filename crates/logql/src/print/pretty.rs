//! Queries over several lines: what is longer than a line is split where its parts meet.

use super::metrics::{Length, Operator, Side, VectorHead};
use crate::ast::{Binary, LabelReplace, LogQuery, LogRange, Metric, Query, RangeAggregation, VectorAggregation};

/// Characters of a line that stays whole.
const LONGEST_LINE: usize = 100;

/// As `format_query` answers.
pub fn pretty(query: &Query) -> String {
    let printer = Pretty { longest_line: LONGEST_LINE };
    match query {
        Query::Log(query) => printer.log(query, 0),
        Query::Metric(metric) => printer.metric(metric, 0),
    }
}

struct Pretty {
    longest_line: usize,
}

impl Pretty {
    /// `None`: it has to be split.
    fn whole(&self, of: &impl ToString, level: usize) -> Option<String> {
        let text = of.to_string();
        (text.chars().count() <= self.longest_line).then(|| indent(level) + &text)
    }

    fn metric(&self, metric: &Metric, level: usize) -> String {
        if let Some(whole) = self.whole(metric, level) {
            return whole;
        }
        match metric {
            Metric::Range(range) => self.range_aggregation(range, level),
            Metric::Vector(aggregation) => self.vector_aggregation(aggregation, level),
            Metric::Binary(binary) => self.binary(binary, level),
            Metric::LabelReplace(replace) => self.label_replace(replace, level),
            Metric::Literal(_) | Metric::Constant(_) => indent(level) + &metric.to_string(),
        }
    }

    fn log(&self, query: &LogQuery, level: usize) -> String {
        if let Some(whole) = self.whole(query, level) {
            return whole;
        }
        let mut text = indent(level) + &LogQuery { selector: query.selector.clone(), stages: Vec::new() }.to_string();
        for stage in &query.stages {
            text += &format!("\n{}{stage}", indent(level + 1));
        }
        text
    }

    fn range(&self, range: &LogRange, level: usize) -> String {
        let mut text = self.log(&range.query, level);
        if let Some(unwrap) = &range.unwrap {
            text += &format!("\n{}{unwrap}", indent(level + 1));
        }
        format!("{text} {}", Length(range))
    }

    fn range_aggregation(&self, aggregation: &RangeAggregation, level: usize) -> String {
        let RangeAggregation { op, param, range, grouping } = aggregation;
        let param = param.map(|param| format!("{}{param}", indent(level + 1)));
        let arguments = param.into_iter().chain([self.range(range, level + 1)]);
        let call = call(op.name(), arguments, level);
        match grouping {
            Some(grouping) => format!("{call} {grouping}"),
            None => call,
        }
    }

    fn vector_aggregation(&self, aggregation: &VectorAggregation, level: usize) -> String {
        let param = aggregation.param.map(|param| format!("{}{param}", indent(level + 1)));
        let arguments = param.into_iter().chain([self.metric(&aggregation.of, level + 1)]);
        call(&VectorHead(aggregation).to_string(), arguments, level)
    }

    fn label_replace(&self, replace: &LabelReplace, level: usize) -> String {
        let texts = replace.texts().map(|text| indent(level + 1) + &text);
        call("label_replace", [self.metric(&replace.of, level + 1)].into_iter().chain(texts), level)
    }

    fn binary(&self, binary: &Binary, level: usize) -> String {
        let leg = |metric: &Metric, side| match binary.wraps(metric, side) {
            true => call("", [self.metric(metric, level + 2)], level + 1),
            false => self.metric(metric, level + 1),
        };
        let (left, right) = (leg(&binary.left, Side::Left), leg(&binary.right, Side::Right));
        format!("{left}\n{}{}\n{right}", indent(level), Operator(binary))
    }
}

/// `head(…)` with an argument a line, or more of them.
fn call(head: &str, arguments: impl IntoIterator<Item = String>, level: usize) -> String {
    let arguments: Vec<String> = arguments.into_iter().collect();
    format!("{0}{head}(\n{1}\n{0})", indent(level), arguments.join(",\n"))
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn split(query: &str, longest_line: usize) -> String {
        let printer = Pretty { longest_line };
        match parse(query).unwrap() {
            Query::Log(query) => printer.log(&query, 0),
            Query::Metric(metric) => printer.metric(&metric, 0),
        }
    }

    #[test]
    fn what_is_long_is_split() {
        let cases = [
            ("{ a = `x` }", "{a=\"x\"}"),
            ("{a=\"x\"} |= \"y\" | json | b > 5", "{a=\"x\"}\n  |= \"y\"\n  | json\n  | b > 5"),
            ("rate({a=\"x\"}[5m])", "rate(\n  {a=\"x\"} [5m]\n)"),
            (
                "sum by (b) (rate({a=\"x\"} | json [5m] offset 1h))",
                "sum by (b) (\n  rate(\n    {a=\"x\"} | json [5m] offset 1h\n  )\n)",
            ),
            (
                "quantile_over_time(0.9, {a=\"x\"} | logfmt | unwrap bytes(b) | c = 5 [5m]) by (d)",
                "quantile_over_time(\n  0.9,\n  {a=\"x\"} | logfmt\n    | unwrap bytes(b) | c = 5 [5m]\n) by (d)",
            ),
            ("topk(3, count_over_time({a=\"x\"}[5m]))", "topk(\n  3,\n  count_over_time(\n    {a=\"x\"} [5m]\n  )\n)"),
            (
                "(vector(1) + vector(2)) * on (a) group_left (b) vector(3)",
                "  (\n      vector(1)\n    +\n      vector(2)\n  )\n* on (a) group_left (b)\n  vector(3)",
            ),
            (
                "label_replace(vector(1), \"a\", \"$1\", \"b\", \"(.*)\")",
                "label_replace(\n  vector(1),\n  \"a\",\n  \"$1\",\n  \"b\",\n  \"(.*)\"\n)",
            ),
        ];
        for (query, expected) in cases {
            let text = split(query, 16);
            assert_eq!(text, expected);
            assert_eq!(parse(&text), parse(query), "{text}");
            assert_eq!(pretty(&parse(query).unwrap()), parse(query).unwrap().to_string().as_str());
        }
    }
}
