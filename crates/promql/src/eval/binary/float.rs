//! Operators between floats, a whole row at once.

use crate::ast::BinaryOp;

/// The operator at each step; comparisons give 1 and 0. `None`: there is no such operator between floats.
pub(super) fn rows(op: BinaryOp, lhs: &[f64], rhs: &[f64]) -> Option<Vec<f64>> {
    use BinaryOp::*;
    // Each arm is a loop of its own, which the compiler can turn into vector instructions.
    Some(match op {
        Add => zip(lhs, rhs, |a, b| a + b),
        Sub => zip(lhs, rhs, |a, b| a - b),
        Mul => zip(lhs, rhs, |a, b| a * b),
        Div => zip(lhs, rhs, |a, b| a / b),
        Mod => zip(lhs, rhs, |a, b| a % b),
        Pow => zip(lhs, rhs, f64::powf),
        Atan2 => zip(lhs, rhs, f64::atan2),
        Eq => zip(lhs, rhs, |a, b| f64::from(a == b)),
        Ne => zip(lhs, rhs, |a, b| f64::from(a != b)),
        Gt => zip(lhs, rhs, |a, b| f64::from(a > b)),
        Lt => zip(lhs, rhs, |a, b| f64::from(a < b)),
        Ge => zip(lhs, rhs, |a, b| f64::from(a >= b)),
        Le => zip(lhs, rhs, |a, b| f64::from(a <= b)),
        TrimUpper | TrimLower | And | Or | Unless => return None,
    })
}

/// The operator between two floats.
pub(super) fn one(op: BinaryOp, lhs: f64, rhs: f64) -> Option<f64> {
    rows(op, &[lhs], &[rhs])?.first().copied()
}

fn zip(lhs: &[f64], rhs: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    lhs.iter().zip(rhs).map(|(a, b)| f(*a, *b)).collect()
}
