//! Sends a source's requests over several connections and measures.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::task::JoinHandle;

use crate::client::{Connection, Outcome, Target, bodies};
use crate::process::{Disk, Process};
use crate::report::{Moment, Report};
use crate::{Signal, Source};

#[derive(Debug, Clone)]
pub struct LoadOptions {
    pub target: Target,
    /// Requests go to so many tenants in turn, each named in `X-Scope-OrgID`; `None` names none.
    pub tenants: Option<NonZeroU32>,
    /// Each with one request under way (and, to the server, with a connection for each tenant).
    pub connections: usize,
    /// Stops after this long, or after `count` items, whichever comes first.
    pub duration: Duration,
    pub count: Option<u64>,
    /// Items a second over all connections; `None` for as many as the server takes.
    pub rate: Option<f64>,
    pub server: Option<Process>,
    pub data_directory: Option<PathBuf>,
    /// After the load, wait at most this long until the server is idle and its files no longer change.
    pub settle: Duration,
}

/// How long a server must be idle, with unchanged files, to count as settled.
const IDLE: Duration = Duration::from_secs(15);
/// CPU seconds a second below which a server counts as idle.
const IDLE_CPU: f64 = 0.05;

#[derive(Default)]
pub(crate) struct Progress {
    next: AtomicU64,
    items: AtomicU64,
    bytes: AtomicU64,
    rejected: AtomicU64,
    retries: AtomicU64,
}

