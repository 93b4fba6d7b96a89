//! OTLP's histograms → classic and native ones.
//!
//! Source: Prometheus' native histogram specification, "OTLP". OTLP's bucket i covers (base^i, base^(i+1)], Prometheus' bucket
//! i ends at base^i, so indices are shifted by one.

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};
use trefoil_prometheus::exposition::{Bucket, CUSTOM_BUCKETS, Counts, Distribution, Exemplar, NativeHistogram, Span};

/// What Prometheus takes for the width of the zero bucket where OTLP does not say one.
const DEFAULT_ZERO_THRESHOLD: f64 = 1e-128;

const MIN_SCHEMA: i32 = -4;
const MAX_SCHEMA: i32 = 8;

/// Empty buckets between others that cost no more than a span of their own.
const MOST_EMPTY: usize = 2;

/// Cumulative buckets by bound; each exemplar is with the bucket that its value is in. A sum that is not known is NaN.
pub fn classic(point: &HistogramDataPoint, exemplars: Vec<Exemplar<'static>>) -> Distribution {
    let mut below = 0u64;
    let mut counts = point.bucket_counts.iter();
    let mut cumulative = || {
        below = below.saturating_add(counts.next().copied().unwrap_or(0));
        below as f64
    };
    let mut buckets: Vec<Bucket> = point
        .explicit_bounds
        .iter()
        .filter(|bound| **bound < f64::INFINITY)
        .map(|bound| Bucket { bound: *bound, count: cumulative(), exemplar: None })
        .collect();
    buckets.push(Bucket { bound: f64::INFINITY, count: point.count as f64, exemplar: None });
    for exemplar in exemplars {
        let place = buckets.iter_mut().find(|bucket| exemplar.value <= bucket.bound);
        if let Some(bucket) = place {
            bucket.exemplar = Some(exemplar);
        }
    }
    Distribution { count: point.count as f64, sum: point.sum.unwrap_or(f64::NAN), buckets, ..Distribution::default() }
}

/// A histogram of custom buckets that came as such.
pub fn custom(point: &HistogramDataPoint, is_gauge: bool) -> NativeHistogram {
    let (positive_spans, positive) = spans(0, point.bucket_counts.clone());
    NativeHistogram {
        schema: CUSTOM_BUCKETS,
        sum: point.sum.unwrap_or(0.0),
        counts: Counts::Integer { count: point.count, zero: 0, positive, negative: Vec::new() },
        positive_spans,
        custom_values: point.explicit_bounds.clone(),
        is_gauge,
        ..NativeHistogram::default()
    }
}

/// `None` where Prometheus has no schema so coarse.
pub fn exponential(point: &ExponentialHistogramDataPoint, is_literal: bool, is_gauge: bool) -> Option<NativeHistogram> {
    if point.scale < MIN_SCHEMA {
        return None;
    }
    let levels = point.scale.saturating_sub(MAX_SCHEMA).max(0);
    let (positive_spans, positive) = side(point.positive.as_ref(), levels);
    let (negative_spans, negative) = side(point.negative.as_ref(), levels);
    let zero_threshold = match point.zero_threshold {
        0.0 if !is_literal => DEFAULT_ZERO_THRESHOLD,
        threshold => threshold,
    };
    Some(NativeHistogram {
        schema: point.scale - levels,
        zero_threshold,
        sum: point.sum.unwrap_or(0.0),
        counts: Counts::Integer { count: point.count, zero: point.zero_count, positive, negative },
        positive_spans,
        negative_spans,
        custom_values: Vec::new(),
        is_gauge,
    })
}

/// One run of buckets, with resolution reduced by `levels`: so often two neighbours become one.
fn side(buckets: Option<&Buckets>, levels: i32) -> (Vec<Span>, Vec<u64>) {
    let Some(Buckets { offset, bucket_counts }) = buckets else { return (Vec::new(), Vec::new()) };
    // Beyond 63 levels all buckets are 0 and -1 anyway.
    let index = |bucket: usize| ((i64::from(*offset) + bucket as i64) >> levels.min(63)) + 1;
    let Ok(first) = i32::try_from(index(0)) else { return (Vec::new(), Vec::new()) };
    let mut merged: Vec<u64> = Vec::with_capacity(bucket_counts.len());
    for (bucket, count) in bucket_counts.iter().enumerate() {
        let place = usize::try_from(index(bucket) - i64::from(first)).unwrap_or(0);
        if merged.len() <= place {
            merged.resize(place + 1, 0);
        }
        merged[place] = merged[place].saturating_add(*count);
    }
    spans(first, merged)
}

/// A run of counts from an index on as spans, without longer runs of empty buckets.
pub fn spans(first: i32, counts: Vec<u64>) -> (Vec<Span>, Vec<u64>) {
    let (mut spans, mut kept): (Vec<Span>, Vec<u64>) = (Vec::new(), Vec::new());
    let mut empty = 0usize;
    for count in counts {
        if count == 0 {
            empty += 1;
            continue;
        }
        match spans.last_mut() {
            Some(span) if empty <= MOST_EMPTY => {
                span.length += empty as u32 + 1;
                kept.resize(kept.len() + empty, 0);
            }
            Some(_) => spans.push(Span { offset: empty as i32, length: 1 }),
            None => spans.push(Span { offset: first.saturating_add(empty as i32), length: 1 }),
        }
        kept.push(count);
        empty = 0;
    }
    (spans, kept)
}
