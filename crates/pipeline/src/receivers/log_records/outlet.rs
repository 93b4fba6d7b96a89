//! From single records to requests: they are gathered by number, size and time and handed to the pipelines, some requests at once.
//! Whoever brings records waits while the pipelines do not keep up.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::unfold;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use trefoil_model::{Signal, Tenant};

use crate::exporters::retry::{Backoff, RetryConfig};
use crate::metrics::TransportMetrics;
use crate::receivers::otlp::intake::Intake;
use crate::stanza::value::{Value, pairs};
use crate::telemetry::{Accepted, Payload, Refused, Telemetry};

/// Records that wait to be gathered.
const QUEUE: usize = 1000;
/// The most records of a request, and the size after which no more is added.
const MOST_RECORDS: usize = 1000;
const MOST_BYTES: usize = 4 << 20;
/// How long the first record of a request waits for others, as in the Collector.
const WAIT: Duration = Duration::from_millis(100);
/// Requests that are with the pipelines at the same time: a `batch` processor answers none before its timeout.
const AT_ONCE: usize = 8;

/// Bytes that the records of one receiver may hold together, from the socket to the answer.
#[derive(Debug, Clone)]
pub struct Room {
    free: Arc<Semaphore>,
    all: usize,
}

/// Where a record is from, if not from the resource of its receiver.
#[derive(Debug, PartialEq)]
pub struct Origin {
    pub resource: Vec<KeyValue>,
    /// The name of the scope.
    pub scope: String,
}

impl Origin {
    /// `resource` is a map of attributes.
    pub fn new(resource: Value, scope: String) -> Self {
        let resource = match resource {
            Value::Map(attributes) => pairs(attributes),
            _ => Vec::new(),
        };
        Self { resource, scope }
    }
}

/// A part of the room; given back when dropped.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Room {
    pub fn new(bytes: usize) -> Self {
        let all = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { free: Arc::new(Semaphore::new(all)), all }
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.all)).unwrap_or(u32::MAX)
    }

    /// Waits until there is room. What is larger than all of it takes all of it.
    pub async fn take(&self, bytes: usize) -> Place {
        // The semaphore is never closed.
        let permit = self.free.clone().acquire_many_owned(self.permits(bytes)).await.ok();
        Place { _permit: permit, bytes }
    }

    /// For records that are only a part more of what has its place.
    pub fn take_or_go_beyond(&self, bytes: usize) -> Place {
        self.try_take(bytes).unwrap_or(Place { _permit: None, bytes })
    }

    pub fn try_take(&self, bytes: usize) -> Option<Place> {
        let permit = self.free.clone().try_acquire_many_owned(self.permits(bytes)).ok()?;
        Some(Place { _permit: Some(permit), bytes })
    }
}

/// A record and what is known of it.
#[derive(Debug)]
pub struct Entry<M = ()> {
    pub record: LogRecord,
    /// `None`: of the receiver's resource.
    pub origin: Option<Box<Origin>>,
    pub place: Place,
    /// Where the record stands in its source; told when all up to it are settled.
    pub mark: M,
}

/// Where a receiver hands its records to. All that was handed in is with the pipelines once the last clone is dropped and the
/// task of [`Outlet::open`] has ended.
#[derive(Debug)]
pub struct Outlet<M = ()>(mpsc::Sender<Entry<M>>);

impl<M> Clone for Outlet<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Send + 'static> Outlet<M> {
    /// Gives the outlet and what has to run for it. `settled` is told the last mark of each request, in the order of the records,
    /// when the pipelines have taken it or it is given up.
    pub fn open(
        delivery: Delivery,
        settled: impl Fn(M) + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, entries) = mpsc::channel(QUEUE);
        (Self(sender), run(entries, delivery, settled))
    }

    /// Waits while too many records wait.
    pub async fn hand_in(&self, entry: Entry<M>) {
        // It is closed only when the task is gone, and then nobody is left to be told.
        let _ = self.0.send(entry).await;
    }
}

async fn run<M: Send>(entries: mpsc::Receiver<Entry<M>>, delivery: Delivery, settled: impl Fn(M)) {
    let batches = unfold(entries, |mut entries| async { Some((gather(&mut entries).await?, entries)) });
    let delivered = batches.map(|batch| delivery.deliver(batch)).buffered(AT_ONCE);
    let mut delivered = std::pin::pin!(delivered);
    while let Some(mark) = delivered.next().await {
        settled(mark);
    }
}

