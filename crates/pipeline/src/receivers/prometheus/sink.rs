//! What all targets of a receiver share: where scrapes go, and the bounds of all of them together.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use trefoil_model::active::Reason;
use trefoil_model::{Signal, Tenant};

use super::config::Job;
use super::scrape::failure_log;
use super::target::Target;
use crate::component::Downstream;
use crate::metrics::{ScrapeMetrics, TransportMetrics};
use crate::net::body::Admission;
use crate::receivers::otlp::workshop::Workshop;
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::receivers::prometheusremotewrite::batch::Batch;
use crate::telemetry::Consumer;

/// Bytes of all bodies that are being read.
const MAX_BODIES: usize = 256 << 20;

/// What targets do wrong they do in every scrape: it is said once in such a time.
const QUIET: Duration = Duration::from_secs(60);

pub struct Sink {
    downstream: Downstream,
    tenant: Tenant,
    metrics: TransportMetrics,
    counts: ScrapeMetrics,
    admission: Admission,
    /// No more long bodies are read at once than there are cores.
    cores: Semaphore,
    workshop: Workshop,
    seed: u64,
    /// When it was last said that samples of a job were refused, and how many more have been since.
    told: Mutex<HashMap<String, (Instant, u64)>>,
    /// How many loops scrape each target of each job.
    active: Mutex<HashMap<(String, u64), usize>>,
}

impl Sink {
    pub fn new(downstream: Downstream, tenant: Tenant, metrics: TransportMetrics, counts: ScrapeMetrics) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        // Several servers that scrape the same targets do so at different times.
        let mut hasher = DefaultHasher::new();
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().hash(&mut hasher);
        Self {
            downstream,
            tenant,
            metrics,
            counts,
            admission: Admission::new(MAX_BODIES),
            cores: Semaphore::new(cores),
            workshop: Workshop::default(),
            seed: hasher.finish(),
            told: Mutex::default(),
            active: Mutex::default(),
        }
    }

    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    pub fn counts(&self) -> &ScrapeMetrics {
        &self.counts
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Does `work` away from the threads that serve connections; `None` if it panicked.
    pub async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _turn = self.cores.acquire().await.ok()?;
        let done = tokio::task::spawn_blocking(work).await;
        done.inspect_err(|error| tracing::error!(%error, "a scrape broke off")).ok()
    }

    /// Hands what a scrape of the job found to the pipelines; the error is of the first batch that is not taken. Samples that
    /// the store refuses for their time are counted and are no error, as in Prometheus. `now` in milliseconds since the epoch.
    pub async fn deliver(&self, job: &Job, batches: Vec<Batch>, now: i64) -> Result<(), String> {
        let now = u64::try_from(now).unwrap_or_default().saturating_mul(1_000_000);
        let mut result = Ok(());
        for batch in batches {
            let points = batch.points();
            let request = WriteRequest::found(self.tenant.clone(), batch, now, self.workshop.clone());
            let mut metrics = self.metrics.begin();
            let answer = self.downstream.consume_write(request.clone()).await;
            metrics.delivered(Signal::Metrics, points, &answer);
            let report = request.take_outcome().and_then(Result::ok).unwrap_or_default().report;
            let untimely = self.count_untimely(&report.reasons);
            let refused = match answer {
                Ok(accepted) if accepted.rejected == 0 => continue,
                Ok(accepted) => {
                    let why = accepted.message.unwrap_or_else(|| "no reason was given".to_owned());
                    self.tell(job, accepted.rejected, &why);
                    if accepted.rejected <= untimely {
                        continue;
                    }
                    format!("{} of {points} samples are not stored: {why}", accepted.rejected)
                }
                Err(refused) => {
                    let why = refused.to_string();
                    self.tell(job, points, &why);
                    format!("{points} samples are not stored: {why}")
                }
            };
            if result.is_ok() {
                result = Err(refused);
            }
        }
        result
    }

    /// Counts samples that were refused for their time, and adds them up.
    fn count_untimely(&self, reasons: &[u64; Reason::ALL.len()]) -> u64 {
        let of = |reason: Reason| reasons[reason as usize];
        let counted = [
            (&self.counts.duplicates, of(Reason::NewValue)),
            (&self.counts.out_of_order, of(Reason::OutOfOrder) + of(Reason::TooOld)),
            (&self.counts.out_of_bounds, of(Reason::TooFarInFuture)),
        ];
        counted
            .into_iter()
            .map(|(counter, count)| {
                counter.inc_by(count);
                count
            })
            .sum()
    }

    fn tell(&self, job: &Job, samples: u64, why: &str) {
        let now = Instant::now();
        let mut told = self.told.lock();
        let samples = match told.get_mut(&job.name) {
            Some((last, more)) if now.duration_since(*last) < QUIET => {
                *more += samples;
                return;
            }
            Some((_, more)) => samples + *more,
            None => samples,
        };
        told.insert(job.name.clone(), (now, 0));
        tracing::warn!(job = job.name, samples, why, "samples of scrapes are not stored");
    }

    /// Forgets what was said of a job that is gone.
    pub fn forget(&self, job: &str) {
        self.told.lock().remove(job);
        self.counts.remove_pool(job);
    }

    pub async fn log_failure(&self, job: &Job, target: &Target, error: &str) {
        let Some(file) = &job.failure_log else { return };
        if let Err(broken) = failure_log::append(file, &job.name, target.url.as_str(), error).await {
            tracing::warn!(file = %file.display(), error = %broken, "the scrape failure log cannot be written");
        }
    }

    pub fn enter(&self, job: &str, target: u64) {
        *self.active.lock().entry((job.to_owned(), target)).or_default() += 1;
    }

    pub fn leave(&self, job: &str, target: u64) {
        let mut active = self.active.lock();
        let key = (job.to_owned(), target);
        if let Some(count) = active.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                active.remove(&key);
            }
        }
    }

    /// Whether anybody scrapes the target now.
    pub fn is_active(&self, job: &str, target: u64) -> bool {
        self.active.lock().contains_key(&(job.to_owned(), target))
    }
}
