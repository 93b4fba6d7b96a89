//! Evaluation of an expression for all steps at once.
//!
//! [`Engine`] holds what is the same for all queries; an `Evaluator` is one query, or one subquery of it, on one grid of steps.

mod aggregate;
mod binary;
mod functions;
mod names;
mod range;
mod selector;
mod subquery;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::annotations::Annotations;
use crate::ast::{BinaryOp, Duration, DurationExpr, Expr};
use crate::error::{EvalError, Position};
use crate::source::SeriesSource;
use crate::steps::Steps;
use crate::value::Value;

/// What holds for all queries; names and defaults are Prometheus'.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How old a sample may be to count at a step, milliseconds.
    pub lookback_delta: i64,
    /// The step of subqueries that name none, milliseconds.
    pub default_evaluation_interval: i64,
    /// Samples that one query may hold at once.
    pub max_samples: usize,
    /// `promql-delayed-name-removal`: metric names are dropped at the end of a query, not by each function.
    pub delayed_name_removal: bool,
    /// `type-and-unit-labels`: `__type__` and `__unit__` go where the name goes.
    pub type_and_unit_labels: bool,
    /// `use-start-timestamps`: rates see resets by start times.
    pub use_start_timestamps: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            lookback_delta: 5 * 60_000,
            default_evaluation_interval: 60_000,
            max_samples: 50_000_000,
            delayed_name_removal: false,
            type_and_unit_labels: false,
            use_start_timestamps: false,
        }
    }
}

/// One query, or one subquery of it, on its grid.
pub(crate) struct Evaluator<'q> {
    pub options: &'q EngineOptions,
    pub source: &'q dyn SeriesSource,
    /// The grid of this (sub)query.
    pub steps: Steps,
    /// The grid of the whole query: `@ start()`, `@ end()`, `step()` and `range()` are about this one.
    pub query: Steps,
    pub shared: &'q Shared<'q>,
}

/// What a query and its subqueries have in common.
pub(crate) struct Shared<'q> {
    pub annotations: RefCell<Annotations>,
    /// Samples loaded so far; the limit is of all that is held at once, so it is given back where values go.
    pub samples: Cell<usize>,
    pub deadline: Option<Instant>,
    pub canceled: Option<&'q AtomicBool>,
}

impl<'q> Evaluator<'q> {
    pub fn eval(&self, expr: &Expr) -> Result<Value, EvalError> {
        self.check_running()?;
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(vec![number.value; self.steps.count()])),
            Expr::String(string) => Ok(Value::String(string.value.as_str().into())),
            Expr::Paren(paren) => self.eval(&paren.expr),
            Expr::Vector(selector) => self.instant_selector(selector).map(Value::Vector),
            Expr::Matrix(_) | Expr::Subquery(_) => {
                Err(EvalError::Execution("a range vector stands where none can".to_owned()))
            }
            Expr::Call(call) => self.call(call),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate).map(Value::Vector),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) => self.unary(unary),
        }
    }

    /// Fails where the client has gone or the time is over. To be asked between series, not between samples.
    pub fn check_running(&self) -> Result<(), EvalError> {
        if self.shared.canceled.is_some_and(|canceled| canceled.load(Ordering::Relaxed)) {
            return Err(EvalError::Canceled);
        }
        match self.shared.deadline {
            Some(deadline) if Instant::now() > deadline => Err(EvalError::Timeout(std::time::Duration::ZERO)),
            _ => Ok(()),
        }
    }

    pub fn warn(&self, message: impl Into<String>, position: Position) {
        self.shared.annotations.borrow_mut().warn(message, position);
    }

    pub fn info(&self, message: impl Into<String>, position: Position) {
        self.shared.annotations.borrow_mut().info(message, position);
    }

    /// Milliseconds.
    pub fn duration(&self, duration: &Duration) -> Result<i64, EvalError> {
        match duration {
            Duration::Millis(millis) => Ok(*millis),
            Duration::Computed(expr) => {
                let seconds = self.seconds(expr)?;
                let millis = seconds * 1000.0;
                if !millis.is_finite() || millis.abs() > 9.2e15 {
                    return Err(EvalError::Execution(format!("duration out of range: {seconds}")));
                }
                Ok(millis.round() as i64)
            }
        }
    }

    fn seconds(&self, expr: &DurationExpr) -> Result<f64, EvalError> {
        Ok(match expr {
            DurationExpr::Number(number) => number.value,
            DurationExpr::Step if self.query.start == self.query.end => 0.0,
            DurationExpr::Step => self.query.interval as f64 / 1000.0,
            DurationExpr::Range => (self.query.end - self.query.start) as f64 / 1000.0,
            DurationExpr::Min(a, b) => self.seconds(a)?.min(self.seconds(b)?),
            DurationExpr::Max(a, b) => self.seconds(a)?.max(self.seconds(b)?),
            DurationExpr::Sign(BinaryOp::Sub, expr) => -self.seconds(expr)?,
            DurationExpr::Sign(_, expr) => self.seconds(expr)?,
            DurationExpr::Paren(expr) => self.seconds(expr)?,
            DurationExpr::Binary(op, a, b, _) => {
                let (a, b) = (self.seconds(a)?, self.seconds(b)?);
                match op {
                    BinaryOp::Add => a + b,
                    BinaryOp::Sub => a - b,
                    BinaryOp::Mul => a * b,
                    BinaryOp::Div if b == 0.0 => return Err(EvalError::Execution("division by zero".to_owned())),
                    BinaryOp::Div => a / b,
                    BinaryOp::Mod if b == 0.0 => return Err(EvalError::Execution("modulo by zero".to_owned())),
                    BinaryOp::Mod => a % b,
                    BinaryOp::Pow => a.powf(b),
                    _ => return Err(EvalError::Execution(format!("{} is no operator for durations", op.symbol()))),
                }
            }
        })
    }
}
