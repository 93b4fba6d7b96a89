//! Other ways to ask an instant query that have the same answer.

use trefoil_promql::ast::{At, Expr, VectorSelector};

/// Functions whose value depends on when they are evaluated, whatever their arguments are.
const TIMELY: [&str; 15] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// The expression with everything pinned to the time by `@`, so that it can be asked at any time; `None` where it cannot.
pub fn pinned(expr: &Expr, time: i64) -> Option<Expr> {
    let mut pinned = expr.clone();
    pin(&mut pinned, At::Time(time)).then_some(pinned)
}

/// Times to ask a pinned expression at.
pub fn times(time: i64) -> Vec<i64> {
    match time {
        0 => vec![-1000, 0, 1000],
        time => vec![-10 * time, 0, time / 5, time, 10 * time],
    }
}

/// False where there is a function that cannot be pinned.
fn pin(expr: &mut Expr, at: At) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(selector) => pin_selector(selector, at),
        Expr::Matrix(matrix) => pin_selector(&mut matrix.selector, at),
        // What is inside is evaluated at the subquery's own times, which are pinned with it.
        Expr::Subquery(subquery) => {
            pin_at(&mut subquery.at, at);
            true
        }
        Expr::Call(call) => {
            !TIMELY.contains(&call.function.name) && call.args.iter_mut().all(|argument| pin(argument, at))
        }
        Expr::Aggregate(aggregate) => {
            pin(&mut aggregate.expr, at) && aggregate.param.as_mut().is_none_or(|param| pin(param, at))
        }
        Expr::Binary(binary) => pin(&mut binary.lhs, at) && pin(&mut binary.rhs, at),
        Expr::Unary(unary) => pin(&mut unary.expr, at),
        Expr::Paren(paren) => pin(&mut paren.expr, at),
    }
}

fn pin_selector(selector: &mut VectorSelector, at: At) -> bool {
    pin_at(&mut selector.at, at);
    true
}

/// `@ start()` and `@ end()` are about the query, so they are pinned, too.
fn pin_at(at: &mut Option<At>, time: At) {
    if !matches!(at, Some(At::Time(_))) {
        *at = Some(time);
    }
}
