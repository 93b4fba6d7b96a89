//! Native histograms → OTLP's exponential histograms, and those of custom buckets → histograms of explicit bounds.
//!
//! Prometheus' schema is OTLP's scale. Its bucket `i` ends at `base^i` (inclusive), OTLP's begins there, so indices differ
//! by one. Spans and deltas become a run of counts; gaps become zeros, within a bound.

use std::fmt::{self, Display};

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};

use super::message::{BucketSpan, Histogram};
use super::times::{NO_RECORDED_VALUE, is_stale};

/// The schema of custom buckets.
pub const CUSTOM_BUCKETS: i32 = -53;

const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// `RESET_HINT_GAUGE`: a histogram whose counts may fall.
const HINT_GAUGE: i32 = 3;

/// Counts of one side of a histogram, gaps included. At schema 8 this is a range of values of 1 : 2^64.
const MAX_BUCKETS: i64 = 1 << 14;

/// Indices beyond this are beyond every double.
const MAX_INDEX: i64 = 1 << 24;

/// A point without attributes, times and exemplars.
pub enum Native {
    Exponential(ExponentialHistogramDataPoint),
    Custom(HistogramDataPoint),
}

/// Why a histogram is not taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Unfit {
    Schema(i32),
    Fraction(f64),
    NegativeCount,
    SpanCount { spans: u64, counts: usize },
    Overlap,
    TooWide,
    Count { count: u64, buckets: u64 },
    Bounds,
    BeyondBounds,
    NotCustom,
}

impl Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Schema(schema) => {
                write!(f, "schema {schema} is neither between -4 and 8 nor -53 (custom buckets)")
            }
            Unfit::Fraction(count) => {
                write!(f, "a count of {count} is not a whole number, which is all that is stored")
            }
            Unfit::NegativeCount => write!(f, "a bucket has a negative count"),
            Unfit::SpanCount { spans, counts } => {
                write!(f, "its spans are of {spans} buckets, but {counts} have a count")
            }
            Unfit::Overlap => write!(f, "a span starts before the end of the one before it"),
            Unfit::TooWide => write!(f, "its buckets reach too far (more than {MAX_BUCKETS} with the gaps)"),
            Unfit::Count { count, buckets } => write!(f, "its count is {count}, but its buckets hold {buckets}"),
            Unfit::Bounds => write!(f, "custom_values are not finite and ascending"),
            Unfit::BeyondBounds => write!(f, "a bucket lies beyond custom_values"),
            Unfit::NotCustom => write!(f, "a histogram of custom buckets has negative buckets or a zero bucket"),
        }
    }
}

/// Whether it says of itself that its counts may fall.
pub fn is_gauge(histogram: &Histogram) -> bool {
    histogram.reset_hint == HINT_GAUGE
}

/// `zeros` is how many empty buckets the request may still have between its counts.
pub fn convert(histogram: &Histogram, zeros: &mut usize) -> Result<Native, Unfit> {
    let is_custom = histogram.schema == CUSTOM_BUCKETS;
    if is_stale(histogram.sum) {
        // Prometheus' marker says nothing of the buckets that there were.
        return Ok(match is_custom {
            true => Native::Custom(HistogramDataPoint { flags: NO_RECORDED_VALUE, ..Default::default() }),
            false => {
                Native::Exponential(ExponentialHistogramDataPoint { flags: NO_RECORDED_VALUE, ..Default::default() })
            }
        });
    }
    match is_custom {
        true => custom(histogram).map(Native::Custom),
        false => exponential(histogram, zeros).map(Native::Exponential),
    }
}

fn exponential(histogram: &Histogram, zeros: &mut usize) -> Result<ExponentialHistogramDataPoint, Unfit> {
    if !SCHEMAS.contains(&histogram.schema) {
        return Err(Unfit::Schema(histogram.schema));
    }
    let positive = run(&histogram.positive_spans, positive_counts(histogram)?, zeros)?;
    let negative = run(&histogram.negative_spans, negative_counts(histogram)?, zeros)?;
    let zero_count = number(histogram.zero_count_int, histogram.zero_count_float)?;
    let count = number(histogram.count_int, histogram.count_float)?;
    let sides = [&positive, &negative].into_iter().flatten().flat_map(|(_, counts)| counts);
    check_count(histogram, count, sides.fold(zero_count, |sum, count| sum.saturating_add(*count)))?;
    let buckets = |(first, bucket_counts): (i32, Vec<u64>)| Buckets { offset: first - 1, bucket_counts };
    Ok(ExponentialHistogramDataPoint {
        count,
        sum: Some(histogram.sum),
        scale: histogram.schema,
        zero_count,
        zero_threshold: histogram.zero_threshold,
        positive: positive.map(buckets),
        negative: negative.map(buckets),
        ..Default::default()
    })
}

