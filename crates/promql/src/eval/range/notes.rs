//! What functions over range vectors have to say about their input.

use std::cell::Cell;

use trefoil_go::number;
use trefoil_go::quote::quote;

use super::super::Evaluator;
use crate::error::Position;

/// The notes about one series.
pub(super) struct Notes<'e> {
    pub evaluator: &'e Evaluator<'e>,
    pub metric: &'e str,
    pub position: Position,
    /// How many windows had overlapping start times.
    overlaps: Cell<usize>,
}

/// What was done to histograms when their buckets had to be made alike.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    Addition,
    Subtraction,
    Aggregation,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Addition => "addition",
            Operation::Subtraction => "subtraction",
            Operation::Aggregation => "aggregation",
        }
    }
}

impl<'e> Notes<'e> {
    pub fn new(evaluator: &'e Evaluator<'e>, metric: &'e str, position: Position) -> Self {
        Self { evaluator, metric, position, overlaps: Cell::new(0) }
    }

    fn warn(&self, message: String) {
        self.evaluator.warn(message, self.position);
    }

    fn info(&self, message: String) {
        self.evaluator.info(message, self.position);
    }

    pub fn mixed(&self) {
        self.warn(format!("encountered a mix of histograms and floats for metric name {}", quote(self.metric)));
    }

    pub fn ignored_histograms(&self) {
        let message = "ignored histograms in a range containing both floats and histograms for metric name";
        self.info(format!("{message} {}", quote(self.metric)));
    }

    pub fn histogram_is_no_counter(&self) {
        self.warn(format!("this native histogram metric is not a counter: {}", quote(self.metric)));
    }

    pub fn histogram_is_no_gauge(&self) {
        self.warn(format!("this native histogram metric is not a gauge: {}", quote(self.metric)));
    }

    pub fn mixed_schemas(&self) {
        let message = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
        self.warn(format!("{message} {}", quote(self.metric)));
    }

    pub fn reconciled(&self, operation: Operation) {
        self.info(format!("mismatched custom buckets were reconciled during {}", operation.name()));
    }

    pub fn conflicting_resets(&self) {
        self.warn("conflicting counter resets during histogram aggregation".to_owned());
    }

    pub fn quantile_out_of_range(&self, quantile: f64) {
        self.warn(format!("quantile value should be between 0 and 1, got {}", number::general(quantile)));
    }

    pub fn name_is_no_counter(&self) {
        let message = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
        self.info(format!("{message} {}", quote(self.metric)));
    }

    pub fn type_is_no_counter(&self, metric_type: &str) {
        let message = r#"metric might not be a counter, __type__ label is not set to "counter" or "histogram""#;
        self.info(format!("{message}, got {}: {}", quote(metric_type), quote(self.metric)));
    }

    /// Said with [`Notes::overlaps`], as it is counted.
    pub fn overlap(&self) {
        self.overlaps.set(self.overlaps.get() + 1);
    }

    pub fn overlaps(&self) -> usize {
        self.overlaps.get()
    }

    /// That start times overlapped in so many windows of all series of this metric.
    pub fn overlapped(&self, times: usize) {
        let message = "sample has start time that overlaps with previous sample timestamp for metric";
        match times {
            0 => {}
            1 => self.warn(format!("{message} {}", quote(self.metric))),
            _ => self.warn(format!("{message} {} ({times} occurrences)", quote(self.metric))),
        }
    }
}
