//! What Prometheus' store makes of the counter reset hints of histograms.
//!
//! It stores no hints other than that of gauges: what comes back is "no reset" for a histogram that continues a chunk, and
//! "unknown" for the first one of a chunk. A chunk is never continued across a reset. What expectations say about hints (and
//! which warnings there are about them) depends on this, so the tests' store does the same. Facts:
//! `tsdb/chunkenc/float_histogram.go` and https://github.com/prometheus/prometheus/pull/15343.

use std::collections::BTreeMap;

use trefoil_promql::histogram::{CounterResetHint, FloatHistogram, Span};
use trefoil_promql::source::is_stale_nan;

/// The chunk that the next sample of a series would be appended to.
#[derive(Debug, Default)]
pub enum Chunk {
    /// None yet, or one of floats.
    #[default]
    Other,
    Gauge,
    /// With the histogram appended last.
    Counter(Box<FloatHistogram>),
}

impl Chunk {
    pub fn append_float(&mut self) {
        *self = Chunk::Other;
    }

    /// Returns the hint that the histogram is read back with.
    pub fn append_histogram(&mut self, histogram: &FloatHistogram) -> CounterResetHint {
        if histogram.counter_reset_hint == CounterResetHint::Gauge {
            *self = Chunk::Gauge;
            return CounterResetHint::Gauge;
        }
        let hint = match &*self {
            Chunk::Counter(last) if continues(last, histogram) => CounterResetHint::NotCounterReset,
            Chunk::Counter(_) | Chunk::Gauge | Chunk::Other => CounterResetHint::Unknown,
        };
        *self = Chunk::Counter(Box::new(histogram.clone()));
        hint
    }
}

/// Whether a histogram of a counter fits into the chunk of the one before it: same layout, and nothing was reset.
fn continues(last: &FloatHistogram, next: &FloatHistogram) -> bool {
    next.counter_reset_hint != CounterResetHint::CounterReset
        && !is_stale_nan(last.sum)
        && next.count >= last.count
        && next.schema == last.schema
        && next.zero_threshold == last.zero_threshold
        && next.custom_values == last.custom_values
        && next.zero_count >= last.zero_count
        && !shrinks(&last.positive_spans, &last.positive_buckets, &next.positive_spans, &next.positive_buckets)
        && !shrinks(&last.negative_spans, &last.negative_buckets, &next.negative_spans, &next.negative_buckets)
}

/// Whether a bucket has less than before.
fn shrinks(spans: &[Span], buckets: &[f64], next_spans: &[Span], next_buckets: &[f64]) -> bool {
    let next: BTreeMap<i32, f64> = filled(next_spans, next_buckets).collect();
    filled(spans, buckets).any(|(index, count)| next.get(&index).is_none_or(|next| *next < count))
}

/// The buckets that are not empty, by index.
pub fn filled<'a>(spans: &'a [Span], buckets: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    let mut next = 0_i32;
    let indices = spans.iter().flat_map(move |span| {
        let start = next.wrapping_add(span.offset);
        next = start.wrapping_add_unsigned(span.length);
        (0..span.length).map(move |index| start.wrapping_add_unsigned(index))
    });
    indices.zip(buckets.iter().copied()).filter(|(_, count)| *count != 0.0)
}
