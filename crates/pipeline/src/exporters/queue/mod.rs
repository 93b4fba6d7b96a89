//! The sending queue: takes requests off their senders' hands and sends them with a number of workers.
//!
//! As in the Collector, a request is acknowledged when it is *queued*. What that is worth depends on where the queue
//! is: in memory (the default) a crash loses what is queued; with `storage` it lies fsynced on disk before it is
//! acknowledged and is sent after a restart; with `wait_for_result` it is acknowledged when the other side has it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::disk::{Disk, Waiting};
use self::waiting::{Content, Entry, Next, State};
use super::parcel::{Parcel, Sender};
use super::retry::{RetryConfig, send_with_retry};
use crate::metrics::{ExporterMetrics, QueueMetrics};
use crate::telemetry::{Accepted, Refused};

mod disk;
mod waiting;

/// What a sender is told to wait when the queue is full.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The Collector's `sending_queue`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    pub enabled: bool,
    /// Requests sent at once.
    pub num_consumers: usize,
    /// How much the queue holds, in units of `sizer`, requests being sent included.
    pub queue_size: u64,
    pub sizer: Sizer,
    /// A full queue holds its senders instead of refusing them.
    pub block_on_overflow: bool,
    /// Acknowledge when the request is delivered, not when it is queued.
    pub wait_for_result: bool,
    /// `file_storage`: keep the queue on disk, in Trefoil's data directory.
    pub storage: Option<String>,
    /// Requests that wait are sent together. Not an option yet.
    #[serde(skip)]
    pub batch: Batch,
}

/// When requests that wait are joined to one, in the words of the Collector's `sending_queue.batch`. The default joins none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Batch {
    /// So many items do not wait for more.
    pub min_items: u64,
    /// Together they are no more, but for a request that is more by itself.
    pub max_items: u64,
    pub max_bytes: u64,
    /// The longest wait.
    pub flush_timeout: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            num_consumers: 10,
            queue_size: 1000,
            sizer: Sizer::Requests,
            block_on_overflow: false,
            wait_for_result: false,
            storage: None,
            batch: Batch::default(),
        }
    }
}

