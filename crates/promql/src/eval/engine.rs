//! From a query's text to its answer.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::durations::Durations;
use super::memory::{Holding, bytes_of_result, bytes_of_times};
use super::names;
use super::profile::{Looked, NodeSpent, Profile};
use super::sampler::Sampler;
use super::stats_only::BucketUse;
use super::{EngineOptions, Evaluator, Shared};
use crate::annotations::Annotations;
use crate::ast::{Expr, ValueType};
use crate::error::{EvalError, ParseError};
use crate::labels::Labels;
use crate::memory::Memory;
use crate::parser::{self, ParserOptions};
use crate::points::Points;
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
    /// Where what is held is counted.
    pub memory: Option<&'a Arc<dyn Memory>>,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub result: QueryResult,
    pub annotations: Annotations,
    pub stats: QueryStats,
    /// What each node took, if that was asked for.
    pub nodes: Vec<NodeSpent>,
    /// What the result holds of the memory of all queries, for as long as it is kept.
    pub memory: Option<Arc<dyn Memory>>,
}

/// Prometheus' statistics. A histogram counts by its size, a float as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Samples that selectors looked at, those of a range once for each step (`totalQueryableSamples`).
    pub samples: u64,
    /// The same by step (`totalQueryableSamplesPerStep`), each at its time.
    pub samples_by_step: Vec<(i64, u64)>,
    /// Samples held at once (`peakSamples`).
    pub peak_samples: usize,
    pub timings: Timings,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Until it was the query's turn; for whoever makes queries wait to fill in.
    pub queue: Duration,
    /// Until there was something to read from; likewise.
    pub preparation: Duration,
    /// Reading and computing.
    pub evaluation: Duration,
    /// Bringing the result in order, a part of the evaluation.
    pub sorting: Duration,
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
            Expr::Matrix(selector) => Ok(sorted_matrix(evaluator, evaluator.raw_samples(selector)?)),
            Expr::Subquery(subquery) => {
                let (rows, steps, looked) = evaluator.subquery_rows(subquery)?;
                evaluator.looked.at(0, looked);
                matrix(evaluator, names::drop_at_end(rows)?, steps)
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
            matrix(evaluator, rows, steps)
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
            memory: Holding::of(limits.memory),
            sorting: Cell::default(),
            profile: self.options.profile.then(Profile::default),
            durations,
            deadline: limits.deadline,
            canceled: limits.canceled,
        };
        let begin = Instant::now();
        // A longer grid is refused.
        let looked = Looked::on(steps.count().min(self.options.max_samples));
        let result = {
            let evaluator = Evaluator {
                options: &self.options,
                source,
                steps,
                query: steps,
                buckets: BucketUse::default(),
                looked: &looked,
                shared: &shared,
            };
            evaluator.check_grid()?;
            let result = evaluate(&evaluator)?;
            evaluator.settle_bytes(0, bytes_of_result(&result))?;
            result
        };
        let stats = QueryStats {
            samples: looked.total(),
            samples_by_step: steps.iter().zip(looked.by_step()).collect(),
            peak_samples: shared.peak_samples.get(),
            timings: Timings { evaluation: begin.elapsed(), sorting: shared.sorting.get(), ..Timings::default() },
        };
        let nodes = shared.profile.map_or_else(Vec::new, Profile::into_nodes);
        let memory = limits.memory.cloned();
        Ok(Answer { result, annotations: shared.annotations.into_inner(), stats, nodes, memory })
    }
}

/// Rows as series of samples, without those that have none.
fn matrix(evaluator: &Evaluator<'_>, rows: Vec<StepSeries>, steps: Steps) -> Result<QueryResult, EvalError> {
    let mut sampler = Sampler::on(steps);
    let mut series: Vec<(Labels, Samples)> = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| !row.points.is_empty()) {
        let samples = sampler.samples(row.points);
        // Values are moved from the row; times are new where they are not those of the row before.
        evaluator.hold_bytes(bytes_of_times(&samples, series.last().map(|(_, before)| before)))?;
        series.push((row.labels, samples));
    }
    Ok(sorted_matrix(evaluator, series))
}

