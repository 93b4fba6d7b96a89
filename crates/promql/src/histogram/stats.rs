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

#[cfg(test)]
mod tests {
    use super::super::almost_equal;
    use super::*;

    #[test]
    fn variance_is_that_of_bucket_middles() {
        for (text, avg, stdvar) in [
            ("{{}}", f64::NAN, f64::NAN),
            ("{{count:2 sum:4 offset:1 buckets:[2]}}", 2.0, (2.0 - 2f64.sqrt()).powi(2)),
            ("{{count:2 sum:-4 n_offset:1 n_buckets:[2]}}", -2.0, (2.0 - 2f64.sqrt()).powi(2)),
            ("{{schema:-1 count:4 sum:8 z_bucket:2 z_bucket_w:0.5 offset:1 buckets:[2]}}", 2.0, 2.0),
            ("{{schema:-53 count:4 sum:10 custom_values:[0 2 4] offset:1 buckets:[2 2]}}", 2.5, 1.25),
            ("{{count:1 sum:NaN buckets:[1]}}", f64::NAN, f64::NAN),
        ] {
            let histogram = FloatHistogram::parse(text).unwrap().histogram;
            assert!(almost_equal(histogram.avg(), avg, 1e-12), "{text}: {}", histogram.avg());
            assert!(almost_equal(histogram.stdvar(), stdvar, 1e-12), "{text}: {}", histogram.stdvar());
            assert!(almost_equal(histogram.stddev(), stdvar.sqrt(), 1e-12), "{text}: {}", histogram.stddev());
        }
    }
}