struct Batch<M> {
    records: Vec<(LogRecord, Option<Box<Origin>>)>,
    places: Vec<Place>,
    /// Of the last record.
    mark: M,
}

/// `None` when no more will come.
async fn gather<M>(entries: &mut mpsc::Receiver<Entry<M>>) -> Option<Batch<M>> {
    let Entry { record, origin, place, mark } = entries.recv().await?;
    let until = Instant::now() + WAIT;
    let mut bytes = place.bytes;
    let mut batch = Batch { records: vec![(record, origin)], places: vec![place], mark };
    while batch.records.len() < MOST_RECORDS && bytes < MOST_BYTES {
        let next = match entries.try_recv() {
            Err(TryRecvError::Empty) => timeout_at(until, entries.recv()).await.ok().flatten(),
            next => next.ok(),
        };
        let Some(Entry { record, origin, place, mark }) = next else { break };
        bytes += place.bytes;
        batch.records.push((record, origin));
        batch.places.push(place);
        batch.mark = mark;
    }
    Some(batch)
}

/// How requests reach the pipelines.
pub struct Delivery {
    pub intake: Intake,
    pub tenant: Tenant,
    pub resource: Resource,
    pub retry: RetryConfig,
    pub metrics: TransportMetrics,
}

impl Delivery {
    async fn deliver<M>(&self, batch: Batch<M>) -> M {
        let Batch { records, places, mark } = batch;
        let items = records.len() as u64;
        let mut metrics = self.metrics.begin();
        let request = ExportLogsServiceRequest { resource_logs: self.by_origin(records) }.encode_to_vec();
        let payload = Payload::from_bytes(Signal::Logs, request.into()).with_items(items);
        let answer = self.consume(Telemetry::new(self.tenant.clone(), payload)).await;
        metrics.delivered(Signal::Logs, items, &answer);
        match answer {
            Ok(Accepted { rejected: 0, .. }) => {}
            Ok(Accepted { rejected, message }) => {
                tracing::warn!(rejected, why = message.unwrap_or_default(), "some log records are not taken");
            }
            Err(refused) => {
                tracing::warn!(%refused, records = items, "log records are gone, the pipelines do not take them")
            }
        }
        drop(places);
        mark
    }

    /// In the order in which origins came first, and records within them.
    fn by_origin(&self, records: Vec<(LogRecord, Option<Box<Origin>>)>) -> Vec<ResourceLogs> {
        let mut groups: Vec<(Option<Box<Origin>>, Vec<LogRecord>)> = Vec::new();
        let mut last = 0;
        for (record, origin) in records {
            let is_same = groups.get(last).is_some_and(|(known, _)| *known == origin);
            if !is_same {
                last = groups.iter().position(|(known, _)| *known == origin).unwrap_or(groups.len());
            }
            match groups.get_mut(last) {
                Some((_, records)) => records.push(record),
                None => groups.push((origin, vec![record])),
            }
        }
        let group = |(origin, log_records): (Option<Box<Origin>>, Vec<LogRecord>)| {
            let (resource, scope) = match origin {
                None => (self.resource.clone(), None),
                Some(origin) => {
                    let scope = InstrumentationScope { name: origin.scope, ..InstrumentationScope::default() };
                    (Resource { attributes: origin.resource, ..Resource::default() }, Some(scope))
                }
            };
            let scope_logs = vec![ScopeLogs { scope, log_records, ..ScopeLogs::default() }];
            ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }
        };
        groups.into_iter().map(group).collect()
    }

    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let start = Instant::now();
        let mut backoff = Backoff::new(&self.retry);
        loop {
            let refused = match self.intake.consume(telemetry.clone()).await {
                Ok(accepted) => return Ok(accepted),
                Err(refused) => refused,
            };
            let Some(wait) = backoff.next(&refused, start.elapsed()) else { return Err(refused) };
            tracing::info!(%refused, ?wait, "log records are not taken for now, will try again");
            tokio::select! {
                () = self.intake.refuses() => return Err(refused),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
