//! What questions may cost.

use std::time::Duration;

/// Of one query, but for the last six, which hold for all together. They can be changed while queries run
/// ([`Engine::set_limits`](crate::Engine::set_limits)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows in the answer; one more is an error, not a silent cut (`LIMIT` in the query is how to ask for fewer).
    pub max_rows: usize,
    pub timeout: Duration,
    /// Samples that a PromQL query holds at once, and that one of its selectors reads; a bucket counts as one. (Prometheus'
    /// `--query.max-samples`.)
    pub max_samples: usize,
    /// Series that a selector may look at.
    pub max_series: usize,
    /// Steps of a range query, beside the first.
    pub max_points: usize,
    /// How old a sample may be to count at a step, where the query does not say.
    pub lookback_delta: Duration,
    /// Queries of PromQL and TraceQL that are evaluated at once; others wait, within their time.
    pub max_concurrency: usize,
    /// Clients of one tenant that tail lines of logs at once; others are refused.
    pub max_concurrent_tail_requests: usize,
    /// Series of all tenants that are kept indexed, about 200 bytes each. A tenant with more has them read again by every
    /// question.
    pub cached_series: usize,
    /// Memory for numbers that are kept decoded between queries.
    pub cached_sample_bytes: u64,
    /// Memory for columns of spans that are kept decoded between queries.
    pub cached_span_bytes: u64,
    /// Memory for columns of logs that are kept decoded between queries.
    pub cached_log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rows: 1_000_000,
            timeout: Duration::from_secs(60),
            max_samples: 50_000_000,
            max_series: 1_000_000,
            max_points: 11_000,
            lookback_delta: Duration::from_secs(5 * 60),
            max_concurrency: 20,
            max_concurrent_tail_requests: 10,
            cached_series: 1_000_000,
            cached_sample_bytes: 256 << 20,
            cached_span_bytes: 256 << 20,
            cached_log_bytes: 256 << 20,
        }
    }
}
