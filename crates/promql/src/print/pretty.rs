//! Expressions over several lines: what is longer than a line is split where its parts meet.

use super::{AggregateHead, Operator, SubquerySuffix};
use crate::ast::Expr;

/// Bytes of a line that stays whole.
const LONGEST_LINE: usize = 100;

/// As Prometheus' `format_query` answers.
pub fn pretty(expr: &Expr) -> String {
    Pretty { longest_line: LONGEST_LINE }.print(expr, 0)
}

struct Pretty {
    longest_line: usize,
}

impl Pretty {
    /// `level` is 0 where the expression goes on in a line that has begun, else what its lines are indented by.
    fn print(&self, expr: &Expr, level: usize) -> String {
        let indent = "  ".repeat(level);
        if let Expr::Unary(unary) = expr {
            return format!("{indent}{}{}", unary.op.symbol(), self.print(&unary.expr, level).trim());
        }
        let text = expr.to_string();
        if text.len() <= self.longest_line {
            return match expr {
                // Prometheus leaves these where they are.
                Expr::Subquery(_) => text,
                _ => indent + &text,
            };
        }
        let inner = |expr: &Expr| self.print(expr, level + 1);
        match expr {
            Expr::Aggregate(aggregate) => {
                let param = aggregate.param.as_ref().map(|param| format!("{},\n", inner(param))).unwrap_or_default();
                format!("{indent}{}(\n{param}{}\n{indent})", AggregateHead(aggregate), inner(&aggregate.expr))
            }
            Expr::Binary(binary) => {
                format!("{}\n{indent}{}\n{}", inner(&binary.lhs), Operator(binary), inner(&binary.rhs))
            }
            Expr::Call(call) => {
                let args: Vec<String> = call.args.iter().map(inner).collect();
                format!("{indent}{}(\n{}\n{indent})", call.function.name, args.join(",\n"))
            }
            Expr::Paren(paren) => format!("{indent}(\n{}\n{indent})", inner(&paren.expr)),
            Expr::Subquery(subquery) => format!("{}{}", self.print(&subquery.expr, level), SubquerySuffix(subquery)),
            _ => indent + &text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{ParserOptions, parse};

    #[test]
    fn long_lines_are_split() {
        let cases = [
            ("sum( foo )", "sum(foo)"),
            ("sum by (job, instance) (requests)", "sum by (job, instance) (\n  requests\n)"),
            ("topk(3, requests{job=\"x\"})", "topk(\n  3,\n  requests{job=\"x\"}\n)"),
            (
                "rate(requests[5m]) / on (job) group_left () rate(sent[5m])",
                "  rate(\n    requests[5m]\n  )\n/ on (job) group_left ()\n  rate(sent[5m])",
            ),
            ("(requests == bool bytes)", "(\n    requests\n  == bool\n    bytes\n)"),
            ("max_over_time(abs(requests_total)[5m:1m])", "max_over_time(\n  abs(\n    requests_total\n  )[5m:1m]\n)"),
            ("max_over_time(vector(1)[5m:1m])", "max_over_time(\nvector(1)[5m:1m]\n)"),
            ("-sum(requests + bytes_total)", "-sum(\n    requests\n  +\n    bytes_total\n)"),
            ("\"a string longer than a line\"", "\"a string longer than a line\""),
        ];
        for (query, expected) in cases {
            let expr = parse(query, ParserOptions::ALL).unwrap();
            assert_eq!(Pretty { longest_line: 16 }.print(&expr, 0), expected);
            assert_eq!(pretty(&expr), expr.to_string());
        }
    }

    #[test]
    fn what_is_split_says_the_same() {
        let query = "sum by (job, mode) (rate(node_cpu_seconds_total{job=\"node\", mode!=\"idle\"}[1m])) \
                     / on (job) group_left () sum by (job) (rate(node_cpu_seconds_total{job=\"node\"}[1m] offset 1d))";
        let expr = parse(query, ParserOptions::ALL).unwrap();
        let text = pretty(&expr);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!(parse(&text, ParserOptions::ALL).unwrap().to_string(), expr.to_string());
    }
}
