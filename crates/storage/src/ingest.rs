//! The way in: decode, make durable, make visible, acknowledge.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::{info, warn};
use trefoil_model::decode::{DecodeContext, Decoded, decode};
use trefoil_model::{Promoted, Signal, Table, Tenant};

use crate::buffer;
use crate::config::Acknowledge;
use crate::engine::Engine;
use crate::error::{AppendError, Appended};
use crate::log::Prepared;
use crate::metrics::Refusal;
use crate::sequencer::Submission;

/// Decoding a longer body would hold up the other tasks of its thread for milliseconds.
const LONG_BODY: usize = 256 << 10;

impl Engine {
    /// See [`Storage::append`](crate::Storage::append).
    pub(crate) async fn append(
        self: &Arc<Self>,
        tenant: &Tenant,
        signal: Signal,
        body: Bytes,
    ) -> Result<Appended, AppendError> {
        let started = Instant::now();
        let received_bytes = body.len() as u64;
        let result = self.try_append(tenant, signal, body).await;
        match &result {
            Ok(appended) => {
                let of = signal.into();
                self.metrics.received_bytes.get_or_create(&of).inc_by(received_bytes);
                self.metrics.accepted_items.get_or_create(&of).inc_by(appended.accepted);
                if appended.rejected > 0 {
                    self.metrics.rejected_items.get_or_create(&of).inc_by(appended.rejected);
                }
                self.metrics.append_seconds.observe(started.elapsed().as_secs_f64());
            }
            Err(error) => {
                let reason = match error {
                    AppendError::Malformed(_) => "malformed",
                    AppendError::Unavailable { .. } => "unavailable",
                    AppendError::Closed => "closed",
                };
                self.metrics.refused_requests.get_or_create(&Refusal { signal: signal.as_str(), reason }).inc();
            }
        }
        result
    }

    async fn try_append(
        self: &Arc<Self>,
        tenant: &Tenant,
        signal: Signal,
        body: Bytes,
    ) -> Result<Appended, AppendError> {
        if self.is_closed() {
            return Err(AppendError::Closed);
        }
        let sequencer = self.sequencer()?;
        let mut reservation = self.admission.reserve(body.len())?;
        // A deletion waits for requests that may have taken a series for known whose row it is about to delete.
        let on_the_way = self.intake.read().await;
        let era = self.series.era();
        let (decoded, record) = self.prepare(tenant, signal, body).await?;
        let appended = Appended { accepted: decoded.accepted, rejected: decoded.rejected, message: decoded.reasons };
        if decoded.batches.is_empty() {
            return Ok(appended);
        }
        reservation.set(decoded.batches.iter().map(|(_, batch)| buffer::memory(batch)).sum());
        let (acknowledgement, acknowledged) = oneshot::channel();
        let submission =
            Submission { tenant: tenant.clone(), batches: decoded.batches, record, reservation, acknowledgement };
        sequencer.append(submission).await?;
        drop(on_the_way);
        if !self.has_log() {
            self.wake.notify_one();
        }
        // Should the caller go away here, the rows are stored all the same, unacknowledged.
        acknowledged.await.map_err(|_| AppendError::Closed)??;
        self.series.remember_since(era, tenant, &decoded.new_series);
        if self.buffer.size().active_bytes as u64 >= self.config.buffer.flush_bytes.get() {
            self.wake.notify_one();
        }
        if let (Some(counts), Some(table)) = (decoded.key_counts, table_of(signal)) {
            let columns = self.promotion.observe(table, &counts);
            if !columns.is_empty() {
                self.promote(columns);
            }
        }
        Ok(appended)
    }

    /// Decodes the body and compresses it for the log.
    async fn prepare(
        self: &Arc<Self>,
        tenant: &Tenant,
        signal: Signal,
        body: Bytes,
    ) -> Result<(Decoded, Option<Prepared>), AppendError> {
        let promoted = self.promotion.current();
        if body.len() < LONG_BODY {
            return self.prepare_blocking(tenant, signal, &body, &promoted);
        }
        let Ok(turn) = self.decoders.clone().acquire_owned().await else { return Err(AppendError::Closed) };
        let (engine, tenant) = (self.clone(), tenant.clone());
        let prepare = move || {
            let _turn = turn;
            engine.prepare_blocking(&tenant, signal, &body, &promoted)
        };
        tokio::task::spawn_blocking(prepare)
            .await
            .map_err(|error| AppendError::unavailable(format!("decoding was cut off: {error}")))?
    }

    fn prepare_blocking(
        &self,
        tenant: &Tenant,
        signal: Signal,
        body: &[u8],
        promoted: &Promoted,
    ) -> Result<(Decoded, Option<Prepared>), AppendError> {
        let received = now();
        let malformed = |error: String| AppendError::Malformed(error);
        let context = DecodeContext { promoted, limits: &self.limits, series: &self.series, received };
        let decoded = decode(signal, tenant, body, &context).map_err(|error| malformed(error.to_string()))?;
        let record = match self.config.acknowledge {
            Acknowledge::Log if !decoded.batches.is_empty() => {
                Some(Prepared::new(tenant, signal, received, body).map_err(|error| malformed(error.to_string()))?)
            }
            _ => None,
        };
        Ok((decoded, record))
    }

    /// Adds columns to the catalog and then decodes into them.
    fn promote(self: &Arc<Self>, columns: Vec<(Table, arrow::datatypes::Field)>) {
        let engine = self.clone();
        tokio::spawn(async move {
            let names: Vec<String> =
                columns.iter().map(|(table, f)| format!("{}.{}", table.name(), f.name())).collect();
            match engine.catalog.add_columns(columns).await {
                Ok(snapshot) => {
                    engine.promotion.adopt(&snapshot);
                    info!(columns = names.join(", "), "attributes that many rows have became columns");
                }
                // They stay in the JSON text, and will be found again in the next rows.
                Err(error) => warn!(%error, columns = names.join(", "), "cannot make columns of frequent attributes"),
            }
        });
    }
}

fn table_of(signal: Signal) -> Option<Table> {
    match signal {
        Signal::Traces => Some(Table::Spans),
        Signal::Logs => Some(Table::Logs),
        Signal::Metrics => None,
    }
}

/// Unix nanoseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
