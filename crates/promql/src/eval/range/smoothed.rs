//! `smoothed` instant selectors: values between a sample and the next one.

use std::sync::Arc;

use super::super::Evaluator;
use super::edges::interpolate;
use super::histogram_edges;
use super::notes::Notes;
use super::window::{Span, Tracks, Window, for_each_window};
use crate::ast::VectorSelector;
use crate::error::EvalError;
use crate::histogram::{CounterResetHint, FloatHistogram};
use crate::points::{Point, Points};
use crate::value::StepSeries;

impl Evaluator<'_> {
    pub(in super::super) fn smoothed_selector(&self, selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        let lookback = self.options.lookback_delta;
        let reference = self.reference(selector.at, selector.offset.as_ref())?;
        let span = Span { reference, range: 0, back: lookback, ahead: lookback };
        let mut rows = Vec::new();
        for series in self.select(selector, reference, 0, lookback, lookback)? {
            self.check_running()?;
            let notes = Notes::new(self, series.labels.metric_name(), selector.position);
            let mut points = Points::empty(self.steps.count());
            let tracks = Tracks::new(series.samples, false);
            for_each_window(&tracks, span, self.steps, |step, window| {
                if let Some(point) = smoothed(&notes, &window) {
                    points.set(step, point);
                }
                Ok::<_, EvalError>(())
            })?;
            if points.is_empty() {
                continue;
            }
            points.iter().for_each(|(step, _)| self.looked.at(step, 1));
            self.hold(points.count())?;
            let row = StepSeries { labels: series.labels.clone(), drop_name: false, points };
            self.hold_row(&row)?;
            rows.push(row);
            self.check_rows(rows.len())?;
        }
        Ok(rows)
    }
}

fn smoothed(notes: &Notes<'_>, window: &Window<'_>) -> Option<Point> {
    if window.is_mixed() {
        notes.mixed();
        return None;
    }
    match window.histograms.is_empty() {
        true => smoothed_float(window).map(Point::Float),
        false => smoothed_histogram(notes, window).map(Point::Histogram),
    }
}

/// At its own time a sample is itself, after the last one it stays, before the first one there is nothing.
fn smoothed_float(window: &Window<'_>) -> Option<f64> {
    let floats = window.floats;
    let next = floats.times.partition_point(|time| *time < window.end);
    match floats.times.get(next) {
        Some(time) if *time == window.end => floats.values.get(next).copied(),
        Some(_) => Some(interpolate(floats, next.checked_sub(1)?, window.end, false)),
        None => floats.values.last().copied(),
    }
}

fn smoothed_histogram(notes: &Notes<'_>, window: &Window<'_>) -> Option<Arc<FloatHistogram>> {
    let histograms = window.histograms;
    let next = histograms.times.partition_point(|time| *time < window.end);
    match histograms.times.get(next) {
        Some(time) if *time == window.end => histograms.values.get(next).cloned(),
        Some(_) => {
            let before = next.checked_sub(1)?;
            let (old, new) = (&histograms.values[before], &histograms.values[next]);
            if old.uses_custom_buckets() != new.uses_custom_buckets() {
                notes.mixed_schemas();
                return None;
            }
            let is_counter = [old, new].iter().any(|it| it.counter_reset_hint != CounterResetHint::Gauge);
            histogram_edges::interpolate(histograms, before, window.end, is_counter, notes).map(Arc::new)
        }
        None => {
            // What it says of resets is about the sample before it.
            let last = FloatHistogram::clone(histograms.values.last()?);
            Some(Arc::new(FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..last }))
        }
    }
}
