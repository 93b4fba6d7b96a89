//! From events to spans: recorded first, then handed to the pipelines, and acknowledged when both is done.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use trefoil_model::{Signal, Tenant};

use super::change::{Change, Subject};
use super::cloudevents::Events;
use super::config::{Limits, Retire};
use super::ledger::{Ages, Known, Ledger, LedgerError, Outcome, Recorded};
use super::mapping::Mapping;
use super::trace::{Placed, request};
use crate::metrics::{RequestMetrics, WorkflowMetrics};
use crate::receivers::otlp::intake::Intake;
use crate::receivers::otlp::status::Answer;
use crate::telemetry::{Accepted, Origin, Payload, Refused, Telemetry};

/// Events of a request that are looked at together: of each, all events of its instance are read.
const TOGETHER: usize = 32;
/// As many of each kind are named in an answer.
const MOST_NAMED: usize = 100;
/// How often there is a look for what is left to do.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Spans that were not taken for so long are tried again, by and by.
const PENDING_FOR: Duration = Duration::from_secs(5);

/// What the receiver does with events, whoever brings them.
pub struct Workflows {
    pub mapping: Mapping,
    pub limits: Limits,
    pub refresh: Duration,
    pub retire: Retire,
    pub intake: Intake,
    pub metrics: WorkflowMetrics,
    /// Opened when the receiver starts.
    pub ledger: OnceLock<Ledger>,
}

/// What became of the events of a request, as it is answered.
#[derive(Debug, Default, Serialize)]
pub struct Taken {
    pub accepted: usize,
    /// They were known.
    pub duplicates: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// How many more than are named.
    #[serde(skip_serializing_if = "is_zero")]
    pub rejected_more: usize,
    /// Of the instances that they are of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<Trace>,
    #[serde(skip_serializing_if = "is_zero")]
    pub traces_more: usize,
    /// What the pipelines have to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Places of the instances that `traces` counts.
    #[serde(skip)]
    named: HashSet<i64>,
    /// Some are rejected only for now.
    #[serde(skip)]
    pub is_full: bool,
    /// Some are rejected for their size.
    #[serde(skip)]
    pub is_too_large: bool,
}

#[derive(Debug, Serialize)]
pub struct Rejected {
    /// In the batch, from 0.
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub struct Trace {
    pub source: String,
    pub instance: String,
    pub trace_id: String,
}

// As serde asks for it.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Taken {
    fn reject(&mut self, index: usize, id: Option<String>, reason: String) {
        match self.rejected.len() < MOST_NAMED {
            true => self.rejected.push(Rejected { index, id, reason }),
            false => self.rejected_more += 1,
        }
    }

    fn name(&mut self, known: &Known) {
        if !self.named.insert(known.place) {
            return;
        }
        let trace = Trace {
            source: known.instance.subject.source.clone(),
            instance: known.instance.subject.instance.clone(),
            trace_id: hex::encode(known.instance.trace_id()),
        };
        match self.traces.len() < MOST_NAMED {
            true => self.traces.push(trace),
            false => self.traces_more += 1,
        }
    }
}