impl QueueConfig {
    /// The option that is wrong, if any, and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if !self.enabled {
            return Ok(());
        }
        if !(1..=1000).contains(&self.num_consumers) {
            return Err(("num_consumers", "must lie between 1 and 1000".to_string()));
        }
        if self.queue_size == 0 {
            return Err(("queue_size", "must be positive".to_string()));
        }
        match &self.storage {
            Some(id) if id.split('/').next() != Some("file_storage") => Err((
                "storage",
                format!("unknown storage {id:?}; use file_storage, which keeps the queue in Trefoil's data directory"),
            )),
            Some(_) if self.wait_for_result => {
                Err(("wait_for_result", "has no use together with storage, which already survives a crash".to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// What a queue counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    Requests,
    Items,
    Bytes,
}

impl Sizer {
    fn size(self, items: u64, bytes: u64) -> u64 {
        match self {
            Sizer::Requests => 1,
            Sizer::Items => items,
            Sizer::Bytes => bytes,
        }
    }
}

/// A running queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

/// Where a queue says what becomes of its requests.
pub struct Reports {
    /// The exporter's id, for logs.
    pub exporter: String,
    pub sent: ExporterMetrics,
    pub queue: QueueMetrics,
}

struct Inner {
    reports: Reports,
    config: QueueConfig,
    retry: RetryConfig,
    sender: Arc<dyn Sender>,
    disk: Option<Arc<Disk>>,
    state: Mutex<State>,
    /// Woken when an entry is added or the queue closes.
    filled: Notify,
    /// Woken when room is given back.
    freed: Notify,
    /// Nobody may add anything more.
    sealed: CancellationToken,
    /// Workers end.
    closed: CancellationToken,
    /// Workers stop waiting for a retry.
    stop: CancellationToken,
    workers: TaskTracker,
}

type Answer = Result<Accepted, Refused>;

/// A request that is about to be sent.
struct Loaded {
    parcel: Parcel,
    /// Its place on disk.
    sequence: Option<u64>,
    size: u64,
    reply: Option<oneshot::Sender<Answer>>,
}

impl Queue {
    /// Starts the workers; `directory` is where a queue with `storage` lies. What an earlier process left there is sent
    /// first. Blocks on the disk.
    pub fn start(
        reports: Reports,
        config: QueueConfig,
        retry: RetryConfig,
        sender: Arc<dyn Sender>,
        directory: PathBuf,
    ) -> io::Result<Queue> {
        let mut state = State::default();
        let mut disk = None;
        if config.storage.is_some() {
            let (opened, left) = Disk::open(directory, |parcel| sender.lane(parcel))?;
            if !left.is_empty() {
                let exporter = reports.exporter.as_str();
                tracing::info!(exporter, requests = left.len(), "sending what an earlier run left in the queue");
            }
            for waiting in left {
                let size = config.sizer.size(waiting.items, waiting.bytes);
                state.size += size;
                let Waiting { sequence, items, bytes, lane } = waiting;
                let content = Content::Disk(sequence);
                state.waiting.push_back(Entry { content, lane, size, items, bytes, since: None, reply: None });
            }
            disk = Some(Arc::new(opened));
        }
        reports.queue.started(config.queue_size);
        reports.queue.size.set(state.size);
        let inner = Arc::new(Inner {
            reports,
            config,
            retry,
            sender,
            disk,
            state: Mutex::new(state),
            filled: Notify::new(),
            freed: Notify::new(),
            sealed: CancellationToken::new(),
            closed: CancellationToken::new(),
            stop: CancellationToken::new(),
            workers: TaskTracker::new(),
        });
        for _ in 0..inner.config.num_consumers {
            inner.workers.spawn(work(inner.clone()));
        }
        Ok(Queue(inner))
    }

    /// Queues a request, on disk if there is one. Refused when the queue is full, unless it blocks.
    pub async fn put(&self, parcel: Parcel) -> Result<Accepted, Refused> {
        let (signal, items) = (parcel.signal, parcel.items);
        let enqueue_failed = |_: &Refused| self.0.reports.queue.enqueue_failed.add(signal, items);
        match self.enqueue(parcel).await.inspect_err(enqueue_failed)? {
            None => Ok(Accepted::all()),
            Some(result) => result.await.unwrap_or_else(|_| Err(Refused::unavailable("the exporter is shutting down"))),
        }
    }

    /// The channel brings the result to who waits for it.
    async fn enqueue(&self, parcel: Parcel) -> Result<Option<oneshot::Receiver<Answer>>, Refused> {
        let inner = &self.0;
        let (items, bytes) = (parcel.items, parcel.body.len() as u64);
        let size = inner.config.sizer.size(items, bytes);
        let room = Room::reserve(inner.clone(), size).await?;
        let (reply, result) = oneshot::channel();
        let waits = inner.config.wait_for_result;
        let reply = waits.then_some(reply);
        let lane = inner.sender.lane(&parcel);
        let since = Some(Instant::now());
        let content = match &inner.disk {
            None => Content::Memory(parcel),
            Some(disk) => {
                let disk = disk.clone();
                // On its own task, so that a sender that leaves does not leave a file behind that nobody knows of.
                let stored = tokio::task::spawn_blocking(move || {
                    let sequence = disk.put(&parcel)?;
                    let content = Content::Disk(sequence);
                    room.fill(Entry { content, lane, size, items, bytes, since, reply });
                    Ok::<(), io::Error>(())
                });
                let stored = stored.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                let refused = |e| Refused::overloaded(format!("cannot queue on disk: {e}"), FULL_RETRY_AFTER);
                return stored.map(|()| None).map_err(refused);
            }
        };
        room.fill(Entry { content, lane, size, items, bytes, since, reply });
        Ok(waits.then_some(result))
    }

    /// Ends the workers, who have `grace` for what they are sending and for what would have been sent soon; of a queue in
    /// memory, for everything. More may be added, and waits.
    pub async fn pause(&self, grace: Duration) {
        let inner = &self.0;
        inner.state.lock().closed.get_or_insert_with(Instant::now);
        inner.workers.close();
        inner.closed.cancel();
        if tokio::time::timeout(grace, inner.workers.wait()).await.is_err() {
            inner.stop.cancel();
            // A send under way ends by its own timeout; waiting for it beyond the grace time is not ours to decide.
            let _ = tokio::time::timeout(Duration::from_millis(100), inner.workers.wait()).await;
        }
    }

    /// Sends what is queued within `grace`; what is left stays on disk or, in memory, is dropped aloud.
    pub async fn shutdown(&self, grace: Duration) {
        let inner = &self.0;
        inner.sealed.cancel();
        self.pause(grace).await;
        inner.reports.queue.stopped();
        let left = std::mem::take(&mut inner.state.lock().waiting);
        if left.is_empty() {
            return;
        }
        for entry in &left {
            if let Content::Memory(parcel) = &entry.content {
                inner.reports.sent.lost(parcel.signal, parcel.items);
            }
        }
        let (exporter, requests) = (inner.reports.exporter.as_str(), left.len());
        match &inner.disk {
            Some(_) => tracing::info!(exporter, requests, "the queue waits on disk"),
            None => tracing::error!(
                exporter,
                requests,
                "queued requests are dropped at shutdown; `sending_queue.storage` would keep them"
            ),
        }
    }
}

/// Room in the queue that is taken but not filled yet; given back when dropped.
struct Room {
    inner: Arc<Inner>,
    size: u64,
}

impl Room {
    async fn reserve(inner: Arc<Inner>, size: u64) -> Result<Room, Refused> {
        let capacity = inner.config.queue_size;
        if size > capacity {
            let reason = format!("the request alone ({size}) is larger than the sending queue ({capacity})");
            return Err(Refused::Invalid(reason));
        }
        loop {
            let mut freed = std::pin::pin!(inner.freed.notified());
            // Registered before looking, so that room freed in between is not missed.
            freed.as_mut().enable();
            if inner.sealed.is_cancelled() {
                return Err(Refused::unavailable("the exporter is shutting down"));
            }
            {
                let mut state = inner.state.lock();
                if state.size + size <= capacity {
                    state.size += size;
                    inner.reports.queue.size.set(state.size);
                    break;
                }
            }
            if !inner.config.block_on_overflow {
                return Err(Refused::overloaded("the sending queue is full", FULL_RETRY_AFTER));
            }
            tokio::select! {
                () = freed => {}
                () = inner.sealed.cancelled() => {}
            }
        }
        Ok(Room { inner, size })
    }

    fn fill(mut self, entry: Entry) {
        self.inner.state.lock().waiting.push_back(entry);
        self.inner.filled.notify_one();
        // The entry holds the room from now on.
        self.size = 0;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.inner.free(self.size);
    }
}

impl Inner {
    fn free(&self, size: u64) {
        if size == 0 {
            return;
        }
        {
            let mut state = self.state.lock();
            state.size -= size;
            self.reports.queue.size.set(state.size);
        }
        self.freed.notify_waiters();
    }

    /// What is to be sent next, as one if it can be.
    async fn next(&self) -> Option<Vec<Entry>> {
        loop {
            let mut filled = std::pin::pin!(self.filled.notified());
            filled.as_mut().enable();
            if self.stop.is_cancelled() {
                return None;
            }
            let next = self.state.lock().take(&self.config.batch, Instant::now(), self.disk.is_some());
            let due = match next {
                Next::Send(entries) => return Some(entries),
                _ if self.closed.is_cancelled() => return None,
                Next::Wait(due) => Some(due),
                Next::Nothing => None,
            };
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = filled => {}
                () = due => {}
                () = self.closed.cancelled() => {}
            }
        }
    }

    async fn load(&self, content: Content) -> io::Result<(Parcel, Option<u64>)> {
        match (content, &self.disk) {
            (Content::Memory(parcel), _) => Ok((parcel, None)),
            (Content::Disk(sequence), Some(disk)) => {
                let disk = disk.clone();
                let parcel =
                    tokio::task::spawn_blocking(move || disk.get(sequence)).await.map_err(io::Error::other)??;
                Ok((parcel, Some(sequence)))
            }
            (Content::Disk(_), None) => Err(io::Error::other("no queue on disk")),
        }
    }

    async fn forget(&self, sequence: u64) {
        let Some(disk) = self.disk.clone() else { return };
        let removed = tokio::task::spawn_blocking(move || disk.remove(sequence)).await;
        if let Err(error) = removed.unwrap_or_else(|error| Err(io::Error::other(error))) {
            let exporter = self.reports.exporter.as_str();
            tracing::error!(exporter, %error, "a sent request stays in the queue and will be sent again");
        }
    }

    async fn handle(&self, entries: Vec<Entry>) {
        let mut loaded: Vec<Loaded> = Vec::new();
        for Entry { content, size, reply, .. } in entries {
            match self.load(content).await {
                Ok((parcel, sequence)) => loaded.push(Loaded { parcel, sequence, size, reply }),
                // Already set aside and logged.
                Err(_) => self.free(size),
            }
        }
        while !loaded.is_empty() {
            let first = &loaded[0].parcel;
            let are_of_one = |one: &Loaded| (&one.parcel.tenant, one.parcel.signal) == (&first.tenant, first.signal);
            let count = loaded.iter().take_while(|one| are_of_one(one)).count();
            let rest = loaded.split_off(count);
            self.deliver(std::mem::replace(&mut loaded, rest)).await;
        }
    }

    /// Sends requests of one tenant and signal as one.
    async fn deliver(&self, requests: Vec<Loaded>) {
        let parcels: Vec<&Parcel> = requests.iter().map(|request| &request.parcel).collect();
        let Some(parcel) = Parcel::join(&parcels) else { return };
        let result = send_with_retry(&*self.sender, &parcel, &self.retry, &self.stop).await;
        let interrupted = self.stop.is_cancelled() && matches!(&result, Err(refused) if refused.is_retryable());
        let kept = interrupted && self.disk.is_some();
        if !kept {
            self.reports.sent.answered(parcel.signal, parcel.items, &result);
        }
        let mut is_told = false;
        for Loaded { sequence, size, reply, .. } in requests {
            if let Some(sequence) = sequence.filter(|_| !interrupted) {
                self.forget(sequence).await;
            }
            self.free(size);
            if let Some(reply) = reply {
                let _ = reply.send(result.clone());
                is_told = true;
            }
        }
        if !is_told {
            self.report(&parcel, result, kept);
        }
    }

    /// Says what became of a request whose sender is gone.
    fn report(&self, parcel: &Parcel, result: Result<Accepted, Refused>, kept: bool) {
        let (exporter, signal, items) = (self.reports.exporter.as_str(), parcel.signal, parcel.items);
        match result {
            // Partial success is said by the sender, which sees it in either case.
            Ok(_) => {}
            Err(_) if kept => {}
            Err(refused) => {
                tracing::error!(exporter, %signal, items, %refused, "a queued request could not be delivered; dropped");
            }
        }
    }
}

async fn work(inner: Arc<Inner>) {
    while let Some(entries) = inner.next().await {
        let lane = entries.first().and_then(|entry| entry.lane);
        inner.handle(entries).await;
        if let Some(lane) = lane {
            inner.state.lock().busy.remove(&lane);
            inner.filled.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
