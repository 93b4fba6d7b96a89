//! `acknowledge: commit`: senders wait for a commit, but not for ever.
//!
//! Whoever is not acknowledged in time is refused, and will send the same rows again. They are stored once only if nothing
//! of the refused generation is in the catalog by then. As long as that is not certain (the catalog does not say whether
//! a commit happened) nothing is accepted; then the commit is undone, or forbidden if it has not happened. Should the process
//! end before, rows may be there twice, as after any request whose answer is lost.
//! docs/decisions/0007-unanswered-commits.md has the alternatives.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::catalog::Withdrawn;
use crate::engine::Engine;
use crate::error::{AppendError, StorageError};
use crate::flush::Pending;

/// How long senders wait for a commit: less than the five seconds after which the Collector gives up, and the ten of the
/// SDKs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);
/// Between questions to a catalog that does not answer.
const PAUSE: Duration = Duration::from_millis(500);

const UNANSWERED: &str = "the catalog is unreachable, and with it what became of the last commit is unknown";
const STUCK: &str = "the object store does not take files";

impl Engine {
    /// Tells the senders of a generation to come again, and forgets its rows: the senders have them.
    pub(crate) fn refuse(&self, pending: &mut Pending, error: &StorageError) {
        if pending.is_unanswered {
            // First: what comes again must not be stored before this is withdrawn.
            self.admission.suspend(UNANSWERED);
        }
        self.buffer.refuse(pending.frozen.end);
        let refusal = AppendError::unavailable(format!("cannot commit: {error}"));
        for acknowledgement in pending.waiting.drain(..) {
            let _ = acknowledgement.send(Err(refusal.clone()));
        }
        self.observe_memory();
    }

    /// Refuses those who wait for a flush that has not begun: they came before appends were suspended.
    async fn refuse_waiting(&self, reason: &'static str) {
        let Ok(sequencer) = self.sequencer() else { return };
        let Some(cut) = sequencer.freeze().await else { return };
        self.buffer.refuse(cut.frozen.end);
        for acknowledgement in cut.waiting {
            let _ = acknowledgement.send(Err(AppendError::suspended(reason)));
        }
        self.observe_memory();
    }

    /// Returns once nothing of a refused generation is, or will be, in the catalog; or at the end of the store.
    pub(crate) async fn settle(&self, refused: Pending) {
        if refused.is_unanswered {
            self.withdraw(refused).await;
            self.admission.resume();
        }
    }

    async fn withdraw(&self, refused: Pending) {
        let rows = refused.frozen.rows;
        warn!(
            rows,
            "the catalog does not say whether a commit happened; its senders were refused, and nothing is accepted until \
             the commit is withdrawn"
        );
        let files = refused.files.unwrap_or_default();
        let paths: Vec<String> = files.into_iter().map(|file| file.path).collect();
        let mut said = String::new();
        loop {
            self.refuse_waiting(UNANSWERED).await;
            let withdrawn = self.catalog.withdraw(&self.writer, refused.frozen.end, &paths);
            let withdrawn = tokio::select! {
                withdrawn = tokio::time::timeout(PATIENCE, withdrawn) => withdrawn,
                () = self.shutdown.cancelled() => break,
            };
            match withdrawn {
                Ok(Ok(withdrawn)) => return say(withdrawn, rows),
                Ok(Err(error)) if !error.is_transient() && said != error.to_string() => {
                    warn!(%error, "cannot withdraw a commit; trying again");
                    said = error.to_string();
                }
                Ok(Err(error)) => debug!(%error, "still no answer from the catalog"),
                Err(_) => debug!("still no answer from the catalog"),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.shutdown.cancelled() => break,
            }
        }
        warn!(rows, "the store ends without an answer from the catalog: rows that were refused may be there");
    }

    /// Waits for a write whose rows were refused: it cannot be called back, and with more of them memory would have no
    /// bound. What it writes is garbage.
    pub(crate) async fn outlast<T>(&self, mut writing: std::pin::Pin<&mut impl Future<Output = T>>) {
        warn!("the object store does not take files in time; senders are refused until it does");
        self.admission.suspend(STUCK);
        loop {
            self.refuse_waiting(STUCK).await;
            tokio::select! {
                _ = &mut writing => break,
                () = tokio::time::sleep(PAUSE) => {}
                () = self.shutdown.cancelled() => break,
            }
        }
        self.admission.resume();
    }
}

fn say(withdrawn: Withdrawn, rows: usize) {
    match withdrawn {
        Withdrawn::Prevented => info!(rows, "the commit had not happened; senders may come again"),
        Withdrawn::Undone { replaced: 0 } => {
            info!(rows, "the commit had happened and was undone; senders may come again");
        }
        Withdrawn::Undone { replaced } => warn!(
            rows,
            files = replaced,
            "the commit had happened, and some of its files were merged or dropped before it could be undone: rows that \
             senders send again may be there twice"
        ),
    }
}
