//! Chances for others while lines are looked at.

use std::time::{Duration, Instant};

/// How long a question computes between two chances.
const AT_ONCE: Duration = Duration::from_millis(10);

/// The clock is looked at each so many lines: that costs as much as a filter.
const LINES: u32 = 16;

/// A template may take long with every single line. Whoever ends the question, and its time, have to have a chance between them.
pub struct Pace {
    since: Instant,
    lines: u32,
}

impl Pace {
    pub fn new() -> Pace {
        Pace { since: Instant::now(), lines: 0 }
    }

    /// Yields where it is time to. To be called for each line.
    pub async fn rest(&mut self) {
        self.lines += 1;
        if self.lines < LINES {
            return;
        }
        self.lines = 0;
        if self.since.elapsed() >= AT_ONCE {
            tokio::task::yield_now().await;
            self.since = Instant::now();
        }
    }
}
