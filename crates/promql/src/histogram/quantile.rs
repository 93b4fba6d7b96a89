//! Quantiles of native histograms.

use super::FloatHistogram;
use super::iterate::Bucket;

/// What observations of NaN, which are counted but are in no bucket, do to a quantile. They rank above all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanObservations {
    /// The quantile is one of them ("… has NaN observations, result is NaN").
    Result,
    /// The quantile is higher than without them ("… has NaN observations, result is skewed higher").
    Skew,
}

const NO_BUCKET: Bucket =
    Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0, index: 0 };

/// Goes on to the bucket where the running count reaches the rank: that bucket (else the last one) and the count.
fn find(buckets: &mut dyn Iterator<Item = Bucket>, rank: f64) -> (Bucket, f64) {
    let (mut found, mut count) = (NO_BUCKET, 0.0);
    for bucket in buckets {
        found = bucket;
        if bucket.count == 0.0 {
            continue;
        }
        count += bucket.count;
        if count >= rank {
            break;
        }
    }
    (found, count)
}

impl FloatHistogram {
    /// Where the zero bucket begins and ends: at zero if the histogram has buckets of the other sign only.
    pub(super) fn narrow_zero_bucket(&self, bucket: &mut Bucket) {
        if self.negative_buckets.is_empty() && !self.positive_buckets.is_empty() {
            bucket.lower = 0.0;
        } else if self.positive_buckets.is_empty() && !self.negative_buckets.is_empty() {
            bucket.upper = 0.0;
        }
    }

    /// The value below which the share `q` of all observations is (`histogram_quantile`), interpolated inside a bucket: on a
    /// linear scale in custom and zero buckets, else on a logarithmic one.
    ///
    /// -Inf for q < 0, +Inf for q > 1, NaN without observations and for q = NaN.
    pub fn quantile(&self, q: f64) -> (f64, Option<NanObservations>) {
        if q < 0.0 {
            return (f64::NEG_INFINITY, None);
        }
        if q > 1.0 {
            return (f64::INFINITY, None);
        }
        if self.count == 0.0 || q.is_nan() {
            return (f64::NAN, None);
        }
        // From the nearer end, which loses less to rounding. Where NaN may have been observed the ranks are known from below
        // only.
        let maybe_nan = self.sum.is_nan();
        let from_below = maybe_nan || q < 0.5;
        let rank = if from_below { q * self.count } else { (1.0 - q) * self.count };
        let mut ascending = self.ascending();
        let (mut bucket, mut count) =
            if from_below { find(&mut ascending, rank) } else { find(&mut self.descending(), rank) };

        if self.uses_custom_buckets() {
            if bucket.lower == f64::NEG_INFINITY {
                if bucket.upper <= 0.0 {
                    return (bucket.upper, None);
                }
                bucket.lower = 0.0;
            } else if bucket.upper == f64::INFINITY {
                return (bucket.lower, None);
            }
        } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
            self.narrow_zero_bucket(&mut bucket);
        }
        if count > self.count {
            // Rounding.
            count = self.count;
        }
        if count < rank {
            // Above all buckets. Unless NaN was observed that is an inconsistency; the highest bucket is the best guess.
            return if maybe_nan { (f64::NAN, Some(NanObservations::Result)) } else { (bucket.upper, None) };
        }
        let rank = if from_below { rank - (count - bucket.count) } else { count - rank };
        // Infinities of both signs make the sum NaN, too: then all observations are in buckets.
        let skewed = maybe_nan && ascending.fold(count, |count, bucket| count + bucket.count) < self.count;
        (interpolate(&bucket, rank / bucket.count, self.uses_custom_buckets()), skewed.then_some(NanObservations::Skew))
    }
}

/// The value below which a share of the bucket's observations is.
fn interpolate(bucket: &Bucket, fraction: f64, custom: bool) -> f64 {
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        return (lower + (upper - lower) * fraction).exp2();
    }
    -(upper + (lower - upper) * (1.0 - fraction)).exp2()
}
