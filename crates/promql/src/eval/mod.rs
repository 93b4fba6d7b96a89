//! Evaluation of an expression for all steps at once.
//!
//! [`Engine`] holds what is the same for all queries; an `Evaluator` is one query, or one subquery of it, on one grid of steps.

mod aggregate;
mod binary;
mod budget;
mod durations;
mod engine;
mod functions;
mod invariant;
mod memory;
mod names;
mod newest;
mod plans;
mod profile;
mod range;
mod sampler;
mod selector;
mod stats_only;
mod stream;
mod subquery;

pub use engine::{Answer, Engine, QueryFailure, QueryLimits, QueryStats, Timings};
pub use profile::NodeSpent;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::annotations::Annotations;
use crate::ast::{Expr, ValueType};
use crate::error::{EvalError, Position};
use crate::source::SeriesSource;
use crate::steps::Steps;
use crate::value::Value;
use durations::Durations;
use memory::Holding;
use profile::{Looked, Profile};
use stats_only::BucketUse;

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
    /// Each node of the expression is timed: [`Answer::nodes`].
    pub profile: bool,
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
            profile: false,
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
    /// What the expressions outside need of native histograms.
    pub buckets: BucketUse,
    /// On this grid.
    pub looked: &'q Looked,
    pub shared: &'q Shared<'q>,
}

/// What a query and its subqueries have in common.
pub(crate) struct Shared<'q> {
    pub annotations: RefCell<Annotations>,
    /// Samples held now: the limit is of all that is held at once, so they are given back where values go.
    pub samples: Cell<usize>,
    pub peak_samples: Cell<usize>,
    /// What that is in bytes, and all else that grows with the data.
    pub memory: Holding<'q>,
    pub sorting: Cell<Duration>,
    pub profile: Option<Profile>,
    /// What `step()` and `range()` are.
    pub durations: Durations,
    pub deadline: Option<Instant>,
    pub canceled: Option<&'q AtomicBool>,
}

impl<'q> Shared<'q> {
    pub fn running(&self) -> Running<'q> {
        Running { deadline: self.deadline, canceled: self.canceled }
    }
}

/// Whether a query still runs; for threads that have no [`Evaluator`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Running<'q> {
    deadline: Option<Instant>,
    canceled: Option<&'q AtomicBool>,
}

impl Running<'_> {
    pub fn check(self) -> Result<(), EvalError> {
        if self.canceled.is_some_and(|canceled| canceled.load(Ordering::Relaxed)) {
            return Err(EvalError::Canceled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() > deadline => Err(EvalError::Timeout(std::time::Duration::ZERO)),
            _ => Ok(()),
        }
    }
}

impl<'q> Evaluator<'q> {
    pub fn eval(&self, expr: &Expr) -> Result<Value, EvalError> {
        self.check_running()?;
        if self.steps.count() == 0 {
            return Ok(nothing(expr));
        }
        if self.steps.count() > 1 && invariant::is_worth_evaluating_once(expr) {
            return self.once(expr);
        }
        let (before, bytes_before) = (self.shared.samples.get(), self.shared.memory.bytes());
        let buckets = self.buckets.below(expr);
        let inner = Evaluator { buckets, ..*self };
        let value = match &self.shared.profile {
            None => inner.eval_node(expr)?,
            Some(profile) => profile.of(expr, || inner.eval_node(expr))?,
        };
        self.settle(before, budget::size_of_value(&value))?;
        self.settle_bytes(bytes_before, memory::bytes_of_value(&value))?;
        Ok(value)
    }

    fn eval_node(&self, expr: &Expr) -> Result<Value, EvalError> {
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
        self.shared.running().check()
    }

    pub fn warn(&self, message: impl Into<String>, position: Position) {
        self.shared.annotations.borrow_mut().warn(message, position);
    }

    pub fn info(&self, message: impl Into<String>, position: Position) {
        self.shared.annotations.borrow_mut().info(message, position);
    }
}

/// The value of an expression where there are no steps.
fn nothing(expr: &Expr) -> Value {
    match expr.value_type() {
        ValueType::Scalar => Value::Scalar(Vec::new()),
        ValueType::String => Value::String("".into()),
        ValueType::Vector | ValueType::Matrix => Value::Vector(Vec::new()),
    }
}
