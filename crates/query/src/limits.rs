//! What one query may cost.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows in the answer; one more is an error, not a silent cut (`LIMIT` in the query is how to ask for fewer).
    pub max_rows: usize,
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_rows: 1_000_000, timeout: Duration::from_secs(60) }
    }
}
