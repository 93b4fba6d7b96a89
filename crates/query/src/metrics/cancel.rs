//! How the one who asks ends an evaluation: by dropping the future of the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Seen by the evaluation between series, and by reads at once.
#[derive(Debug, Default)]
pub struct Cancel {
    flag: AtomicBool,
    notify: Notify,
}

impl Cancel {
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// Ready once canceled. For one waiter at a time.
    pub async fn canceled(&self) {
        while !self.flag.load(Ordering::Relaxed) {
            self.notify.notified().await;
        }
    }
}

/// Cancels when it is dropped.
#[derive(Debug)]
pub struct CancelOnDrop(pub Arc<Cancel>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.flag.store(true, Ordering::Relaxed);
        self.0.notify.notify_one();
    }
}
