//! What all targets of a receiver share: where scrapes go, and the bounds of all of them together.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use trefoil_model::{Signal, Tenant};

use super::config::Job;
use super::scrape::failure_log;
use super::target::Target;
use crate::component::Downstream;
use crate::metrics::{ScrapeMetrics, TransportMetrics};
use crate::net::body::Admission;
use crate::telemetry::{Consumer, Payload, Telemetry};

/// Bytes of all bodies that are being read.
const MAX_BODIES: usize = 256 << 20;

pub struct Sink {
    downstream: Downstream,
    tenant: Tenant,
    metrics: TransportMetrics,
    counts: ScrapeMetrics,
    admission: Admission,
    /// No more long bodies are read at once than there are cores.
    cores: Semaphore,
    seed: u64,
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
            seed: hasher.finish(),
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

    /// Hands the requests of one scrape to the pipelines; the error is of the first that is not taken.
    pub async fn deliver(&self, requests: Vec<(bytes::Bytes, u64)>) -> Result<(), String> {
        let mut result = Ok(());
        for (body, points) in requests {
            let mut metrics = self.metrics.begin();
            let payload = Payload::from_bytes(Signal::Metrics, body).with_items(points);
            let answer = self.downstream.consume(Telemetry::new(self.tenant.clone(), payload)).await;
            metrics.delivered(Signal::Metrics, points, &answer);
            let refused = match answer {
                Ok(accepted) if accepted.rejected == 0 => continue,
                Ok(accepted) => {
                    let why = accepted.message.unwrap_or_else(|| "no reason was given".to_owned());
                    format!("{} of {points} samples are not stored: {why}", accepted.rejected)
                }
                Err(refused) => format!("{points} samples are not stored: {refused}"),
            };
            tracing::warn!(refused, "a scrape is not stored");
            if result.is_ok() {
                result = Err(refused);
            }
        }
        result
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