fn sorted_matrix(evaluator: &Evaluator<'_>, mut series: Vec<(Labels, Samples)>) -> QueryResult {
    let begin = Instant::now();
    series.sort_by(|(a, _), (b, _)| a.cmp(b));
    evaluator.shared.sorting.set(begin.elapsed());
    QueryResult::Matrix(series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::Matcher;
    use crate::source::{RawSeries, SelectHints};

    /// `up` and `down`, a sample each ten seconds from 0 to 100, of the values 0, 1, 2, …
    struct Fixture;

    impl SeriesSource for Fixture {
        fn select(&self, matchers: &[Matcher], hints: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
            let series = ["down", "up"].map(|name| {
                let mut samples = Samples::default();
                for index in 0..=10 {
                    if (hints.start..=hints.end).contains(&(index * 10_000)) {
                        samples.push_float(index * 10_000, index as f64);
                    }
                }
                RawSeries { labels: Labels::from_pairs([("__name__", name), ("job", "x")]), samples }
            });
            let found = |series: &RawSeries| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels));
            Ok(series.into_iter().filter(found).collect())
        }
    }

    fn engine(change: impl FnOnce(&mut EngineOptions)) -> Engine {
        let mut options = EngineOptions { lookback_delta: 15_000, ..EngineOptions::default() };
        change(&mut options);
        Engine::new(options, ParserOptions::ALL)
    }

    fn shown(result: &QueryResult) -> String {
        match result {
            QueryResult::Scalar { time, value } => format!("{value} @{time}"),
            QueryResult::String { time, value } => format!("{value:?} @{time}"),
            QueryResult::Vector { time, samples } => {
                let samples: Vec<_> = samples.iter().map(|(labels, point)| format!("{labels} {point:?}")).collect();
                format!("[{}] @{time}", samples.join(", "))
            }
            QueryResult::Matrix(series) => {
                let series = series.iter().map(|(labels, samples)| {
                    let points = samples.times.iter().zip(&samples.floats);
                    let points: Vec<_> = points.map(|(time, value)| format!("{value}@{time}")).collect();
                    format!("{labels} {}", points.join(" "))
                });
                series.collect::<Vec<_>>().join("; ")
            }
        }
    }

    #[test]
    fn answers_have_the_shape_of_their_query() {
        let instant = |query: &str| engine(|_| {}).instant(&Fixture, query, 20_000).map(|answer| shown(&answer.result));
        for (query, expected) in [
            ("1 + 1", "2 @20000"),
            ("'a'", "\"a\" @20000"),
            ("up", r#"[{__name__="up", job="x"} Float(2.0)] @20000"#),
            ("up @ 5", r#"[{__name__="up", job="x"} Float(0.0)] @20000"#),
            ("(up[15s])", r#"{__name__="up", job="x"} 1@10000 2@20000"#),
            ("up[15s:4s]", r#"{__name__="up", job="x"} 0@8000 1@12000 1@16000 2@20000"#),
            ("none", "[] @20000"),
        ] {
            assert_eq!(instant(query).unwrap(), expected, "{query}");
        }

        let steps = Steps::range(95_000, 125_000, 10_000);
        let range = |query: &str| engine(|_| {}).range(&Fixture, query, steps).map(|answer| shown(&answer.result));
        for (query, expected) in [
            ("1", "{} 1@95000 1@105000 1@115000 1@125000"),
            ("up", r#"{__name__="up", job="x"} 9@95000 10@105000"#),
            ("up offset 20s", r#"{__name__="up", job="x"} 7@95000 8@105000 9@115000 10@125000"#),
            ("up @ end()", ""),
            ("up @ start()", r#"{__name__="up", job="x"} 9@95000 9@105000 9@115000 9@125000"#),
            ("sum_over_time(up[10s:5s])", r#"{job="x"} 18@95000 20@105000 10@115000"#),
        ] {
            assert_eq!(range(query).unwrap(), expected, "{query}");
        }
        let message = r#"invalid expression type "range vector" for range query, must be Scalar or instant Vector"#;
        assert_eq!(range("up[5m]").unwrap_err(), QueryFailure::Invalid(message.to_owned()));
        let nothing = engine(|_| {}).range(&Fixture, "up + 1", Steps::range(1, 0, 1)).unwrap();
        assert_eq!(shown(&nothing.result), "");
    }

    #[test]
    fn names_are_dropped_at_once_or_at_the_end() {
        let query = r#"label_replace(rate({__name__=~"up|down"}[1m]), "name", "$1", "__name__", "(.*)")"#;
        let run = |delayed| engine(|options| options.delayed_name_removal = delayed).instant(&Fixture, query, 60_000);
        let delayed = run(true).unwrap();
        assert_eq!(
            shown(&delayed.result),
            r#"[{job="x", name="down"} Float(0.1), {job="x", name="up"} Float(0.1)] @60000"#
        );
        assert_eq!(run(false).unwrap_err().to_string(), "vector cannot contain metrics with the same labelset");
    }

    #[test]
    fn samples_are_counted_by_step() {
        let steps = Steps::range(0, 40_000, 10_000);
        for (query, expected) in [
            ("up", [1, 1, 1, 1, 1]),
            ("up @ 20", [1, 1, 1, 1, 1]),
            ("1", [0; 5]),
            ("sum_over_time(up[25s])", [1, 2, 3, 3, 3]),
            ("sum_over_time(up[25s]) + down", [2, 3, 4, 4, 4]),
            ("sum_over_time(up[25s:5s])", [1, 3, 5, 5, 5]),
            ("sum_over_time(up[20s] @ 40)", [2; 5]),
        ] {
            let stats = engine(|_| {}).range(&Fixture, query, steps).unwrap().stats;
            let by_step: Vec<_> = steps.iter().zip(expected).collect();
            assert_eq!((stats.samples, stats.samples_by_step), (expected.iter().sum(), by_step), "{query}");
        }
        let instant = engine(|_| {}).instant(&Fixture, "up[30s:5s]", 40_000).unwrap().stats;
        assert_eq!((instant.samples, instant.samples_by_step), (6, vec![(40_000, 6)]));
    }

    #[test]
    fn nodes_are_timed_on_demand() {
        let query = "sum(rate(up[30s])) + 1";
        assert_eq!(engine(|_| {}).instant(&Fixture, query, 60_000).unwrap().nodes, []);
        let answer = engine(|options| options.profile = true).instant(&Fixture, query, 60_000).unwrap();
        let nodes: Vec<_> = answer.nodes.iter().map(|node| (node.depth, node.text.as_str(), node.series)).collect();
        assert_eq!(nodes, [(0, query, 1), (1, "sum(rate(up[30s]))", 1), (2, "rate(up[30s])", 1), (1, "1", 1)]);
        assert!(answer.nodes[0].time >= answer.nodes[2].time);
    }

    #[test]
    fn queries_end_at_their_limits() {
        let all = engine(|_| {}).range(&Fixture, "rate(up[50s])", Steps::range(50_000, 100_000, 10_000)).unwrap();
        assert_eq!((all.stats.samples, all.stats.peak_samples), (30, 11));
        let small = engine(|options| options.max_samples = 10);
        let message = "query processing would load too many samples into memory in query execution";
        for query in ["rate(up[50s])", "up", "1", "count_over_time(up[1000d:1ms])"] {
            let failure = small.range(&Fixture, query, Steps::range(0, 100_000, 10_000)).unwrap_err();
            assert_eq!(failure.to_string(), message, "{query}");
        }

        let (engine, canceled) = (engine(|_| {}), AtomicBool::new(true));
        let up = engine.parse("up").unwrap();
        let failure = |limits| engine.instant_expr(&Fixture, &up, 0, limits).unwrap_err();
        let limits = QueryLimits { canceled: Some(&canceled), ..QueryLimits::default() };
        assert_eq!(failure(limits), QueryFailure::Eval(EvalError::Canceled));
        let deadline = Instant::now().checked_sub(std::time::Duration::from_secs(1));
        let limits = QueryLimits { deadline, ..QueryLimits::default() };
        assert!(matches!(failure(limits), QueryFailure::Eval(EvalError::Timeout(_))));
    }
}
