//! Native histograms → OTLP's exponential histograms, and those of custom buckets → histograms of explicit bounds.
//!
//! Prometheus' schema is OTLP's scale. Its bucket `i` ends at `base^i` (inclusive), OTLP's begins there, so indices differ
//! by one, and buckets that are too fine are put together. Spans and deltas become a run of counts; gaps become zeros, within a bound. What OTLP has no place for, counts that
//! are no whole numbers and reset hints, goes into attributes of the point: [`trefoil_model::native`].

use std::fmt::{self, Display};

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};
use prost::Message as _;
use trefoil_model::decode::histogram_fingerprint;
use trefoil_model::native::{ResetHint, float_counts};

use super::coarser::coarser;
use super::groups::Kind;
use super::message::{BucketSpan, Histogram};
use super::times::{NO_RECORDED_VALUE, is_stale};

/// The schema of custom buckets.
pub const CUSTOM_BUCKETS: i32 = -53;

/// Those that are taken, and the finest that is kept (as Prometheus has it).
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=52;
const FINEST_SCHEMA: i32 = 8;

/// Counts of one side of a histogram, gaps included. At schema 8 this is a range of values of 1 : 2^64.
const MAX_BUCKETS: i64 = 1 << 14;

/// Indices beyond this are beyond every double.
const MAX_INDEX: i64 = 1 << 24;

/// A point without labels, times and exemplars.
#[derive(Debug, Clone)]
pub enum Native {
    Exponential(ExponentialHistogramDataPoint),
    Custom(HistogramDataPoint),
}

impl Native {
    pub fn kind(&self) -> Kind {
        match self {
            Native::Exponential(_) => Kind::Exponential,
            Native::Custom(_) => Kind::CustomBuckets,
        }
    }

    /// Equal for equal histograms, by which way they ever come, and after a replay of the store's log.
    pub fn fingerprint(&self) -> u64 {
        let point = match self {
            Native::Exponential(point) => point.encode_to_vec(),
            Native::Custom(point) => point.encode_to_vec(),
        };
        // What has just been encoded can be read.
        histogram_fingerprint(self.kind().data(), &point).unwrap_or_default()
    }
}

/// Why a histogram is not taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Unfit {
    Schema(i32),
    NegativeCount,
    SpanCount { spans: u64, counts: usize },
    Overlap,
    TooWide,
    Count { count: u64, buckets: u64 },
    Bounds,
    BeyondBounds,
    NotCustom,
    NotExponential,
}

impl Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Schema(schema) => {
                write!(f, "schema {schema} is neither between -4 and 52 nor -53 (custom buckets)")
            }
            Unfit::NegativeCount => write!(f, "a bucket has a negative count"),
            Unfit::SpanCount { spans, counts } => {
                write!(f, "its spans are of {spans} buckets, but {counts} have a count")
            }
            Unfit::Overlap => write!(f, "a span starts before the end of the one before it"),
            Unfit::TooWide => write!(f, "its buckets reach too far (more than {MAX_BUCKETS} with the gaps)"),
            Unfit::Count { count, buckets } => write!(f, "its count is {count}, but its buckets hold {buckets}"),
            Unfit::Bounds => write!(f, "custom_values are not ascending, or there is NaN or +Inf among them"),
            Unfit::BeyondBounds => write!(f, "a bucket lies beyond custom_values"),
            Unfit::NotCustom => write!(f, "a histogram of custom buckets has negative buckets or a zero bucket"),
            Unfit::NotExponential => write!(f, "a histogram of exponential buckets has custom_values"),
        }
    }
}

