//! When two histograms are the same.

use super::FloatHistogram;
use super::cells::cells;
use super::custom::same_bounds;
use crate::source::is_stale_nan;

/// Equal but for rounding: the difference is less than `epsilon` of the sum of both; any two NaNs, and two stale ones.
pub fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if is_stale_nan(a) || is_stale_nan(b) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (magnitude, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || magnitude < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / magnitude.min(f64::MAX) < epsilon
}

impl FloatHistogram {
    fn equals_by(&self, other: &Self, same: impl Fn(f64, f64) -> bool) -> bool {
        let scalars = [(self.count, other.count), (self.sum, other.sum), (self.zero_count, other.zero_count)];
        let same_cell = |((i, a), (j, b)): ((i32, f64), (i32, f64))| i == j && same(a, b);
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && (!self.uses_custom_buckets() || same_bounds(&self.custom_values, &other.custom_values))
            && scalars.into_iter().all(|(a, b)| same(a, b))
            && self.positive_buckets.len() == other.positive_buckets.len()
            && self.negative_buckets.len() == other.negative_buckets.len()
            && cells(&self.positive_spans, &self.positive_buckets)
                .zip(cells(&other.positive_spans, &other.positive_buckets))
                .all(same_cell)
            && cells(&self.negative_spans, &self.negative_buckets)
                .zip(cells(&other.negative_spans, &other.negative_buckets))
                .all(same_cell)
    }

    /// Holds the same data: the same buckets, also empty ones, and the same numbers bit by bit (so NaN equals itself, and a
    /// stale NaN only another). What they say of counter resets does not count.
    pub fn equals(&self, other: &Self) -> bool {
        self.equals_by(other, |a, b| a.to_bits() == b.to_bits())
    }

    /// The same with numbers that may differ by rounding; see [`almost_equal`].
    pub fn almost_equals(&self, other: &Self, epsilon: f64) -> bool {
        self.equals_by(other, |a, b| almost_equal(a, b, epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;
    use crate::source::STALE_NAN_BITS;

    #[test]
    fn equality_is_of_bits_and_buckets() {
        let parse = |text: &str| FloatHistogram::parse(text).unwrap().histogram;
        for (a, b, equal) in [
            ("{{}}", "{{}}", true),
            ("{{sum:NaN}}", "{{sum:NaN}}", true),
            ("{{sum:0}}", "{{sum:-0}}", false),
            ("{{counter_reset_hint:gauge}}", "{{}}", true),
            ("{{schema:1}}", "{{}}", false),
            ("{{z_bucket_w:1}}", "{{}}", false),
            ("{{buckets:[1 2]}}", "{{buckets:[1 2]}}", true),
            ("{{buckets:[1 2]}}", "{{buckets:[1 2 0]}}", false),
            ("{{buckets:[1 2]}}", "{{offset:1 buckets:[1 2]}}", false),
            ("{{n_buckets:[1 2]}}", "{{n_buckets:[1 3]}}", false),
            ("{{schema:-53 custom_values:[1] buckets:[1]}}", "{{schema:-53 custom_values:[2] buckets:[1]}}", false),
        ] {
            assert_eq!(parse(a).equals(&parse(b)), equal, "{a} and {b}");
        }
        let stale = FloatHistogram { sum: f64::from_bits(STALE_NAN_BITS), ..FloatHistogram::default() };
        assert!(stale.equals(&stale) && !stale.equals(&parse("{{sum:NaN}}")));
        let mut split = parse("{{buckets:[1 2]}}");
        split.positive_spans = vec![Span { offset: 0, length: 1 }, Span { offset: 0, length: 1 }];
        assert!(split.equals(&parse("{{buckets:[1 2]}}")), "the same buckets");
    }

    #[test]
    fn rounding_is_forgiven() {
        for (a, b, epsilon, equal) in [
            (1.0, 1.0 + 1e-7, 1e-6, true),
            (1.0, 1.0 + 1e-5, 1e-6, false),
            (0.0, 1e-300, 1e-6, false),
            (f64::NAN, f64::NAN, 0.0, true),
            (f64::NAN, f64::from_bits(STALE_NAN_BITS), 1.0, false),
            (f64::INFINITY, f64::INFINITY, 1e-6, true),
            (f64::INFINITY, f64::NEG_INFINITY, 1e-6, false),
            (f64::MAX, f64::MAX / 1.5, 1e-6, false),
        ] {
            assert_eq!(almost_equal(a, b, epsilon), equal, "{a} and {b}");
        }
    }
}
