//! The scrape loop of one target.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use trefoil_prometheus::exposition::Format;

use self::cache::Cache;
use self::collect::{Collected, Failure, collect};
use self::fetch::{FetchError, Fetched, fetch};
use self::report::{Report, gauges};
use self::write::Writer;
use super::client::HttpClient;
use super::config::Job;
use super::sink::Sink;
use super::status::{Health, LastScrape, TargetStatus};
use crate::receivers::prometheusremotewrite::batch::Batch;

mod buckets;
pub mod cache;
mod collect;
pub(super) mod failure_log;
mod fetch;
mod report;
#[cfg(test)]
pub(super) mod tests;
mod write;

/// A scrape may be so much off its time and is written as on time: even times take no space.
const TOLERANCE: Duration = Duration::from_millis(2);

/// Reading a longer body would hold up the other tasks of its thread.
const LONG_BODY: usize = 128 << 10;

/// How many targets the job has beyond its limit, which all of them fail for.
#[derive(Default)]
pub struct TargetLimit {
    pub is_exceeded: AtomicBool,
    pub targets: AtomicUsize,
}

pub struct ScrapeLoop {
    pub job: Arc<Job>,
    pub status: Arc<TargetStatus>,
    pub client: Arc<HttpClient>,
    pub sink: Arc<Sink>,
    pub limit: Arc<TargetLimit>,
    /// The target is gone.
    pub gone: CancellationToken,
}

impl ScrapeLoop {
    /// Scrapes until the target is gone, then tells its series to end. Dropped, it ends as it is: whoever starts next goes on.
    pub async fn run(self) {
        let target = &self.status.target;
        tokio::select! {
            () = sleep(self.offset()) => {}
            () = self.gone.cancelled() => return,
        }
        let mut ticks = interval(target.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut cache = Box::new(Cache::default());
        let mut schedule = SystemTime::now();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.gone.cancelled() => break,
            }
            schedule = on_time(schedule, SystemTime::now(), target.interval);
            // Whatever is under way is finished: it takes no longer than the timeout.
            cache = self.scrape(cache, schedule).await;
        }
        self.end(cache, &mut ticks).await;
    }

    /// Spreads targets over the interval, each always to the same place in it.
    fn offset(&self) -> Duration {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let interval = nanos(self.status.target.interval).max(1);
        let now = nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let place = (self.status.target.hash() ^ self.sink.seed()) % interval;
        Duration::from_nanos((place + interval - now % interval) % interval)
    }

    async fn scrape(&self, cache: Box<Cache>, at: SystemTime) -> Box<Cache> {
        let (job, target) = (&self.job, &self.status.target);
        let start = Instant::now();
        let mut reservation = self.sink.admission().start();
        let limit = job.limits.targets;
        let fetched = if self.limit.is_exceeded.load(Ordering::Relaxed) {
            let targets = self.limit.targets.load(Ordering::Relaxed);
            Err(format!("target_limit exceeded (number of targets: {targets}, limit: {limit})"))
        } else {
            match tokio::time::timeout(target.timeout, fetch(job, target, &self.client, &mut reservation)).await {
                Err(_) => Err(format!("the target did not answer within its scrape timeout of {:?}", target.timeout)),
                Ok(Ok(fetched)) => Ok(fetched),
                Ok(Err(error)) => {
                    if matches!(error, FetchError::TooLarge(_)) {
                        self.sink.counts().body_size_limit.inc();
                    }
                    Err(match error {
                        FetchError::Request(reason) => format!("Get {:?}: {reason}", target.url.as_str()),
                        error => error.to_string(),
                    })
                }
            }
        };
        let duration = start.elapsed();
        let body_size = match &fetched {
            Ok(Fetched { body, .. }) => Some(body.len() as u64),
            Err(error) if error.starts_with("body size limit exceeded") => None,
            Err(_) => Some(0),
        };
        let task = Task { job: job.clone(), status: self.status.clone(), at: millis(at), duration, body_size };
        let done = match &fetched {
            Ok(Fetched { body, .. }) if body.len() >= LONG_BODY => {
                self.sink.work(move || task.run(cache, fetched)).await
            }
            _ => Some(task.run(cache, fetched)),
        };
        // Only a panic takes the cache away; its series are new then.
        let Some((mut cache, batches, collected, error)) = done else { return Box::default() };
        self.count(&collected);
        let refused = self.sink.deliver(job, batches, millis(at)).await.err();
        let error = error.or(refused).unwrap_or_default();
        if !error.is_empty() {
            tracing::debug!(job = job.name, target = %target.url, error, "a scrape failed");
            self.sink.log_failure(job, target, &error).await;
        }
        if let Some(families) = cache.changed_families() {
            self.status.set_families(families);
        }
        let health = if error.is_empty() { Health::Up } else { Health::Down };
        self.status.set_last(LastScrape { health, error, at: Some(at), duration });
        cache
    }

    fn count(&self, collected: &Collected) {
        let counts = self.sink.counts();
        counts.duplicates.inc_by(collected.duplicates);
        counts.out_of_bounds.inc_by(collected.out_of_bounds);
        if let Some((count, reason)) = &collected.unfit {
            counts.unfit_histograms.inc_by(*count);
            tracing::debug!(job = self.job.name, target = %self.status.target.url, count, reason, "histograms left out");
        }
        match &collected.failure {
            Some(Failure::SampleLimit(_)) => drop(counts.sample_limit.inc()),
            Some(Failure::BucketLimit(_)) => drop(counts.bucket_limit.inc()),
            _ => {}
        }
    }

    /// Ends the series, unless the target has come back meanwhile. (Prometheus' `endOfRunStaleness`.)
    async fn end(&self, cache: Box<Cache>, ticks: &mut Interval) {
        let target = &self.status.target;
        ticks.tick().await;
        let at = SystemTime::now();
        ticks.tick().await;
        sleep(target.interval / 10).await;
        if self.sink.is_active(&self.job.name, target.hash()) {
            return;
        }
        let batches = ended(&self.job, &self.status, cache, millis(at));
        if let Err(error) = self.sink.deliver(&self.job, batches, millis(at)).await {
            tracing::warn!(job = self.job.name, target = %target.url, error, "the series of a target that is gone are not ended");
        }
    }
}

