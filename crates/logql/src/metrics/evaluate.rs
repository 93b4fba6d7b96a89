//! From lines that have been added up to the answer.
//!
//! PromQL knows milliseconds, LogQL nanoseconds. So the grid that PromQL sees is one of its own: the first step at 0, the next at a
//! millisecond, and so on. Nothing in LogQL looks at the time of a step.

use trefoil_promql::error::EvalError;
use trefoil_promql::eval::{Engine, EngineOptions, QueryLimits};
use trefoil_promql::labels::Labels;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::parser::ParserOptions;
use trefoil_promql::points::Point;
use trefoil_promql::source::{RawSeries, SelectHints, SeriesSource};
use trefoil_promql::steps::Steps;
use trefoil_promql::value::QueryResult;

use super::plan::LEAF;
use super::{Accumulator, Grid, MetricsError, Plan};

/// How a query is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Of the answer.
    pub max_series: usize,
    /// Samples that are held at once above range aggregations.
    pub max_samples: usize,
    pub limits: QueryLimits<'a>,
}

/// The value of a query. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Of a number at one time.
    Scalar { time: i64, value: f64 },
    /// At one time; in the order of labels where the query does not sort.
    Vector { time: i64, samples: Vec<(Labels, f64)> },
    /// Of a range of times, in the order of labels.
    Matrix(Vec<(Labels, Vec<(i64, f64)>)>),
}

impl Plan {
    /// The query's value at the time of `grid`, which has one. `lines`: of each leaf what it was given.
    pub fn instant(&self, lines: Vec<Accumulator>, grid: Grid, options: &Options<'_>) -> Result<Answer, MetricsError> {
        let source = LeafSource::new(lines, options)?;
        let time = grid.at(0);
        let answer = engine(options).instant_expr(&source, self.expr(), 0, options.limits)?;
        let samples = match answer.result {
            QueryResult::Scalar { value, .. } => return Ok(Answer::Scalar { time, value }),
            QueryResult::Vector { samples, .. } => samples,
            QueryResult::String { .. } | QueryResult::Matrix(_) => return Err(no_series()),
        };
        check_series(samples.len(), options)?;
        let floats = samples.into_iter().filter_map(|(labels, point)| Some((labels, float(&point)?)));
        let mut samples: Vec<(Labels, f64)> = floats.collect();
        if !self.is_sorted() {
            samples.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        Ok(Answer::Vector { time, samples })
    }

    /// The query's values at each step of `grid`. How many there may be is for the caller to limit.
    pub fn range(&self, lines: Vec<Accumulator>, grid: Grid, options: &Options<'_>) -> Result<Answer, MetricsError> {
        if let Some(reason) = self.instant_only() {
            return Err(MetricsError::Invalid(reason));
        }
        let source = LeafSource::new(lines, options)?;
        let last = i64::try_from(grid.count()).unwrap_or(i64::MAX) - 1;
        let answer = engine(options).range_expr(&source, self.expr(), Steps::range(0, last, 1), options.limits)?;
        let QueryResult::Matrix(series) = answer.result else { return Err(no_series()) };
        check_series(series.len(), options)?;
        let series = series.into_iter().map(|(labels, samples)| {
            let times = samples.times.iter().map(|step| grid.at(usize::try_from(*step).unwrap_or(usize::MAX)));
            (labels, times.zip(samples.floats.iter().copied()).collect())
        });
        Ok(Answer::Matrix(series.collect()))
    }
}

fn engine(options: &Options<'_>) -> Engine {
    let engine = EngineOptions { lookback_delta: 1, max_samples: options.max_samples, ..EngineOptions::default() };
    Engine::new(engine, ParserOptions::ALL)
}

fn float(point: &Point) -> Option<f64> {
    match point {
        Point::Float(value) => Some(*value),
        Point::Histogram(_) => None,
    }
}

fn check_series(count: usize, options: &Options<'_>) -> Result<(), MetricsError> {
    match count > options.max_series {
        true => Err(MetricsError::TooManySeries(options.max_series)),
        false => Ok(()),
    }
}

fn no_series() -> MetricsError {
    MetricsError::Invalid("the query has no series as its value")
}

/// The series of each leaf.
struct LeafSource {
    leaves: Vec<Vec<RawSeries>>,
}

impl LeafSource {
    fn new(lines: Vec<Accumulator>, options: &Options<'_>) -> Result<LeafSource, MetricsError> {
        let QueryLimits { deadline, canceled, .. } = options.limits;
        let check = || {
            if canceled.is_some_and(|canceled| canceled.load(std::sync::atomic::Ordering::Relaxed)) {
                return Err(EvalError::Canceled);
            }
            match deadline {
                Some(deadline) if std::time::Instant::now() > deadline => {
                    Err(EvalError::Timeout(std::time::Duration::ZERO))
                }
                _ => Ok(()),
            }
        };
        let leaves: Result<Vec<_>, _> = lines.into_iter().map(|lines| lines.finish(&check)).collect();
        Ok(LeafSource { leaves: leaves? })
    }
}

impl SeriesSource for LeafSource {
    fn select(&self, matchers: &[Matcher], _: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
        let place = matchers.iter().find(|matcher| matcher.name == LEAF);
        let place = place.and_then(|matcher| matcher.value.parse::<usize>().ok());
        let series = place.and_then(|place| self.leaves.get(place));
        series.cloned().ok_or_else(|| EvalError::Source("lines of a range aggregation were not read".to_owned()))
    }
}
