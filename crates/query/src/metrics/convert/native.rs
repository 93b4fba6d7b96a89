//! Exponential histograms → native ones, and histograms with bounds of their own that came as native ones.
//!
//! Source: Prometheus' native histogram specification, "OTLP". OTLP's bucket i covers (base^i, base^(i+1)], Prometheus' bucket
//! i ends at base^i, so indices are shifted by one.

use std::sync::Arc;

use trefoil_model::native::ResetHint;
use trefoil_promql::histogram::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, MAX_EXPONENTIAL_SCHEMA, MIN_EXPONENTIAL_SCHEMA, Span,
};
use trefoil_promql::source::{STALE_NAN_BITS, Samples};

use super::builder::Builder;
use super::totals::Totals;
use crate::metrics::family::Family;
use crate::metrics::read::{Distribution, Exponential, Shape};

/// What Prometheus takes for the width of the zero bucket where OTLP does not say one.
const DEFAULT_ZERO_THRESHOLD: f64 = 1e-128;

/// Empty buckets between others that cost no more than a span of their own.
const MOST_EMPTY: usize = 2;

pub fn samples(points: &[Distribution], family: &Family) -> Samples {
    let mut builder = Builder::default();
    let mut times = Totals::new(family.is_delta);
    let mut total: Option<FloatHistogram> = None;
    for point in points {
        let at = times.at(point.at);
        let Some(mut histogram) = histogram(point, family) else { continue };
        if family.is_delta && !point.is_stale {
            histogram = add(total.take(), histogram);
            total = Some(histogram.clone());
        }
        builder.histogram(at, Arc::new(histogram));
    }
    builder.finish()
}

/// What cannot be added to the total begins a new one.
fn add(total: Option<FloatHistogram>, next: FloatHistogram) -> FloatHistogram {
    let Some(mut total) = total else { return next };
    match total.add_assign(&next) {
        Ok(_) => total,
        Err(_) => next,
    }
}

/// `None` where Prometheus has no schema so coarse.
fn histogram(point: &Distribution, family: &Family) -> Option<FloatHistogram> {
    let exact = point.float_counts.as_deref();
    let mut histogram = match &point.shape {
        Shape::Exponential(shape) => exponential(shape, exact, family.is_literal())?,
        Shape::Explicit { bounds, counts } => custom(bounds, counts, exact),
        Shape::Unread | Shape::Summary { .. } => return None,
    };
    histogram.counter_reset_hint = match point.reset_hint {
        Some(ResetHint::Reset) => CounterResetHint::CounterReset,
        Some(ResetHint::NotReset) => CounterResetHint::NotCounterReset,
        Some(ResetHint::Gauge) => CounterResetHint::Gauge,
        None if family.is_gauge_histogram() => CounterResetHint::Gauge,
        None => CounterResetHint::Unknown,
    };
    histogram.count = exact.and_then(|exact| exact.first()).copied().unwrap_or(point.count as f64);
    histogram.sum = match point.is_stale {
        true => f64::from_bits(STALE_NAN_BITS),
        false => point.sum.unwrap_or(0.0),
    };
    histogram.compact(MOST_EMPTY);
    Some(histogram)
}

/// `exact` = all counts of the point, where those of the shape are rounded.
fn exponential(shape: &Exponential, exact: Option<&[f64]>, is_literal: bool) -> Option<FloatHistogram> {
    if shape.scale < MIN_EXPONENTIAL_SCHEMA {
        return None;
    }
    let ((positive_offset, positive), (negative_offset, negative)) = (&shape.positive, &shape.negative);
    let (zero_count, positive, negative) = match exact {
        Some([_, zero, sides @ ..]) if sides.len() == positive.len() + negative.len() => {
            let (positive, negative) = sides.split_at(positive.len());
            (*zero, positive.to_vec(), negative.to_vec())
        }
        _ => (shape.zero_count as f64, floats(positive), floats(negative)),
    };
    let levels = shape.scale.saturating_sub(MAX_EXPONENTIAL_SCHEMA).max(0);
    let (positive_spans, positive_buckets) = side(*positive_offset, &positive, levels);
    let (negative_spans, negative_buckets) = side(*negative_offset, &negative, levels);
    let zero_threshold = match shape.zero_threshold {
        0.0 if !is_literal => DEFAULT_ZERO_THRESHOLD,
        threshold => threshold,
    };
    Some(FloatHistogram {
        schema: shape.scale - levels,
        zero_threshold,
        zero_count,
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        ..FloatHistogram::default()
    })
}

