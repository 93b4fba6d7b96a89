//! The instants that a query is evaluated at.

/// `start`, `start + step`, … (nanoseconds since the epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    start: i64,
    step: i64,
    count: usize,
}

impl Grid {
    /// One instant.
    pub fn instant(at: i64) -> Grid {
        Grid { start: at, step: 1, count: 1 }
    }

    /// As many as there are up to `end` inclusive, none where that is before `start`. A step is at least a nanosecond long.
    pub fn range(start: i64, end: i64, step: i64) -> Grid {
        let step = step.max(1);
        let count = match end.checked_sub(start) {
            Some(length @ 0..) => usize::try_from(length / step).unwrap_or(usize::MAX).saturating_add(1),
            Some(_) => 0,
            None if end < start => 0,
            None => usize::MAX,
        };
        Grid { start, step, count }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn step(&self) -> i64 {
        self.step
    }

    /// The instant of a step.
    pub fn at(&self, step: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::try_from(step).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_up_to_the_end() {
        for (grid, count, last) in [
            (Grid::instant(7), 1, 7),
            (Grid::range(0, 10, 5), 3, 10),
            (Grid::range(0, 9, 5), 2, 5),
            (Grid::range(3, 3, 5), 1, 3),
            (Grid::range(3, 5, 0), 3, 5),
        ] {
            assert_eq!((grid.count(), grid.at(grid.count() - 1)), (count, last), "{grid:?}");
        }
        assert_eq!(Grid::range(3, 2, 5).count(), 0);
        assert_eq!(Grid::range(i64::MAX, i64::MIN, 5).count(), 0);
        assert_eq!(Grid::range(i64::MIN, i64::MAX, 5).count(), usize::MAX);
    }
}
