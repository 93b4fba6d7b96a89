//! One request of the queue as requests of remote write.
//!
//! All samples of a series are in one part, and parts are sent at once. Each remembers what has arrived: a receiver refuses a
//! sample that comes again after a later one. What it refuses for good costs that request alone.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use async_trait::async_trait;
use futures::future::join_all;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use super::sender::{WriteSender, count};
use super::series::{Collected, Series, Value};
use crate::exporters::answer;
use crate::exporters::parcel::{Delivery, Parcel};
use crate::telemetry::{Accepted, Refused};

/// Bytes that a sample and what frames a series have at most, nearly always.
const SAMPLE_BYTES: usize = 32;

pub struct WriteDelivery<'a> {
    sender: &'a WriteSender,
    parcel: &'a Parcel,
    /// `None` before the first attempt.
    plan: Option<Plan>,
}

struct Plan {
    parts: Vec<Part>,
    /// What has no form in remote write, and why.
    without_form: u64,
    reasons: Vec<String>,
}

/// Requests that are sent one after the other.
#[derive(Default)]
struct Part {
    left: VecDeque<Vec<Series>>,
    has_written: bool,
    /// Samples that the receiver did not take.
    rejected: u64,
    reasons: Vec<String>,
    /// The last request that it refused as a whole.
    refused: Option<Refused>,
}

impl<'a> WriteDelivery<'a> {
    pub fn new(sender: &'a WriteSender, parcel: &'a Parcel) -> Self {
        Self { sender, parcel, plan: None }
    }

    fn plan(&self) -> Result<Plan, Refused> {
        let settings = &self.sender.settings;
        let request = ExportMetricsServiceRequest::decode(&self.parcel.body[..])
            .map_err(|error| Refused::Invalid(format!("not an OTLP request of metrics: {error}")))?;
        let collected = Collected::of(request, &settings.view);
        let mut reasons = Vec::new();
        if collected.deltas > 0 {
            reasons.push("remote write has no differences: let the source send cumulative metrics".to_owned());
        }
        if collected.without_form > 0 {
            reasons.push("some metrics have no form that Prometheus knows".to_owned());
        }
        let series = settings.selection.of(collected.series, now());
        let needed = (count(&series) as usize).div_ceil(settings.max_samples.max(1));
        let shards = needed.clamp(*settings.shards.start(), *settings.shards.end());
        let batches = |series| Part {
            left: batches(series, settings.max_bytes, settings.max_samples).collect(),
            ..Part::default()
        };
        let parts = sharded(series, shards).into_iter().map(batches).collect();
        Ok(Plan { parts, without_form: collected.without_form + collected.deltas, reasons })
    }
}

#[async_trait]
impl Delivery for WriteDelivery<'_> {
    async fn attempt(&mut self) -> Result<Accepted, Refused> {
        let mut plan = match self.plan.take() {
            Some(plan) => plan,
            None => self.plan()?,
        };
        let sent = join_all(plan.parts.iter_mut().map(|part| part.send(self.sender))).await;
        if let Some(refused) = sent.into_iter().find_map(Result::err) {
            self.plan = Some(plan);
            return Err(refused);
        }
        let accepted = plan.outcome(self.parcel.items)?;
        answer::log_partial_success(&self.sender.settings.name, self.parcel, &accepted);
        Ok(accepted)
    }
}

impl Plan {
    /// Everything has been sent.
    fn outcome(self, items: u64) -> Result<Accepted, Refused> {
        let Plan { parts, without_form: mut rejected, mut reasons } = self;
        let has_written = parts.iter().any(|part| part.has_written);
        for part in parts {
            match part.refused {
                Some(refused) if !has_written => return Err(refused),
                refused => reasons.extend(refused.map(|refused| refused.to_string())),
            }
            rejected += part.rejected;
            reasons.extend(part.reasons);
        }
        reasons.sort();
        reasons.dedup();
        let message = (!reasons.is_empty()).then(|| reasons.join("; "));
        // A point is often several samples.
        Ok(Accepted { rejected: rejected.min(items), message })
    }
}

impl Part {
    /// Sends what is left; an error may be gone the next time.
    async fn send(&mut self, sender: &WriteSender) -> Result<(), Refused> {
        while let Some(batch) = self.left.front_mut() {
            // Some may have become too old meanwhile.
            sender.settings.selection.forget_old(batch, now());
            if !batch.is_empty() {
                match sender.write(batch).await {
                    Ok((missing, reason)) => {
                        self.has_written = true;
                        self.rejected += missing;
                        self.reasons.extend(reason);
                    }
                    Err(refused) if refused.is_retryable() => return Err(refused),
                    Err(refused) => {
                        self.rejected += count(batch);
                        self.refused = Some(refused);
                    }
                }
            }
            self.left.pop_front();
        }
        Ok(())
    }
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Series by their labels, in their order.
fn sharded(series: Vec<Series>, shards: usize) -> Vec<Vec<Series>> {
    if shards <= 1 {
        return vec![series];
    }
    let mut parts: Vec<Vec<Series>> = vec![Vec::new(); shards];
    for one in series {
        let mut hasher = DefaultHasher::new();
        one.labels.hash(&mut hasher);
        let shard = (hasher.finish() % shards as u64) as usize;
        parts[shard].push(one);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Series in their order, as many at once as the bytes and the number of samples allow; at least one.
fn batches(series: Vec<Series>, max_bytes: usize, max_samples: usize) -> impl Iterator<Item = Vec<Series>> {
    let mut rest = series.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = rest.next()?;
        let (mut bytes, mut samples) = (size(&first), first.samples.len());
        let mut batch = vec![first];
        let mut fits = |series: &Series| {
            bytes += size(series);
            samples += series.samples.len();
            bytes <= max_bytes && samples <= max_samples
        };
        while let Some(next) = rest.next_if(&mut fits) {
            batch.push(next);
        }
        Some(batch)
    })
}

/// Roughly the bytes of a series.
fn size(series: &Series) -> usize {
    let labels: usize = series.labels.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let samples: usize = series
        .samples
        .iter()
        .map(|sample| match &sample.value {
            Value::Float(_) => SAMPLE_BYTES,
            Value::Histogram(native) => {
                let spans = native.positive_spans.len() + native.negative_spans.len();
                let lengths =
                    native.positive_spans.iter().chain(&native.negative_spans).map(|span| span.length as usize);
                3 * SAMPLE_BYTES + 8 * (spans + lengths.sum::<usize>() + native.custom_values.len())
            }
        })
        .sum();
    labels + samples + series.exemplars.len() * 4 * SAMPLE_BYTES + SAMPLE_BYTES
}
