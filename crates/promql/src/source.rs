//! Where samples come from.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::EvalError;
use crate::histogram::FloatHistogram;
use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::points::{PointRef, bytes_of_histograms};
use crate::times::Times;

/// The NaN that says "this series ends here" (`0x7ff0000000000002`), apart from all NaNs that are values.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

pub fn is_stale_nan(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Whether any value is the stale NaN. Blocks have no way out, so that many values are compared at once.
pub fn has_stale(values: &[f64]) -> bool {
    values.chunks(256).any(|values| values.iter().fold(false, |stale, value| stale | is_stale_nan(*value)))
}

/// The samples of one series by time, each time once.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    pub times: Times,
    /// As long as `times`; 0 where a histogram is.
    pub floats: Vec<f64>,
    /// As long as `times`; `None` for a series without histograms. A histogram that is stale has a stale NaN as its sum.
    pub histograms: Option<Vec<Option<Arc<FloatHistogram>>>>,
    /// When counting began (milliseconds; 0: unknown), as long as `times`; `None` where no sample says it.
    pub start_times: Option<Vec<i64>>,
}

impl Samples {
    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub fn histogram(&self, index: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms.as_ref()?.get(index)?.as_ref()
    }

    pub fn point(&self, index: usize) -> PointRef<'_> {
        match self.histogram(index) {
            Some(histogram) => PointRef::Histogram(histogram),
            None => PointRef::Float(self.floats[index]),
        }
    }

    pub fn is_stale(&self, index: usize) -> bool {
        match self.histogram(index) {
            Some(histogram) => is_stale_nan(histogram.sum),
            None => is_stale_nan(self.floats[index]),
        }
    }

    /// All but the times.
    fn bytes_of_values(&self) -> usize {
        let histograms = self.histograms.as_deref().map_or(0, bytes_of_histograms);
        let starts = self.start_times.as_deref().map_or(0, size_of_val);
        size_of_val(self.floats.as_slice()) + starts + histograms
    }

    pub fn push_float(&mut self, time: i64, value: f64) {
        self.times.push(time);
        self.floats.push(value);
        if let Some(histograms) = &mut self.histograms {
            histograms.push(None);
        }
    }

    pub fn push_histogram(&mut self, time: i64, histogram: Arc<FloatHistogram>) {
        let before = self.len();
        self.times.push(time);
        self.floats.push(0.0);
        self.histograms.get_or_insert_with(|| vec![None; before]).push(Some(histogram));
    }
}

/// About what samples hold in memory beside themselves, in bytes. A list of times that series share with the ones before them counts
/// once.
pub fn bytes_of_samples<'s>(all: impl IntoIterator<Item = &'s Samples>) -> usize {
    let mut bytes = 0_usize;
    let mut last: Option<&Times> = None;
    for samples in all {
        bytes = bytes.saturating_add(samples.bytes_of_values());
        if last.is_none_or(|last| !last.is_shared_with(&samples.times)) {
            bytes = bytes.saturating_add(size_of_val(&*samples.times));
            last = Some(&samples.times);
        }
    }
    bytes
}

/// [`bytes_of_samples`] of series, and themselves. Their labels are nearly always those of others.
pub fn bytes_of_series(series: &[RawSeries]) -> usize {
    bytes_of_samples(series.iter().map(|series| &series.samples)).saturating_add(size_of_val(series))
}

/// What a selector of a query will look at.
#[derive(Debug, Clone, Copy)]
pub struct SelectHints {
    /// Milliseconds since the epoch, both inclusive.
    pub start: i64,
    pub end: i64,
    /// The interval of the steps, milliseconds.
    pub step: i64,
    /// Of a range selector its range, milliseconds; 0 for an instant selector.
    pub range: i64,
}

#[derive(Debug, Clone)]
pub struct RawSeries {
    pub labels: Labels,
    pub samples: Samples,
}

/// The series of one tenant.
pub trait SeriesSource {
    /// The series that fulfil all matchers and have samples between the hints' times, sorted by labels, each label set once.
    ///
    /// The raw samples do not count against the limit of samples, which is about what evaluation holds: a source limits itself.
    fn select(&self, matchers: &[Matcher], hints: &SelectHints) -> Result<Vec<RawSeries>, EvalError>;

    /// The same series, some after others and in no order, for whoever need not hold all of them at once. Ends where `take` wants
    /// no more.
    fn select_in_batches(
        &self,
        matchers: &[Matcher],
        hints: &SelectHints,
        take: &mut dyn FnMut(Vec<RawSeries>) -> Result<ControlFlow<()>, EvalError>,
    ) -> Result<ControlFlow<()>, EvalError> {
        take(self.select(matchers, hints)?)
    }
}
