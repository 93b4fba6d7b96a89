//! `rate_counter`: how fast numbers grow that begin again from 0 now and then.
//!
//! As in Loki it is the growth within the range by the length of the range. (Loki extrapolates beyond the first sample, too, but
//! by a thousandth of a thousandth of the range only, since it takes nanoseconds for milliseconds there.)

use super::summary::{Summary, Timed};

/// The growth between a first and a last value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter {
    count: u64,
    first: f64,
    last: f64,
    /// What was lost where the numbers began again.
    lost: f64,
}

impl Counter {
    /// That of values at any times, which are in order afterwards.
    pub fn of(values: &mut Timed) -> Counter {
        values.0.sort_by_key(|(time, _)| *time);
        values.0.iter().fold(Counter::default(), |mut counter, (time, value)| {
            counter.add(*time, *value);
            counter
        })
    }

    /// Growth a second. A single value has not grown; `None`: there is none.
    pub fn rate(&self, seconds: f64) -> Option<f64> {
        match self.count {
            0 => None,
            1 => Some(0.0),
            _ => Some((self.last - self.first + self.lost) / seconds),
        }
    }
}

impl Summary for Counter {
    /// A value that is later than all before.
    fn add(&mut self, _: i64, value: f64) {
        *self = self.join(&Counter { count: 1, first: value, last: value, lost: 0.0 });
    }

    fn join(&self, later: &Self) -> Self {
        match (self.count, later.count) {
            (0, _) => *later,
            (_, 0) => *self,
            (left, right) => {
                let lost = if later.first < self.last { self.last } else { 0.0 };
                Counter {
                    count: left + right,
                    first: self.first,
                    last: later.last,
                    lost: self.lost + lost + later.lost,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_begin_again() {
        for (values, expected) in [
            (vec![], None),
            (vec![(0, 5.0)], Some(0.0)),
            (vec![(0, 5.0), (1, 25.0)], Some(2.0)),
            (vec![(2, 25.0), (0, 5.0), (1, 15.0)], Some(2.0)),
            (vec![(0, 5.0), (1, 15.0), (2, 3.0), (3, 10.0)], Some(2.0)),
            (vec![(0, 5.0), (1, 5.0)], Some(0.0)),
        ] {
            assert_eq!(Counter::of(&mut Timed(values.clone())).rate(10.0), expected, "{values:?}");
        }
    }
}