/// `zeros` is how many empty buckets the request may still have between its counts. A stale marker says nothing of the
/// buckets that there were: it is taken for one of `ended`, where that is known.
pub fn convert(histogram: &Histogram, zeros: &mut usize, ended: Option<Kind>) -> Result<Native, Unfit> {
    let is_custom = histogram.schema == CUSTOM_BUCKETS;
    if is_stale(histogram.sum) {
        let flags = NO_RECORDED_VALUE;
        return Ok(match is_custom || ended == Some(Kind::CustomBuckets) {
            true => Native::Custom(HistogramDataPoint { flags, ..Default::default() }),
            false => Native::Exponential(ExponentialHistogramDataPoint { flags, ..Default::default() }),
        });
    }
    if !is_custom && !SCHEMAS.contains(&histogram.schema) {
        return Err(Unfit::Schema(histogram.schema));
    }
    if !is_custom && !histogram.custom_values.is_empty() {
        return Err(Unfit::NotExponential);
    }
    let hint = ResetHint::of(histogram.reset_hint.into()).map(ResetHint::attribute);
    let (counts, exact) = match is_float(histogram) {
        true => floats(histogram, zeros)?.rounded(!is_custom),
        false => (integers(histogram, zeros)?, None),
    };
    let attributes = hint.into_iter().chain(exact.map(float_counts)).collect();
    let sum = Some(histogram.sum);
    let Counts { count, zero_count, positive, negative } = counts;
    if is_custom {
        let (bucket_counts, explicit_bounds) = (positive.counts, histogram.custom_values.clone());
        return Ok(Native::Custom(HistogramDataPoint {
            attributes,
            count,
            sum,
            bucket_counts,
            explicit_bounds,
            ..Default::default()
        }));
    }
    let buckets = |run: Run<u64>| run.first.map(|first| Buckets { offset: first - 1, bucket_counts: run.counts });
    Ok(Native::Exponential(ExponentialHistogramDataPoint {
        attributes,
        count,
        sum,
        scale: histogram.schema.min(FINEST_SCHEMA),
        zero_count,
        zero_threshold: histogram.zero_threshold,
        positive: buckets(positive),
        negative: buckets(negative),
        ..Default::default()
    }))
}

/// The counts of a histogram, those of its buckets without gaps.
struct Counts<T> {
    count: T,
    zero_count: T,
    positive: Run<T>,
    negative: Run<T>,
}

/// Neighbouring buckets.
struct Run<T> {
    /// The index of the first one; `None`: there are none.
    first: Option<i32>,
    counts: Vec<T>,
}

impl<T: Copy> Run<T> {
    fn map<U>(&self, of: impl Fn(T) -> U) -> Run<U> {
        Run { first: self.first, counts: self.counts.iter().map(|count| of(*count)).collect() }
    }
}

impl Counts<f64> {
    /// The counts as OTLP has them, and as they are where that is not the same. Explicit bounds have no zero bucket.
    fn rounded(&self, has_zero: bool) -> (Counts<u64>, Option<Vec<f64>>) {
        let round = |count: f64| count.round() as u64;
        let rounded = Counts {
            count: round(self.count),
            zero_count: round(self.zero_count),
            positive: self.positive.map(round),
            negative: self.negative.map(round),
        };
        let sides = [&self.positive, &self.negative].into_iter().flat_map(|side| &side.counts);
        let zero = has_zero.then_some(self.zero_count);
        let all = || std::iter::once(self.count).chain(zero).chain(sides.clone().copied());
        // By bits: a count of -0.0 is not one of 0.
        let is_exact = all().all(|count| count < u64::MAX as f64 && (round(count) as f64).to_bits() == count.to_bits());
        (rounded, (!is_exact).then(|| all().collect()))
    }
}

fn is_float(histogram: &Histogram) -> bool {
    histogram.count_float.is_some()
}

fn floats(histogram: &Histogram, zeros: &mut usize) -> Result<Counts<f64>, Unfit> {
    let zero_count = histogram.zero_count_float.or(histogram.zero_count_int.map(|count| count as f64));
    let counts = gathered(
        histogram,
        histogram.count_float.unwrap_or_default(),
        zero_count.unwrap_or_default(),
        histogram.positive_counts.clone(),
        histogram.negative_counts.clone(),
        |a, b| a + b,
        zeros,
    )?;
    let sides = counts.positive.counts.iter().chain(&counts.negative.counts);
    // Their sum is not compared with the count: floats do not add up.
    let is_negative = sides.chain([&counts.count, &counts.zero_count]).any(|count| *count < 0.0);
    if is_negative { Err(Unfit::NegativeCount) } else { Ok(counts) }
}

fn integers(histogram: &Histogram, zeros: &mut usize) -> Result<Counts<u64>, Unfit> {
    let counts = gathered(
        histogram,
        histogram.count_int.unwrap_or_default(),
        histogram.zero_count_int.unwrap_or_default(),
        sums(&histogram.positive_deltas)?,
        sums(&histogram.negative_deltas)?,
        u64::saturating_add,
        zeros,
    )?;
    let sides = counts.positive.counts.iter().chain(&counts.negative.counts);
    let (count, buckets) = (counts.count, sides.fold(counts.zero_count, |sum, count| sum.saturating_add(*count)));
    // As Prometheus checks it: observations of NaN are counted and are in no bucket.
    let fits = if histogram.sum.is_nan() { count >= buckets } else { count == buckets };
    if fits { Ok(counts) } else { Err(Unfit::Count { count, buckets }) }
}

