//! Native histograms of a scrape: into the form that remote write has, and within the job's limits.

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use trefoil_prometheus::exposition::{Counts, NativeHistogram, Span};

use crate::receivers::prometheusremotewrite::histogram::Native;
use crate::receivers::prometheusremotewrite::message::{BucketSpan, Histogram};

const LOWEST_SCHEMA: i32 = -4;
const HINT_GAUGE: i32 = 3;

/// Even at the lowest resolution there are more buckets than the job allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

pub fn as_written(exposed: &NativeHistogram) -> Histogram {
    let spans = |spans: &[Span]| {
        spans.iter().map(|span| BucketSpan { offset: span.offset, length: span.length }).collect::<Vec<_>>()
    };
    let mut histogram = Histogram {
        schema: exposed.schema,
        sum: exposed.sum,
        zero_threshold: exposed.zero_threshold,
        positive_spans: spans(&exposed.positive_spans),
        negative_spans: spans(&exposed.negative_spans),
        custom_values: exposed.custom_values.clone(),
        reset_hint: if exposed.is_gauge { HINT_GAUGE } else { 0 },
        ..Histogram::default()
    };
    match &exposed.counts {
        Counts::Integer { count, zero, positive, negative } => {
            histogram.count_int = Some(*count);
            histogram.zero_count_int = Some(*zero);
            histogram.positive_deltas = deltas(positive);
            histogram.negative_deltas = deltas(negative);
        }
        Counts::Float { count, zero, positive, negative } => {
            histogram.count_float = Some(*count);
            histogram.zero_count_float = Some(*zero);
            histogram.positive_counts.clone_from(positive);
            histogram.negative_counts.clone_from(negative);
        }
    }
    histogram
}

fn deltas(counts: &[u64]) -> Vec<i64> {
    let mut before = 0u64;
    let delta = |count: &u64| (*count).wrapping_sub(std::mem::replace(&mut before, *count)) as i64;
    counts.iter().map(delta).collect()
}

/// Merges buckets until there are at most `most` (0: any number) and each is at least by `min_factor` wider than the one below.
pub fn limit(native: &mut Native, most: u64, min_factor: f64) -> Result<(), TooMany> {
    let point = match native {
        // Custom buckets are what they are.
        Native::Custom(point) => {
            let filled = point.bucket_counts.iter().filter(|count| **count > 0).count() as u64;
            return if most > 0 && filled > most { Err(TooMany) } else { Ok(()) };
        }
        Native::Exponential(point) => point,
    };
    while point.scale > LOWEST_SCHEMA && factor(point.scale) < min_factor {
        coarsen(point);
    }
    while most > 0 && filled(point) > most {
        if point.scale <= LOWEST_SCHEMA {
            return Err(TooMany);
        }
        coarsen(point);
    }
    Ok(())
}

/// How much wider a bucket is than the one below.
fn factor(scale: i32) -> f64 {
    2f64.powf(2f64.powi(-scale))
}

fn filled(point: &ExponentialHistogramDataPoint) -> u64 {
    let sides = [&point.positive, &point.negative].into_iter().flatten();
    sides.flat_map(|side| &side.bucket_counts).filter(|count| **count > 0).count() as u64
}

/// Halves the resolution: OTLP's bucket `i` lies in the bucket `i / 2`, rounded down.
fn coarsen(point: &mut ExponentialHistogramDataPoint) {
    point.scale -= 1;
    for side in [&mut point.positive, &mut point.negative].into_iter().flatten() {
        let offset = side.offset >> 1;
        let mut bucket_counts: Vec<u64> = Vec::with_capacity(side.bucket_counts.len() / 2 + 1);
        for (place, count) in side.bucket_counts.iter().enumerate() {
            let merged = ((i64::from(side.offset) + place as i64) >> 1) - i64::from(offset);
            let merged = merged as usize;
            if bucket_counts.len() <= merged {
                bucket_counts.resize(merged + 1, 0);
            }
            bucket_counts[merged] = bucket_counts[merged].saturating_add(*count);
        }
        *side = Buckets { offset, bucket_counts };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> Native {
        Native::Exponential(ExponentialHistogramDataPoint {
            scale,
            positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
            ..ExponentialHistogramDataPoint::default()
        })
    }

    fn parts(native: &Native) -> (i32, i32, &[u64]) {
        let Native::Exponential(point) = native else { panic!("it is custom") };
        let side = point.positive.as_ref().unwrap();
        (point.scale, side.offset, &side.bucket_counts)
    }

    #[test]
    fn buckets_are_merged_until_they_are_few() {
        let mut native = point(3, -3, &[1, 2, 3, 4, 5]);
        assert_eq!(limit(&mut native, 3, 0.0), Ok(()));
        assert_eq!(parts(&native), (2, -2, &[1, 5, 9][..]));
        assert_eq!(limit(&mut native, 2, 0.0), Ok(()));
        assert_eq!(parts(&native), (1, -1, &[6, 9][..]));
        // The buckets on both sides of 1 never become one.
        assert_eq!(limit(&mut native, 1, 0.0), Err(TooMany));
    }

    #[test]
    fn buckets_are_as_wide_as_they_must() {
        let mut native = point(3, 0, &[1, 1, 1, 1]);
        assert_eq!(limit(&mut native, 0, 1.4), Ok(()));
        assert_eq!(parts(&native), (1, 0, &[4][..]));
        let mut wide = point(-4, 0, &[1]);
        assert_eq!(limit(&mut wide, 0, 1e9), Ok(()));
    }

    #[test]
    fn counts_become_differences() {
        assert_eq!(deltas(&[3, 1, 1, 4]), [3, -2, 0, 3]);
    }
}
