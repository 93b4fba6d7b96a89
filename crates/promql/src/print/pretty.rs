//! Expressions over several lines: what is longer than a line is split where its parts meet.

use super::{AggregateHead, Operator, SubquerySuffix};
use crate::ast::Expr;

/// Bytes of a line that stays whole.
const LONGEST_LINE: usize = 100;

/// As Prometheus' `format_query` answers.
pub fn pretty(expr: &Expr) -> String {
    pretty_at(expr, 0)
}

/// `level` is 0 where the expression goes on in a line that has begun, else what its lines are indented by.
fn pretty_at(expr: &Expr, level: usize) -> String {
    let indent = "  ".repeat(level);
    if let Expr::Unary(unary) = expr {
        return format!("{indent}{}{}", unary.op.symbol(), pretty_at(&unary.expr, level).trim());
    }
    let text = expr.to_string();
    if let (Expr::Subquery(_), ..=LONGEST_LINE) = (expr, text.len()) {
        // Prometheus leaves these where they are.
        return text;
    }
    if text.len() <= LONGEST_LINE {
        return format!("{indent}{text}");
    }
    let inner = |expr: &Expr| pretty_at(expr, level + 1);
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
        Expr::Subquery(subquery) => format!("{}{}", pretty_at(&subquery.expr, level), SubquerySuffix(subquery)),
        _ => format!("{indent}{text}"),
    }
}
