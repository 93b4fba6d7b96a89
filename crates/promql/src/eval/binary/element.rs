//! An operator between two values, of which any may be a histogram.

use std::sync::Arc;

use super::float;
use super::notes::{Kind, Note};
use crate::ast::BinaryOp;
use crate::histogram::{AddNotes, CounterResetHint, FloatHistogram, Incompatible};
use crate::points::{Point, PointRef};

#[derive(Debug)]
pub(super) enum Outcome {
    /// The result, and what else is to be said.
    Value(Point, Option<Note>),
    /// Whether a comparison holds.
    Truth(bool),
}

/// `Err`: there is no result, and why.
pub(super) fn element(op: BinaryOp, lhs: PointRef<'_>, rhs: PointRef<'_>) -> Result<Outcome, Note> {
    match (lhs, rhs) {
        (PointRef::Float(lhs), PointRef::Float(rhs)) => match float::one(op, lhs, rhs) {
            None => Err(Note::Types(Kind::Float, Kind::Float)),
            Some(truth) if op.is_comparison() => Ok(Outcome::Truth(truth != 0.0)),
            Some(value) => Ok(Outcome::Value(Point::Float(value), None)),
        },
        (PointRef::Float(lhs), PointRef::Histogram(rhs)) => match op {
            BinaryOp::Mul => Ok(histogram(compacted(rhs.mul(lhs)), None)),
            _ => Err(Note::Types(Kind::Float, Kind::Histogram)),
        },
        (PointRef::Histogram(lhs), PointRef::Float(rhs)) => match op {
            BinaryOp::Mul => Ok(histogram(compacted(lhs.mul(rhs)), None)),
            BinaryOp::Div => Ok(histogram(compacted(lhs.div(rhs)), None)),
            BinaryOp::TrimUpper => Ok(histogram(lhs.trim_upper(rhs), None)),
            BinaryOp::TrimLower => Ok(histogram(lhs.trim_lower(rhs), None)),
            _ => Err(Note::Types(Kind::Histogram, Kind::Float)),
        },
        (PointRef::Histogram(lhs), PointRef::Histogram(rhs)) => match op {
            BinaryOp::Add => sum(lhs.add(rhs)),
            BinaryOp::Sub => sum(lhs.sub(rhs).map(|(mut difference, notes)| {
                difference.counter_reset_hint = CounterResetHint::Gauge;
                (difference, notes)
            })),
            BinaryOp::Eq => Ok(Outcome::Truth(lhs.equals(rhs))),
            BinaryOp::Ne => Ok(Outcome::Truth(!lhs.equals(rhs))),
            _ => Err(Note::Types(Kind::Histogram, Kind::Histogram)),
        },
    }
}

fn sum(sum: Result<(FloatHistogram, AddNotes), Incompatible>) -> Result<Outcome, Note> {
    let (sum, notes) = sum.map_err(|Incompatible| Note::Layout)?;
    if notes.counter_reset_collision {
        return Err(Note::Collision);
    }
    Ok(histogram(compacted(sum), notes.nhcb_bounds_reconciled.then_some(Note::Reconciled)))
}

fn compacted(mut histogram: FloatHistogram) -> FloatHistogram {
    histogram.compact(0);
    histogram
}

fn histogram(histogram: FloatHistogram, note: Option<Note>) -> Outcome {
    Outcome::Value(Point::Histogram(Arc::new(histogram)), note)
}
