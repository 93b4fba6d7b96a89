//! Chances for others while lines are looked at.

use std::time::{Duration, Instant};

/// How long a question computes between two chances.
const AT_ONCE: Duration = Duration::from_millis(10);

/// A template may take long with every single line. Whoever ends the question, and its time, have to have a chance between them.
pub struct Pace(Instant);

impl Pace {
    pub fn new() -> Pace {
        Pace(Instant::now())
    }

    /// Yields where it is time to.
    pub async fn rest(&mut self) {
        if self.0.elapsed() >= AT_ONCE {
            tokio::task::yield_now().await;
            self.0 = Instant::now();
        }
    }
}
