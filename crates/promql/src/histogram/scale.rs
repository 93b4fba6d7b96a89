//! Multiplying and dividing by a number.

use super::{CounterResetHint, FloatHistogram};

impl FloatHistogram {
    fn map_counts(&mut self, f: impl Fn(f64) -> f64) {
        self.zero_count = f(self.zero_count);
        self.count = f(self.count);
        self.sum = f(self.sum);
        for count in self.positive_buckets.iter_mut().chain(&mut self.negative_buckets) {
            *count = f(*count);
        }
    }

    /// Multiplies every count and the sum. A negative factor makes a gauge of the histogram.
    pub fn mul_assign(&mut self, factor: f64) -> &mut Self {
        self.map_counts(|count| count * factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
        self
    }

    /// Divides every count and the sum. Division by zero leaves no buckets.
    pub fn div_assign(&mut self, divisor: f64) -> &mut Self {
        self.map_counts(|count| count / divisor);
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.positive_buckets.clear();
            self.negative_spans.clear();
            self.negative_buckets.clear();
        } else if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
        self
    }

    pub fn mul(&self, factor: f64) -> Self {
        let mut product = self.clone();
        product.mul_assign(factor);
        product
    }

    pub fn div(&self, divisor: f64) -> Self {
        let mut quotient = self.clone();
        quotient.div_assign(divisor);
        quotient
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Span;

    fn parse(text: &str) -> FloatHistogram {
        FloatHistogram::parse(text).unwrap().histogram
    }

    #[test]
    fn all_counts_are_scaled() {
        let histogram = parse("{{count:33 sum:30 z_bucket:3 z_bucket_w:1 buckets:[3 0 30] n_buckets:[3 3]}}");
        for (result, expected) in [
            (histogram.mul(3.0), "{{count:99 sum:90 z_bucket:9 z_bucket_w:1 buckets:[9 0 90] n_buckets:[9 9]}}"),
            (histogram.div(3.0), "{{count:11 sum:10 z_bucket:1 z_bucket_w:1 buckets:[1 0 10] n_buckets:[1 1]}}"),
            (
                histogram.mul(-1.0),
                "{{count:-33 sum:-30 z_bucket:-3 z_bucket_w:1 counter_reset_hint:gauge buckets:[-3 0 -30] n_buckets:[-3 -3]}}",
            ),
            (histogram.div(0.0), "{{count:Inf sum:Inf z_bucket:Inf z_bucket_w:1}}"),
        ] {
            assert!(result == parse(expected), "{result}");
        }
        assert!(parse("{{}}").div(0.0).count.is_nan());
    }

    /// As in Prometheus 3.16: a bucket that is there is NaN then, empty or not, and what is NaN is not empty; no bucket is
    /// made of a gap between spans.
    #[test]
    fn times_nan_the_buckets_that_are_there_stay() {
        let mut product = parse("{{count:3 sum:4 buckets:[0 1 0 2 0]}}").mul(f64::NAN);
        product.compact(0);
        assert_eq!(
            (product.positive_spans.as_slice(), product.positive_buckets.len()),
            (&[Span { offset: 0, length: 5 }][..], 5)
        );
        assert!(product.positive_buckets.iter().all(|count| count.is_nan()));
        let mut apart = parse("{{count:3 sum:4 buckets:[1 0 2]}}");
        apart.compact(0);
        let product = apart.mul(f64::NAN);
        assert_eq!((product.positive_spans, product.positive_buckets.len()), (apart.positive_spans, 2));
    }
}
