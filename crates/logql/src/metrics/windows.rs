//! Windows of time before the instants of a grid, cut into pieces.
//!
//! Windows overlap where their range is longer than the grid's step. So lines are not counted by window but by *piece*: what lies
//! between two neighbouring edges of windows. A line belongs to one piece, which is found without a search, and a window is a
//! row of pieces.

use super::Grid;

/// Of each instant the range `(instant - offset - range, instant - offset]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    count: usize,
    /// Where the first window begins (it is not in it).
    begin: i128,
    step: i128,
    range: i128,
    layout: Layout,
}

/// How pieces lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A window is one piece; between windows lies what belongs to none.
    Apart,
    /// The range is so many steps, and each step a piece.
    Even(usize),
    /// The range is so many steps and a rest: the windows' ends cut each step in two.
    Uneven(usize),
    /// The last window begins before the first ends: what they have in common is one piece.
    Nested,
}

impl Windows {
    /// `range` and `offset` in nanoseconds, the range at least one.
    pub fn new(grid: Grid, range: i64, offset: i64) -> Windows {
        let range = i128::from(range.max(1));
        let step = i128::from(grid.step());
        let begin = i128::from(grid.at(0)) - i128::from(offset) - range;
        let steps = range / step;
        let beyond = i128::try_from(grid.count()).unwrap_or(i128::MAX) - 1;
        let layout = if range <= step {
            Layout::Apart
        } else if steps >= beyond {
            Layout::Nested
        } else {
            // Less than the count of instants.
            let steps = usize::try_from(steps).unwrap_or(usize::MAX);
            if range % step == 0 { Layout::Even(steps) } else { Layout::Uneven(steps) }
        };
        Windows { count: grid.count(), begin, step, range, layout }
    }

    /// How many windows there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many pieces there are, at most four times as many as windows.
    pub fn pieces(&self) -> usize {
        match (self.count, self.layout) {
            (0, _) => 0,
            (count, Layout::Apart) => count,
            (count, Layout::Even(steps)) => count.saturating_add(steps - 1),
            (count, Layout::Uneven(steps)) => count.saturating_add(steps - 1).saturating_mul(2).saturating_add(1),
            (count, Layout::Nested) => count.saturating_mul(2) - 1,
        }
    }

    /// The times that a window has: later than the first, no later than the second.
    pub fn times_of(&self, window: usize) -> (i64, i64) {
        let begin = self.begin + self.step.saturating_mul(window as i128);
        (clamped(begin), clamped(begin + self.range))
    }

    /// The times that any window has: later than the first, no later than the second.
    pub fn bounds(&self) -> (i64, i64) {
        let last = self.step.saturating_mul(self.count.saturating_sub(1) as i128);
        match self.count {
            0 => (clamped(self.begin), clamped(self.begin)),
            _ => (clamped(self.begin), clamped(self.begin + self.range + last)),
        }
    }

    /// The piece that a time belongs to. `None`: no window has it.
    pub fn piece(&self, time: i64) -> Option<usize> {
        // Windows do not have their beginning, but their end.
        let place = i128::from(time) - self.begin - 1;
        if place < 0 || self.count == 0 {
            return None;
        }
        let (step, within) = divided(place, self.step);
        let piece = match self.layout {
            Layout::Apart if within < self.range => step,
            Layout::Apart => return None,
            Layout::Even(_) => step,
            Layout::Uneven(_) => 2 * step + usize::from(within >= self.range % self.step),
            Layout::Nested => {
                let behind = place - self.range;
                if behind < 0 { step.min(self.count - 1) } else { self.count + divided(behind, self.step).0 }
            }
        };
        (piece < self.pieces()).then_some(piece)
    }

