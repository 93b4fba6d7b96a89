//! `rate_counter`: how fast numbers grow that begin again from 0 now and then.
//!
//! The growth between the first and the last value is extrapolated to the edges of the range, or as far as values can be expected there, as in
//! PromQL's `rate`.

use super::summary::{Summary, Timed};

/// So many times the usual distance of two values an edge may be away to be reached.
const REACH: f64 = 1.1;

/// The growth between a first and a last value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter {
    count: u64,
    first: (i64, f64),
    last: (i64, f64),
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

    /// Growth a second within a window from `begin` to `end` (nanoseconds). A single value has not grown; `None`: there is none.
    pub fn rate(&self, begin: i64, end: i64) -> Option<f64> {
        let seconds = |from: i64, to: i64| to.saturating_sub(from) as f64 / 1e9;
        match self.count {
            0 => None,
            1 => Some(0.0),
            count => {
                let growth = self.last.1 - self.first.1 + self.lost;
                let sampled = seconds(self.first.0, self.last.0);
                let average = sampled / (count - 1) as f64;
                let reached = |distance: f64| if distance < average * REACH { distance } else { average / 2.0 };
                let mut before = reached(seconds(begin, self.first.0));
                if growth > 0.0 && self.first.1 >= 0.0 {
                    // Counters are never below 0.
                    before = before.min(sampled * (self.first.1 / growth));
                }
                let whole = sampled + before + reached(seconds(self.last.0, end));
                // Values of one time do not say how fast they grow.
                let factor = if sampled > 0.0 { whole / sampled } else { 1.0 };
                Some(growth * factor / seconds(begin, end))
            }
        }
    }
}

impl Summary for Counter {
    /// A value that is later than all before.
    fn add(&mut self, time: i64, value: f64) {
        *self = self.join(&Counter { count: 1, first: (time, value), last: (time, value), lost: 0.0 });
    }

    fn join(&self, later: &Self) -> Self {
        match (self.count, later.count) {
            (0, _) => *later,
            (_, 0) => *self,
            (left, right) => {
                let lost = if later.first.1 < self.last.1 { self.last.1 } else { 0.0 };
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
    fn growth_is_extrapolated_and_counters_begin_again() {
        const SECOND: i64 = 1_000_000_000;
        for (values, expected) in [
            (vec![], None),
            (vec![(20, 5.0)], Some(0.0)),
            // Both edges are as far away as values are from each other.
            (vec![(20, 50.0), (40, 70.0)], Some(1.0)),
            (vec![(40, 70.0), (20, 50.0)], Some(1.0)),
            // No value can be expected at the far edge.
            (vec![(1, 50.0), (11, 60.0), (21, 70.0)], Some(26.0 / 60.0)),
            // There was nothing before the counter was 0.
            (vec![(20, 5.0), (40, 25.0)], Some((20.0 + 5.0 + 20.0) / 60.0)),
            // 10, 20, 5 and 15.
            (vec![(10, 10.0), (20, 20.0), (30, 5.0), (40, 15.0)], Some(25.0 * ((30.0 + 10.0 + 5.0) / 30.0) / 60.0)),
            (vec![(20, 5.0), (40, 5.0)], Some(0.0)),
            (vec![(20, 5.0), (20, 8.0)], Some(3.0 / 60.0)),
        ] {
            let times = values.iter().map(|(second, value)| (second * SECOND, *value)).collect();
            let rate = Counter::of(&mut Timed(times)).rate(0, 60 * SECOND);
            let is_right = match (rate, expected) {
                (Some(rate), Some(expected)) => f64::abs(rate - expected) < 1e-9,
                (rate, expected) => rate == expected,
            };
            assert!(is_right, "{values:?}: {rate:?} in place of {expected:?}");
        }
    }
}
