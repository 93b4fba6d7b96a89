//! Who may come in: appends are refused, retryably, while the rows in memory would exceed their bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

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
    /// Why nothing is accepted for now (see [`crate::refusal`]).
    suspended: Mutex<Option<&'static str>>,
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
            suspended: Mutex::new(None),
        }
    }

    pub(crate) fn set_flush_failing(&self, failing: bool) {
        self.is_flush_failing.store(failing, Relaxed);
    }

    pub(crate) fn is_flush_failing(&self) -> bool {
        self.is_flush_failing.load(Relaxed)
    }

    /// From now on everything is refused, for this reason …
    pub(crate) fn suspend(&self, reason: &'static str) {
        *self.suspended.lock() = Some(reason);
    }

    /// … until now.
    pub(crate) fn resume(&self) {
        *self.suspended.lock() = None;
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.lock().is_some()
    }

    /// Room for a request of `body_bytes`, or a refusal.
    pub(crate) fn reserve(&self, body_bytes: usize) -> Result<Reservation, AppendError> {
        if let Some(reason) = *self.suspended.lock() {
            return Err(AppendError::suspended(reason));
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
        let admission = Admission::new(
            Arc::new(Buffer::new(1, crate::recent::Recent::new(0, crate::config::Acknowledge::Log))),
            1000,
        );
        let mut first = admission.reserve(400).unwrap();
        assert!(matches!(admission.reserve(200), Err(AppendError::Unavailable { .. })));
        first.set(100);
        let second = admission.reserve(200).unwrap();
        drop((first, second));
        admission.reserve(5000).expect("an oversize request finds an empty store");
    }

    #[test]
    fn refuses_everything_while_suspended() {
        let admission = Admission::new(
            Arc::new(Buffer::new(1, crate::recent::Recent::new(0, crate::config::Acknowledge::Log))),
            1000,
        );
        admission.suspend("it is late");
        let refused = admission.reserve(1);
        assert!(
            matches!(&refused, Err(AppendError::Unavailable { reason, .. }) if reason == "it is late"),
            "{refused:?}"
        );
        admission.resume();
        assert!(admission.reserve(1).is_ok());
    }
}