    /// A time that is in the same piece, or like it in none, as are all between; no earlier than it.
    pub fn last_like(&self, time: i64) -> i64 {
        let place = i128::from(time) - self.begin - 1;
        if place < 0 || self.count == 0 {
            return if self.count == 0 { i64::MAX } else { clamped(self.begin) };
        }
        let (step, within) = divided(place, self.step);
        // Where the next piece begins.
        let start = place - within;
        let next = match self.layout {
            Layout::Apart if within < self.range => start + self.range,
            Layout::Apart | Layout::Even(_) => start + self.step,
            Layout::Uneven(_) if within < self.range % self.step => start + self.range % self.step,
            Layout::Uneven(_) => start + self.step,
            Layout::Nested if place >= self.range => place + self.step - divided(place - self.range, self.step).1,
            Layout::Nested if step + 1 < self.count => (start + self.step).min(self.range),
            Layout::Nested => self.range,
        };
        clamped(self.begin.saturating_add(next))
    }

    /// The first piece of a window, and that behind its last.
    pub fn pieces_of(&self, window: usize) -> (usize, usize) {
        match self.layout {
            Layout::Apart => (window, window + 1),
            Layout::Even(steps) => (window, window + steps),
            Layout::Uneven(steps) => (2 * window, 2 * (window + steps) + 1),
            Layout::Nested => (window, self.count + window),
        }
    }
}

fn clamped(time: i128) -> i64 {
    time.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// Quotient and rest of two numbers that are not negative. Those of real queries fit into 64 bits, where division is fast.
fn divided(number: i128, by: i128) -> (usize, i128) {
    match (u64::try_from(number), u64::try_from(by)) {
        (Ok(number), Ok(by)) => ((number / by) as usize, i128::from(number % by)),
        _ => (usize::try_from(number / by).unwrap_or(usize::MAX / 4), number % by),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_are_few() {
        for (count, step, range, pieces) in [
            (1, 1, 1_000_000, 1),
            (10, 5, 5, 10),
            (10, 5, 3, 10),
            (10, 5, 10, 11),
            (10, 5, 12, 23),
            (10, 5, 45, 19),
            (10, 5, 44, 35),
            (10, 5, 5_000_000, 19),
        ] {
            let grid = Grid::range(0, (count - 1) * step, step);
            assert_eq!(Windows::new(grid, range, 0).pieces(), pieces, "{count} {step} {range}");
        }
        assert_eq!(Windows::new(Grid::range(1, 0, 5), 5, 0).piece(0), None);
        let all = Windows::new(Grid::range(i64::MIN, i64::MAX, 1), i64::MAX, i64::MIN);
        assert!(all.piece(i64::MAX).is_some() && all.bounds().1 == i64::MAX);
        assert_eq!(
            (all.last_like(i64::MAX), Windows::new(Grid::range(1, 0, 5), 5, 0).last_like(0)),
            (i64::MAX, i64::MAX)
        );
    }

    proptest! {
        #[test]
        fn a_time_is_in_the_windows_that_its_piece_is_in(
            start in -50_i64..50, count in 1_i64..12, step in 1_i64..12, range in 1_i64..80, offset in -20_i64..20,
        ) {
            let grid = Grid::range(start, start + (count - 1) * step, step);
            let windows = Windows::new(grid, range, offset);
            let (after, until) = windows.bounds();
            prop_assert!(windows.pieces() <= 4 * grid.count());
            for time in start - 150..start + 250 {
                let piece = windows.piece(time);
                let last = windows.last_like(time);
                prop_assert!(last >= time && (time..=last.min(start + 260)).all(|like| windows.piece(like) == piece), "{}", time);
                prop_assert!(piece.is_none() || (time > after && time <= until));
                for window in 0..grid.count() {
                    let end = grid.at(window) - offset;
                    let (first, behind) = windows.pieces_of(window);
                    let has = piece.is_some_and(|piece| (first..behind).contains(&piece));
                    prop_assert_eq!(has, time > end - range && time <= end, "{} in {}", time, window);
                }
            }
        }
    }
}
