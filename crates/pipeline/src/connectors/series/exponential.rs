//! Histograms whose buckets grow by a constant factor, as fine as their number allows.
//! <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>

use std::collections::VecDeque;

/// The finest scale: 2^20 buckets from a number to its double.
const FINEST_SCALE: i32 = 20;

/// Of numbers that are not negative.
#[derive(Debug, Clone, PartialEq)]
pub struct Exponential {
    pub scale: i32,
    pub zero_count: u64,
    /// The index of the first count: bucket `i` ends at `2^((i + 1) / 2^scale)`, inclusive.
    pub offset: i32,
    pub counts: VecDeque<u64>,
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
}

impl Default for Exponential {
    fn default() -> Self {
        Self {
            scale: FINEST_SCALE,
            zero_count: 0,
            offset: 0,
            counts: VecDeque::new(),
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Exponential {
    /// Counts `value` as often as `weight` says; `max_size` is how many buckets there may be, at least 2.
    pub fn observe(&mut self, value: f64, weight: u64, max_size: usize) {
        self.count = self.count.saturating_add(weight);
        self.sum += value * weight as f64;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if value <= 0.0 {
            self.zero_count = self.zero_count.saturating_add(weight);
            return;
        }
        let index = index(value, self.scale);
        let (low, high) = match self.last() {
            None => (index, index),
            Some(last) => (self.offset.min(index), last.max(index)),
        };
        let coarser = (0..31).find(|shift| ((high >> shift) - (low >> shift)) < max_size.max(2) as i32);
        let index = match coarser {
            Some(shift @ 1..) => {
                self.coarsen(shift);
                index >> shift
            }
            _ => index,
        };
        self.reach(index);
        let count = &mut self.counts[(index - self.offset) as usize];
        *count = count.saturating_add(weight);
    }

    fn last(&self) -> Option<i32> {
        (!self.counts.is_empty()).then(|| self.offset + self.counts.len() as i32 - 1)
    }

    /// Makes room for a count.
    fn reach(&mut self, index: i32) {
        match self.last() {
            None => {
                self.offset = index;
                self.counts.push_back(0);
            }
            Some(last) => {
                (last..index).for_each(|_| self.counts.push_back(0));
                (index..self.offset).for_each(|_| self.counts.push_front(0));
                self.offset = self.offset.min(index);
            }
        }
    }

    /// 2^`shift` neighbours become one.
    fn coarsen(&mut self, shift: i32) {
        self.scale -= shift;
        let mut merged = VecDeque::with_capacity((self.counts.len() >> shift) + 2);
        let first = self.offset >> shift;
        for (place, count) in self.counts.iter().enumerate() {
            let at = (((self.offset + place as i32) >> shift) - first) as usize;
            merged.resize(merged.len().max(at + 1), 0);
            merged[at] += count;
        }
        self.counts = merged;
        self.offset = first;
    }
}

/// The bucket of a positive number.
fn index(value: f64, scale: i32) -> i32 {
    let bits = value.max(f64::MIN_POSITIVE).to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let is_power_of_two = bits & ((1 << 52) - 1) == 0;
    match scale {
        _ if is_power_of_two && scale > 0 => (exponent << scale) - 1,
        1.. => {
            let (first, next) = (exponent << scale, (exponent + 1) << scale);
            // The logarithm may be off by its last bit.
            ((value.log2() * f64::from(1 << scale)).ceil() as i32 - 1).clamp(first, next - 1)
        }
        _ => (exponent - i32::from(is_power_of_two)) >> -scale,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where bucket `i` of a scale ends.
    fn bound(i: i32, scale: i32) -> f64 {
        (f64::from(i + 1) / f64::from(scale).exp2()).exp2()
    }

    #[test]
    fn powers_of_two_are_bounds() {
        for scale in [-3, 0, 1, 5, 20] {
            for exponent in [-30i32, -1, 0, 1, 4, 40] {
                let value = f64::from(exponent).exp2();
                let i = index(value, scale);
                let above = index(value * (1.0 + f64::EPSILON), scale);
                if scale >= 0 {
                    assert_eq!(above, i + 1, "{value} at {scale}");
                    assert_eq!(bound(i, scale), value);
                } else {
                    assert_eq!(i, (exponent - 1) >> -scale);
                }
            }
        }
    }

    #[test]
    fn zeros_have_a_count_of_their_own() {
        let mut histogram = Exponential::default();
        histogram.observe(0.0, 2, 160);
        histogram.observe(4.0, 3, 160);
        assert_eq!((histogram.zero_count, histogram.count, histogram.sum), (2, 5, 12.0));
        assert_eq!((histogram.min, histogram.max), (0.0, 4.0));
        assert_eq!(histogram.counts, [3]);
        assert_eq!(histogram.offset, (2 << 20) - 1);
    }

    proptest! {
        #[test]
        fn every_number_is_in_its_bucket(
            values in prop::collection::vec(1e-9f64..1e9, 1..200),
            max_size in 2usize..200,
        ) {
            let mut histogram = Exponential::default();
            values.iter().for_each(|value| histogram.observe(*value, 1, max_size));
            prop_assert!(histogram.counts.len() <= max_size);
            prop_assert_eq!(histogram.counts.iter().sum::<u64>(), values.len() as u64);
            let mut expected = vec![0; histogram.counts.len()];
            for value in &values {
                let i = index(*value, histogram.scale);
                expected[(i - histogram.offset) as usize] += 1;
                if (-10..=10).contains(&histogram.scale) {
                    let (low, high) = (bound(i - 1, histogram.scale), bound(i, histogram.scale));
                    prop_assert!(low * 0.999_999 < *value && *value <= high * 1.000_001, "{} {} {}", low, value, high);
                }
            }
            prop_assert_eq!(histogram.counts, expected);
        }
    }
}
