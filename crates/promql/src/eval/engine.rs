//! From a query's text to its answer.

use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use thiserror::Error;

use super::durations::Durations;
use super::names;
use super::stats_only::BucketUse;
use super::{EngineOptions, Evaluator, Shared};
use crate::annotations::Annotations;
use crate::ast::{Expr, ValueType};
use crate::error::{EvalError, ParseError};
use crate::labels::Labels;
use crate::parser::{self, ParserOptions};
use crate::points::{PointRef, Points};
use crate::source::{Samples, SeriesSource};
use crate::steps::Steps;
use crate::value::{QueryResult, StepSeries, Value};

/// Parses and evaluates queries; holds what is the same for all of them.
#[derive(Debug, Clone)]
pub struct Engine {
    pub options: EngineOptions,
    pub parser: ParserOptions,
}

/// What ends one query early.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryLimits<'a> {
    pub deadline: Option<Instant>,
    pub canceled: Option<&'a AtomicBool>,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub result: QueryResult,
    pub annotations: Annotations,
    pub stats: QueryStats,
}

/// Prometheus' sample statistics. A histogram counts by its size, a float as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Samples that selectors looked at, those of a range once for each step (`totalQueryableSamples`).
    pub samples: u64,
    /// Samples held at once (`peakSamples`).
    pub peak_samples: usize,
}

#[derive(Debug, Clone, PartialEq, Error)]
pub enum QueryFailure {
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// The text is a query, but none that can be asked like this; the asker's mistake as much as [`QueryFailure::Parse`].
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Eval(#[from] EvalError),
}

impl Engine {
    pub fn new(options: EngineOptions, parser: ParserOptions) -> Self {
        Self { options, parser }
    }

    pub fn parse(&self, query: &str) -> Result<Expr, ParseError> {
        parser::parse(query, self.parser)
    }

    /// The query's value at one time (milliseconds since the epoch).
    pub fn instant(&self, source: &dyn SeriesSource, query: &str, time: i64) -> Result<Answer, QueryFailure> {
        self.instant_expr(source, &self.parse(query)?, time, QueryLimits::default())
    }

    /// The query's values at each step.
    pub fn range(&self, source: &dyn SeriesSource, query: &str, steps: Steps) -> Result<Answer, QueryFailure> {
        self.range_expr(source, &self.parse(query)?, steps, QueryLimits::default())
    }

    /// [`Engine::instant`] for what is parsed already.
    pub fn instant_expr(
        &self,
        source: &dyn SeriesSource,
        expr: &Expr,
        time: i64,
        limits: QueryLimits<'_>,
    ) -> Result<Answer, QueryFailure> {
        let steps = Steps::instant(time);
        Durations::of_instant().check(expr).map_err(QueryFailure::Invalid)?;
        self.run(source, Durations::of_instant(), steps, limits, |evaluator| match expr.unwrapped() {
            Expr::Matrix(selector) => Ok(sorted_matrix(evaluator.raw_samples(selector)?)),
            Expr::Subquery(subquery) => {
                let (rows, steps) = evaluator.subquery_rows(subquery)?;
                Ok(matrix(&names::drop_at_end(rows)?, steps))
            }
            expr => match evaluator.eval(expr)? {
                Value::Scalar(values) => {
                    Ok(QueryResult::Scalar { time, value: values.first().copied().unwrap_or(f64::NAN) })
                }
                Value::String(value) => Ok(QueryResult::String { time, value }),
                Value::Vector(rows) => {
                    let rows = names::drop_at_end(rows)?;
                    let samples =
                        rows.iter().filter_map(|row| Some((row.labels.clone(), row.points.get(0)?.to_owned())));
                    Ok(QueryResult::Vector { time, samples: samples.collect() })
                }
            },
        })
    }

    /// [`Engine::range`] for what is parsed already.
    pub fn range_expr(
        &self,
        source: &dyn SeriesSource,
        expr: &Expr,
        steps: Steps,
        limits: QueryLimits<'_>,
    ) -> Result<Answer, QueryFailure> {
        let value_type = match expr.value_type() {
            ValueType::Scalar | ValueType::Vector => None,
            ValueType::String => Some("string"),
            ValueType::Matrix => Some("range vector"),
        };
        if let Some(value_type) = value_type {
            return Err(QueryFailure::Invalid(format!(
                "invalid expression type {value_type:?} for range query, must be Scalar or instant Vector"
            )));
        }
        let durations = Durations::of_range(steps);
        durations.check(expr).map_err(QueryFailure::Invalid)?;
        self.run(source, durations, steps, limits, |evaluator| {
            let rows = match evaluator.eval(expr)? {
                Value::Vector(rows) => names::drop_at_end(rows)?,
                Value::Scalar(values) => {
                    vec![StepSeries { labels: Labels::default(), drop_name: false, points: Points::dense(values) }]
                }
                Value::String(_) => Vec::new(),
            };
            Ok(matrix(&rows, steps))
        })
    }

    fn run(
        &self,
        source: &dyn SeriesSource,
        durations: Durations,
        steps: Steps,
        limits: QueryLimits<'_>,
        evaluate: impl FnOnce(&Evaluator<'_>) -> Result<QueryResult, EvalError>,
    ) -> Result<Answer, QueryFailure> {
        let shared = Shared {
            annotations: RefCell::default(),
            samples: Cell::new(0),
            peak_samples: Cell::new(0),
            total_samples: Cell::new(0),
            durations,
            deadline: limits.deadline,
            canceled: limits.canceled,
        };
        let result = {
            let evaluator = Evaluator {
                options: &self.options,
                source,
                steps,
                query: steps,
                buckets: BucketUse::default(),
                shared: &shared,
            };
            evaluator.check_grid()?;
            evaluate(&evaluator)?
        };
        let stats = QueryStats { samples: shared.total_samples.get(), peak_samples: shared.peak_samples.get() };
        Ok(Answer { result, annotations: shared.annotations.into_inner(), stats })
    }
}

/// Rows as series of samples, without those that have none.
fn matrix(rows: &[StepSeries], steps: Steps) -> QueryResult {
    let series = rows.iter().filter(|row| !row.points.is_empty());
    sorted_matrix(series.map(|row| (row.labels.clone(), samples(&row.points, steps))).collect())
}

fn sorted_matrix(mut series: Vec<(Labels, Samples)>) -> QueryResult {
    series.sort_by(|(a, _), (b, _)| a.cmp(b));
    QueryResult::Matrix(series)
}

/// The steps that have a value, as samples at the steps' times.
pub(super) fn samples(points: &Points, steps: Steps) -> Samples {
    let count = points.count();
    let mut samples =
        Samples { times: Vec::with_capacity(count), floats: Vec::with_capacity(count), ..Samples::default() };
    for (step, point) in points.iter() {
        match point {
            PointRef::Float(value) => samples.push_float(steps.at(step), value),
            PointRef::Histogram(histogram) => samples.push_histogram(steps.at(step), histogram.clone()),
        }
    }
    samples
}
