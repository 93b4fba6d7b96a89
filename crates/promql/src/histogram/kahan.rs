//! Sums of many floats that keep what rounding loses.

/// Adds to a sum with a compensation (Neumaier's form of Kahan's algorithm): `(sum, compensation)`, whose total is the sum.
pub fn kahan_inc(increment: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + increment;
    if total.is_infinite() {
        return (total, 0.0);
    }
    let lost = if sum.abs() >= increment.abs() { (sum - total) + increment } else { (increment - total) + sum };
    (total, compensation + lost)
}

/// The same as a value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Kahan {
    pub sum: f64,
    pub compensation: f64,
}

impl Kahan {
    pub fn add(&mut self, increment: f64) {
        (self.sum, self.compensation) = kahan_inc(increment, self.sum, self.compensation);
    }

    pub fn total(&self) -> f64 {
        self.sum + self.compensation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_loses_is_kept() {
        let mut sum = Kahan::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.total(), 2.0);
        sum.add(f64::INFINITY);
        assert_eq!((sum.total(), sum.compensation), (f64::INFINITY, 0.0));
    }
}
