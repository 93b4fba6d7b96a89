//! Entries through the stages of a range aggregation.

use super::leaf::Measure;
use super::{Accumulator, Leaf, MetricsError};
use crate::error::ParseError;
use crate::pipeline::{Entry, Pipeline, Runner, Unwrapping};

/// What is done to the entries of a [`Leaf`], made ready.
#[derive(Debug, Clone)]
pub struct Reading {
    pipeline: Pipeline,
    unwrapping: Option<Unwrapping>,
    measure: Measure,
}

impl Reading {
    /// Fails with the stage that makes no sense.
    pub fn new(leaf: &Leaf) -> Result<Reading, ParseError> {
        let range = leaf.range();
        Ok(Reading {
            pipeline: Pipeline::new(&range.query.stages, &leaf.wants())?,
            unwrapping: range.unwrap.as_ref().map(Unwrapping::new).transpose()?,
            measure: leaf.measure(),
        })
    }

    /// What a [`Runner`] runs.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Adds an entry that the selector has chosen, if it passes. `runner` is one of [`Reading::pipeline`]. Fails for an entry whose
    /// stages failed, where the query does not say that this is to be overlooked.
    pub fn add(
        &self,
        runner: &mut Runner<'_>,
        entry: &Entry<'_>,
        accumulator: &mut Accumulator,
    ) -> Result<(), MetricsError> {
        let added = match &self.unwrapping {
            Some(unwrapping) => runner.run_unwrapped(unwrapping, entry, |value, labels| {
                let series = accumulator.series(labels.iter().map(|(_, name, value)| (name, value)))?;
                accumulator.add(series, entry.timestamp, value)
            }),
            None => runner.run(entry, |line, labels| {
                let series = accumulator.series(labels.iter().map(|(_, name, value)| (name, value)))?;
                let value = if self.measure == Measure::Bytes { line.len() as f64 } else { 0.0 };
                accumulator.add(series, entry.timestamp, value)
            }),
        };
        added.unwrap_or(Ok(()))
    }
}
