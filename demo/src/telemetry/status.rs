//! How exporting goes.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Characters of a problem that are shown.
const MAX_PROBLEM: usize = 300;

/// Shared with the progress line.
#[derive(Debug, Default)]
pub struct Status {
    pub spans: Counts,
    pub records: Counts,
    pub points: Counts,
    problem: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// Refused, or given up.
    pub lost: AtomicU64,
}

impl Status {
    /// Cut, and without what would move a terminal's cursor: it says what a receiver said.
    pub fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock() = problem.map(|problem| {
            let harmless = problem.replace(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER, " ");
            harmless.trim_end().chars().take(MAX_PROBLEM).collect()
        });
    }

    /// Why nothing can be exported at the moment.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    pub fn lost(&self) -> u64 {
        [&self.spans, &self.records, &self.points].iter().map(|counts| counts.lost.load(Ordering::Relaxed)).sum()
    }
}

impl Counts {
    pub fn add_sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    pub fn add_lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_short_line() {
        let status = Status::default();
        status.set_problem(Some("no:\n\x1b[2J\u{fffd}gone\r\n".into()));
        assert_eq!(status.problem().unwrap(), "no:  [2J gone");
        status.set_problem(Some("é".repeat(70_000)));
        assert_eq!(status.problem().unwrap().chars().count(), MAX_PROBLEM);
    }
}
