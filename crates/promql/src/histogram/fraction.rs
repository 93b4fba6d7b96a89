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
