//! Entries through the stages of a range aggregation.

use super::leaf::Measure;
use super::{Accumulator, Leaf, MetricsError, Series};
use crate::error::ParseError;
use crate::pipeline::{Entry, Fields, Known, Labels, Pipeline, Runner, Unwrapping};

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

    /// Whether entries of one stream with the same metadata are of one series: that of the first that passes will do
    /// for all.
    pub fn leaves_labels(&self) -> bool {
        self.unwrapping.is_none() && self.pipeline.leaves_labels()
    }

    /// [`Reading::add`] where labels are left alone, and the series of the entry is known. Whether the entry passes.
    pub fn add_known(
        &self,
        runner: &mut Runner<'_>,
        entry: &Entry<'_>,
        series: Series,
        accumulator: &mut Accumulator,
    ) -> Result<bool, MetricsError> {
        let Some(value) = runner.run(entry, |line, _| self.measured(line)) else { return Ok(false) };
        accumulator.add(series, entry.timestamp, value)?;
        Ok(true)
    }

    fn measured(&self, line: &str) -> f64 {
        if self.measure == Measure::Bytes { line.len() as f64 } else { 0.0 }
    }

    /// The fields of lines that are enough, so that nobody has to look at these. `None`: somebody has.
    pub fn fields(&self) -> Option<Fields<'_>> {
        self.pipeline.fields().filter(|_| self.measure != Measure::Bytes)
    }

    /// The unwrapped label, where entries that differ by its value only (numbers all of them) are of one series.
    pub fn value_alone(&self) -> Option<&Unwrapping> {
        let unwrapping = self.unwrapping.as_ref()?;
        (unwrapping.ignores_value() && self.pipeline.ignores(unwrapping.label())).then_some(unwrapping)
    }

    /// [`Reading::add`] of an entry whose line is not needed, as its [fields](Reading::fields) are known.
    pub fn add_by_fields(
        &self,
        runner: &mut Runner<'_>,
        entry: &Entry<'_>,
        known: Known<'_>,
        accumulator: &mut Accumulator,
    ) -> Result<Option<Series>, MetricsError> {
        let mut add = |value: f64, labels: &Labels<'_>| {
            let series = accumulator.series(labels.iter().map(|(_, name, value)| (name, value)))?;
            accumulator.add(series, entry.timestamp, value).map(|()| series)
        };
        let added = match &self.unwrapping {
            Some(unwrapping) => runner.run_known_unwrapped(unwrapping, entry, known, add),
            None => runner.run_known(entry, known, |labels| add(0.0, labels)),
        };
        added.transpose()
    }

    /// Adds an entry that the selector has chosen, if it passes; its series then. `runner` is one of [`Reading::pipeline`]. Fails for
    /// an entry whose stages failed, where the query does not say that this is to be overlooked.
    pub fn add(
        &self,
        runner: &mut Runner<'_>,
        entry: &Entry<'_>,
        accumulator: &mut Accumulator,
    ) -> Result<Option<Series>, MetricsError> {
        let mut add = |value: f64, labels: &Labels<'_>| {
            let series = accumulator.series(labels.iter().map(|(_, name, value)| (name, value)))?;
            accumulator.add(series, entry.timestamp, value).map(|()| series)
        };
        let added = match &self.unwrapping {
            Some(unwrapping) => runner.run_unwrapped(unwrapping, entry, add),
            None => runner.run(entry, |line, labels| add(self.measured(line), labels)),
        };
        added.transpose()
    }
}
