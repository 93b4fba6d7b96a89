//! Intervals of time.

/// Intervals of equal length, open at their left end and closed at their right, which is their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    start: i64,
    step: i64,
    count: usize,
}

impl Grid {
    /// Intervals that end at multiples of `step` and cover what lies between, with one more in front (nanoseconds since the
    /// epoch). `step` is positive.
    pub fn aligned(start: i64, end: i64, step: i64) -> Grid {
        let start = start - start.rem_euclid(step);
        let end = match end.rem_euclid(step) {
            0 => end,
            rest => end.saturating_add(step - rest),
        };
        let start = start.saturating_sub(step);
        let count = (end.saturating_sub(start) / step).max(0);
        Grid { start, step, count: usize::try_from(count).unwrap_or(0) }
    }

    /// One interval.
    pub fn single(start: i64, end: i64) -> Grid {
        Grid { start, step: end.saturating_sub(start).max(1), count: 1 }
    }

    /// Only intervals that have ended by then.
    pub fn until(self, now: i64) -> Grid {
        let ended = now.saturating_sub(self.start).max(0) / self.step;
        Grid { count: self.count.min(usize::try_from(ended).unwrap_or(0)), ..self }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn step(&self) -> i64 {
        self.step
    }

    /// Left end of the first (outside it) and right end of the last interval.
    pub fn bounds(&self) -> (i64, i64) {
        (self.start, self.start.saturating_add(self.step.saturating_mul(self.count as i64)))
    }

    /// In which interval a time lies.
    pub fn place(&self, time: i64) -> Option<usize> {
        if time <= self.start {
            return None;
        }
        let place = ((time - self.start - 1) / self.step) as usize;
        (place < self.count).then_some(place)
    }

    /// The time of an interval: its right end.
    pub fn time(&self, place: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(place as i64 + 1))
    }
}
