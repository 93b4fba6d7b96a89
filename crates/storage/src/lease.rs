//! Who still reads: files that no snapshot lists may only be deleted at once when nobody does.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, sleep};

/// Held by a snapshot and by every scan that was planned on it.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    _era: Arc<()>,
}

#[derive(Debug)]
pub(crate) struct Leases(ArcSwap<()>);

impl Default for Leases {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(()))
    }
}

impl Leases {
    /// To be taken before the catalog's snapshot is.
    pub fn take(&self) -> Lease {
        Lease { _era: self.0.load_full() }
    }

    /// Waits until all leases taken before the call have ended, at most for `patience`; whether they have.
    pub async fn outlast(&self, patience: Duration) -> bool {
        let old = self.0.swap(Arc::new(()));
        let deadline = Instant::now() + patience;
        while Arc::strong_count(&old) > 1 {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(Duration::from_millis(10)).await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn older_leases_are_waited_for_and_newer_ones_are_not() {
        let leases = Arc::new(Leases::default());
        let old = leases.take();
        let waiting = tokio::spawn({
            let leases = leases.clone();
            async move { leases.outlast(Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        let new = leases.take();
        assert!(!waiting.is_finished());
        drop(old);
        assert!(waiting.await.unwrap());
        assert!(!leases.outlast(Duration::ZERO).await, "the newer one is still held");
        drop(new);
    }
}
