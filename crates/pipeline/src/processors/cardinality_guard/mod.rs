//! `cardinality_guard`: takes labels with too many values away from metrics, so that series become one: `user_id` never reaches
//! the store.
//!
//! `action: aggregate` keeps the points of such series and sends one for all of them every `interval`: counters and histograms
//! summed with resets of single series in mind, gauges by a function (`config`, `state`). `action: drop` only removes the label,
//! which is right where it does not tell series apart. With `max_values` a label is removed only once it has more values.
//!
//! Aggregated points are acknowledged when they were added up in memory: a crash loses what came in the running interval. After a
//! restart totals begin at zero again, a reset to their readers. Stopping in order loses nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::Signal;

use self::automatic::Automatic;
use self::config::{Options, Rule};
use self::split::{Split, Splitter};
use self::state::{Output, State, Target, nanos};
use crate::component::{Component, ComponentError, Context, Processor, ProcessorConfig, ProcessorFactory};
use crate::config::{ConfigError, Section};
use crate::metrics::{GuardMetrics, Guarded};
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::receivers::prometheusremotewrite::labels::METRIC_NAME;
use crate::receivers::prometheusremotewrite::part::Parted;
use crate::receivers::prometheusremotewrite::write::consume_as_otlp;
use crate::telemetry::{Accepted, Consumer, Message, Payload, Refused, Telemetry};

mod automatic;
mod config;
mod emit;
mod point;
mod split;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_write;
mod value;

pub const FACTORY: ProcessorFactory =
    ProcessorFactory { kind: "cardinality_guard", signals: &[Signal::Metrics], parse };

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);
/// How often sending is tried while whoever is downstream says that it may work later.
const ATTEMPTS: u32 = 5;

fn parse(section: &Section<'_>) -> Result<Box<dyn ProcessorConfig>, ConfigError> {
    Ok(Box::new(config::read(section)?))
}

impl ProcessorConfig for Options {
    fn build(
        &self,
        context: Context,
        _signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        Ok(Arc::new(Guard::new(self.clone(), next, context.metrics.guard(&context.id), now)))
    }
}

/// Unix nanoseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

struct Guard {
    inner: Arc<Inner>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

struct Inner {
    rules: Vec<Rule>,
    started: u64,
    clock: fn() -> u64,
    automatic: Mutex<Automatic>,
    state: Mutex<State>,
    metrics: GuardMetrics,
    next: Arc<dyn Consumer>,
}

impl Guard {
    fn new(options: Options, next: Arc<dyn Consumer>, metrics: GuardMetrics, clock: fn() -> u64) -> Self {
        let inner = Inner {
            automatic: Mutex::new(Automatic::new(nanos(options.window), options.max_series)),
            state: Mutex::new(State::new(options.staleness, options.max_series)),
            rules: options.rules,
            started: clock(),
            clock,
            metrics,
            next,
        };
        Self { inner: Arc::new(inner), stopping: CancellationToken::new(), tasks: TaskTracker::new() }
    }
}

impl Inner {
    /// Takes out what is to be aggregated; the payload keeps its bytes where there is nothing.
    fn split(&self, telemetry: &mut Telemetry) -> Result<Split, Refused> {
        let rules: Vec<&Rule> =
            self.rules.iter().filter(|rule| rule.concerns_tenant(telemetry.tenant.as_str())).collect();
        if rules.is_empty() {
            return Ok(Split::default());
        }
        let tenant = telemetry.tenant.clone();
        let mut automatic = self.automatic.lock();
        let now = (self.clock)();
        let splitter = Splitter { tenant: &tenant, rules, automatic: &mut automatic, started: self.started, now };
        match telemetry.payload.message()? {
            Message::Metrics(request) if splitter.concerns(request) => {}
            _ => return Ok(Split::default()),
        }
        match telemetry.payload.message_mut()? {
            Message::Metrics(request) => Ok(splitter.split(request)),
            _ => Ok(Split::default()),
        }
    }

