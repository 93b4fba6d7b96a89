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
        // Infinities of both signs make the sum NaN, too: then all observations are in buckets. (Looking for them must not change
        // the bucket that is interpolated in; Prometheus ends up with the last one.)
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

#[cfg(test)]
mod tests {
    use super::super::almost_equal;
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let nan = f64::NAN;
        let sqrt_2 = 2f64.sqrt();
        for (text, quantiles) in [
            ("{{}}", &[(0.5, nan), (-1.0, f64::NEG_INFINITY), (1.01, f64::INFINITY)][..]),
            (
                "{{sum:5 count:4 buckets:[1 2 1]}}",
                &[(0.0, 0.5), (0.25, 1.0), (0.5, sqrt_2), (0.75, 2.0), (1.0, 4.0), (nan, nan)],
            ),
            ("{{sum:-5 count:4 n_buckets:[1 2 1]}}", &[(0.0, -4.0), (0.25, -2.0), (0.5, -sqrt_2), (1.0, -0.5)]),
            ("{{schema:-1 count:2 offset:1 buckets:[2]}}", &[(0.5, 2.0), (0.25, sqrt_2)]),
            // The zero bucket is linear, and of one sign if all others are.
            ("{{count:4 z_bucket:4 z_bucket_w:1}}", &[(0.0, -1.0), (0.25, -0.5), (0.5, 0.0), (1.0, 1.0)]),
            ("{{count:8 z_bucket:4 z_bucket_w:0.5 buckets:[4]}}", &[(0.0, 0.0), (0.25, 0.25), (0.5, 0.5)]),
            ("{{count:8 z_bucket:4 z_bucket_w:0.5 n_buckets:[4]}}", &[(1.0, 0.0), (0.75, -0.25), (0.5, -0.5)]),
            // Custom buckets are linear, too, and begin at zero if they can.
            (
                "{{schema:-53 count:15 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]}}",
                &[(0.0, 0.0), (1.0 / 30.0, 2.5), (0.5, 10.625), (1.0, 20.0)],
            ),
            ("{{schema:-53 count:2 custom_values:[-5 5] buckets:[1 1]}}", &[(0.25, -5.0), (0.75, 0.0), (1.0, 5.0)]),
            // Buckets hold less than the count says.
            ("{{count:10 sum:1 buckets:[4]}}", &[(0.1, 2f64.powf(-0.75)), (0.45, 1.0)]),
        ] {
            let histogram = FloatHistogram::parse(text).unwrap().histogram;
            for (q, expected) in quantiles {
                let (value, note) = histogram.quantile(*q);
                assert!(almost_equal(value, *expected, 1e-12), "{q} of {text}: {value}, not {expected}");
                assert_eq!(note, None);
            }
        }
    }

    #[test]
    fn observations_of_nan_rank_highest() {
        use NanObservations::{Result, Skew};
        for (text, q, expected, note) in [
            ("{{count:3 sum:NaN}}", 0.5, f64::NAN, Some(Result)),
            ("{{count:15 sum:NaN buckets:[12]}}", 0.81, f64::NAN, Some(Result)),
            ("{{count:15 sum:NaN buckets:[12]}}", 0.8, 1.0, Some(Skew)),
            // The buckets above do not matter for the value.
            ("{{count:10 sum:NaN buckets:[4 0 4]}}", 0.2, 0.5f64.sqrt(), Some(Skew)),
            // Observations of both infinities, but none of NaN.
            ("{{count:8 sum:NaN buckets:[4 4]}}", 0.25, 0.5f64.sqrt(), None),
        ] {
            let (value, found) = FloatHistogram::parse(text).unwrap().histogram.quantile(q);
            assert!(almost_equal(value, expected, 1e-12) && found == note, "{q} of {text}: {value} {found:?}");
        }
    }
}
