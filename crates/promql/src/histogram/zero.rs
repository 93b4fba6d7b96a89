//! Widening the zero bucket.

use super::FloatHistogram;
use super::bounds::exponential_bound;
use super::cells::{Cell, cells};
use super::compact::compacted;
use super::iterate::Bucket;
use super::kahan::Kahan;

/// Positive or negative buckets with what rounding lost of their counts.
pub(super) fn compensated<'a>(
    cells: impl Iterator<Item = Cell<f64>> + 'a,
    compensations: &'a [f64],
) -> impl Iterator<Item = Cell<Kahan>> + 'a {
    let compensations = compensations.iter().copied().chain(std::iter::repeat(0.0));
    cells.zip(compensations).map(|((index, sum), compensation)| (index, Kahan { sum, compensation }))
}

/// Buckets without those at the start that end inside a zero bucket that wide.
pub(super) fn beyond<T>(
    cells: impl Iterator<Item = Cell<T>>,
    schema: i32,
    threshold: f64,
) -> impl Iterator<Item = Cell<T>> {
    cells.skip_while(move |(index, _)| exponential_bound(*index, schema) <= threshold)
}

/// Merges buckets away from zero into a zero bucket. `Some`: the zero bucket would end within a populated bucket; where that
/// one ends.
fn swallow(
    buckets: impl Iterator<Item = Bucket>,
    compensations: &[f64],
    threshold: f64,
    zero: &mut Kahan,
) -> Option<f64> {
    let compensations = compensations.iter().chain(std::iter::repeat(&0.0));
    for (bucket, compensation) in buckets.zip(compensations) {
        let (near, far) =
            if bucket.upper > 0.0 { (bucket.lower, bucket.upper) } else { (-bucket.upper, -bucket.lower) };
        if near >= threshold {
            return None;
        }
        zero.add(bucket.count);
        if *compensation != 0.0 {
            zero.add(*compensation);
        }
        if far > threshold {
            return (bucket.count != 0.0).then_some(far);
        }
    }
    None
}

impl FloatHistogram {
    /// What the zero bucket would count with a threshold at least that large, and the threshold: it grows to the end of the
    /// populated bucket that it falls into. `compensation` is what rounding lost.
    pub(super) fn zero_count_within(&self, threshold: f64, compensation: Option<&Self>) -> (Kahan, f64) {
        let mut threshold = threshold;
        let start = Kahan { sum: self.zero_count, compensation: compensation.map_or(0.0, |lost| lost.zero_count) };
        if threshold <= self.zero_threshold {
            return (start, self.zero_threshold);
        }
        let positive = compensation.map_or(&[][..], |lost| &lost.positive_buckets);
        let negative = compensation.map_or(&[][..], |lost| &lost.negative_buckets);
        loop {
            let mut zero = start;
            if let Some(wider) = swallow(self.positive(), positive, threshold, &mut zero) {
                threshold = wider;
            }
            let Some(wider) = swallow(self.negative(), negative, threshold, &mut zero) else {
                return (zero, threshold);
            };
            // More positive buckets may be inside now.
            threshold = wider;
        }
    }

    /// Drops the buckets inside the zero bucket, which counts them already, and all empty ones.
    fn drop_swallowed(&mut self, compensation: Option<&mut Self>) {
        let (schema, threshold) = (self.schema, self.zero_threshold);
        // A bucket begins where the one before it ends.
        let outside = |index: i32| exponential_bound(index.wrapping_sub(1), schema) >= threshold;
        let Some(lost) = compensation else {
            let positive =
                cells(&self.positive_spans, &self.positive_buckets).skip_while(|(index, _)| !outside(*index));
            let positive = compacted(positive, 0, |count| count == 0.0);
            let negative =
                cells(&self.negative_spans, &self.negative_buckets).skip_while(|(index, _)| !outside(*index));
            let negative = compacted(negative, 0, |count| count == 0.0);
            (self.positive_spans, self.positive_buckets) = positive;
            (self.negative_spans, self.negative_buckets) = negative;
            return;
        };
        let compact = |spans: &[_], counts: &[f64], lost: &[f64]| {
            let outside = compensated(cells(spans, counts), lost).skip_while(|(index, _)| !outside(*index));
            let (spans, counts) = compacted(outside, 0, |count| count == Kahan::default());
            let (sums, lost) = counts.into_iter().map(|count| (count.sum, count.compensation)).unzip();
            (spans, sums, lost)
        };
        let (spans, sums, rest) = compact(&self.positive_spans, &self.positive_buckets, &lost.positive_buckets);
        (self.positive_spans, self.positive_buckets, lost.positive_buckets) = (spans, sums, rest);
        let (spans, sums, rest) = compact(&self.negative_spans, &self.negative_buckets, &lost.negative_buckets);
        (self.negative_spans, self.negative_buckets, lost.negative_buckets) = (spans, sums, rest);
    }

