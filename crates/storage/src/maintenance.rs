//! What goes on in the background: flushes that are due, compaction, retention, garbage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{debug, info, warn};
use trefoil_model::Table;

use crate::engine::Engine;
use crate::error::StorageError;
use crate::retention;

/// How often idle series are looked for.
const IDLE_SERIES_INTERVAL: Duration = Duration::from_secs(300);
/// How often the age of the buffer is looked at, at most.
const LONGEST_NAP: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Soon enough that an object store that is back is noticed before senders give up.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// Without a log senders wait for the next attempt.
const LONGEST_RETRY_WITHOUT_LOG: Duration = Duration::from_millis(500);

/// Flushes when the buffer is full or old, until the store shuts down.
pub(crate) async fn flush_when_due(engine: Arc<Engine>) {
    let mut retry = Retry::up_to(if engine.has_log() { LONGEST_RETRY } else { LONGEST_RETRY_WITHOUT_LOG });
    loop {
        let nap = match retry.wait() {
            Some(wait) => wait,
            None => time_until_due(&engine),
        };
        if !nap.is_zero() {
            tokio::select! {
                () = engine.shutdown.cancelled() => return,
                () = tokio::time::sleep(nap.min(LONGEST_NAP.max(retry.wait().unwrap_or_default()))) => {}
                () = engine.wake.notified(), if retry.wait().is_none() => {}
            }
        }
        engine.observe_memory();
        if retry.wait().is_none() && !time_until_due(&engine).is_zero() {
            continue;
        }
        if engine.shutdown.is_cancelled() {
            return;
        }
        match engine.flush().await {
            // Without a log there may have been nothing to try it with.
            Ok(()) if engine.admission.is_flush_failing() => {}
            Ok(()) => {
                if retry.succeeded() {
                    info!("flushes work again");
                }
            }
            Err(error) => {
                if retry.failed() {
                    warn!(
                        %error,
                        "cannot flush; what was acknowledged is safe, and it is tried again until it works"
                    );
                } else {
                    debug!(%error, "still cannot flush");
                }
            }
        }
    }
}

/// Zero when a flush is due now.
fn time_until_due(engine: &Engine) -> Duration {
    let buffer = &engine.config.buffer;
    if engine.has_pending_flush() || engine.buffer.size().active_bytes as u64 >= buffer.flush_bytes.get() {
        return Duration::ZERO;
    }
    let interval = match engine.has_log() {
        true => buffer.flush_interval,
        false => buffer.commit_interval,
    };
    match engine.buffer.age() {
        Some(age) => interval.saturating_sub(age),
        None => LONGEST_NAP,
    }
}

/// Waits that double from failure to failure.
#[derive(Debug)]
struct Retry {
    wait: Option<Duration>,
    longest: Duration,
}

impl Retry {
    fn up_to(longest: Duration) -> Self {
        Self { wait: None, longest }
    }

    fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// True for the first failure.
    fn failed(&mut self) -> bool {
        let next = self.wait.map_or(FIRST_RETRY, |last| (last * 2).min(self.longest));
        self.wait.replace(next).is_none()
    }

    /// True if there had been failures.
    fn succeeded(&mut self) -> bool {
        self.wait.take().is_some()
    }
}

/// Merges small files, one job after the other, until the store shuts down.
pub(crate) async fn compact_when_due(engine: Arc<Engine>) {
    let interval = engine.config.compaction.interval;
    if interval.is_zero() {
        return;
    }
    let mut was_failing = false;
    loop {
        tokio::select! {
            () = engine.shutdown.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        // A merge would take the files of a commit that is being withdrawn with it.
        if engine.admission.is_suspended() {
            continue;
        }
        // A kill at any instant is safe, so a shutdown may cut a job off.
        let compacted = tokio::select! {
            () = engine.shutdown.cancelled() => return,
            compacted = compact_all(&engine) => compacted,
        };
        if let Err(error) = &compacted {
            engine.metrics.failed("compaction");
            if !was_failing {
                warn!(%error, "cannot compact; trying again");
            }
        }
        was_failing = compacted.is_err();
    }
}

/// Runs jobs until there is nothing left to merge; returns how many.
pub(crate) async fn compact_all(engine: &Engine) -> Result<usize, StorageError> {
    let mut jobs = 0;
    while let Some(done) = engine.compactor.run_once().await? {
        jobs += 1;
        engine.committed.notify_one();
        debug!(
            table = done.table.name(),
            files = done.files,
            rows = done.rows,
            bytes_before = done.bytes_before,
            bytes_after = done.bytes_after,
            "compacted"
        );
    }
    Ok(jobs)
}

/// Lets go of what is past its time, until the store shuts down.
pub(crate) async fn collect_when_due(engine: Arc<Engine>) {
    let interval = engine.config.garbage.interval;
    if interval.is_zero() {
        return;
    }
    loop {
        let started = Instant::now();
        tokio::select! {
            () = engine.shutdown.cancelled() => return,
            result = collect(&engine, Utc::now()) => {
                if let Err(error) = result {
                    engine.metrics.failed("retention");
                    warn!(%error, "cannot delete what is past its time; trying again in {interval:?}");
                }
            }
        }
        debug!(milliseconds = started.elapsed().as_millis() as u64, "looked for data past its time");
        tokio::select! {
            () = engine.shutdown.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Lets go of series that have had no sample for long, until the store shuts down.
pub(crate) async fn forget_idle_series(engine: Arc<Engine>) {
    loop {
        tokio::select! {
            () = engine.shutdown.cancelled() => return,
            () = tokio::time::sleep(IDLE_SERIES_INTERVAL) => {
                engine.series.active().forget_idle(Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX));
            }
        }
    }
}

pub(crate) async fn collect(engine: &Engine, now: DateTime<Utc>) -> Result<(), StorageError> {
    let dropped = retention::enforce(&engine.catalog, &engine.retention.load(), now).await?;
    for table in Table::ALL.into_iter().filter(|table| dropped.rows_of[*table as usize] > 0) {
        engine.metrics.retention_rows.get_or_create(&table.into()).inc_by(dropped.rows_of[table as usize]);
    }
    forget_series(engine, now);
    let collected = retention::collect(&engine.catalog, &engine.files, &engine.config.garbage.options(), now).await?;
    if dropped.files > 0 || collected != retention::Collected::default() {
        info!(
            dropped_files = dropped.files,
            dropped_rows = dropped.rows,
            dropped_bytes = dropped.bytes,
            deleted_objects = collected.expired,
            deleted_orphans = collected.orphans,
            "let go of old data"
        );
    }
    Ok(())
}

/// The `series` rows of these days may be gone: a late sample brings its row again.
fn forget_series(engine: &Engine, now: DateTime<Utc>) {
    let (snapshot, retention) = (engine.catalog.cached(), engine.retention.load());
    let shortest = snapshot
        .tenants(Table::Series)
        .filter_map(|tenant| retention.of(tenant, Table::Series))
        .min()
        .and_then(|kept| TimeDelta::from_std(kept).ok());
    if let Some(cutoff) = shortest.and_then(|kept| now.checked_sub_signed(kept)) {
        let day = cutoff.timestamp().div_euclid(86_400) + 1;
        engine.series.forget_before(i32::try_from(day).unwrap_or(i32::MIN));
    }
}
