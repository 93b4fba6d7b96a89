//! `batch`: joins small requests of one tenant into larger ones.
//!
//! Nobody is answered early: a caller waits until the batch that holds its telemetry was taken downstream, and gets that
//! answer. So a sender that sends one request after another waits for `timeout` each time; what gains is many senders.
//! Batches never mix tenants or values of `metadata_keys`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::future::join_all;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use trefoil_model::{Signal, Tenant};

use crate::component::{Component, ComponentError, Context, Processor, ProcessorConfig, ProcessorFactory};
use crate::config::{ConfigError, Problems, Section};
use crate::metrics::{BatchMetrics, Trigger};
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Origin, Payload, Refused, Telemetry};

mod split;
#[cfg(test)]
mod tests;

pub const FACTORY: ProcessorFactory = ProcessorFactory { kind: "batch", signals: &Signal::ALL, parse };

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// How long the first request of a batch waits for others; 0: not at all.
    #[serde(with = "crate::config::duration")]
    timeout: Duration,
    /// How many items send a batch off before its time.
    send_batch_size: u64,
    /// How many items a batch may have; larger ones are cut. 0: any number.
    send_batch_max_size: usize,
    metadata_keys: Vec<String>,
    /// How many combinations of values of `metadata_keys` may wait at once.
    metadata_cardinality_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            send_batch_size: 8192,
            send_batch_max_size: 0,
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: 1000,
        }
    }
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ProcessorConfig>, ConfigError> {
    let config: Config = section.parse()?;
    let mut problems = Problems::default();
    let max = config.send_batch_max_size as u64;
    if max > 0 && max < config.send_batch_size {
        let message = format!("must not be less than `send_batch_size`, which is {}", config.send_batch_size);
        problems.push(section.problem("send_batch_max_size", message));
    }
    let mut seen = HashSet::new();
    for (index, key) in config.metadata_keys.iter().enumerate().filter(|(_, key)| !seen.insert(key.to_lowercase())) {
        problems.push(section.problem(&format!("metadata_keys[{index}]"), format!("`{key}` is named twice")));
    }
    problems.or(Box::new(config))
}

impl ProcessorConfig for Config {
    fn build(
        &self,
        context: Context,
        signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        Ok(Arc::new(Batch::new(self.clone(), signal, next, context.metrics.batch(&context.id))))
    }
}

struct Batch {
    config: Config,
    waiting: Arc<Mutex<Waiting>>,
    sender: Arc<Sender>,
    /// Timers and batches on their way.
    tasks: TaskTracker,
}

#[derive(Default)]
struct Waiting {
    batches: HashMap<Key, Pending>,
    /// The number of the next batch, so that a timer does not send off a later batch of the same key.
    number: u64,
    hurried: bool,
}

/// What all requests in a batch have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: Tenant,
    /// Key and value of the chosen metadata.
    metadata: Vec<(String, String)>,
}

/// A batch that waits for more.
struct Pending {
    number: u64,
    items: u64,
    parts: Vec<Part>,
}

/// One caller's request.
struct Part {
    payload: Payload,
    items: u64,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<Accepted, Refused>;

impl Batch {
    fn new(config: Config, signal: Signal, next: Arc<dyn Consumer>, metrics: BatchMetrics) -> Self {
        let sender = Arc::new(Sender { signal, max: config.send_batch_max_size, next, metrics });
        Self { config, waiting: Arc::default(), sender, tasks: TaskTracker::new() }
    }

    fn key(&self, telemetry: &Telemetry) -> Key {
        let values = |key: &String| {
            let origin = &telemetry.origin;
            origin.values(key).map(|value| (key.to_lowercase(), value.to_owned())).collect::<Vec<_>>()
        };
        let metadata = self.config.metadata_keys.iter().flat_map(values).collect();
        Key { tenant: telemetry.tenant.clone(), metadata }
    }

