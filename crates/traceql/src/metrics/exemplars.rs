//! Which spans are shown with series.

use super::Grid;

/// So many spans of one stretch of time.
const OF_STRETCH: u32 = 2;

/// How many more exemplars there may be, spread over the time of a question.
#[derive(Debug)]
pub struct Room {
    left: usize,
    start: i64,
    /// Length of a stretch.
    stretch: i64,
    taken: Vec<u32>,
}

impl Room {
    pub fn new(exemplars: usize, grid: &Grid) -> Room {
        let (start, end) = grid.bounds();
        let stretches = (exemplars / OF_STRETCH as usize).max(1);
        let stretch = (end.saturating_sub(start) / stretches as i64).max(1);
        Room { left: exemplars, start, stretch, taken: vec![0; stretches] }
    }

    pub fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Whether a span that starts then may be shown.
    pub fn has(&self, time: i64) -> bool {
        self.left > 0 && self.taken[self.stretch_of(time)] < OF_STRETCH
    }

    /// One is shown.
    pub fn take(&mut self, time: i64) {
        let stretch = self.stretch_of(time);
        self.taken[stretch] += 1;
        self.left = self.left.saturating_sub(1);
    }

    fn stretch_of(&self, time: i64) -> usize {
        let stretch = time.saturating_sub(self.start).max(0) / self.stretch;
        (stretch as usize).min(self.taken.len() - 1)
    }
}
