//! PromQL's `</` and `>/`: what was observed below or above a number.

use super::FloatHistogram;
use super::iterate::Bucket;

/// What remains of a bucket: how many observations, and the value that stands for each of them in the sum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept {
    count: f64,
    value: f64,
}

fn finite_or_zero(value: f64) -> f64 {
    if value.is_infinite() { 0.0 } else { value }
}

/// The middle of an interval: the arithmetic one if `linear`, else the geometric one. Of one that is infinite on one side the
/// finite end, or its half if all from zero up to it may be meant.
fn middle(lower: f64, upper: f64, positive: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if linear => (lower + upper) / 2.0,
        (false, false) => {
            let geometric = (lower * upper).abs().sqrt();
            if positive { geometric } else { -geometric }
        }
    }
}

/// What is below `limit` of a bucket that contains it and is infinite on one side, where the distribution is anyone's guess.
fn below_in_infinite(bucket: &Bucket, limit: f64) -> Kept {
    if bucket.lower != f64::NEG_INFINITY {
        return Kept { count: 0.0, value: finite_or_zero(bucket.lower) };
    }
    if bucket.upper <= 0.0 {
        return Kept { count: bucket.count, value: limit };
    }
    if limit > 0.0 && bucket.upper.is_finite() {
        // The first custom bucket counts as beginning at zero.
        return Kept { count: bucket.count * limit / bucket.upper, value: limit / 2.0 };
    }
    Kept { count: 0.0, value: finite_or_zero(bucket.upper) }
}

/// What is above `limit`, likewise.
fn above_in_infinite(bucket: &Bucket, limit: f64) -> Kept {
    if bucket.lower != f64::NEG_INFINITY {
        return Kept { count: bucket.count, value: limit };
    }
    if limit == f64::NEG_INFINITY {
        return Kept { count: bucket.count, value: 0.0 };
    }
    if limit >= 0.0 && bucket.upper.is_finite() {
        return Kept { count: bucket.count * (1.0 - limit / bucket.upper), value: (limit + bucket.upper) / 2.0 };
    }
    Kept { count: 0.0, value: finite_or_zero(bucket.upper) }
}

/// `None`: nothing of the bucket is kept, as nothing is for a limit that is no number.
fn keep_below(bucket: &Bucket, limit: f64, positive: bool, linear: bool) -> Option<Kept> {
    if bucket.upper <= limit {
        return Some(Kept { count: bucket.count, value: middle(bucket.lower, bucket.upper, positive, linear) });
    }
    (bucket.lower < limit).then(|| {
        if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
            return below_in_infinite(bucket, limit);
        }
        let count = bucket.count * bucket.fraction_below(limit, linear);
        Kept { count, value: middle(bucket.lower, limit, positive, linear) }
    })
}

fn keep_above(bucket: &Bucket, limit: f64, positive: bool, linear: bool) -> Option<Kept> {
    if bucket.lower >= limit {
        return Some(Kept { count: bucket.count, value: middle(bucket.lower, bucket.upper, positive, linear) });
    }
    (bucket.upper > limit).then(|| {
        if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
            return above_in_infinite(bucket, limit);
        }
        let count = bucket.count - bucket.count * bucket.fraction_below(limit, linear);
        Kept { count, value: middle(limit, bucket.upper, positive, linear) }
    })
}

fn keep_zero_below(zero: &Bucket, limit: f64) -> Kept {
    if limit <= zero.lower {
        return Kept { count: 0.0, value: 0.0 };
    }
    if limit >= zero.upper {
        return Kept { count: zero.count, value: (zero.lower + zero.upper) / 2.0 };
    }
    let fraction = (limit - zero.lower) / (zero.upper - zero.lower);
    Kept { count: zero.count * fraction, value: (zero.lower + limit) / 2.0 }
}

fn keep_zero_above(zero: &Bucket, limit: f64) -> Kept {
    if limit <= zero.lower {
        return Kept { count: zero.count, value: (zero.lower + zero.upper) / 2.0 };
    }
    if limit >= zero.upper {
        return Kept { count: 0.0, value: 0.0 };
    }
    let fraction = (zero.upper - limit) / (zero.upper - zero.lower);
    Kept { count: zero.count * fraction, value: (limit + zero.upper) / 2.0 }
}

/// Counts and the sum of what is kept.
#[derive(Default)]
struct Totals {
    count: f64,
    sum: f64,
    /// Anything was not kept.
    trimmed: bool,
}

impl Totals {
    fn keep(&mut self, before: f64, kept: Option<Kept>) -> f64 {
        let count = kept.map_or(0.0, |kept| kept.count);
        if let Some(kept) = kept {
            self.count += kept.count;
            self.sum += kept.value * kept.count;
        }
        // By bits: what is no number is kept, too.
        self.trimmed |= count.to_bits() != before.to_bits();
        count
    }
}

/// A way to trim: what of a bucket (also whether it is positive, and whether it is linear) and of the zero bucket is kept.
type Keep = fn(&Bucket, f64, bool, bool) -> Option<Kept>;
type KeepZero = fn(&Bucket, f64) -> Kept;

impl FloatHistogram {
    fn trim(&self, limit: f64, keep: Keep, keep_zero: KeepZero) -> Self {
        let linear = self.uses_custom_buckets();
        let mut totals = Totals::default();
        let mut side = |buckets: &mut dyn Iterator<Item = Bucket>, positive| {
            let mut any = false;
            let kept = buckets.map(|bucket| {
                if bucket.count == 0.0 {
                    return bucket.count;
                }
                any = true;
                totals.keep(bucket.count, keep(&bucket, limit, positive, linear))
            });
            (kept.collect::<Vec<_>>(), any)
        };
        let (positive_buckets, any_positive) = side(&mut self.positive(), true);
        let (negative_buckets, any_negative) = side(&mut self.negative(), false);
        let mut zero_count = self.zero_count;
        if zero_count > 0.0 {
            let mut zero = self.zero_bucket();
            // With buckets of one sign only, the zero bucket is of that sign, too.
            if any_negative && !any_positive {
                zero.upper = 0.0;
            } else if any_positive && !any_negative {
                zero.lower = 0.0;
            }
            zero_count = totals.keep(zero_count, Some(keep_zero(&zero, limit)));
        }
        if !totals.trimmed {
            return self.clone();
        }
        let mut trimmed = Self {
            positive_buckets,
            negative_buckets,
            zero_count,
            count: totals.count,
            sum: totals.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            custom_values: self.custom_values.clone(),
            ..*self
        };
        trimmed.compact(0);
        trimmed
    }

    /// `h </ limit`: observations below the limit, interpolated in the bucket that contains it. The sum is then estimated
    /// from the middles of buckets. Of a last custom bucket nothing is kept.
    pub fn trim_upper(&self, limit: f64) -> Self {
        self.trim(limit, keep_below, keep_zero_below)
    }

    /// `h >/ limit`: observations above the limit, likewise. Of a first custom bucket that reaches below zero nothing is kept.
    pub fn trim_lower(&self, limit: f64) -> Self {
        self.trim(limit, keep_above, keep_zero_above)
    }
}
