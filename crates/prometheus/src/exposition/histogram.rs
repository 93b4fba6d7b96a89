//! Native histograms.

use trefoil_promql::histogram::{CounterResetHint, FloatHistogram, Span as FloatSpan};

/// The schema of histograms with bounds of their own.
pub const CUSTOM_BUCKETS: i32 = -53;

/// A native histogram, in Prometheus' layout.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NativeHistogram {
    /// -4 to 8: a factor of 2^(2^-schema) from bucket to bucket; [`CUSTOM_BUCKETS`]; others are for who takes it to refuse.
    pub schema: i32,
    pub zero_threshold: f64,
    pub sum: f64,
    pub counts: Counts,
    /// Which buckets `counts` has, each list as long as its spans together.
    pub positive_spans: Vec<Span>,
    pub negative_spans: Vec<Span>,
    /// Upper bounds without infinity, of [`CUSTOM_BUCKETS`].
    pub custom_values: Vec<f64>,
    /// It may shrink.
    pub is_gauge: bool,
}

/// So many buckets in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Buckets left out since the end of the span before; of the first, its index.
    pub offset: i32,
    pub length: u32,
}

/// All counts of a histogram; of buckets each for itself, neither summed up nor as differences.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    Integer { count: u64, zero: u64, positive: Vec<u64>, negative: Vec<u64> },
    Float { count: f64, zero: f64, positive: Vec<f64>, negative: Vec<f64> },
}

impl Default for Counts {
    fn default() -> Self {
        Self::Integer { count: 0, zero: 0, positive: Vec::new(), negative: Vec::new() }
    }
}

/// What double precision counts exactly.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

impl NativeHistogram {
    /// Adds another one, at the coarser resolution of both. Whether they could be added: an exponential one and one with
    /// custom buckets cannot.
    pub fn add(&mut self, other: &Self) -> bool {
        let mut sum = FloatHistogram::from(&*self);
        if sum.add_assign(&FloatHistogram::from(other)).is_err() {
            return false;
        }
        *self = Self { is_gauge: self.is_gauge, ..Self::from(&sum) }.with_whole_counts();
        true
    }

    /// Counts as integers where all of them are.
    pub fn with_whole_counts(mut self) -> Self {
        let is_whole = |count: &f64| count.fract() == 0.0 && (0.0..=MOST_EXACT).contains(count);
        let whole = |counts: &[f64]| counts.iter().map(|count| *count as u64).collect::<Vec<_>>();
        if let Counts::Float { count, zero, positive, negative } = &self.counts
            && [count, zero].into_iter().chain(positive).chain(negative).all(is_whole)
        {
            self.counts = Counts::Integer {
                count: *count as u64,
                zero: *zero as u64,
                positive: whole(positive),
                negative: whole(negative),
            };
        }
        self
    }
}

impl From<&FloatHistogram> for NativeHistogram {
    fn from(histogram: &FloatHistogram) -> Self {
        let spans = |spans: &[FloatSpan]| {
            spans.iter().map(|FloatSpan { offset, length }| Span { offset: *offset, length: *length }).collect()
        };
        Self {
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            sum: histogram.sum,
            counts: Counts::Float {
                count: histogram.count,
                zero: histogram.zero_count,
                positive: histogram.positive_buckets.clone(),
                negative: histogram.negative_buckets.clone(),
            },
            positive_spans: spans(&histogram.positive_spans),
            negative_spans: spans(&histogram.negative_spans),
            custom_values: histogram.custom_values.clone(),
            is_gauge: histogram.counter_reset_hint == CounterResetHint::Gauge,
        }
    }
}

impl From<&NativeHistogram> for FloatHistogram {
    fn from(histogram: &NativeHistogram) -> Self {
        let spans = |spans: &[Span]| {
            spans.iter().map(|Span { offset, length }| FloatSpan { offset: *offset, length: *length }).collect()
        };
        let floats = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect::<Vec<_>>();
        let (count, zero_count, positive_buckets, negative_buckets) = match &histogram.counts {
            Counts::Integer { count, zero, positive, negative } => {
                (*count as f64, *zero as f64, floats(positive), floats(negative))
            }
            Counts::Float { count, zero, positive, negative } => (*count, *zero, positive.clone(), negative.clone()),
        };
        Self {
            counter_reset_hint: match histogram.is_gauge {
                true => CounterResetHint::Gauge,
                false => CounterResetHint::Unknown,
            },
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count,
            count,
            sum: histogram.sum,
            positive_spans: spans(&histogram.positive_spans),
            negative_spans: spans(&histogram.negative_spans),
            positive_buckets,
            negative_buckets,
            custom_values: histogram.custom_values.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_add_at_the_coarser_resolution() {
        let of = |schema, first, positive: Vec<u64>| NativeHistogram {
            schema,
            zero_threshold: 0.5,
            sum: 2.0,
            positive_spans: vec![Span { offset: first, length: positive.len() as u32 }],
            counts: Counts::Integer { count: positive.iter().sum(), zero: 0, positive, negative: Vec::new() },
            ..NativeHistogram::default()
        };
        let mut total = of(1, 1, vec![1, 2, 3, 4]);
        assert!(total.add(&of(0, 1, vec![5])));
        let Counts::Integer { count, positive, .. } = &total.counts else { panic!("{total:?}") };
        assert_eq!((total.schema, total.sum, *count, positive.as_slice()), (0, 4.0, 15, &[8, 7][..]));
        let custom = NativeHistogram { schema: CUSTOM_BUCKETS, custom_values: vec![1.0], ..NativeHistogram::default() };
        assert!(!total.add(&custom));
    }
}
