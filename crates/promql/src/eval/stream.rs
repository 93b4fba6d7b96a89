//! Series that are computed and handed on while others are still to be read, so that never all of them are held.
//!
//! That goes where each series comes to a value by itself: a selector, a function over a range selector, or one of these joined with
//! a few series.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::binary::join::Join;
use super::budget::size_of_rows;
use super::invariant::is_worth_evaluating_once;
use super::profile::Looked;
use super::range::{RangeFunction, range_selector};
use super::selector::Reference;
use super::{BucketUse, Evaluator};
use crate::ast::{Call, Expr, MatrixSelector, VectorSelector};
use crate::error::EvalError;
use crate::labels::METRIC_NAME;
use crate::matcher::MatchOp;
use crate::source::RawSeries;
use crate::value::StepSeries;

/// An expression whose series can be handed on one by one.
pub(super) struct Stream<'e> {
    expr: &'e Expr,
    kind: Kind<'e>,
}

enum Kind<'e> {
    Newest(&'e VectorSelector),
    Range { call: &'e Call, matrix: &'e MatrixSelector, function: &'static RangeFunction },
    Join(Join<'e>),
}

/// Takes in some of the series; says whether it wants more.
pub(super) type Take<'t> = dyn FnMut(Vec<StepSeries>) -> Result<ControlFlow<()>, EvalError> + 't;

impl Evaluator<'_> {
    /// `None` for an expression of which all series must be known before there is a value.
    pub(super) fn stream<'e>(&self, expr: &'e Expr) -> Option<Stream<'e>> {
        let expr = expr.unwrapped();
        if self.steps.count() > 1 && is_worth_evaluating_once(expr) {
            return None;
        }
        let kind = match expr {
            Expr::Vector(selector) if selector.extension.is_none() => Kind::Newest(selector),
            Expr::Call(call) => {
                let (function, matrix) = range_selector(call)?;
                let uses_starts = self.options.use_start_timestamps && function.uses_start_times;
                let is_alone =
                    function.keeps_name || self.options.delayed_name_removal || self.is_of_one(&matrix.selector);
                (matrix.selector.extension.is_none() && !uses_starts && is_alone).then_some(Kind::Range {
                    call,
                    matrix,
                    function,
                })?
            }
            Expr::Binary(binary) => Kind::Join(self.join(binary)?),
            _ => return None,
        };
        Some(Stream { expr, kind })
    }

    /// Whether all series are of one metric: no two of them then have the same labels when they lose its name.
    fn is_of_one(&self, selector: &VectorSelector) -> bool {
        let mut matchers = selector.matchers.iter();
        !self.options.type_and_unit_labels
            && matchers.any(|matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal)
    }

    /// Whether no two of its series have the same labels at a step, even without their names.
    pub(super) fn is_of_one_metric(&self, stream: &Stream<'_>) -> bool {
        match &stream.kind {
            Kind::Newest(selector) => self.is_of_one(selector),
            Kind::Range { matrix, .. } => self.is_of_one(&matrix.selector),
            Kind::Join(_) => true,
        }
    }

    /// Hands over some series after others, in no order, each once. They are marked where they are to lose their name. `take`
    /// settles what is held when they are gone. What was looked at only counts if it goes on to the end.
    pub(super) fn run_stream(&self, stream: &Stream<'_>, take: &mut Take<'_>) -> Result<ControlFlow<()>, EvalError> {
        let looked = Looked::like(self.looked);
        let inner = Evaluator { buckets: self.buckets.below(stream.expr), looked: &looked, ..*self };
        let node = self.shared.profile.as_ref().map(|profile| (profile, profile.open(stream.expr)));
        let (begin, mut outside) = (Instant::now(), Duration::ZERO);
        let mut hand_on = |rows: Vec<StepSeries>| {
            if let Some((profile, node)) = node {
                profile.add_rows(node, rows.len(), size_of_rows(&rows));
            }
            let begin = Instant::now();
            let flow = take(rows);
            outside += begin.elapsed();
            flow
        };
        let flow = match &stream.kind {
            Kind::Newest(selector) => {
                let reference = inner.reference(selector.at, selector.offset.as_ref())?;
                let lookback = self.options.lookback_delta;
                inner.in_batches(selector, reference, (0, lookback), &mut |series| {
                    hand_on(inner.newest_values(reference, series)?)
                })?
            }
            Kind::Join(join) => match &self.shared.profile {
                None => inner.run_join(join, &mut hand_on)?,
                Some(profile) => profile.below(|| inner.run_join(join, &mut hand_on))?,
            },
            Kind::Range { call, matrix, function } => {
                let span = inner.span(matrix)?;
                let params = inner.range_params(call)?;
                inner.in_batches(&matrix.selector, span.reference, (span.range, span.back), &mut |series| {
                    hand_on(inner.range_rows(call, function, &params, span, series)?)
                })?
            }
        };
        if let Some((profile, node)) = node {
            profile.close(node, begin.elapsed().saturating_sub(outside));
        }
        if flow.is_continue() {
            self.looked.add(&looked);
        }
        Ok(flow)
    }

    /// [`Evaluator::select`], some series after others; `reach` is its range and how much further it looks back.
    fn in_batches(
        &self,
        selector: &VectorSelector,
        reference: Reference,
        reach: (i64, i64),
        take: &mut dyn FnMut(Vec<RawSeries>) -> Result<ControlFlow<()>, EvalError>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let (range, back) = reach;
        let hints = self.hints(reference, range, back, 0);
        self.source.select_in_batches(&selector.matchers, &hints, &mut |mut series| {
            self.check_running()?;
            if self.buckets == BucketUse::None {
                self.without_buckets(&mut series, reference, (range, back, 0));
            }
            take(series)
        })
    }
}
