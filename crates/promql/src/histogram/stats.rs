//! Mean and variance.

use super::FloatHistogram;
use super::kahan::Kahan;

impl FloatHistogram {
    /// The arithmetic mean of all observations.
    pub fn avg(&self) -> f64 {
        self.sum / self.count
    }

    /// The estimated population variance, as if all observations of a bucket were in its middle: the arithmetic one of custom
    /// buckets, zero of the zero bucket, else the geometric one.
    pub fn stdvar(&self) -> f64 {
        let mean = self.avg();
        let mut variance = Kahan::default();
        for bucket in self.ascending().filter(|bucket| bucket.count != 0.0) {
            let middle = if self.uses_custom_buckets() {
                (bucket.upper + bucket.lower) / 2.0
            } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                0.0
            } else {
                (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
            };
            let delta = middle - mean;
            variance.add(bucket.count * delta * delta);
        }
        variance.total() / self.count
    }

    /// The square root of [`FloatHistogram::stdvar`].
    pub fn stddev(&self) -> f64 {
        self.stdvar().sqrt()
    }
}
