//! What Prometheus' store makes of the counter reset hints of histograms.
//!
//! It stores one hint for a chunk, not one for each histogram: the first histogram of a chunk comes back as a reset only if
//! the chunk was begun because of one, and all others as no reset. What expectations say about hints (and which warnings
//! there are about them) depends on this, so the tests' store does the same. Facts: `tsdb/chunkenc/float_histogram.go`.

use std::collections::BTreeMap;

use trefoil_promql::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Span};
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
            Chunk::Gauge => CounterResetHint::Unknown,
            _ if histogram.counter_reset_hint == CounterResetHint::CounterReset => CounterResetHint::CounterReset,
            Chunk::Other => CounterResetHint::Unknown,
            Chunk::Counter(last) => continued(last, histogram),
        };
        *self = Chunk::Counter(Box::new(histogram.clone()));
        hint
    }
}

/// The hint of a histogram of a counter that comes after another.
fn continued(last: &FloatHistogram, next: &FloatHistogram) -> CounterResetHint {
    let is_custom = next.schema == CUSTOM_BUCKETS_SCHEMA;
    if is_stale_nan(last.sum) {
        return CounterResetHint::Unknown;
    }
    if next.count < last.count {
        return CounterResetHint::CounterReset;
    }
    if next.schema != last.schema || next.zero_threshold != last.zero_threshold {
        return CounterResetHint::Unknown;
    }
    let is_reset = (is_custom && next.custom_values != last.custom_values)
        || next.zero_count < last.zero_count
        || shrinks(&last.positive_spans, &last.positive_buckets, &next.positive_spans, &next.positive_buckets)
        || shrinks(&last.negative_spans, &last.negative_buckets, &next.negative_spans, &next.negative_buckets);
    if is_reset { CounterResetHint::CounterReset } else { CounterResetHint::NotCounterReset }
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
