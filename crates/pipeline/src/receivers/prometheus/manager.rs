//! All jobs of one configuration. Jobs that another configuration has, too, go on undisturbed.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::HttpClient;
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

/// Jobs that can run, those that do not run yet each with its client.
pub struct Prepared(Vec<(Job, Option<HttpClient>)>);

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
        Ok(self.change(self.prepare(jobs)?))
    }

    /// Makes what can fail of jobs. Those that run as they are need nothing.
    pub fn prepare(&self, jobs: &[Job]) -> Result<Prepared, String> {
        let pools = self.pools.lock();
        let mut prepared = Vec::new();
        for job in jobs {
            let runs = pools.get(&job.name).is_some_and(|pool| pool.job() == job);
            let client = (!runs).then(|| HttpClient::new(&job.http)).transpose();
            prepared.push((job.clone(), client.map_err(|reason| format!("job {:?}: {reason}", job.name))?));
        }
        Ok(Prepared(prepared))
    }

    /// Runs these jobs and no others.
    pub fn change(&self, prepared: Prepared) -> Changes {
        let mut pools = self.pools.lock();
        let mut changes = Changes::default();
        let mut next = BTreeMap::new();
        for (job, client) in prepared.0 {
            let pool = match client {
                Some(client) => {
                    changes.started.push(job.name.clone());
                    Some(Pool::start(&job, client, &self.sink, &self.scraping, &self.tasks, &self.end))
                }
                None => pools.remove(&job.name).inspect(|_| changes.kept.push(job.name.clone())),
            };
            next.extend(pool.map(|pool| (job.name, pool)));
        }
        for (name, pool) in std::mem::replace(&mut *pools, next) {
            pool.stop();
            changes.stopped.push(name);
        }
        changes
    }

    /// Ends all scraping. No series is told to end: whoever runs next goes on with them, as with Prometheus.
    pub async fn shutdown(&self) {
        self.pools.lock().clear();
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
