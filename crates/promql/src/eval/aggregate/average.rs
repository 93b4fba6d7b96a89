//! The mean of many floats, which their sum may be too large for.

use crate::histogram::kahan_inc;

/// A sum that turns into a running mean at the value that would make it infinite. The sum is the more exact of the two, but
/// the mean of large values exists where their sum does not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Average {
    count: f64,
    /// The sum, or from the value on that would have made it infinite, the mean.
    value: f64,
    compensation: f64,
    is_mean: bool,
}

impl Average {
    pub fn of(value: f64) -> Self {
        Self { count: 1.0, value, compensation: 0.0, is_mean: false }
    }

    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.is_mean {
            let (sum, compensation) = kahan_inc(value, self.value, self.compensation);
            if !sum.is_infinite() {
                (self.value, self.compensation) = (sum, compensation);
                return;
            }
            self.is_mean = true;
            self.value /= self.count - 1.0;
            self.compensation /= self.count - 1.0;
        }
        let kept = (self.count - 1.0) / self.count;
        (self.value, self.compensation) = kahan_inc(value / self.count, kept * self.value, kept * self.compensation);
    }

    pub fn result(self) -> f64 {
        match self.is_mean {
            true => self.value + self.compensation,
            false => self.value / self.count + self.compensation / self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_exist_where_sums_do_not() {
        let mean = |values: &[f64]| {
            let mut average = Average::of(values[0]);
            values[1..].iter().for_each(|value| average.add(*value));
            average.result()
        };
        for (values, expected) in [
            (vec![1.0, 2.0, 6.0], 3.0),
            (vec![f64::MAX, f64::MAX], f64::MAX),
            (vec![1.0, 1e100, 1.0, -1e100], 0.5),
            (vec![f64::INFINITY, 1.0], f64::INFINITY),
            (vec![-f64::MAX, f64::NEG_INFINITY], f64::NEG_INFINITY),
        ] {
            assert_eq!(mean(&values), expected, "{values:?}");
        }
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }
}
