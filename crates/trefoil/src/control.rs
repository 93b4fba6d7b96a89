//! How a running server is told to reload and to stop.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Ends it in order, at any time from the start on.
    pub stop: CancellationToken,
    /// Each notification makes it read its configuration again.
    pub reload: Arc<Notify>,
    waiting: Arc<Mutex<Vec<oneshot::Sender<Reloaded>>>>,
}

/// How a reload ended; the error says why the old configuration goes on.
pub type Reloaded = Result<(), String>;

impl Control {
    /// Makes it read its configuration again and waits until it has.
    pub async fn reloaded(&self) -> Reloaded {
        let (told, outcome) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        self.reload.notify_one();
        outcome.await.unwrap_or_else(|_| Err("the server is shutting down".to_owned()))
    }

    /// The same, but that something else stops it.
    pub fn stopped_by(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Those who wait for a reload that begins now.
    pub fn take_waiting(&self) -> Vec<oneshot::Sender<Reloaded>> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// SIGTERM and Ctrl-C stop, SIGHUP reloads.
    pub fn by_signals() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let control = Self::default();
        let told = control.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => told.stop.cancel(),
                    _ = terminate.recv() => told.stop.cancel(),
                    _ = hangup.recv() => told.reload.notify_one(),
                }
            }
        });
        Ok(control)
    }
}
