//! Looking at buckets one by one.

use super::bounds::bucket_bound;
use super::cells::{Cell, cells, cells_back};
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram};

/// A bucket with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    pub lower: f64,
    pub upper: f64,
    pub lower_inclusive: bool,
    pub upper_inclusive: bool,
    pub count: f64,
    /// Among those of its sign; 0 of the zero bucket.
    pub index: i32,
}

impl Bucket {
    /// The share (0 to 1) of the bucket's width that is below `value`, which lies between its finite bounds: on a linear
    /// scale for custom and zero buckets, else on a logarithmic one.
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper, at) = (self.lower.abs().log2(), self.upper.abs().log2(), value.abs().log2());
        if value > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
    }

    /// How Prometheus' API writes which bounds belong to the bucket: 0 the upper, 1 the lower, 2 none, 3 both.
    pub fn boundary_rule(&self) -> u8 {
        match (self.lower_inclusive, self.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        }
    }
}

impl FloatHistogram {
    /// The buckets end where `custom_values` says.
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    fn positive_bucket(&self, (index, count): Cell<f64>) -> Bucket {
        let lower = bucket_bound(index.wrapping_sub(1), self.schema, &self.custom_values);
        let upper = bucket_bound(index, self.schema, &self.custom_values);
        let lower_inclusive = if self.uses_custom_buckets() { index == 0 } else { lower < 0.0 };
        let upper_inclusive = self.uses_custom_buckets() || upper > 0.0;
        Bucket { lower, upper, lower_inclusive, upper_inclusive, count, index }
    }

    fn negative_bucket(&self, (index, count): Cell<f64>) -> Bucket {
        let lower = -bucket_bound(index, self.schema, &[]);
        let upper = -bucket_bound(index.wrapping_sub(1), self.schema, &[]);
        Bucket { lower, upper, lower_inclusive: lower < 0.0, upper_inclusive: upper > 0.0, count, index }
    }

    /// Both bounds belong to it. Histograms with custom buckets have none; theirs is empty.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        }
    }

    /// Positive (and custom) buckets, away from zero. Their bounds are those of the schema, also inside the zero bucket.
    pub fn positive(&self) -> impl Iterator<Item = Bucket> {
        cells(&self.positive_spans, &self.positive_buckets).map(|cell| self.positive_bucket(cell))
    }

    /// Negative buckets, away from zero.
    pub fn negative(&self) -> impl Iterator<Item = Bucket> {
        cells(&self.negative_spans, &self.negative_buckets).map(|cell| self.negative_bucket(cell))
    }

    /// Positive (and custom) buckets, towards zero.
    pub fn positive_descending(&self) -> impl Iterator<Item = Bucket> {
        cells_back(&self.positive_spans, &self.positive_buckets).map(|cell| self.positive_bucket(cell))
    }

    /// Negative buckets, towards zero.
    pub fn negative_ascending(&self) -> impl Iterator<Item = Bucket> {
        cells_back(&self.negative_spans, &self.negative_buckets).map(|cell| self.negative_bucket(cell))
    }

    /// A bucket that the zero bucket overlaps ends where that one begins.
    fn outside_zero_bucket(&self, mut bucket: Bucket) -> Bucket {
        if bucket.upper < 0.0 && bucket.upper > -self.zero_threshold {
            bucket.upper = -self.zero_threshold;
        } else if bucket.lower > 0.0 && bucket.lower < self.zero_threshold {
            bucket.lower = self.zero_threshold;
        }
        bucket
    }

    fn populated_zero_bucket(&self) -> Option<Bucket> {
        (self.zero_count > 0.0).then(|| self.zero_bucket())
    }

    /// All buckets from the lowest on, without overlaps; the zero bucket only if anything was observed there.
    pub fn ascending(&self) -> impl Iterator<Item = Bucket> {
        let negative = self.negative_ascending().map(|bucket| self.outside_zero_bucket(bucket));
        let positive = self.positive().map(|bucket| self.outside_zero_bucket(bucket));
        negative.chain(self.populated_zero_bucket()).chain(positive)
    }

    /// All buckets from the highest on, likewise.
    pub fn descending(&self) -> impl Iterator<Item = Bucket> {
        let positive = self.positive_descending().map(|bucket| self.outside_zero_bucket(bucket));
        let negative = self.negative().map(|bucket| self.outside_zero_bucket(bucket));
        positive.chain(self.populated_zero_bucket()).chain(negative)
    }

    /// What Prometheus' API answers: of each bucket that is not empty the rule of its bounds ([`Bucket::boundary_rule`]),
    /// the lower and the upper one, and the count.
    pub fn api_buckets(&self) -> Vec<(u8, f64, f64, f64)> {
        let populated = self.ascending().filter(|bucket| bucket.count != 0.0);
        populated.map(|bucket| (bucket.boundary_rule(), bucket.lower, bucket.upper, bucket.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FloatHistogram {
        FloatHistogram::parse(text).unwrap().histogram
    }

    #[test]
    fn the_api_shows_populated_buckets() {
        let histogram =
            parse("{{count:42 z_bucket:3 z_bucket_w:0.25 buckets:[12 21 0 6] offset:-1 n_buckets:[2 0 1]}}");
        assert_eq!(
            histogram.api_buckets(),
            [
                (1, -4.0, -2.0, 1.0),
                (1, -1.0, -0.5, 2.0),
                (3, -0.25, 0.25, 3.0),
                (0, 0.25, 0.5, 12.0),
                (0, 0.5, 1.0, 21.0),
                (0, 2.0, 4.0, 6.0)
            ]
        );
        let histogram = parse("{{schema:-53 custom_values:[-5 10] buckets:[1 2 3]}}");
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(histogram.api_buckets(), [(3, low, -5.0, 1.0), (0, -5.0, 10.0, 2.0), (0, 10.0, high, 3.0)]);
    }

    #[test]
    fn the_zero_bucket_overlaps_nothing() {
        let histogram = parse("{{z_bucket:1 z_bucket_w:0.75 buckets:[2 4] n_buckets:[8 16]}}");
        let bounds = histogram.ascending().map(|bucket| (bucket.lower, bucket.upper, bucket.count));
        assert_eq!(
            bounds.collect::<Vec<_>>(),
            [(-2.0, -1.0, 16.0), (-1.0, -0.75, 8.0), (-0.75, 0.75, 1.0), (0.75, 1.0, 2.0), (1.0, 2.0, 4.0)]
        );
        let mut descending = histogram.descending().collect::<Vec<_>>();
        descending.reverse();
        assert_eq!(descending, histogram.ascending().collect::<Vec<_>>());
        assert_eq!(histogram.positive().next().map(|bucket| bucket.lower), Some(0.5));
    }

    #[test]
    fn fractions_are_on_the_scale_of_the_bucket() {
        let bucket = |lower, upper| Bucket { lower, upper, ..FloatHistogram::default().zero_bucket() };
        for (bucket, value, linear, expected) in [
            (bucket(0.0, 10.0), 2.5, true, 0.25),
            (bucket(1.0, 4.0), 2.0, false, 0.5),
            (bucket(-4.0, -1.0), -2.0, false, 0.5),
            (bucket(-16.0, -1.0), -8.0, false, 0.25),
        ] {
            assert_eq!(bucket.fraction_below(value, linear), expected);
        }
    }
}
