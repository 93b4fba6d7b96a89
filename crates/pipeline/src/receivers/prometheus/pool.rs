//! One job: its service discovery, and a loop for each target that it finds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::HttpClient;
use super::config::Job;
use super::discovery::Found;
use super::scrape::{ScrapeLoop, TargetLimit};
use super::sink::Sink;
use super::status::{PoolStatus, Scraping, TargetStatus};
use super::target::{Populated, Target, populate};

/// Targets of one job.
const MAX_TARGETS: usize = 100_000;

/// A running job.
pub struct Pool {
    job: Arc<Job>,
    stop: CancellationToken,
}

impl Pool {
    /// Starts it among `tasks`, in which its loops run, too.
    pub fn start(
        job: &Job,
        client: HttpClient,
        sink: &Arc<Sink>,
        scraping: &Scraping,
        tasks: &TaskTracker,
        end: &CancellationToken,
    ) -> Self {
        let (job, stop) = (Arc::new(job.clone()), CancellationToken::new());
        let running = Running {
            client: Arc::new(client),
            sink: sink.clone(),
            status: Arc::new(PoolStatus::new(job.clone())),
            limit: Arc::default(),
            loops: HashMap::new(),
            tasks: tasks.clone(),
            end: end.clone(),
        };
        tasks.spawn(running.run(scraping.clone(), stop.clone()));
        Self { job, stop }
    }

    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Its targets are gone: their series end, in time.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

struct Running {
    client: Arc<HttpClient>,
    sink: Arc<Sink>,
    status: Arc<PoolStatus>,
    limit: Arc<TargetLimit>,
    /// By the hashes of their targets.
    loops: HashMap<u64, CancellationToken>,
    tasks: TaskTracker,
    /// Everything ends at once.
    end: CancellationToken,
}

impl Running {
    async fn run(mut self, scraping: Scraping, stop: CancellationToken) {
        let job = self.status.job.clone();
        let found = Found::new(job.discovery.len());
        let mut mechanisms = JoinSet::new();
        for (index, mechanism) in job.discovery.iter().cloned().enumerate() {
            mechanisms.spawn(mechanism.run(job.name.clone(), index, found.clone()));
        }
        scraping.add(self.status.clone());
        loop {
            tokio::select! {
                () = found.changed() => self.sync(&found),
                () = stop.cancelled() => break,
                () = self.end.cancelled() => break,
            }
        }
        for (hash, gone) in std::mem::take(&mut self.loops) {
            self.forget(hash, &gone);
        }
        scraping.remove(&self.status);
        // After a reload another one may have the name.
        if scraping.pool(&job.name).is_none() {
            self.sink.forget(&job.name);
        }
    }

    /// Starts and stops loops so that there is one for each target.
    fn sync(&mut self, found: &Found) {
        let job = self.status.job.clone();
        let mut targets: BTreeMap<u64, Target> = BTreeMap::new();
        let mut dropped = Vec::new();
        for labels in found.targets() {
            match populate(&job, &labels) {
                Ok(Populated::Target(target)) => drop(targets.insert(target.hash(), *target)),
                Ok(Populated::Dropped(labels)) => dropped.push(labels),
                Err(error) => tracing::error!(job = job.name, target = %labels, error, "a target cannot be scraped"),
            }
        }
        if targets.len() > MAX_TARGETS {
            tracing::error!(job = job.name, targets = targets.len(), most = MAX_TARGETS, "a job has too many targets");
            while targets.len() > MAX_TARGETS {
                targets.pop_last();
            }
        }
        self.status.set_dropped(dropped);
        let most = job.limits.targets;
        let is_exceeded = most > 0 && targets.len() as u64 > most;
        self.limit.targets.store(targets.len(), Ordering::Relaxed);
        if !self.limit.is_exceeded.swap(is_exceeded, Ordering::Relaxed) && is_exceeded {
            self.sink.counts().target_limit.inc();
        }
        let gone: Vec<u64> = self.loops.keys().filter(|hash| !targets.contains_key(hash)).copied().collect();
        for hash in gone {
            if let Some(gone) = self.loops.remove(&hash) {
                self.forget(hash, &gone);
            }
        }
        self.sink.counts().set_targets(&job.name, targets.len());
        for (hash, target) in targets {
            if !self.loops.contains_key(&hash) {
                self.begin(hash, target);
            }
        }
    }

    fn begin(&mut self, hash: u64, target: Target) {
        let status = Arc::new(TargetStatus::new(target));
        let gone = CancellationToken::new();
        let scrape = ScrapeLoop {
            job: self.status.job.clone(),
            status: status.clone(),
            client: self.client.clone(),
            sink: self.sink.clone(),
            limit: self.limit.clone(),
            gone: gone.clone(),
        };
        self.status.insert(status);
        self.sink.enter(&self.status.job.name, hash);
        let end = self.end.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = scrape.run() => {}
                () = end.cancelled() => {}
            }
        });
        self.loops.insert(hash, gone);
    }

    fn forget(&self, hash: u64, gone: &CancellationToken) {
        self.status.remove(hash);
        self.sink.leave(&self.status.job.name, hash);
        gone.cancel();
    }
}