impl Progress {
    pub(crate) fn delivered(&self, items: u64, bytes: u64, rejected: u64) {
        self.items.fetch_add(items - rejected.min(items), Ordering::Relaxed);
        self.rejected.fetch_add(rejected, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// One connection's task: each request's latency.
pub(crate) type Worker = JoinHandle<anyhow::Result<Vec<Duration>>>;

/// Runs the load to its end. Fails on the first request that the server refuses for good.
pub async fn run(source: Source, options: LoadOptions) -> anyhow::Result<Report> {
    let source = Arc::new(source);
    measure(source.signal(), options.clone(), |progress, begin| {
        let worker = |_| tokio::spawn(worker(source.clone(), options.clone(), progress.clone(), begin));
        (0..options.connections).map(worker).collect()
    })
    .await
}

/// Measures the server while what `start` starts puts a load on it, and until it is idle again.
pub(crate) async fn measure(
    signal: Signal,
    options: LoadOptions,
    start: impl FnOnce(&Arc<Progress>, Instant) -> Vec<Worker>,
) -> anyhow::Result<Report> {
    let progress = Arc::new(Progress::default());
    let cpu_before = options.server.map(Process::cpu_seconds).transpose()?;
    let begin = Instant::now();
    let workers = start(&progress, begin);
    let timeline = Arc::new(Mutex::new(Vec::new()));
    let watch = tokio::spawn(watch(options.clone(), progress.clone(), timeline.clone(), begin));

    let mut latencies = Vec::new();
    let mut failure = None;
    for worker in workers {
        match worker.await? {
            Ok(mut measured) => latencies.append(&mut measured),
            Err(error) => failure = Some(error),
        }
    }
    let elapsed = begin.elapsed();
    watch.abort();
    if let Some(error) = failure {
        return Err(error);
    }
    let mut timeline = std::mem::take(&mut *lock(&timeline));
    timeline.push(moment(&options, &progress, begin));
    let cpu_loaded = options.server.map(Process::cpu_seconds).transpose()?;
    settle(&options).await?;
    let cpu_settled = options.server.map(Process::cpu_seconds).transpose()?;

    Ok(Report {
        signal,
        items: progress.items.load(Ordering::Relaxed),
        bytes: progress.bytes.load(Ordering::Relaxed),
        rejected: progress.rejected.load(Ordering::Relaxed),
        retries: progress.retries.load(Ordering::Relaxed),
        seconds: elapsed.as_secs_f64(),
        settle_seconds: (begin.elapsed() - elapsed).as_secs_f64(),
        cpu_seconds_under_load: cpu_before.zip(cpu_loaded).map(|(before, after)| after - before),
        cpu_seconds: cpu_before.zip(cpu_settled).map(|(before, after)| after - before),
        latency: crate::report::Latency::of(latencies),
        memory: options.server.map(Process::memory).transpose()?,
        disk: options.data_directory.as_deref().map(Disk::of),
        timeline,
    })
}

/// One connection: request by request until the time or the count is over. Returns each request's latency.
async fn worker(
    source: Arc<Source>,
    options: LoadOptions,
    progress: Arc<Progress>,
    begin: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let targets = match options.tenants {
        Some(tenants) => options.target.of(tenants)?,
        None => vec![options.target.clone()],
    };
    let connections = targets.iter().map(|target| Connection::new(target, source.signal()));
    let mut connections = connections.collect::<anyhow::Result<Vec<_>>>()?;
    let mut latencies = Vec::new();
    let items = source.items() as u64;
    let requests = options.count.map_or(u64::MAX, |count| count.div_ceil(items));
    loop {
        let number = progress.next.fetch_add(1, Ordering::Relaxed);
        if number >= requests || begin.elapsed() >= options.duration {
            return Ok(latencies);
        }
        if let Some(rate) = options.rate {
            let due = begin + Duration::from_secs_f64((number * items) as f64 / rate);
            if due >= begin + options.duration {
                return Ok(latencies);
            }
            tokio::time::sleep_until(due.into()).await;
        }
        let turn = number as usize % connections.len();
        let connection = &mut connections[turn];
        for body in bodies(options.target.protocol, source.request(number), items)? {
            let size = body.bytes.len() as u64;
            let sent = Instant::now();
            let rejected = deliver(connection, body.bytes, &progress, begin + options.duration).await?;
            let Some(rejected) = rejected else { return Ok(latencies) };
            latencies.push(sent.elapsed());
            progress.delivered(body.items, size, rejected);
        }
    }
}

/// Sends until the server takes it and returns the rejected items; `None` when the time is over before it did.
pub(crate) async fn deliver(
    connection: &mut Connection,
    request: bytes::Bytes,
    progress: &Progress,
    end: Instant,
) -> anyhow::Result<Option<u64>> {
    let mut pause = Duration::from_millis(20);
    loop {
        let wait = match connection.send(request.clone()).await {
            Outcome::Accepted { rejected, .. } => return Ok(Some(rejected)),
            Outcome::Refused(reason) => bail!("the server refused a request: {reason}"),
            Outcome::Retry { after, .. } => after.unwrap_or(pause),
            Outcome::Unknown(reason) if progress.items.load(Ordering::Relaxed) == 0 => bail!("nothing sent: {reason}"),
            Outcome::Unknown(_) => pause,
        };
        progress.retries.fetch_add(1, Ordering::Relaxed);
        if Instant::now() + wait >= end {
            return Ok(None);
        }
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Notes and prints every ten seconds how things stand; runs until it is aborted.
async fn watch(options: LoadOptions, progress: Arc<Progress>, timeline: Arc<Mutex<Vec<Moment>>>, begin: Instant) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let moment = moment(&options, &progress, begin);
        eprintln!("{moment}");
        lock(&timeline).push(moment);
    }
}

fn lock(timeline: &Mutex<Vec<Moment>>) -> MutexGuard<'_, Vec<Moment>> {
    timeline.lock().unwrap_or_else(PoisonError::into_inner)
}

fn moment(options: &LoadOptions, progress: &Progress, begin: Instant) -> Moment {
    Moment {
        seconds: begin.elapsed().as_secs_f64(),
        items: progress.items.load(Ordering::Relaxed),
        resident: options.server.and_then(|server| server.memory().ok()).map(|memory| memory.resident),
        parquet_files: options.data_directory.as_deref().map(|directory| Disk::of(directory).parquet_files),
    }
}

async fn settle(options: &LoadOptions) -> anyhow::Result<()> {
    let Some(server) = options.server else { return Ok(()) };
    let begin = Instant::now();
    let state = || anyhow::Ok((server.cpu_seconds()?, options.data_directory.as_deref().map(Disk::of)));
    let mut quiet_since = Instant::now();
    let mut last = state()?;
    while begin.elapsed() < options.settle && quiet_since.elapsed() < IDLE {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let current = state()?;
        if current.0 - last.0 > IDLE_CPU || current.1.map(|disk| disk.parquet_bytes) != last.1.map(|d| d.parquet_bytes)
        {
            quiet_since = Instant::now();
        }
        last = current;
    }
    Ok(())
}