    /// Adds to the batch of the key; sends it off if it is large enough.
    fn add(&self, key: Key, part: Part) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock();
        let limit = self.config.metadata_cardinality_limit;
        if !key.metadata.is_empty()
            && !waiting.batches.contains_key(&key)
            && limit > 0
            && waiting.batches.len() >= limit
        {
            let reason = format!(
                "batch: {limit} combinations of metadata_keys are waiting already (metadata_cardinality_limit)"
            );
            return Err(Refused::overloaded(reason, self.config.timeout));
        }
        let number = waiting.number;
        let at_once = waiting.hurried || self.config.timeout.is_zero();
        let batch = waiting.batches.entry(key.clone()).or_insert(Pending { number, items: 0, parts: Vec::new() });
        let is_first = batch.parts.is_empty();
        batch.items += part.items;
        batch.parts.push(part);
        if at_once || batch.items >= self.config.send_batch_size {
            if let Some(batch) = waiting.batches.remove(&key) {
                self.sender.metrics.triggered(Trigger::Size);
                self.tasks.spawn(self.sender.clone().send(key, batch.parts));
            }
        } else if is_first {
            waiting.number += 1;
            self.start_timer(key, number);
        }
        Ok(())
    }

    fn start_timer(&self, key: Key, number: u64) {
        let (delay, waiting, sender) = (self.config.timeout, self.waiting.clone(), self.sender.clone());
        self.tasks.spawn(async move {
            sleep(delay).await;
            let due = {
                let mut waiting = waiting.lock();
                match waiting.batches.get(&key) {
                    Some(batch) if batch.number == number => waiting.batches.remove(&key),
                    _ => None,
                }
            };
            if let Some(batch) = due {
                sender.metrics.triggered(Trigger::Timeout);
                sender.send(key, batch.parts).await;
            }
        });
    }
}

#[async_trait]
impl Component for Batch {
    fn hurry(&self) {
        let mut waiting = self.waiting.lock();
        waiting.hurried = true;
        for (key, batch) in waiting.batches.drain() {
            self.sender.metrics.triggered(Trigger::Timeout);
            self.tasks.spawn(self.sender.clone().send(key, batch.parts));
        }
    }

    async fn shutdown(&self, grace: Duration) {
        self.hurry();
        self.tasks.close();
        // Timers of batches that are gone already sleep on; no batch does.
        let _timers_may_remain = timeout(grace.min(Duration::from_secs(1)), self.tasks.wait()).await;
    }
}

impl Processor for Batch {}

#[async_trait]
impl Consumer for Batch {
    async fn consume(&self, telemetry: Telemetry) -> Answer {
        if !telemetry.payload.is_whole() {
            // Malformed: it must not be joined with others, and whoever is downstream says what is wrong.
            return self.sender.next.consume(telemetry).await;
        }
        let key = self.key(&telemetry);
        let (answer, answered) = oneshot::channel();
        let items = telemetry.payload.items();
        self.add(key, Part { payload: telemetry.payload, items, answer })?;
        answered.await.unwrap_or_else(|_| Err(Refused::unavailable("batch: stopped before the batch was sent")))
    }

    /// Its sender has batched it already.
    async fn consume_write(&self, request: WriteRequest) -> Answer {
        self.sender.next.consume_write(request).await
    }
}

struct Sender {
    signal: Signal,
    /// 0: no limit.
    max: usize,
    next: Arc<dyn Consumer>,
    metrics: BatchMetrics,
}

/// A request or a part of one that was too large.
struct Piece {
    /// The index of its caller.
    part: usize,
    payload: Payload,
    items: u64,
}

