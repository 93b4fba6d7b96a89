//! Whether the pipelines are up, told by the graph and read by health checks.

use std::sync::Arc;

use tokio::sync::watch;

/// Cheap to clone; all clones see the same state. Starts as not ready.
#[derive(Debug, Clone)]
pub struct Health(Arc<watch::Sender<State>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    ready: bool,
    /// When `ready` last changed.
    since: std::time::SystemTime,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State { ready: false, since: std::time::SystemTime::now() })))
    }
}

impl Health {
    /// All receivers listen.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().ready
    }

    pub fn since(&self) -> std::time::SystemTime {
        self.0.borrow().since
    }

    pub fn set_ready(&self, ready: bool) {
        self.0.send_if_modified(|state| {
            if state.ready == ready {
                return false;
            }
            *state = State { ready, since: std::time::SystemTime::now() };
            true
        });
    }
}
