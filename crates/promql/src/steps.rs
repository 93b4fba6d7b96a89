//! The instants a query is evaluated at.

/// `start`, `start + interval`, … up to `end` (milliseconds since the epoch). An instant query has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    pub start: i64,
    pub end: i64,
    /// Milliseconds; at least 1.
    pub interval: i64,
}

impl Steps {
    pub fn instant(at: i64) -> Self {
        Self { start: at, end: at, interval: 1 }
    }

    pub fn range(start: i64, end: i64, interval: i64) -> Self {
        Self { start, end, interval: interval.max(1) }
    }

    /// How many there are; 0 where `end` is before `start`.
    pub fn count(&self) -> usize {
        if self.end < self.start {
            return 0;
        }
        let steps = self.end.saturating_sub(self.start) / self.interval;
        usize::try_from(steps).unwrap_or(usize::MAX).saturating_add(1)
    }

    /// The instant of a step.
    pub fn at(&self, step: usize) -> i64 {
        self.start.saturating_add(self.interval.saturating_mul(i64::try_from(step).unwrap_or(i64::MAX)))
    }

    pub fn iter(&self) -> impl Iterator<Item = i64> + use<> {
        let steps = *self;
        (0..self.count()).map(move |step| steps.at(step))
    }
}
