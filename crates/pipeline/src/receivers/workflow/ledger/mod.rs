//! What is known of instances, on disk: an SQLite database in the receiver's directory.
//!
//! One task writes. What waits for it is written in one transaction, so that many requests at once share an fsync; they are
//! answered when it is durable.

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use trefoil_model::Tenant;

use self::database::Database;
use super::change::{Change, Subject};
use super::config::{Limits, Retire};
use super::trace::Instance;

mod database;
#[cfg(test)]
mod tests;

/// Requests that wait; more of them wait to be among these.
const WAITING: usize = 256;
/// Requests that share a transaction.
const TOGETHER: usize = 16;
/// Instances that are looked after at once.
const SWEPT: i64 = 32;

/// The state could not be read or written.
#[derive(Debug, Error)]
pub enum LedgerError {
    #[error("the workflows' state in {path}: {reason}")]
    Open { path: PathBuf, reason: String },
    #[error("the workflows' state cannot be written just now")]
    Failed,
}

/// An instance and its place in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub place: i64,
    pub instance: Instance,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    New,
    /// It was there before.
    Duplicate,
    /// For good.
    Refused(String),
    /// There is no room, for now.
    Full(String),
}

#[derive(Debug, Default)]
pub struct Recorded {
    /// In the order of the events.
    pub outcomes: Vec<Outcome>,
    /// Those that events are of, each once.
    pub instances: Vec<Known>,
}

/// What there is to do, and to tell.
#[derive(Debug, Default)]
pub struct Swept {
    /// Their spans have not been taken yet; there may be more of them.
    pub pending: Vec<Known>,
    /// What was said of them when they were last handed on is too old.
    pub running_on: Vec<Known>,
    /// Nothing was heard of them for too long.
    pub idle: Vec<Known>,
    /// Finished ones that are forgotten now.
    pub retired: u64,
    pub running: u64,
    pub finished: u64,
}

/// When there is something to do.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// What came more recently is left to whoever brought it.
    pub pending: Duration,
    pub refresh: Duration,
    pub retire: Retire,
}

enum Command {
    Record {
        tenant: Tenant,
        changes: Vec<(Subject, Change)>,
        now: i64,
        reply: oneshot::Sender<Recorded>,
    },
    /// The spans of an instance with so many events have been taken, as they were at that time.
    Delivered {
        instances: Vec<(i64, usize)>,
        now: i64,
    },
    /// As far as nothing came meanwhile.
    Forget(Vec<(i64, usize)>),
    Sweep {
        now: i64,
        ages: Ages,
        reply: oneshot::Sender<Swept>,
    },
}

/// A running ledger; [`Ledger::close`] it before another one opens the same directory.
pub struct Ledger {
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Ledger {
    /// Opens or creates the database.
    pub async fn open(directory: PathBuf, limits: Limits) -> Result<Ledger, LedgerError> {
        let path = directory.join("workflows.sqlite");
        let failed = |reason: String| LedgerError::Open { path: path.clone(), reason };
        std::fs::create_dir_all(&directory).map_err(|error| failed(error.to_string()))?;
        let database = Database::open(&path, limits).await.map_err(|error| failed(error.to_string()))?;
        let (commands, received) = mpsc::channel(WAITING);
        let writer = tokio::spawn(write(database, received));
        Ok(Ledger { commands: Mutex::new(Some(commands)), writer: tokio::sync::Mutex::new(Some(writer)) })
    }

    /// Writes events of a tenant that came at `now` (milliseconds since the epoch); durable on return.
    pub async fn record(
        &self,
        tenant: Tenant,
        changes: Vec<(Subject, Change)>,
        now: i64,
    ) -> Result<Recorded, LedgerError> {
        self.ask(|reply| Command::Record { tenant, changes, now, reply }).await
    }

    /// Remembers what has been taken by the pipelines. Not waited for: after a crash it is done again.
    pub async fn delivered(&self, instances: Vec<(i64, usize)>, now: i64) {
        self.tell(Command::Delivered { instances, now }).await;
    }

    pub async fn forget(&self, instances: Vec<(i64, usize)>) {
        self.tell(Command::Forget(instances)).await;
    }

    /// Forgets finished instances that are due, and says what else there is to do.
    pub async fn sweep(&self, now: i64, ages: Ages) -> Result<Swept, LedgerError> {
        self.ask(|reply| Command::Sweep { now, ages, reply }).await
    }

    /// Writes what waits.
    pub async fn close(&self) {
        drop(self.commands.lock().take());
        if let Some(writer) = self.writer.lock().await.take()
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "writing the workflows' state ended early");
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await;
        // A transaction that failed answers nobody.
        answer.await.map_err(|_| LedgerError::Failed)
    }

    async fn tell(&self, command: Command) {
        let commands = self.commands.lock().clone();
        if let Some(commands) = commands {
            let _ = commands.send(command).await;
        }
    }
}

async fn write(mut database: Database, mut commands: mpsc::Receiver<Command>) {
    let mut waiting = Vec::with_capacity(TOGETHER);
    while commands.recv_many(&mut waiting, TOGETHER).await > 0 {
        match database.execute(std::mem::take(&mut waiting)).await {
            Ok(answers) => answers.into_iter().for_each(|answer| answer()),
            Err(error) => tracing::error!(%error, "the workflows' state cannot be written; senders have to try again"),
        }
    }
    database.close().await;
}