    /// Widens the zero bucket until the zero bucket of `other` can be as wide, too, neither ending within a populated bucket.
    /// Returns what that of `other` then counts.
    pub(super) fn reconcile_zero_buckets(&mut self, other: &Self, mut compensation: Option<&mut Self>) -> Kahan {
        let mut other_count = Kahan { sum: other.zero_count, compensation: 0.0 };
        let mut other_threshold = other.zero_threshold;
        // A threshold that is no number is left alone: nothing compares with it.
        loop {
            if self.zero_threshold > other_threshold {
                (other_count, other_threshold) = other.zero_count_within(self.zero_threshold, None);
            } else if other_threshold > self.zero_threshold {
                let (count, threshold) = self.zero_count_within(other_threshold, compensation.as_deref());
                (self.zero_count, self.zero_threshold) = (count.sum, threshold);
                if let Some(lost) = compensation.as_deref_mut() {
                    lost.zero_count = count.compensation;
                }
                self.drop_swallowed(compensation.as_deref_mut());
            } else {
                return other_count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FloatHistogram {
        FloatHistogram::parse(text).unwrap().histogram
    }

    #[test]
    fn zero_buckets_grow_to_bucket_bounds() {
        let histogram =
            parse("{{z_bucket:5 z_bucket_w:0.01 offset:-3 buckets:[1 2 0 4] n_offset:-1 n_buckets:[8 16]}}");
        for (threshold, count, grown) in [
            (0.01, 5.0, 0.01),
            (0.05, 5.0, 0.05),
            // Into (1/16, 1/8].
            (0.1, 6.0, 0.125),
            (0.125, 6.0, 0.125),
            (0.2, 8.0, 0.25),
            // Into an empty positive bucket, but into a populated negative one.
            (0.3, 16.0, 0.5),
            (0.6, 36.0, 1.0),
            (7.0, 36.0, 7.0),
        ] {
            let (zero, threshold) = histogram.zero_count_within(threshold, None);
            assert_eq!((zero.total(), threshold), (count, grown));
        }
    }

    #[test]
    fn both_zero_buckets_are_reconciled() {
        for (left, right, left_after, right_count) in [
            ("{{z_bucket:1 z_bucket_w:0.5 buckets:[1]}}", "{{z_bucket:2 z_bucket_w:0.5}}", None, 2.0),
            (
                "{{z_bucket:1 z_bucket_w:0.1 offset:-2 buckets:[1 2 3]}}",
                "{{z_bucket:2 z_bucket_w:0.3}}",
                Some("{{z_bucket:4 z_bucket_w:0.5 buckets:[3]}}"),
                2.0,
            ),
            // The wider one grows into its own bucket of the narrower one's doing.
            (
                "{{z_bucket:1 z_bucket_w:0.3 buckets:[1 2]}}",
                "{{z_bucket:2 z_bucket_w:0.1 offset:-1 buckets:[1]}}",
                Some("{{z_bucket:1 z_bucket_w:0.5 buckets:[1 2]}}"),
                3.0,
            ),
        ] {
            let mut histogram = parse(left);
            let count = histogram.reconcile_zero_buckets(&parse(right), None);
            assert_eq!(
                (histogram.to_string(), count.total()),
                (parse(left_after.unwrap_or(left)).to_string(), right_count)
            );
        }
    }

    #[test]
    fn a_threshold_that_is_no_number_ends_the_search() {
        let mut histogram = FloatHistogram { zero_threshold: f64::NAN, ..FloatHistogram::default() };
        histogram.reconcile_zero_buckets(&parse("{{z_bucket:2 z_bucket_w:0.3}}"), None);
    }
}
