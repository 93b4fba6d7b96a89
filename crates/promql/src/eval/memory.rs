//! How many bytes a query holds, for whoever bounds what all queries hold together.
//!
//! Counted are rows, samples and groups, whole and before they are made where their number is known, so that it costs nothing by
//! the sample. What a node of the expression holds beside its value counts until the node has its value: rather too long than
//! too short.

use std::cell::Cell;
use std::sync::Arc;

use super::Evaluator;
use crate::error::EvalError;
use crate::labels::{Label, Labels};
use crate::memory::Memory;
use crate::points::{Point, Points};
use crate::source::{RawSeries, Samples, bytes_of_samples, bytes_of_series};
use crate::value::{QueryResult, StepSeries, Value};

/// What the allocator takes for the two lists of a row, and places of a row that operators remember.
const BESIDE_ROW: usize = 64;

/// What is held now.
pub(crate) struct Holding<'q> {
    memory: Option<&'q Arc<dyn Memory>>,
    bytes: Cell<usize>,
}

impl<'q> Holding<'q> {
    pub fn of(memory: Option<&'q Arc<dyn Memory>>) -> Self {
        Self { memory, bytes: Cell::new(0) }
    }

    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    fn set(&self, bytes: usize) -> Result<(), EvalError> {
        let before = self.bytes.get();
        match self.memory {
            Some(memory) if bytes > before => memory.grow(bytes - before)?,
            Some(memory) if bytes < before => memory.shrink(before - bytes),
            _ => {}
        }
        self.bytes.set(bytes);
        Ok(())
    }
}

impl Evaluator<'_> {
    /// Holds so many bytes until [`Evaluator::settle_bytes`].
    pub fn hold_bytes(&self, bytes: usize) -> Result<(), EvalError> {
        self.settle_bytes(self.shared.memory.bytes(), bytes)
    }

    /// Of all bytes that are held since there were `before` of them, only so many are left.
    pub fn settle_bytes(&self, before: usize, bytes: usize) -> Result<(), EvalError> {
        self.shared.memory.set(before.saturating_add(bytes))
    }

    /// Holds rows of floats that are about to be made on the grid, as far as that is known without their labels.
    pub fn hold_rows(&self, rows: usize) -> Result<(), EvalError> {
        let steps = self.steps.count();
        let row = size_of::<StepSeries>() + BESIDE_ROW + Points::bytes_of_floats(steps);
        self.hold_bytes(rows.saturating_mul(row))
    }

    /// Holds a row that was made.
    pub fn hold_row(&self, row: &StepSeries) -> Result<(), EvalError> {
        self.hold_bytes(bytes_of_row(row))
    }

    /// Holds series that were read.
    pub fn hold_series(&self, series: &[RawSeries]) -> Result<(), EvalError> {
        self.hold_bytes(bytes_of_series(series))
    }
}

pub(super) fn bytes_of_value(value: &Value) -> usize {
    match value {
        Value::Scalar(values) => size_of_val(values.as_slice()),
        Value::String(text) => text.len(),
        Value::Vector(rows) => rows.iter().map(bytes_of_row).fold(0, usize::saturating_add),
    }
}

fn bytes_of_row(row: &StepSeries) -> usize {
    size_of::<StepSeries>() + BESIDE_ROW + bytes_of_labels(&row.labels) + row.points.bytes()
}

/// As if no other series had the same list of labels. The labels themselves nearly always have others.
pub(super) fn bytes_of_labels(labels: &Labels) -> usize {
    labels.len() * size_of::<Label>()
}

pub(super) fn bytes_of_result(result: &QueryResult) -> usize {
    match result {
        QueryResult::Scalar { .. } => 0,
        QueryResult::String { value, .. } => value.len(),
        QueryResult::Vector { samples, .. } => {
            let point = |point: &Point| match point {
                Point::Float(_) => 0,
                Point::Histogram(histogram) => histogram.size(),
            };
            let bytes = samples.iter().map(|(labels, value)| bytes_of_labels(labels) + point(value)).sum::<usize>();
            bytes.saturating_add(size_of_val(samples.as_slice()))
        }
        QueryResult::Matrix(series) => {
            let labels = series.iter().map(|(labels, _)| bytes_of_labels(labels)).sum::<usize>();
            let samples = bytes_of_samples(series.iter().map(|(_, samples)| samples));
            labels.saturating_add(samples).saturating_add(size_of_val(series.as_slice()))
        }
    }
}

/// Of the list of times, unless it is that of the series before.
pub(super) fn bytes_of_times(samples: &Samples, before: Option<&Samples>) -> usize {
    match before.is_some_and(|before| before.times.is_shared_with(&samples.times)) {
        true => 0,
        false => size_of_val(&*samples.times),
    }
}

#[cfg(test)]
mod tests;