fn custom(histogram: &Histogram) -> Result<HistogramDataPoint, Unfit> {
    let bounds = &histogram.custom_values;
    if !bounds.iter().all(|bound| bound.is_finite()) || !bounds.is_sorted_by(|a, b| a < b) {
        return Err(Unfit::Bounds);
    }
    let zero_count = number(histogram.zero_count_int, histogram.zero_count_float)?;
    if zero_count > 0 || !histogram.negative_spans.is_empty() {
        return Err(Unfit::NotCustom);
    }
    let mut bucket_counts = vec![0; bounds.len() + 1];
    // Its gaps cost nothing beyond the bounds, which were sent.
    let mut zeros = bucket_counts.len();
    let filled = run(&histogram.positive_spans, positive_counts(histogram)?, &mut zeros);
    let filled = filled.map_err(|unfit| if unfit == Unfit::TooWide { Unfit::BeyondBounds } else { unfit })?;
    if let Some((first, counts)) = filled {
        let first = usize::try_from(first).map_err(|_| Unfit::BeyondBounds)?;
        let place = bucket_counts.get_mut(first..first + counts.len()).ok_or(Unfit::BeyondBounds)?;
        place.copy_from_slice(&counts);
    }
    let count = number(histogram.count_int, histogram.count_float)?;
    check_count(histogram, count, bucket_counts.iter().fold(0, |sum, count| sum.saturating_add(*count)))?;
    Ok(HistogramDataPoint {
        count,
        sum: Some(histogram.sum),
        bucket_counts,
        explicit_bounds: bounds.clone(),
        ..Default::default()
    })
}

/// As Prometheus checks it: observations of NaN are counted and are in no bucket.
fn check_count(histogram: &Histogram, count: u64, buckets: u64) -> Result<(), Unfit> {
    let fits = if histogram.sum.is_nan() { count >= buckets } else { count == buckets };
    if fits { Ok(()) } else { Err(Unfit::Count { count, buckets }) }
}

fn is_float(histogram: &Histogram) -> bool {
    histogram.count_float.is_some()
}

fn positive_counts(histogram: &Histogram) -> Result<Vec<u64>, Unfit> {
    match is_float(histogram) {
        true => histogram.positive_counts.iter().map(|count| whole(*count)).collect(),
        false => sums(&histogram.positive_deltas),
    }
}

fn negative_counts(histogram: &Histogram) -> Result<Vec<u64>, Unfit> {
    match is_float(histogram) {
        true => histogram.negative_counts.iter().map(|count| whole(*count)).collect(),
        false => sums(&histogram.negative_deltas),
    }
}

fn sums(deltas: &[i64]) -> Result<Vec<u64>, Unfit> {
    let mut count = 0i64;
    let mut sum = |delta: &i64| {
        count = count.checked_add(*delta).ok_or(Unfit::NegativeCount)?;
        u64::try_from(count).map_err(|_| Unfit::NegativeCount)
    };
    deltas.iter().map(&mut sum).collect()
}

fn number(int: Option<u64>, float: Option<f64>) -> Result<u64, Unfit> {
    match (float, int) {
        (Some(float), _) => whole(float),
        (None, int) => Ok(int.unwrap_or(0)),
    }
}

/// OTLP's counts are whole.
fn whole(count: f64) -> Result<u64, Unfit> {
    if count < 0.0 {
        return Err(Unfit::NegativeCount);
    }
    // Doubles above 2^53 are whole; a u64 holds those below 2^64.
    if count.fract() != 0.0 || count.is_nan() || count >= u64::MAX as f64 {
        return Err(Unfit::Fraction(count));
    }
    Ok(count as u64)
}

/// The index of the first bucket and the counts from there on.
fn run(spans: &[BucketSpan], counts: Vec<u64>, zeros: &mut usize) -> Result<Option<(i32, Vec<u64>)>, Unfit> {
    let length = spans.iter().fold(0u64, |sum, span| sum.saturating_add(u64::from(span.length)));
    if length != counts.len() as u64 {
        return Err(Unfit::SpanCount { spans: length, counts: counts.len() });
    }
    let mut counts = counts.into_iter();
    let mut filled: Vec<u64> = Vec::new();
    let mut first = None;
    let mut next = 0i64;
    for (index, span) in spans.iter().enumerate() {
        if index > 0 && span.offset < 0 {
            return Err(Unfit::Overlap);
        }
        next = next.saturating_add(i64::from(span.offset));
        if span.length == 0 {
            continue;
        }
        let start = *first.get_or_insert(next);
        let end = next.saturating_add(i64::from(span.length));
        if end - start > MAX_BUCKETS || end > MAX_INDEX || start < -MAX_INDEX {
            return Err(Unfit::TooWide);
        }
        let gap = (next - start) as usize - filled.len();
        *zeros = zeros.checked_sub(gap).ok_or(Unfit::TooWide)?;
        filled.resize(filled.len() + gap, 0);
        filled.extend(counts.by_ref().take(span.length as usize));
        next = end;
    }
    Ok(first.map(|first| (first as i32, filled)))
}
