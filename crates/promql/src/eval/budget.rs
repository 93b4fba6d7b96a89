//! How many samples a query may hold at once, and how many it holds.

use super::Evaluator;
use crate::error::EvalError;
use crate::points::PointRef;
use crate::source::Samples;
use crate::value::{StepSeries, Value};

/// Rows are dense, so a step without a value costs memory as well: this many such cells are allowed for each sample that is.
pub(super) const CELLS_PER_SAMPLE: usize = 4;

impl Evaluator<'_> {
    /// That the grid itself is no longer than what may be held, whatever is evaluated on it.
    pub fn check_grid(&self) -> Result<(), EvalError> {
        match self.steps.count() > self.options.max_samples {
            true => Err(too_many()),
            false => Ok(()),
        }
    }

    /// That so many rows may be laid out on the grid.
    pub fn check_rows(&self, rows: usize) -> Result<(), EvalError> {
        let cells = rows.saturating_mul(self.steps.count());
        match cells > self.options.max_samples.saturating_mul(CELLS_PER_SAMPLE) {
            true => Err(too_many()),
            false => Ok(()),
        }
    }

    /// Counts samples that are held from now on, until [`Evaluator::settle`].
    pub fn hold(&self, samples: usize) -> Result<(), EvalError> {
        self.settle(self.shared.samples.get(), samples)
    }

    /// Of all that was held since there were `before` samples, only `samples` are left.
    pub fn settle(&self, before: usize, samples: usize) -> Result<(), EvalError> {
        let now = before.saturating_add(samples);
        if now > self.options.max_samples {
            return Err(too_many());
        }
        self.shared.samples.set(now);
        self.shared.peak_samples.set(self.shared.peak_samples.get().max(now));
        Ok(())
    }
}

fn too_many() -> EvalError {
    let message = "query processing would load too many samples into memory in query execution";
    EvalError::Limit(message.to_owned())
}

/// In samples.
pub(super) fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Scalar(values) => values.len(),
        Value::String(_) => 0,
        Value::Vector(rows) => size_of_rows(rows),
    }
}

pub(super) fn size_of_rows(rows: &[StepSeries]) -> usize {
    let size = |row: &StepSeries| match row.points.has_histograms() {
        false => row.points.count(),
        true => row.points.iter().map(|(_, point)| size_of_point(point)).sum(),
    };
    rows.iter().map(size).sum()
}

pub(super) fn size_of_samples(samples: &Samples) -> usize {
    match &samples.histograms {
        None => samples.len(),
        Some(_) => (0..samples.len()).map(|index| size_of_point(samples.point(index))).sum(),
    }
}

pub(super) fn size_of_point(point: PointRef<'_>) -> usize {
    match point {
        PointRef::Float(_) => 1,
        PointRef::Histogram(histogram) => histogram.samples_in_matrix(),
    }
}
