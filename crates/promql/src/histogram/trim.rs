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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FloatHistogram {
        FloatHistogram::parse(text).unwrap().histogram
    }

    /// Below and above a limit. `None`: the histogram stays as it is.
    type Case = (&'static str, f64, Option<&'static str>, Option<&'static str>);

    const EXPONENTIAL: &str = "{{sum:123.75 count:34 z_bucket:1 z_bucket_w:0.001 buckets:[2 4 8 16] n_buckets:[1 2]}}";
    const POSITIVE: &str = "{{sum:8 count:12 z_bucket:2 z_bucket_w:0.5 buckets:[10]}}";
    const NEGATIVE: &str = "{{sum:-8 count:12 z_bucket:2 z_bucket_w:0.5 n_buckets:[10]}}";
    const ZERO: &str = "{{count:5 z_bucket:5 z_bucket_w:0.1}}";
    const CUSTOM: &str = "{{schema:-53 sum:172.5 count:15 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]}}";
    const BELOW_ZERO: &str = "{{schema:-53 sum:33 count:101 custom_values:[-5] buckets:[1 100]}}";
    const ONE: &str = "{{schema:-53 sum:100 count:100 buckets:[100]}}";

    const CASES: &[Case] = &[
        (EXPONENTIAL, f64::INFINITY, None, Some("{{z_bucket_w:0.001}}")),
        (EXPONENTIAL, f64::NEG_INFINITY, Some("{{z_bucket_w:0.001}}"), None),
        (
            EXPONENTIAL,
            f64::NAN,
            Some("{{count:NaN sum:NaN z_bucket:NaN z_bucket_w:0.001}}"),
            Some("{{count:NaN sum:NaN z_bucket:NaN z_bucket_w:0.001}}"),
        ),
        (
            EXPONENTIAL,
            0.0,
            Some("{{sum:-3.53578390593273768 count:3.5 z_bucket:0.5 z_bucket_w:0.001 n_buckets:[1 2]}}"),
            Some("{{sum:120.20840280171308 count:30.5 z_bucket:0.5 z_bucket_w:0.001 buckets:[2 4 8 16]}}"),
        ),
        // In the middle of a bucket on a logarithmic scale, and at a bound.
        (
            EXPONENTIAL,
            std::f64::consts::SQRT_2,
            Some("{{count:8 sum:0.2570938865989847 z_bucket:1 z_bucket_w:0.001 buckets:[2 2] n_buckets:[1 2]}}"),
            Some("{{count:26 sum:116.50067065070982 z_bucket_w:0.001 offset:1 buckets:[2 8 16]}}"),
        ),
        (
            EXPONENTIAL,
            2.0,
            Some("{{count:10 sum:3.5355339059327373 z_bucket:1 z_bucket_w:0.001 buckets:[2 4] n_buckets:[1 2]}}"),
            Some("{{count:24 sum:113.13708498984761 z_bucket_w:0.001 offset:2 buckets:[8 16]}}"),
        ),
        (
            EXPONENTIAL,
            -1.0,
            Some("{{count:2 sum:-2.8284271247461903 z_bucket_w:0.001 n_offset:1 n_buckets:[2]}}"),
            Some("{{count:32 sum:119.50104602052653 z_bucket:1 z_bucket_w:0.001 buckets:[2 4 8 16] n_buckets:[1]}}"),
        ),
        // The zero bucket has the sign of all others.
        (
            POSITIVE,
            0.1,
            Some("{{count:0.4 sum:0.02 z_bucket:0.4 z_bucket_w:0.5}}"),
            Some("{{count:11.6 sum:7.551067811865476 z_bucket:1.6 z_bucket_w:0.5 buckets:[10]}}"),
        ),
        (POSITIVE, 0.0, Some("{{z_bucket_w:0.5}}"), None),
        (
            NEGATIVE,
            -0.1,
            Some("{{count:11.6 sum:-7.551067811865476 z_bucket:1.6 z_bucket_w:0.5 n_buckets:[10]}}"),
            Some("{{count:0.4 sum:-0.02 z_bucket:0.4 z_bucket_w:0.5}}"),
        ),
        (NEGATIVE, 0.0, None, Some("{{z_bucket_w:0.5}}")),
        (
            ZERO,
            0.05,
            Some("{{count:3.75 sum:-0.09375 z_bucket:3.75 z_bucket_w:0.1}}"),
            Some("{{count:1.25 sum:0.09375 z_bucket:1.25 z_bucket_w:0.1}}"),
        ),
        (ZERO, -0.1, Some("{{z_bucket_w:0.1}}"), None),
        // Custom buckets are linear; of an infinite one all or nothing is kept.
        (
            CUSTOM,
            13.0,
            Some("{{schema:-53 count:9.4 sum:75.1 custom_values:[5 10 15 20] buckets:[1 6 2.4]}}"),
            Some("{{schema:-53 count:5.6 sum:94.9 custom_values:[5 10 15 20] offset:2 buckets:[1.6 3 1]}}"),
        ),
        (
            CUSTOM,
            50.0,
            Some("{{schema:-53 count:14 sum:150 custom_values:[5 10 15 20] buckets:[1 6 4 3]}}"),
            Some("{{schema:-53 count:1 sum:50 custom_values:[5 10 15 20] offset:4 buckets:[1]}}"),
        ),
        (CUSTOM, 0.0, Some("{{schema:-53 custom_values:[5 10 15 20]}}"), None),
        (CUSTOM, f64::INFINITY, None, Some("{{schema:-53 custom_values:[5 10 15 20]}}")),
        (
            CUSTOM,
            2.0,
            Some("{{schema:-53 count:0.4 sum:0.4 custom_values:[5 10 15 20] buckets:[0.4]}}"),
            Some("{{schema:-53 count:14.6 sum:169.6 custom_values:[5 10 15 20] buckets:[0.6 6 4 3 1]}}"),
        ),
        (
            BELOW_ZERO,
            -10.0,
            Some("{{schema:-53 sum:-10 count:1 custom_values:[-5] buckets:[1]}}"),
            Some("{{schema:-53 sum:-500 count:100 custom_values:[-5] offset:1 buckets:[100]}}"),
        ),
        (
            BELOW_ZERO,
            10.0,
            Some("{{schema:-53 sum:-5 count:1 custom_values:[-5] buckets:[1]}}"),
            Some("{{schema:-53 sum:1000 count:100 custom_values:[-5] offset:1 buckets:[100]}}"),
        ),
        (ONE, 10.0, Some("{{schema:-53}}"), Some("{{schema:-53}}")),
        (ONE, f64::INFINITY, None, Some("{{schema:-53}}")),
        (ONE, f64::NEG_INFINITY, Some("{{schema:-53}}"), None),
        ("{{}}", 0.0, None, None),
    ];

    #[test]
    fn observations_are_kept_on_one_side_of_the_limit() {
        for (text, limit, below, above) in CASES {
            let histogram = parse(text);
            let (lower, upper) = (histogram.trim_upper(*limit), histogram.trim_lower(*limit));
            assert!(lower.almost_equals(&parse(below.unwrap_or(text)), 1e-9), "{text} </ {limit}: {lower}");
            assert!(upper.almost_equals(&parse(above.unwrap_or(text)), 1e-9), "{text} >/ {limit}: {upper}");
        }
    }
}