    fn absorb(&self, split: Split) {
        self.metrics.points(Guarded::Dropped, split.dropped_labels);
        self.metrics.points(Guarded::Unsupported, split.unsupported);
        for watched in &split.news {
            tracing::warn!(
                tenant = watched.tenant.as_str(),
                metric = watched.metric,
                label = watched.label,
                "this label has too many values; it is removed from the metric until it has fewer"
            );
            self.metrics.removes(watched.tenant.as_str(), &watched.metric, &watched.label);
        }
        if split.taken.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let now = (self.clock)();
        for taken in split.taken {
            let points = taken.samples.len() as u64;
            let left_out = state.absorb(&taken.key, &taken.target, taken.samples, taken.since, now);
            self.metrics.points(Guarded::Aggregated, points - left_out);
            self.metrics.points(Guarded::Overflow, left_out);
        }
        self.metrics.series(state.size());
    }

    async fn tick(&self) {
        let now = (self.clock)();
        let due = {
            let mut state = self.state.lock();
            let due = state.due(now);
            self.metrics.series(state.size());
            due
        };
        let removed = self.automatic.lock().removed(now);
        let removed = removed.iter().map(|watched| (watched.tenant.as_str(), &*watched.metric, &*watched.label));
        self.metrics.removes_only(removed);
        self.send(due).await;
    }

    async fn send(&self, outputs: Vec<(Target, Vec<Output>)>) {
        for (tenant, request) in emit::by_tenant(outputs) {
            let payload = Payload::from_message(Message::Metrics(request)).into_shared();
            let items = payload.items();
            let telemetry = Telemetry::new(tenant, payload);
            if let Err(refused) = self.send_one(telemetry).await {
                self.metrics.points(Guarded::Lost, items);
                tracing::warn!(%refused, points = items, "cardinality_guard: aggregated points were not taken");
            }
        }
    }

    async fn send_one(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let mut wait = Duration::from_millis(250);
        for _ in 1..ATTEMPTS {
            match self.next.consume(telemetry.clone()).await {
                Err(refused) if refused.is_retryable() => {
                    sleep(refused.retry_after().unwrap_or(wait).min(TICK * 5)).await;
                    wait *= 2;
                }
                other => return other,
            }
        }
        self.next.consume(telemetry).await
    }
}

#[async_trait]
impl Component for Guard {
    async fn start(&self) -> Result<(), ComponentError> {
        let (inner, stopping) = (self.inner.clone(), self.stopping.clone());
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = sleep(TICK) => {}
                }
                inner.tick().await;
            }
        });
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        let send_rest = async {
            self.tasks.wait().await;
            let rest = self.inner.state.lock().rest((self.inner.clock)());
            self.inner.send(rest).await;
        };
        if tokio::time::timeout(grace, send_rest).await.is_err() {
            tracing::warn!("cardinality_guard: the last aggregated points were not taken within {grace:?}");
        }
    }
}

impl Processor for Guard {}

impl Guard {
    async fn consume_parts(&self, parts: &Parted) -> Result<Accepted, Refused> {
        let mut accepted = Accepted::all();
        // First what may be refused, as below.
        if let Some(rest) = &parts.rest {
            accepted = self.inner.next.consume_write(rest.clone()).await?;
        }
        if let Some(concerned) = &parts.concerned {
            accepted = accepted.and(consume_as_otlp(self, concerned.clone()).await?);
        }
        Ok(accepted)
    }
}

#[async_trait]
impl Consumer for Guard {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        let split = self.inner.split(&mut telemetry)?;
        let is_empty = !split.taken.is_empty() && telemetry.payload.items() == 0;
        // First what may be refused: then the sender sends the request again, and nothing must have been added up.
        let accepted = match is_empty {
            true => Accepted::all(),
            false => self.inner.next.consume(telemetry).await?,
        };
        self.inner.absorb(split);
        Ok(accepted)
    }

    /// Only metrics with a series that a rule concerns become OTLP; the others go on as they came.
    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let tenant = request.tenant.as_str();
        let rules: Vec<&Rule> = self.inner.rules.iter().filter(|rule| rule.concerns_tenant(tenant)).collect();
        if rules.is_empty() {
            return self.inner.next.consume_write(request).await;
        }
        let parts = request.part(&|name, labels| {
            let mut rules = rules.iter().filter(|rule| rule.concerns_metric(name));
            rules.any(|rule| labels.iter().any(|(label, _)| *label != METRIC_NAME && rule.concerns_label(label)))
        });
        let accepted = self.consume_parts(&parts).await;
        request.settle(&parts);
        accepted
    }
}
