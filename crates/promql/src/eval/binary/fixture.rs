//! Queries over a few series that stand in a test, with a sample or none at each step.

use std::ops::ControlFlow;

use crate::error::EvalError;
use crate::eval::{Engine, EngineOptions};
use crate::labels::{Labels, METRIC_NAME};
use crate::matcher::Matcher;
use crate::parser::ParserOptions;
use crate::source::{RawSeries, Samples, SelectHints, SeriesSource};
use crate::steps::Steps;
use crate::value::QueryResult;

const STEP: i64 = 60_000;

/// `name label=value …`, and a value a step: `1 _ 3`.
pub(in crate::eval) struct Series(pub &'static [(&'static str, &'static str)]);

impl SeriesSource for Series {
    fn select(&self, matchers: &[Matcher], hints: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
        let mut found: Vec<RawSeries> = self.0.iter().map(|(labels, values)| series(labels, values)).collect();
        found.retain(|series| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels)));
        found.retain(|series| series.samples.times.iter().any(|time| (hints.start..=hints.end).contains(time)));
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }

    /// One by one.
    fn select_in_batches(
        &self,
        matchers: &[Matcher],
        hints: &SelectHints,
        take: &mut dyn FnMut(Vec<RawSeries>) -> Result<ControlFlow<()>, EvalError>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let mut series = self.select(matchers, hints)?.into_iter();
        series.try_fold(ControlFlow::Continue(()), |flow, series| match flow {
            ControlFlow::Continue(()) => take(vec![series]),
            ended => Ok(ended),
        })
    }
}

fn series(labels: &str, values: &str) -> RawSeries {
    let pairs = labels.split(' ').map(|pair| pair.split_once('=').unwrap_or((METRIC_NAME, pair)));
    let mut samples = Samples::default();
    for (step, value) in values.split(' ').enumerate() {
        if let Ok(value) = value.parse() {
            samples.push_float(step as i64 * STEP, value);
        }
    }
    RawSeries { labels: Labels::from_pairs(pairs), samples }
}

impl Series {
    /// A line a series, sorted: its labels and values, `_` for none. Or why there is no answer.
    pub fn ask(&self, query: &str, steps: i64, delayed_name_removal: bool) -> Result<Vec<String>, String> {
        let options = EngineOptions { lookback_delta: STEP / 2, delayed_name_removal, ..EngineOptions::default() };
        let engine = Engine::new(options, ParserOptions::ALL);
        let steps = Steps::range(0, (steps - 1) * STEP, STEP);
        let answer = engine.range(self, query, steps).map_err(|error| error.to_string())?;
        let QueryResult::Matrix(rows) = answer.result else { return Err("no matrix".to_owned()) };
        let line = |(labels, samples): (Labels, Samples)| {
            let value =
                |time: i64| samples.times.iter().position(|other| *other == time).map(|index| samples.floats[index]);
            let values = steps.iter().map(|time| value(time).map_or("_".to_owned(), |value| value.to_string()));
            format!("{labels} {}", values.collect::<Vec<_>>().join(" "))
        };
        let annotations = answer.annotations.iter().map(|annotation| annotation.text(query)).collect::<Vec<_>>();
        Ok(rows.into_iter().map(line).chain(annotations).collect())
    }
}