impl Sender {
    /// Sends the batch, cut to size, and answers every caller.
    async fn send(self: Arc<Self>, key: Key, parts: Vec<Part>) {
        let mut callers = Vec::with_capacity(parts.len());
        let mut answers: Vec<Answer> = Vec::with_capacity(parts.len());
        let mut batches: Vec<Vec<Piece>> = Vec::new();
        let mut room = 0;
        for (index, part) in parts.into_iter().enumerate() {
            callers.push(part.answer);
            match self.cut(index, part.payload, part.items) {
                Err(refused) => answers.push(Err(refused)),
                Ok(pieces) => {
                    answers.push(Ok(Accepted::all()));
                    for piece in pieces {
                        match batches.last_mut().filter(|_| piece.items <= room) {
                            Some(batch) => {
                                room -= piece.items;
                                batch.push(piece);
                            }
                            None => {
                                room = self.limit().saturating_sub(piece.items);
                                batches.push(vec![piece]);
                            }
                        }
                    }
                }
            }
        }
        let sent = join_all(batches.into_iter().map(|batch| self.send_batch(&key, batch))).await;
        for (part, answer) in sent.into_iter().flatten() {
            let so_far = std::mem::replace(&mut answers[part], Ok(Accepted::all()));
            answers[part] = both(so_far, answer);
        }
        for (caller, answer) in callers.into_iter().zip(answers) {
            // A caller that has gone away does not wait any more.
            let _ = caller.send(answer);
        }
    }

    fn limit(&self) -> u64 {
        if self.max == 0 { u64::MAX } else { self.max as u64 }
    }

    fn cut(&self, part: usize, payload: Payload, items: u64) -> Result<Vec<Piece>, Refused> {
        if items <= self.limit() {
            return Ok(vec![Piece { part, payload, items }]);
        }
        let messages = split::split(payload.into_message()?, self.max);
        let piece = |message| {
            let payload = Payload::from_message(message);
            Piece { part, items: payload.items(), payload }
        };
        Ok(messages.into_iter().map(piece).collect())
    }

    /// The answers by caller.
    async fn send_batch(&self, key: &Key, mut pieces: Vec<Piece>) -> Vec<(usize, Answer)> {
        let items = pieces.iter().map(|piece| piece.items).sum();
        self.metrics.sent(items);
        if let [piece] = pieces.as_mut_slice() {
            let payload = std::mem::replace(&mut piece.payload, Payload::from_bytes(self.signal, Default::default()));
            return vec![(piece.part, self.consume(key, payload).await)];
        }
        // Repeated fields of protobuf messages merge by appending one message's bytes to the other's.
        let bodies: Vec<_> = pieces.iter_mut().map(|piece| piece.payload.bytes()).collect();
        let mut joined = BytesMut::with_capacity(bodies.iter().map(|body| body.len()).sum());
        bodies.iter().for_each(|body| joined.extend_from_slice(body));
        let payload = Payload::from_bytes(self.signal, joined.freeze()).with_items(items);
        match self.consume(key, payload).await {
            Ok(accepted) => {
                pieces.iter().map(|piece| (piece.part, Ok(share(&accepted, piece.items, pieces.len())))).collect()
            }
            Err(Refused::Invalid(_)) => {
                // One malformed request must not take the others with it.
                let alone = pieces.into_iter().map(async |piece| (piece.part, self.consume(key, piece.payload).await));
                join_all(alone).await
            }
            Err(refused) => pieces.iter().map(|piece| (piece.part, Err(refused.clone()))).collect(),
        }
    }

    async fn consume(&self, key: &Key, payload: Payload) -> Answer {
        let origin = Origin { metadata: Arc::new(key.metadata.clone()), address: None };
        self.next.consume(Telemetry { tenant: key.tenant.clone(), payload, origin }).await
    }
}

/// Which items of a batch were rejected is not known, so a caller is told at most as many as it sent, and why.
fn share(accepted: &Accepted, items: u64, requests: usize) -> Accepted {
    let Accepted { rejected, message } = accepted;
    let message = message.as_ref().map(|reason| match rejected {
        0 => reason.clone(),
        _ => format!(
            "of the batch of {requests} requests that this one was part of, {rejected} items were rejected: {reason}"
        ),
    });
    Accepted { rejected: (*rejected).min(items), message }
}

/// The answer for a request that was cut into two.
fn both(first: Answer, second: Answer) -> Answer {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok(first.and(second)),
        (Err(first), Err(second)) if !first.is_retryable() => Err(second),
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    }
}
