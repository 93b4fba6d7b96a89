//! After a start: what the log holds beyond the catalog goes back into the buffer, through the same decoder.

use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info, warn};
use trefoil_model::decode::{DecodeContext, Stored, decode_again};
use trefoil_model::samples::KnownSamples;
use trefoil_model::{Promoted, Tenant};

use crate::buffer::Arrival;
use crate::engine::Engine;
use crate::error::StorageError;
use crate::log::{self, Kind, Log, LogError, Record, Recovery};

/// Records decoded together on one thread.
const CHUNK: usize = 64;

type Rows = (Tenant, Arrival);

impl Engine {
    /// Reads the log to its end and returns it ready for appends. The buffer holds what is not in files; where that
    /// exceeds its bounds it is flushed on the way.
    pub(crate) async fn replay(self: &Arc<Self>, recovery: Recovery) -> Result<Log, StorageError> {
        let started = Instant::now();
        let segment_bytes = self.config.log.segment_bytes.get();
        let (mut recovery, mut requests, mut rows) = (recovery, 0, 0);
        loop {
            let engine = self.clone();
            let (next, decoded) = blocking(move || {
                let mut recovery = recovery;
                let segment = recovery.next_segment()?;
                let decoded = segment.map(|segment| {
                    engine.metrics.log_lost_records.inc_by(segment.lost);
                    let count = segment.records.len();
                    (count, engine.decode_all(segment.records))
                });
                Ok((recovery, decoded))
            })
            .await?;
            recovery = next;
            let Some((count, decoded)) = decoded else { break };
            requests += count;
            for (tenant, arrival) in decoded {
                rows += arrival.batches.iter().map(|(_, batch)| batch.num_rows()).sum::<usize>();
                for table in self.buffer.insert(&tenant, arrival).due {
                    self.buffer.coalesce(&tenant, table);
                }
            }
            self.bound_buffer(recovery.position()).await?;
        }
        let mut log = recovery.finish(segment_bytes);
        if requests > 0 {
            info!(
                requests,
                rows,
                milliseconds = started.elapsed().as_millis() as u64,
                "recovered from the log what was not in files yet"
            );
        }
        // Segments whose flush was committed and that a crash kept from being deleted.
        if let Err(error) = log.release(self.catalog.cached().log_position(&self.writer).unwrap_or(0)) {
            warn!(%error, "cannot delete a log segment that is in files already");
        }
        Ok(log)
    }

    /// Flushes when there is enough for a flush; fails only when more would not fit into memory.
    async fn bound_buffer(&self, end: u64) -> Result<(), StorageError> {
        let size = self.buffer.size();
        if (size.active_bytes as u64) < self.config.buffer.flush_bytes.get() {
            return Ok(());
        }
        match self.flush_replayed(end).await {
            Err(error) if (size.bytes as u64) < self.config.buffer.max_bytes.get() => {
                warn!(%error, "cannot flush during recovery; going on, and trying again later");
                Ok(())
            }
            other => other,
        }
    }

    /// Rows of the records, in their order, decoded on all cores.
    fn decode_all(&self, records: Vec<Record>) -> Vec<Rows> {
        let promoted = self.promotion.current();
        let chunks: Vec<&[Record]> = records.chunks(CHUNK).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(chunks.len().max(1));
        let next = std::sync::atomic::AtomicUsize::new(0);
        let mut decoded: Vec<(usize, Vec<Rows>)> = std::thread::scope(|scope| {
            let work = || {
                let mut done = Vec::new();
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(chunk) = chunks.get(index) else { return done };
                    done.push((
                        index,
                        chunk.iter().filter_map(|record| self.decode_record(record, &promoted)).collect(),
                    ));
                }
            };
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done: Vec<(usize, Vec<Rows>)> = work();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        decoded.sort_by_key(|(index, _)| *index);
        decoded.into_iter().flat_map(|(_, rows)| rows).collect()
    }

    fn decode_record(&self, record: &Record, promoted: &Promoted) -> Option<Rows> {
        let context = DecodeContext {
            promoted,
            limits: &self.limits,
            series: &self.series,
            received: record.received,
            trace_ids: Some(self.trace_ids.of(&record.tenant)),
        };
        let decoded = record.payload().map_err(|error| error.to_string()).and_then(|payload| {
            let is_judged = record.kind == Kind::Samples;
            let (refused_points, samples, body) = match record.kind {
                Kind::Otlp(_) => (Vec::new(), KnownSamples::default(), payload.as_ref()),
                Kind::Samples => log::samples::read(&payload).ok_or("its samples cannot be read")?,
            };
            let stored = Stored { body, samples: &samples, refused_points: &refused_points, is_judged };
            decode_again(record.kind.signal(), &record.tenant, stored, &context).map_err(|error| error.to_string())
        });
        match decoded {
            Ok(decoded) => {
                self.series.remember(&record.tenant, &decoded.new_series);
                let arrival = Arrival { batches: decoded.batches, entries: decoded.entries };
                Some((record.tenant.clone(), arrival))
            }
            Err(reason) => {
                self.metrics.log_lost_records.inc();
                error!(
                    sequence = record.sequence, tenant = %record.tenant, signal = %record.kind.signal(), reason,
                    "ACKNOWLEDGED DATA IS LOST: an intact log record cannot be decoded; please report this"
                );
                None
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(StorageError::Files(format!("the recovery was cut off: {error}"))),
    }
}
