//! What range functions are called with: the samples of each series, and how far a window reaches.

use std::sync::Arc;

use super::super::Evaluator;
use super::super::sampler::Sampler;
use super::edges::Edges;
use super::window::{Span, Tracks, for_each_window};
use crate::ast::{Extension, MatrixSelector, Subquery};
use crate::error::EvalError;
use crate::histogram::{CounterResetHint, FloatHistogram};
use crate::labels::Labels;
use crate::source::{RawSeries, Samples, bytes_of_samples};
use crate::steps::Steps;

pub(super) struct Input {
    pub series: Vec<InputSeries>,
    pub span: Span,
    pub extension: Option<Extension>,
}

pub(super) struct InputSeries {
    pub labels: Labels,
    /// Its name is to be dropped already.
    pub drop_name: bool,
    pub samples: Samples,
}

impl Input {
    pub(super) fn of(selected: Vec<RawSeries>, span: Span, extension: Option<Extension>) -> Self {
        let series = selected.into_iter();
        let series =
            series.map(|series| InputSeries { labels: series.labels, drop_name: false, samples: series.samples });
        Self { series: series.collect(), span, extension }
    }
}

/// What can be asked of ranges with values at their edges.
const WITH_ANCHORED: [&str; 5] = ["changes", "delta", "increase", "rate", "resets"];
const WITH_SMOOTHED: [&str; 3] = ["delta", "increase", "rate"];

impl Evaluator<'_> {
    pub(super) fn selected(&self, matrix: &MatrixSelector, function: &str) -> Result<Input, EvalError> {
        let extension = matrix.selector.extension;
        let (modifier, functions): (_, &[&str]) = match extension {
            None => ("", &[]),
            Some(Extension::Anchored) => ("anchored", &WITH_ANCHORED),
            Some(Extension::Smoothed) => ("smoothed", &WITH_SMOOTHED),
        };
        if extension.is_some() && !functions.contains(&function) {
            let functions = functions.join(", ");
            let message = format!("{modifier} modifier can only be used with: {functions} - not with {function}");
            return Err(EvalError::Execution(message));
        }
        let span = self.span(matrix)?;
        let selector = &matrix.selector;
        let selected = self.select(selector, span.reference, span.range, span.back, span.ahead)?;
        Ok(Input::of(selected, span, extension))
    }

    pub(in super::super) fn span(&self, matrix: &MatrixSelector) -> Result<Span, EvalError> {
        let selector = &matrix.selector;
        let lookback = self.options.lookback_delta;
        let (back, ahead) = match selector.extension {
            None => (0, 0),
            Some(Extension::Anchored) => (lookback, 0),
            Some(Extension::Smoothed) => (lookback, lookback),
        };
        let reference = self.reference(selector.at, selector.offset.as_ref())?;
        Ok(Span { reference, range: self.length(&matrix.range)?, back, ahead })
    }

    pub(super) fn subquery_samples(&self, subquery: &Subquery) -> Result<Input, EvalError> {
        // What is counted is what windows see of it.
        let (rows, steps, _) = self.subquery_rows(subquery)?;
        let span = Span {
            reference: self.reference(subquery.at, subquery.offset.as_ref())?,
            range: self.length(&subquery.range)?,
            back: 0,
            ahead: 0,
        };
        let mut sampler = Sampler::on(steps);
        let series = rows.into_iter().map(|row| {
            let mut samples = sampler.samples(row.points);
            forget_resets(&mut samples);
            InputSeries { labels: row.labels, drop_name: row.drop_name, samples }
        });
        Ok(Input { series: series.collect(), span, extension: None })
    }

    /// The samples of a range selector that is the whole query.
    pub(in super::super) fn raw_samples(&self, matrix: &MatrixSelector) -> Result<Vec<(Labels, Samples)>, EvalError> {
        let span = self.span(matrix)?;
        let extension = matrix.selector.extension;
        let mut raw = Vec::new();
        for series in self.select(&matrix.selector, span.reference, span.range, span.back, span.ahead)? {
            let tracks = Tracks::new(series.samples, false);
            let mut samples = Samples::default();
            for_each_window(&tracks, span, Steps::instant(self.steps.start), |_, window| {
                if let Some(extension) = extension {
                    if !window.histograms.is_empty() {
                        return Err(no_histograms(extension));
                    }
                    let smoothed = extension == Extension::Smoothed;
                    samples = Edges { start: window.start, end: window.end, smoothed }.extend(window.floats);
                    return Ok(());
                }
                let (mut float, mut histogram) = (0, 0);
                while float < window.floats.len() || histogram < window.histograms.len() {
                    match (window.floats.times.get(float), window.histograms.times.get(histogram)) {
                        (Some(time), next) if next.is_none_or(|next| time <= next) => {
                            samples.push_float(*time, window.floats.values[float]);
                            float += 1;
                        }
                        (_, Some(time)) => {
                            samples.push_histogram(*time, window.histograms.values[histogram].clone());
                            histogram += 1;
                        }
                        _ => break,
                    }
                }
                Ok(())
            })?;
            let size = super::super::budget::size_of_samples(&samples);
            self.looked.at(0, size as u64);
            self.hold(size)?;
            self.hold_bytes(bytes_of_samples([&samples]))?;
            if !samples.is_empty() {
                raw.push((series.labels, samples));
            }
        }
        Ok(raw)
    }
}

fn no_histograms(extension: Extension) -> EvalError {
    let modifier = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
    EvalError::Execution(format!("{modifier} modifier is not supported with histograms"))
}

/// What a histogram says of resets is about the sample before it, which a subquery may have left out, or about one that a
/// subquery may have taken twice.
fn forget_resets(samples: &mut Samples) {
    for histogram in samples.histograms.iter_mut().flatten().flatten() {
        if matches!(histogram.counter_reset_hint, CounterResetHint::CounterReset | CounterResetHint::NotCounterReset) {
            let forgetful =
                FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..FloatHistogram::clone(histogram) };
            *histogram = Arc::new(forgetful);
        }
    }
}
