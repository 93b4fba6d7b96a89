//! Who may come in: appends are refused, retryably, while the rows in memory would exceed their bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::buffer::Buffer;
use crate::error::AppendError;

/// Decoded columns take about this many times the bytes of the request, until they are measured.
const EXPANSION: usize = 2;

/// Counts what requests in flight hold beside the buffer.
#[derive(Debug)]
pub(crate) struct Admission {
    buffer: Arc<Buffer>,
    max_bytes: usize,
    in_flight: Arc<AtomicUsize>,
    /// Set while flushes fail: a full buffer will not drain soon then.
    is_flush_failing: AtomicBool,
    /// Set while the catalog does not say whether a commit happened (`acknowledge: commit`): who came before has to wait
    /// for the answer, who comes now is better told to come again.
    is_outcome_unknown: AtomicBool,
}

/// Memory that a request in flight holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    in_flight: Arc<AtomicUsize>,
    bytes: usize,
}

impl Reservation {
    /// Corrects the estimate.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.in_flight.fetch_add(bytes, Relaxed);
        self.in_flight.fetch_sub(self.bytes, Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Relaxed);
    }
}

impl Admission {
    pub(crate) fn new(buffer: Arc<Buffer>, max_bytes: usize) -> Self {
        Self {
            buffer,
            max_bytes,
            in_flight: Arc::default(),
            is_flush_failing: AtomicBool::new(false),
            is_outcome_unknown: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_flush_failing(&self, failing: bool) {
        self.is_flush_failing.store(failing, Relaxed);
    }

    pub(crate) fn is_flush_failing(&self) -> bool {
        self.is_flush_failing.load(Relaxed)
    }

    pub(crate) fn set_outcome_unknown(&self, unknown: bool) {
        self.is_outcome_unknown.store(unknown, Relaxed);
    }

    /// Room for a request of `body_bytes`, or a refusal.
    pub(crate) fn reserve(&self, body_bytes: usize) -> Result<Reservation, AppendError> {
        if self.is_outcome_unknown.load(Relaxed) {
            let reason = "the catalog is unreachable, and with it what became of the last commit is unknown".to_owned();
            return Err(AppendError::Unavailable { reason, retry_after: Duration::from_secs(5) });
        }
        let bytes = body_bytes.saturating_mul(EXPANSION);
        let held = self.buffer.size().bytes.saturating_add(self.in_flight.load(Relaxed));
        // A request larger than all room must not wait for ever: it may come into an empty store.
        if held > 0 && held.saturating_add(bytes) > self.max_bytes {
            let (why, retry_after) = match self.is_flush_failing() {
                true => ("and it cannot be written to files (object store or catalog unreachable)", 5),
                false => ("until it is written to files", 1),
            };
            let reason = format!("the buffer is full ({held} of {} bytes) {why}", self.max_bytes);
            return Err(AppendError::Unavailable { reason, retry_after: Duration::from_secs(retry_after) });
        }
        self.in_flight.fetch_add(bytes, Relaxed);
        Ok(Reservation { in_flight: self.in_flight.clone(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_beyond_the_bound_and_takes_again_when_there_is_room() {
        let admission = Admission::new(Arc::new(Buffer::new(1)), 1000);
        let mut first = admission.reserve(400).unwrap();
        assert!(matches!(admission.reserve(200), Err(AppendError::Unavailable { .. })));
        first.set(100);
        let second = admission.reserve(200).unwrap();
        drop((first, second));
        admission.reserve(5000).expect("an oversize request finds an empty store");
    }

    #[test]
    fn refuses_while_the_outcome_of_a_commit_is_unknown() {
        let admission = Admission::new(Arc::new(Buffer::new(1)), 1000);
        admission.set_outcome_unknown(true);
        assert!(matches!(admission.reserve(1), Err(AppendError::Unavailable { .. })));
        admission.set_outcome_unknown(false);
        assert!(admission.reserve(1).is_ok());
    }
}
