//! All jobs of one configuration. Jobs that another configuration has, too, go on undisturbed.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::Job;
use super::pool::Pool;
use super::sink::Sink;
use super::status::Scraping;

pub struct Manager {
    sink: Arc<Sink>,
    scraping: Scraping,
    tasks: TaskTracker,
    end: CancellationToken,
    pools: Mutex<BTreeMap<String, Pool>>,
}

/// What a change did to jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub started: Vec<String>,
    pub stopped: Vec<String>,
    pub kept: Vec<String>,
}

impl Manager {
    pub fn new(sink: Sink, scraping: Scraping) -> Self {
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        Self { sink: Arc::new(sink), scraping, tasks, end, pools: Mutex::default() }
    }

    /// Runs these jobs and no others. With an error nothing has changed.
    pub fn apply(&self, jobs: &[Job]) -> Result<Changes, String> {
        let mut pools = self.pools.lock();
        let mut changes = Changes::default();
        let mut next = BTreeMap::new();
        let mut kept = Vec::new();
        for job in jobs {
            if pools.get(&job.name).is_some_and(|pool| pool.job() == job) {
                kept.push(job.name.clone());
                continue;
            }
            match Pool::start(job, &self.sink, &self.scraping, &self.tasks, &self.end) {
                Ok(pool) => drop(next.insert(job.name.clone(), pool)),
                Err(reason) => {
                    next.values().for_each(Pool::stop);
                    return Err(format!("job {:?}: {reason}", job.name));
                }
            }
        }
        changes.started = next.keys().cloned().collect();
        for name in kept {
            if let Some(pool) = pools.remove(&name) {
                next.insert(name.clone(), pool);
                changes.kept.push(name);
            }
        }
        for (name, pool) in std::mem::replace(&mut *pools, next) {
            pool.stop();
            changes.stopped.push(name);
        }
        Ok(changes)
    }

    /// Ends all scraping. No series is told to end: whoever runs next goes on with them, as with Prometheus.
    pub async fn shutdown(&self) {
        self.pools.lock().clear();
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
