//! Which share of observations lies between two values.

use super::FloatHistogram;
use super::iterate::Bucket;

/// How many observations are below a value that buckets, ascending, lead to.
#[derive(Clone, Copy)]
struct Rank {
    value: f64,
    rank: Option<f64>,
}

impl Rank {
    fn of(value: f64) -> Self {
        Self { value, rank: None }
    }

    /// Looks at the next bucket, of which `below` observations are lower.
    fn look(&mut self, bucket: &Bucket, below: f64, linear: bool) {
        if self.rank.is_some() {
            return;
        }
        if bucket.lower >= self.value {
            self.rank = Some(below);
        } else if bucket.upper > self.value {
            self.rank = Some(if linear && bucket.lower == f64::NEG_INFINITY {
                // Nothing can be said of where in the bucket: all of it counts as lower.
                bucket.count
            } else {
                below + bucket.count * bucket.fraction_below(self.value, linear)
            });
        }
    }

    fn or_all(self, count: f64) -> f64 {
        match self.rank {
            Some(rank) if rank > count => count,
            Some(rank) => rank,
            None => count,
        }
    }
}

impl FloatHistogram {
    /// The share of all observations that is between both values (`histogram_fraction`), interpolated as quantiles are; and
    /// whether there are observations of NaN, which are in no share.
    ///
    /// NaN without observations and for bounds that are NaN, 0 if there is nothing between the bounds.
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, bool) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, false);
        }
        if lower >= upper {
            return (0.0, false);
        }
        let (mut lower, mut upper) = (Rank::of(lower), Rank::of(upper));
        let (mut below, mut count) = (0.0, 0.0);
        let mut buckets = self.ascending();
        for mut bucket in buckets.by_ref() {
            count += bucket.count;
            let around_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
            if around_zero {
                self.narrow_zero_bucket(&mut bucket);
            }
            let linear = around_zero || self.uses_custom_buckets();
            lower.look(&bucket, below, linear);
            upper.look(&bucket, below, linear);
            if lower.rank.is_some() && upper.rank.is_some() {
                break;
            }
            below += bucket.count;
        }
        let mut has_nan = false;
        if self.sum.is_nan() {
            count = buckets.fold(count, |count, bucket| count + bucket.count);
            has_nan = count < self.count;
        } else {
            count = self.count;
        }
        ((upper.or_all(count) - lower.or_all(count)) / self.count, has_nan)
    }
}

#[cfg(test)]
mod tests {
    use super::super::almost_equal;
    use super::*;

    #[test]
    fn fractions_are_interpolated() {
        let (low, high, nan) = (f64::NEG_INFINITY, f64::INFINITY, f64::NAN);
        for (text, lower, upper, expected) in [
            ("{{}}", low, high, (nan, false)),
            ("{{count:4 buckets:[1 2 1]}}", low, high, (1.0, false)),
            ("{{count:4 buckets:[1 2 1]}}", 1.0, 2.0, (0.5, false)),
            ("{{count:4 buckets:[1 2 1]}}", 0.0, 8.0, (1.0, false)),
            ("{{count:4 buckets:[1 2 1]}}", 1.0, 2f64.sqrt(), (0.25, false)),
            ("{{count:4 buckets:[1 2 1]}}", 2.0, 2.0, (0.0, false)),
            ("{{count:4 buckets:[1 2 1]}}", nan, 2.0, (nan, false)),
            ("{{count:4 buckets:[1 2 1]}}", 1.0, nan, (nan, false)),
            ("{{count:4 n_buckets:[1 2 1]}}", -(2f64.sqrt()), -1.0, (0.25, false)),
            // The zero bucket is linear, and of one sign if all others are.
            ("{{count:4 z_bucket:4 z_bucket_w:1}}", -0.5, 0.5, (0.5, false)),
            ("{{count:8 z_bucket:4 z_bucket_w:0.5 buckets:[4]}}", -1.0, 0.25, (0.25, false)),
            ("{{count:8 z_bucket:4 z_bucket_w:0.5 n_buckets:[4]}}", -0.25, 1.0, (0.25, false)),
            ("{{schema:-53 count:8 custom_values:[4 8] buckets:[4 2 2]}}", 1.0, 6.0, (0.5, false)),
            ("{{schema:-53 count:8 custom_values:[4 8] buckets:[4 2 2]}}", low, 9.0, (0.75, false)),
            ("{{schema:-53 count:2 custom_values:[-5] buckets:[1 1]}}", -10.0, high, (0.5, false)),
            // Observations of NaN are in no fraction.
            ("{{count:15 sum:NaN buckets:[12]}}", low, high, (0.8, true)),
            ("{{count:12 sum:NaN buckets:[12]}}", low, high, (1.0, false)),
            ("{{count:16 sum:NaN buckets:[4 4 4]}}", low, 1.0, (0.25, true)),
        ] {
            let (fraction, has_nan) = FloatHistogram::parse(text).unwrap().histogram.fraction(lower, upper);
            let same = almost_equal(fraction, expected.0, 1e-12) && has_nan == expected.1;
            assert!(same, "{lower} to {upper} of {text}: {fraction}, {has_nan}");
        }
    }
}
