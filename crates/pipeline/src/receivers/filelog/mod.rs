//! The `filelog` receiver: lines of files as log records, in the Collector's form.
//!
//! A thread of its own looks for files and reads what is new in them ([`poller`]); operators make entries of that
//! (`crate::stanza`); a task hands batches to the pipelines and remembers how far they were taken ([`deliver`]). Between both is room
//! for one batch, so that nothing is read that nobody takes.

use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trefoil_model::{Signal, Tenant};

use self::config::Config;
use self::deliver::Delivery;
use self::poller::{Poller, Sink};
use self::progress::Checkpoints;
use super::prometheus::tenant_of;
use crate::component::{Component, ComponentError, Context, Downstream, Receiver, ReceiverConfig, ReceiverFactory};
use crate::config::{ConfigError, Section};
use crate::metrics::FileMetrics;
use crate::stanza::Entry;

mod attributes;
pub mod config;
mod content;
mod deliver;
mod encoding;
mod fingerprint;
mod glob;
mod order;
mod poller;
mod progress;
mod split;
#[cfg(test)]
mod tests;
mod tracked;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "filelog", signals: &[Signal::Logs], parse };
/// Its name in newer Collectors.
pub const RENAMED: ReceiverFactory = ReceiverFactory { kind: "file_log", ..FACTORY };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let tenant = tenant_of(context.tenancy, self.tenant.as_ref()).map_err(|_| {
            ComponentError::new("tenants are told apart (tenancy.enabled), so say whose the lines are: tenant")
        })?;
        Ok(Arc::new(FilelogReceiver { config: self.clone(), context, downstream, tenant, running: Mutex::default() }))
    }
}

/// The running receiver.
pub struct FilelogReceiver {
    config: Config,
    context: Context,
    downstream: Downstream,
    tenant: Tenant,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Dropped, it ends the reading.
    reads: std_mpsc::Sender<()>,
    reader: JoinHandle<()>,
    delivery: JoinHandle<()>,
    checkpoints: Arc<Checkpoints>,
    /// Nothing more is read.
    stopping: CancellationToken,
    /// Nothing is handed on any more.
    stop: CancellationToken,
}

impl Receiver for FilelogReceiver {}

#[async_trait]
impl Component for FilelogReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        let Config { reading, chain, poll_interval, retry, storage, .. } = self.config.clone();
        let client = match &storage {
            Some(id) => Some(self.context.storages.get(id)?.client("receiver", &self.context.id).await?),
            None => None,
        };
        let checkpoints = Arc::new(Checkpoints::open(client).await?);
        let (batches, received) = mpsc::channel(1);
        let (reads, until) = std_mpsc::channel();
        let stop = CancellationToken::new();
        let delivery = Delivery {
            downstream: self.downstream.clone(),
            tenant: self.tenant.clone(),
            metrics: self.context.metrics.receiver(&self.context.id).over("file"),
            retry,
            checkpoints: checkpoints.clone(),
            stop: stop.clone(),
        };
        let delivery = tokio::spawn(delivery.run(received));
        let poller = Poller::new(reading, chain, checkpoints.clone());
        let stopping = CancellationToken::new();
        let metrics = self.context.metrics.files(&self.context.id);
        let pipe = Pipe { batches, metrics, stopping: stopping.clone() };
        let is_kept = checkpoints.is_kept();
        let reader = tokio::task::spawn_blocking(move || read(poller, pipe, poll_interval, &until, is_kept));
        tracing::info!(receiver = %self.context.id, "reading files");
        *self.running.lock() = Some(Running { reads, reader, delivery, checkpoints, stopping, stop });
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        let Some(running) = self.running.lock().take() else { return };
        let Running { reads, reader, mut delivery, checkpoints, stopping, stop } = running;
        stopping.cancel();
        drop(reads);
        if tokio::time::timeout(grace, &mut delivery).await.is_err() {
            tracing::warn!(
                ?grace,
                "lines of files are still under way at the end of the grace time; they are read again later"
            );
            stop.cancel();
            if let Err(error) = delivery.await {
                tracing::error!(%error, "handing on lines of files ended early");
            }
        }
        if let Err(error) = reader.await {
            tracing::error!(%error, "reading files ended early");
        }
        checkpoints.close().await;
    }
}

/// From the thread that reads to the task that hands on.
struct Pipe {
    batches: mpsc::Sender<Vec<Entry>>,
    metrics: FileMetrics,
    stopping: CancellationToken,
}

impl Sink for Pipe {
    fn send(&mut self, entries: Vec<Entry>) -> bool {
        self.batches.blocking_send(entries).is_ok() && !self.stopping.is_cancelled()
    }

    fn count(&mut self, open: usize) {
        self.metrics.open.set(open as u64);
    }
}

fn read(mut poller: Poller, mut pipe: Pipe, interval: Duration, until: &std_mpsc::Receiver<()>, is_kept: bool) {
    while poller.poll(Instant::now(), &mut pipe) {
        if until.recv_timeout(interval) != Err(std_mpsc::RecvTimeoutError::Timeout) {
            break;
        }
    }
    // What operators hold is read again where it is written how far it was; elsewhere it would be lost.
    if !is_kept {
        poller.flush(&mut pipe);
    }
    pipe.metrics.open.set(0);
}