fn floats(counts: &[u64]) -> Vec<f64> {
    counts.iter().map(|count| *count as f64).collect()
}

/// One run of buckets, with resolution reduced by `levels`: so often two neighbours become one.
fn side(offset: i32, counts: &[f64], levels: i32) -> (Vec<Span>, Vec<f64>) {
    let index = |bucket: usize| {
        let fine = i64::from(offset).saturating_add(i64::try_from(bucket).unwrap_or(i64::MAX));
        // Beyond 63 levels all buckets are 0 and -1 anyway.
        (fine >> levels.min(63)).saturating_add(1)
    };
    let Ok(first) = i32::try_from(index(0)) else { return (Vec::new(), Vec::new()) };
    let mut buckets: Vec<f64> = Vec::with_capacity(counts.len());
    for (bucket, count) in counts.iter().enumerate() {
        let place = usize::try_from(index(bucket) - i64::from(first)).unwrap_or(0);
        if buckets.len() <= place {
            buckets.resize(place + 1, 0.0);
        }
        buckets[place] += count;
    }
    match u32::try_from(buckets.len()) {
        Ok(length @ 1..) => (vec![Span { offset: first, length }], buckets),
        _ => (Vec::new(), Vec::new()),
    }
}

fn custom(bounds: &[f64], counts: &[u64], exact: Option<&[f64]>) -> FloatHistogram {
    let buckets = match exact {
        Some([_, buckets @ ..]) if buckets.len() == counts.len() => buckets.to_vec(),
        _ => floats(counts),
    };
    let length = u32::try_from(counts.len()).unwrap_or(u32::MAX);
    FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        positive_spans: if length > 0 { vec![Span { offset: 0, length }] } else { Vec::new() },
        positive_buckets: buckets,
        custom_values: bounds.to_vec(),
        ..FloatHistogram::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(scale: i32, offset: i32, counts: &[u64]) -> Exponential {
        Exponential {
            scale,
            zero_count: 1,
            zero_threshold: 0.0,
            positive: (offset, counts.to_vec()),
            negative: (0, Vec::new()),
        }
    }

    #[test]
    fn buckets_move_by_one_and_merge() {
        for (scale, offset, counts, expected) in [
            (0, 0, &[1, 2][..], "{{z_bucket:1 z_bucket_w:1e-128 offset:1 buckets:[1 2]}}"),
            (3, -5, &[1, 0, 0, 0, 2], "{{schema:3 z_bucket:1 z_bucket_w:1e-128 offset:-4 buckets:[1 0 0 0 2]}}"),
            (9, -3, &[1, 2, 3, 4], "{{schema:8 z_bucket:1 z_bucket_w:1e-128 offset:-1 buckets:[1 5 4]}}"),
            (20, 0, &[1, 2, 3, 4], "{{schema:8 z_bucket:1 z_bucket_w:1e-128 offset:1 buckets:[10]}}"),
            (90, -2, &[1, 2, 3, 4], "{{schema:8 z_bucket:1 z_bucket_w:1e-128 offset:0 buckets:[3 7]}}"),
        ] {
            let native = exponential(&shape(scale, offset, counts), None, false).unwrap();
            let expected = FloatHistogram::parse(expected).unwrap().histogram;
            assert_eq!(native.to_string(), expected.to_string(), "{scale} {offset} {counts:?}");
        }
        assert_eq!(exponential(&shape(-5, 0, &[1]), None, false), None);
        assert!(exponential(&shape(0, i32::MAX, &[1, 2]), None, true).unwrap().positive_buckets.is_empty());
    }

    #[test]
    fn custom_bounds_stay() {
        let native = custom(&[0.5, 1.0], &[1, 2, 3], None).to_string();
        assert!(native.contains("schema:-53") && native.contains("custom_values:[0.5 1]"), "{native}");
        assert!(native.contains("buckets:[1 2 3]"), "{native}");
    }

    #[test]
    fn exact_counts_go_before_rounded_ones() {
        let shape = Exponential { negative: (3, vec![7]), ..shape(0, 0, &[1, 2]) };
        let native = exponential(&shape, Some(&[9.0, 0.25, 0.5, 2.5, 6.75]), true).unwrap();
        assert_eq!(
            (native.zero_count, native.positive_buckets, native.negative_buckets),
            (0.25, vec![0.5, 2.5], vec![6.75])
        );
        assert_eq!(custom(&[1.0], &[1, 2], Some(&[3.0, 0.5, 2.5])).positive_buckets, [0.5, 2.5]);
    }
}
