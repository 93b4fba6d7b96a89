//! How a running server is told to reload and to stop.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Ends it in order, at any time from the start on.
    pub stop: CancellationToken,
    /// Each notification makes it read its configuration again.
    pub reload: Arc<Notify>,
}

impl Control {
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
