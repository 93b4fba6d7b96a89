//! At which time info series are looked at: that of what they are to be told of.

use crate::ast::{At, Duration, Expr};
use crate::error::EvalError;
use crate::eval::Evaluator;

/// `@`, and the offsets up to it, innermost first.
struct Found<'a> {
    at: Option<At>,
    offsets: Vec<&'a Duration>,
}

impl Evaluator<'_> {
    /// The `@` that the first selector of the expression is subject to, be it that of a subquery around it, and the sum of the
    /// offsets up to there.
    pub(super) fn info_reference(&self, expr: &Expr) -> Result<(Option<At>, Duration), EvalError> {
        let Some(found) = find(expr) else { return Ok((None, Duration::Millis(0))) };
        let mut offset: i64 = 0;
        for part in found.offsets {
            offset = offset.saturating_add(self.reference(None, Some(part))?.offset);
        }
        Ok((found.at, Duration::Millis(offset)))
    }
}

fn find(expr: &Expr) -> Option<Found<'_>> {
    match expr {
        Expr::Number(_) | Expr::String(_) => None,
        Expr::Vector(selector) => Some(Found { at: selector.at, offsets: selector.offset.iter().collect() }),
        Expr::Matrix(matrix) => {
            Some(Found { at: matrix.selector.at, offsets: matrix.selector.offset.iter().collect() })
        }
        Expr::Subquery(subquery) => {
            let mut found = find(&subquery.expr)?;
            if found.at.is_none() {
                found.offsets.extend(&subquery.offset);
                found.at = subquery.at;
            }
            Some(found)
        }
        Expr::Call(call) => call.args.iter().find_map(find),
        Expr::Aggregate(aggregate) => find(&aggregate.expr).or_else(|| find(aggregate.param.as_ref()?)),
        Expr::Binary(binary) => find(&binary.lhs).or_else(|| find(&binary.rhs)),
        Expr::Unary(unary) => find(&unary.expr),
        Expr::Paren(paren) => find(&paren.expr),
    }
}
