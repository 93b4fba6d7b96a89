//! What says that something was done with a line that was read, so that its place in the file may be forgotten.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Who waits for lines to be done with.
pub trait Source: Send + Sync {
    /// The line `number` is taken by the pipelines, or was meant to be dropped.
    fn settled(&self, number: u64);
}

/// Of one line. Each clone has to be settled; one that is just dropped was lost on the way, and the line is never done.
pub struct Receipt(Arc<Open>);

struct Open {
    clones: AtomicUsize,
    source: Arc<dyn Source>,
    number: u64,
}

impl Receipt {
    pub fn new(source: Arc<dyn Source>, number: u64) -> Self {
        Self(Arc::new(Open { clones: AtomicUsize::new(1), source, number }))
    }

    pub fn settle(self) {
        if self.0.clones.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.source.settled(self.0.number);
        }
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        self.0.clones.fetch_add(1, Ordering::AcqRel);
        Self(self.0.clone())
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({})", self.0.number)
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Done(Mutex<Vec<u64>>);

    impl Source for Done {
        fn settled(&self, number: u64) {
            self.0.lock().push(number);
        }
    }

    #[test]
    fn a_line_is_done_when_all_that_became_of_it_is() {
        let done = Arc::new(Done::default());
        let first = Receipt::new(done.clone(), 7);
        let second = first.clone();
        first.settle();
        assert!(done.0.lock().is_empty());
        second.settle();
        assert_eq!(*done.0.lock(), [7]);
    }

    #[test]
    fn what_is_lost_is_never_done() {
        let done = Arc::new(Done::default());
        let first = Receipt::new(done.clone(), 7);
        drop(first.clone());
        first.settle();
        assert!(done.0.lock().is_empty());
    }
}