impl Workflows {
    /// Takes the events of a request. The error is the pipelines': what was recorded until then is handed on later, or when it
    /// comes again.
    pub async fn take(
        &self,
        tenant: Tenant,
        events: Events,
        origin: Origin,
        metrics: &mut RequestMetrics<'_>,
    ) -> Result<Taken, Answer> {
        let mut taken = Taken::default();
        let now = now();
        let mut changes: Vec<(usize, (Subject, Change))> = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            let event = match event {
                Ok(event) => event,
                Err(problem) => {
                    taken.is_too_large |= problem.is_too_large;
                    taken.reject(index, problem.id, problem.reason);
                    continue;
                }
            };
            match self.mapping.change(&event, now) {
                Ok(change) => changes.push((index, change)),
                Err(reason) => taken.reject(index, Some(event.id), reason),
            }
        }
        self.metrics.rejected.inc_by((taken.rejected.len() + taken.rejected_more) as u64);
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(TOGETHER));
            self.take_some(&tenant, std::mem::replace(&mut changes, rest), &origin, metrics, &mut taken).await?;
        }
        Ok(taken)
    }

    async fn take_some(
        &self,
        tenant: &Tenant,
        changes: Vec<(usize, (Subject, Change))>,
        origin: &Origin,
        metrics: &mut RequestMetrics<'_>,
        taken: &mut Taken,
    ) -> Result<(), Answer> {
        let (indices, changes): (Vec<usize>, Vec<(Subject, Change)>) = changes.into_iter().unzip();
        let ids: Vec<String> = changes.iter().map(|(_, change)| change.id.clone()).collect();
        let Recorded { outcomes, mut instances } = self.record(tenant, changes).await?;
        for ((index, id), outcome) in indices.into_iter().zip(ids).zip(outcomes) {
            match outcome {
                Outcome::New => taken.accepted += 1,
                Outcome::Duplicate => taken.duplicates += 1,
                Outcome::Refused(reason) => taken.reject(index, Some(id), reason),
                Outcome::Full(reason) => {
                    taken.is_full = true;
                    taken.reject(index, Some(id), reason);
                }
            }
        }
        let now = now();
        instances.iter_mut().for_each(|known| known.instance.now = now);
        let news = instances.iter().flat_map(|known| known.instance.news()).collect();
        let (items, answer) = self.deliver(tenant, &instances, news, origin).await;
        metrics.delivered(Signal::Traces, items, &answer);
        if let Some(message) = answer?.message {
            taken.warning.get_or_insert(message);
        }
        instances.iter().for_each(|known| taken.name(known));
        Ok(())
    }

    async fn record(&self, tenant: &Tenant, changes: Vec<(Subject, Change)>) -> Result<Recorded, Answer> {
        let unavailable = |error: LedgerError| Answer::from(Refused::unavailable(error.to_string()));
        let ledger = self.ledger.get().ok_or(LedgerError::Failed).map_err(unavailable)?;
        let recorded = ledger.record(tenant.clone(), changes, millis(now())).await.map_err(unavailable)?;
        for outcome in &recorded.outcomes {
            match outcome {
                Outcome::New => self.metrics.accepted.inc(),
                Outcome::Duplicate => self.metrics.duplicate.inc(),
                Outcome::Refused(_) | Outcome::Full(_) => self.metrics.rejected.inc(),
            };
        }
        Ok(recorded)
    }

    /// Hands on spans of instances of one tenant: their number, and the answer.
    async fn deliver(
        &self,
        tenant: &Tenant,
        instances: &[Known],
        spans: Vec<Placed>,
        origin: &Origin,
    ) -> (u64, Result<Accepted, Refused>) {
        let items = spans.len() as u64;
        if spans.is_empty() {
            return (0, Ok(Accepted::all()));
        }
        let payload = Payload::from_bytes(Signal::Traces, request(spans).encode_to_vec().into()).with_items(items);
        let mut telemetry = Telemetry::new(tenant.clone(), payload);
        telemetry.origin = origin.clone();
        let answer = self.intake.consume(telemetry).await;
        // What is refused for good would be refused again.
        let is_done = answer.as_ref().map_or_else(|refused| !refused.is_retryable(), |_| true);
        if let Some(ledger) = self.ledger.get().filter(|_| is_done) {
            let places = instances.iter().map(|known| (known.place, known.instance.changes.len()));
            let now = instances.iter().map(|known| known.instance.now).max().unwrap_or_default();
            ledger.delivered(places.collect(), millis(now)).await;
        }
        (items, answer)
    }

    /// Hands on what was not taken, and retires instances, until told to stop.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        // What an earlier process left waits for nobody.
        let mut pending_for = Duration::ZERO;
        while !stop.is_cancelled() {
            if let Err(error) = self.sweep_once(pending_for).await {
                tracing::error!(%error, "looking after workflows");
            }
            pending_for = PENDING_FOR;
            tokio::select! {
                () = tokio::time::sleep(SWEEP_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn sweep_once(&self, pending: Duration) -> Result<(), LedgerError> {
        let Some(ledger) = self.ledger.get() else { return Ok(()) };
        let ages = Ages { pending, refresh: self.refresh, retire: self.retire };
        let swept = ledger.sweep(millis(now()), ages).await?;
        self.metrics.running.set(swept.running);
        self.metrics.finished.set(swept.finished);
        self.metrics.retired_finished.inc_by(swept.retired);
        for known in swept.pending {
            if !self.again(known, |known| known.instance.news()).await {
                return Ok(());
            }
        }
        for known in swept.running_on {
            if !self.again(known, |known| known.instance.running()).await {
                return Ok(());
            }
        }
        for mut known in swept.idle {
            known.instance.is_abandoned = true;
            let place = (known.place, known.instance.changes.len());
            if !self.again(known, |known| known.instance.news()).await {
                return Ok(());
            }
            self.metrics.retired_idle.inc();
            ledger.forget(vec![place]).await;
        }
        Ok(())
    }

    /// Hands on spans of an instance that nobody waits for. False: to be tried again later, and so is what else there is, as
    /// what holds for one probably holds for all.
    async fn again(&self, mut known: Known, spans: impl FnOnce(&Known) -> Vec<Placed>) -> bool {
        known.instance.now = now();
        let (tenant, spans) = (known.instance.tenant.clone(), spans(&known));
        let (_, answer) = self.deliver(&tenant, std::slice::from_ref(&known), spans, &Origin::default()).await;
        let Err(refused) = answer else { return true };
        let (instance, is_retried) = (known.instance.subject.instance.as_str(), refused.is_retryable());
        tracing::warn!(%refused, instance, is_retried, "the spans of a workflow are not taken");
        !is_retried
    }
}

/// Nanoseconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}
