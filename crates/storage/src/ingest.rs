//! The way in: decode, make durable, make visible, acknowledge.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::{info, warn};
use trefoil_model::decode::{DecodeContext, Decoded, decode, decode_samples};
use trefoil_model::samples::KnownSamples;
use trefoil_model::{Promoted, Signal, Table, Tenant};

use crate::buffer::{self, Arrival};
use crate::config::Acknowledge;
use crate::engine::Engine;
use crate::error::{AppendError, Appended};
use crate::log::{self, Kind, Prepared};
use crate::metrics::Refusal;
use crate::sequencer::Submission;

/// Decoding a longer body would hold up the other tasks of its thread for milliseconds.
const LONG_BODY: usize = 256 << 10;

/// What is to be stored.
pub(crate) enum Request {
    /// An OTLP export request.
    Otlp(Signal, Bytes),
    /// Samples of known series, and an OTLP request with the rest.
    Samples(Box<KnownSamples>, Bytes),
}

impl Request {
    fn signal(&self) -> Signal {
        match self {
            Request::Otlp(signal, _) => *signal,
            Request::Samples(..) => Signal::Metrics,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Request::Otlp(_, body) => body.len(),
            Request::Samples(samples, rest) => samples.bytes() + rest.len(),
        }
    }
}

impl Engine {
    /// See [`Storage::append`](crate::Storage::append).
    pub(crate) async fn append(self: &Arc<Self>, tenant: &Tenant, request: Request) -> Result<Appended, AppendError> {
        let started = Instant::now();
        let (signal, received_bytes) = (request.signal(), request.bytes() as u64);
        let result = self.try_append(tenant, request).await;
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

    async fn try_append(self: &Arc<Self>, tenant: &Tenant, request: Request) -> Result<Appended, AppendError> {
        if self.is_closed() {
            return Err(AppendError::Closed);
        }
        let sequencer = self.sequencer()?;
        let mut reservation = self.admission.reserve(request.bytes())?;
        let signal = request.signal();
        // A deletion waits for requests that may have taken a series for known whose row it is about to delete.
        let on_the_way = self.intake.read().await;
        let era = self.series.era();
        if let Request::Samples(samples, _) = &request
            && samples.era != self.series.active().of(tenant).era()
        {
            return Err(AppendError::unavailable(
                "series of the tenant were deleted meanwhile; send the samples again",
            ));
        }
        let (decoded, record) = self.prepare(tenant, request).await?;
        let appended = Appended { accepted: decoded.accepted, rejected: decoded.rejected, message: decoded.reasons };
        if decoded.batches.is_empty() {
            return Ok(appended);
        }
        reservation.set(decoded.batches.iter().map(|(_, batch)| buffer::memory(batch)).sum());
        let (acknowledgement, acknowledged) = oneshot::channel();
        let arrival = Arrival { batches: decoded.batches, entries: decoded.entries };
        let submission = Submission { tenant: tenant.clone(), arrival, record, reservation, acknowledgement };
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
        request: Request,
    ) -> Result<(Decoded, Option<Prepared>), AppendError> {
        let promoted = self.promotion.current();
        if request.bytes() < LONG_BODY {
            return self.prepare_blocking(tenant, &request, &promoted);
        }
        let Ok(turn) = self.decoders.clone().acquire_owned().await else { return Err(AppendError::Closed) };
        let (engine, tenant) = (self.clone(), tenant.clone());
        let prepare = move || {
            let _turn = turn;
            engine.prepare_blocking(&tenant, &request, &promoted)
        };
        tokio::task::spawn_blocking(prepare)
            .await
            .map_err(|error| AppendError::unavailable(format!("decoding was cut off: {error}")))?
    }

    fn prepare_blocking(
        &self,
        tenant: &Tenant,
        request: &Request,
        promoted: &Promoted,
    ) -> Result<(Decoded, Option<Prepared>), AppendError> {
        let received = now();
        let trace_ids = Some(self.trace_ids.of(tenant));
        let context = DecodeContext { promoted, limits: &self.limits, series: &self.series, received, trace_ids };
        let decoded = match request {
            Request::Otlp(signal, body) => decode(*signal, tenant, body, &context),
            Request::Samples(samples, rest) => decode_samples(tenant, samples, rest, &context),
        };
        let decoded = decoded.map_err(|error| AppendError::Malformed(error.to_string()))?;
        if self.config.acknowledge != Acknowledge::Log || decoded.batches.is_empty() {
            return Ok((decoded, None));
        }
        let refused = &decoded.refused_points;
        let record = match request {
            Request::Otlp(signal, body) if refused.is_empty() => Prepared::new(tenant, *signal, received, body),
            Request::Otlp(_, body) => {
                let payload = log::samples::write(refused, &KnownSamples::default(), body);
                Prepared::new(tenant, Kind::Samples, received, &payload)
            }
            Request::Samples(samples, rest) => {
                Prepared::new(tenant, Kind::Samples, received, &log::samples::write(refused, samples, rest))
            }
        };
        let record = record.map_err(|error| AppendError::Malformed(error.to_string()))?;
        Ok((decoded, Some(record)))
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
