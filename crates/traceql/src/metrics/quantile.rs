//! Numbers in buckets whose limits are powers of two, and quantiles of them.

use crate::value::Value;

/// One interval's numbers up to `max` (and above the bucket before).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    pub max: f64,
    pub count: f64,
}

/// The limit of a value's bucket. Whole numbers and nanoseconds below two are in none, as in Tempo; durations count in seconds.
pub fn limit(value: &Value) -> Option<f64> {
    match *value {
        Value::Int(number) => whole(number),
        Value::Duration(nanos) => whole(nanos).map(|limit| limit / 1e9),
        Value::Float(number) if number > 0.0 && number.is_finite() => Some(number.log2().ceil().exp2()),
        _ => None,
    }
}

fn whole(number: i64) -> Option<f64> {
    let number = u64::try_from(number).ok().filter(|number| *number >= 2)?;
    Some(f64::from(u64::BITS - (number - 1).leading_zeros()).exp2())
}

/// The value below which a share `quantile` of the numbers lies, between the limits of a bucket exponentially. `buckets` ascend;
/// 0 where nothing is in them.
pub fn quantile(quantile: f64, buckets: &[Bucket]) -> f64 {
    let all: f64 = buckets.iter().map(|bucket| bucket.count).sum();
    if all <= 0.0 {
        return 0.0;
    }
    // At least one number is looked at.
    let wanted = (quantile * all).ceil().max(1.0);
    let mut below = 0.0;
    for (place, bucket) in buckets.iter().enumerate() {
        let with = below + bucket.count;
        if with == wanted {
            return bucket.max;
        }
        if with > wanted || place + 1 == buckets.len() {
            let share = (wanted - below) / bucket.count;
            let upper = bucket.max.log2();
            let lower = if place > 0 { buckets[place - 1].max.log2() } else { upper - 1.0 };
            return (lower + (upper - lower) * share).exp2();
        }
        below = with;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_powers_of_two() {
        for (value, expected) in [
            (Value::Int(1), None),
            (Value::Int(2), Some(2.0)),
            (Value::Int(3), Some(4.0)),
            (Value::Int(-7), None),
            (Value::Int(i64::MAX), Some(9_223_372_036_854_775_808.0)),
            (Value::Duration(1_000_000_000), Some(1.073741824)),
            (Value::Float(0.3), Some(0.5)),
            (Value::Float(0.5), Some(0.5)),
            (Value::Float(f64::NAN), None),
            (Value::string("2"), None),
        ] {
            assert_eq!(limit(&value), expected, "{value}");
        }
    }

    #[test]
    fn quantiles_lie_between_limits() {
        let buckets = |list: &[(f64, f64)]| -> Vec<Bucket> {
            list.iter().map(|(max, count)| Bucket { max: *max, count: *count }).collect()
        };
        let two = buckets(&[(4.0, 10.0), (16.0, 10.0)]);
        assert_eq!(quantile(0.5, &two), 4.0);
        assert_eq!(quantile(1.0, &two), 16.0);
        assert_eq!(quantile(0.75, &two), 8.0);
        assert_eq!(quantile(0.25, &two), 2f64.powf(1.5));
        assert_eq!(quantile(0.0, &buckets(&[(4.0, 1.0)])), 4.0);
        assert_eq!(quantile(0.5, &[]), 0.0);
    }
}
