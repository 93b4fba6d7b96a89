//! What was read, into the pipelines; and what they have taken, into the checkpoints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use trefoil_model::{Signal, Tenant};

use super::config::Retry;
use super::progress::Checkpoints;
use crate::component::Downstream;
use crate::metrics::TransportMetrics;
use crate::stanza::receipt::Receipt;
use crate::stanza::{Entry, records};
use crate::telemetry::{Consumer, Payload, Refused, Telemetry};

pub struct Delivery {
    pub downstream: Downstream,
    pub tenant: Tenant,
    pub metrics: TransportMetrics,
    pub retry: Retry,
    pub checkpoints: Arc<Checkpoints>,
    /// Nothing is tried again any more.
    pub stop: CancellationToken,
}

/// What was refused for good, or given up.
enum Lost {
    Refused(Refused),
    /// It will be read again, if anywhere is written how far it was.
    Stopped,
}

impl Delivery {
    /// One batch after the other, so that lines stay in order; until nobody sends any more.
    pub async fn run(self, mut batches: mpsc::Receiver<Vec<Entry>>) {
        while let Some(entries) = batches.recv().await {
            let is_taken = entries.is_empty() || self.deliver(entries).await;
            if let Err(error) = self.checkpoints.save().await {
                tracing::warn!(%error, "how far files have been read cannot be written; it is tried again");
            }
            if !is_taken {
                return;
            }
        }
    }

    /// `false`, if it was stopped before the pipelines took it.
    async fn deliver(&self, entries: Vec<Entry>) -> bool {
        let count = entries.len() as u64;
        let (request, receipts) = records::request(entries);
        let body: Bytes = request.encode_to_vec().into();
        match self.send(body, count).await {
            Ok(()) => {}
            Err(Lost::Refused(refused)) => {
                tracing::warn!(records = count, %refused, "lines of files are lost: the pipelines do not take them");
            }
            Err(Lost::Stopped) => return false,
        }
        receipts.into_iter().for_each(Receipt::settle);
        true
    }

    async fn send(&self, body: Bytes, count: u64) -> Result<(), Lost> {
        let begun = Instant::now();
        let mut wait = self.retry.initial_interval;
        let mut is_told = false;
        loop {
            let payload = Payload::from_bytes(Signal::Logs, body.clone()).with_items(count);
            let mut metrics = self.metrics.begin();
            let answer = tokio::select! {
                biased;
                answer = self.downstream.consume(Telemetry::new(self.tenant.clone(), payload)) => answer,
                () = self.stop.cancelled() => return Err(Lost::Stopped),
            };
            metrics.delivered(Signal::Logs, count, &answer);
            drop(metrics);
            let refused = match answer {
                Ok(accepted) => {
                    if accepted.rejected > 0 {
                        let why = accepted.message.unwrap_or_else(|| "no reason was given".to_owned());
                        tracing::warn!(records = accepted.rejected, why, "lines of files are not stored");
                    }
                    return Ok(());
                }
                Err(refused) => refused,
            };
            if !refused.is_retryable() || !self.retry.enabled {
                return Err(Lost::Refused(refused));
            }
            let limit = self.retry.max_elapsed_time;
            if !limit.is_zero() && begun.elapsed() + wait > limit {
                return Err(Lost::Refused(refused));
            }
            if !std::mem::replace(&mut is_told, true) {
                tracing::info!(%refused, "the pipelines do not take lines of files for now; reading waits for them");
            }
            let wait_now = wait.max(refused.retry_after().unwrap_or(Duration::ZERO));
            tokio::select! {
                () = tokio::time::sleep(wait_now) => {}
                () = self.stop.cancelled() => return Err(Lost::Stopped),
            }
            wait = wait.mul_f64(1.5).min(self.retry.max_interval);
        }
    }
}
