//! At which time info series are looked at: that of what they are to be told of, if that is one time, as in Prometheus.

use crate::ast::{At, Duration, Expr, ValueType};
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::eval::selector::Reference;

/// The `@` that a selector is subject to, be it that of a subquery around it, and the offsets up to there, innermost first.
struct Found<'a> {
    at: Option<At>,
    offsets: Vec<&'a Duration>,
}

impl Evaluator<'_> {
    /// The time that all selectors in the expression look at. None but the evaluation's if they differ, or if a vector in it is
    /// made without a selector.
    pub(super) fn info_reference(&self, expr: &Expr) -> Result<(Option<At>, Duration), EvalError> {
        let mut references = Vec::new();
        for found in selectors(expr).unwrap_or_default() {
            references.push(self.reference_of(found)?);
        }
        match references.split_first() {
            Some((first, others)) if others.iter().all(|other| is_same(first, other)) => {
                Ok((first.at.map(At::Time), Duration::Millis(first.offset)))
            }
            _ => Ok((None, Duration::Millis(0))),
        }
    }

    fn reference_of(&self, found: Found<'_>) -> Result<Reference, EvalError> {
        let mut reference = self.reference(found.at, None)?;
        for part in found.offsets {
            reference.offset = reference.offset.saturating_add(self.reference(None, Some(part))?.offset);
        }
        Ok(reference)
    }
}

fn is_same(one: &Reference, other: &Reference) -> bool {
    // From the same evaluation, whichever it is.
    one.at.is_some() == other.at.is_some() && one.of(0) == other.of(0)
}

/// All selectors that a vector is made of; `None` if a part of it is made without one.
fn selectors(expr: &Expr) -> Option<Vec<Found<'_>>> {
    match expr {
        Expr::Number(_) | Expr::String(_) => None,
        Expr::Vector(selector) => Some(vec![Found { at: selector.at, offsets: selector.offset.iter().collect() }]),
        Expr::Matrix(matrix) => {
            let selector = &matrix.selector;
            Some(vec![Found { at: selector.at, offsets: selector.offset.iter().collect() }])
        }
        Expr::Subquery(subquery) => {
            let mut all = selectors(&subquery.expr)?;
            for found in all.iter_mut().filter(|found| found.at.is_none()) {
                found.offsets.extend(&subquery.offset);
                found.at = subquery.at;
            }
            Some(all)
        }
        // What `info` asks for is no part of its answer.
        Expr::Call(call) if call.function.name == "info" => selectors(call.args.first()?),
        Expr::Call(call) => selectors_in(&call.args),
        Expr::Aggregate(aggregate) => selectors(&aggregate.expr),
        Expr::Binary(binary) => selectors_in([&*binary.lhs, &*binary.rhs]),
        Expr::Unary(unary) => selectors(&unary.expr),
        Expr::Paren(paren) => selectors(&paren.expr),
    }
}

/// Of several expressions, of which scalars and texts do not count.
fn selectors_in<'a>(parts: impl IntoIterator<Item = &'a Expr>) -> Option<Vec<Found<'a>>> {
    let mut all = Vec::new();
    for part in parts {
        if matches!(part.value_type(), ValueType::Vector | ValueType::Matrix) {
            all.extend(selectors(part)?);
        }
    }
    (!all.is_empty()).then_some(all)
}