fn gathered<T: Copy + Default + PartialOrd>(
    histogram: &Histogram,
    count: T,
    zero_count: T,
    positive: Vec<T>,
    negative: Vec<T>,
    add: impl Fn(T, T) -> T,
    zeros: &mut usize,
) -> Result<Counts<T>, Unfit> {
    if histogram.schema == CUSTOM_BUCKETS {
        let has_zero_bucket = zero_count != T::default() || histogram.zero_threshold != 0.0;
        if has_zero_bucket || !histogram.negative_spans.is_empty() || !negative.is_empty() {
            return Err(Unfit::NotCustom);
        }
        let (positive, negative) = (custom(histogram, positive)?, Run { first: None, counts: Vec::new() });
        // Explicit bounds know no zero bucket, not even an empty one.
        return Ok(Counts { count, zero_count, positive, negative });
    }
    let finer = u32::try_from(histogram.schema - FINEST_SCHEMA).unwrap_or(0);
    let mut side = |spans: &[BucketSpan], counts: Vec<T>| {
        fit(spans, counts.len())?;
        match finer {
            0 => run(spans, counts, zeros),
            _ => coarser(spans, &counts, finer, &add).and_then(|(spans, counts)| run(&spans, counts, zeros)),
        }
    };
    let positive = side(&histogram.positive_spans, positive)?;
    let negative = side(&histogram.negative_spans, negative)?;
    Ok(Counts { count, zero_count, positive, negative })
}

/// The counts of all custom buckets.
fn custom<T: Copy + Default>(histogram: &Histogram, counts: Vec<T>) -> Result<Run<T>, Unfit> {
    let bounds = &histogram.custom_values;
    // As Prometheus checks them: the first may be -Inf, and +Inf is where the last bucket ends without being told.
    let ends_below_infinity = bounds.last().is_none_or(|last| *last < f64::INFINITY);
    if !ends_below_infinity || !bounds.is_sorted_by(|a, b| a < b) {
        return Err(Unfit::Bounds);
    }
    // Spans without buckets count, too.
    let mut reach = 0i64;
    for span in &histogram.positive_spans {
        reach = reach.saturating_add(i64::from(span.offset)).saturating_add(i64::from(span.length));
        if span.offset < 0 || reach > bounds.len() as i64 + 1 {
            return Err(Unfit::BeyondBounds);
        }
    }
    let mut all = vec![T::default(); bounds.len() + 1];
    // Its gaps cost nothing beyond the bounds, which were sent.
    let mut zeros = all.len();
    fit(&histogram.positive_spans, counts.len())?;
    let filled = run(&histogram.positive_spans, counts, &mut zeros);
    let filled = filled.map_err(|unfit| if unfit == Unfit::TooWide { Unfit::BeyondBounds } else { unfit })?;
    if let Some(first) = filled.first {
        let first = usize::try_from(first).map_err(|_| Unfit::BeyondBounds)?;
        let place = all.get_mut(first..first + filled.counts.len()).ok_or(Unfit::BeyondBounds)?;
        place.copy_from_slice(&filled.counts);
    }
    Ok(Run { first: Some(0), counts: all })
}

fn sums(deltas: &[i64]) -> Result<Vec<u64>, Unfit> {
    let mut count = 0i64;
    let mut sum = |delta: &i64| {
        count = count.checked_add(*delta).ok_or(Unfit::NegativeCount)?;
        u64::try_from(count).map_err(|_| Unfit::NegativeCount)
    };
    deltas.iter().map(&mut sum).collect()
}

/// Whether spans are of so many buckets.
fn fit(spans: &[BucketSpan], counts: usize) -> Result<(), Unfit> {
    let length = spans.iter().fold(0u64, |sum, span| sum.saturating_add(u64::from(span.length)));
    if length == counts as u64 { Ok(()) } else { Err(Unfit::SpanCount { spans: length, counts }) }
}

/// The counts from the first bucket on, as many as the spans are of.
fn run<T: Copy + Default>(spans: &[BucketSpan], counts: Vec<T>, zeros: &mut usize) -> Result<Run<T>, Unfit> {
    let mut counts = counts.into_iter();
    let mut filled: Vec<T> = Vec::new();
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
        filled.resize(filled.len() + gap, T::default());
        filled.extend(counts.by_ref().take(span.length as usize));
        next = end;
    }
    Ok(Run { first: first.map(|first| first as i32), counts: filled })
}