/// Reads bodies of one target, one after the other; for fuzzing.
#[doc(hidden)]
pub fn try_scrapes(job: &Job, target: super::target::Target, format: Format, bodies: &[&[u8]]) -> Vec<Batch> {
    let (job, status) = (Arc::new(job.clone()), Arc::new(TargetStatus::new(target)));
    let mut cache = Box::new(Cache::default());
    let mut batches = Vec::new();
    for (at, body) in (1i64..).zip(bodies) {
        let fetched = Ok(Fetched { body: bytes::Bytes::copy_from_slice(body), format });
        let (job, status) = (job.clone(), status.clone());
        let task = Task { job, status, at: at * 1000, duration: Duration::ZERO, body_size: None };
        let (kept, written, ..) = task.run(cache, fetched);
        cache = kept;
        batches.extend(written);
    }
    batches
}

/// What of a scrape takes time but no waiting.
struct Task {
    job: Arc<Job>,
    status: Arc<TargetStatus>,
    at: i64,
    duration: Duration,
    body_size: Option<u64>,
}

type Done = (Box<Cache>, Vec<Batch>, Collected, Option<String>);

impl Task {
    fn run(self, mut cache: Box<Cache>, fetched: Result<Fetched, String>) -> Done {
        let (mut collected, error) = match fetched {
            Ok(Fetched { body, format }) => self.read(&mut cache, format, &body),
            Err(error) => (Collected::default(), Some(error)),
        };
        let ended = if error.is_some() { cache.fail() } else { cache.succeed() };
        let report = Report {
            is_up: error.is_none(),
            duration: self.duration,
            scraped: collected.scraped,
            kept: collected.kept,
            added: collected.added,
            body_size: self.body_size,
        };
        let samples = std::mem::take(&mut collected.samples);
        let mut writer = Writer::new(&mut cache, nanos(self.at));
        if error.is_none() {
            writer.samples(samples);
        }
        writer.ends(ended);
        writer.gauges(&gauges(&self.job, self.status.target.timeout, Some(&report)), &self.status.target.labels);
        let batches = writer.finish();
        cache.sweep();
        (cache, batches, collected, error)
    }

    fn read(&self, cache: &mut Cache, format: Format, body: &[u8]) -> (Collected, Option<String>) {
        cache.begin();
        let (mut collected, result) = collect(&self.job, &self.status.target.labels, cache, format, body, self.at);
        let error = result.err();
        let text = error.as_ref().map(ToString::to_string);
        collected.failure = error;
        (collected, text)
    }
}

fn ended(job: &Job, status: &TargetStatus, mut cache: Box<Cache>, at: i64) -> Vec<Batch> {
    let ended = cache.fail();
    let mut writer = Writer::new(&mut cache, nanos(at));
    writer.ends(ended);
    writer.gauges(&gauges(job, status.target.timeout, None), &status.target.labels);
    writer.finish()
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or_default().saturating_mul(1_000_000)
}

/// The time on schedule if `now` is hardly off it, else `now`, with which the schedule begins anew.
fn on_time(before: SystemTime, now: SystemTime, interval: Duration) -> SystemTime {
    let tolerance = TOLERANCE.min(interval / 100);
    let mut scheduled = before;
    if let Ok(since) = now.duration_since(before) {
        let steps = (since + tolerance).as_nanos() / interval.as_nanos().max(1);
        scheduled += interval.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    }
    let off = now.duration_since(scheduled).or_else(|_| scheduled.duration_since(now)).unwrap_or_default();
    if off <= tolerance { scheduled } else { now }
}
