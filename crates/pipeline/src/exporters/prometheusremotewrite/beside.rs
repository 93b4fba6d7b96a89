//! The `remote_write` sections of a `prometheus.yml`, running: what its jobs scrape goes to the pipelines, and there as well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::{join, join_all};
use parking_lot::Mutex;
use tokio::sync::RwLock;
use trefoil_model::Signal;

use super::RemoteWriteExporter;
use crate::component::{Component, ComponentError, Downstream};
use crate::graph::Resources;
use crate::receivers::prometheus::config::Write;
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

/// How long one that is no longer wanted may send what it has; the rest waits on disk.
const GRACE: Duration = Duration::from_secs(5);

/// What a full queue says it says in such a time once.
const QUIET: Duration = Duration::from_secs(60);

pub struct RemoteWrites {
    pipelines: Downstream,
    resources: Resources,
    /// Who sends waits while they are exchanged.
    running: RwLock<Vec<Running>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    told: Mutex<Option<Instant>>,
}

struct Running {
    config: Write,
    exporter: Arc<RemoteWriteExporter>,
}

impl RemoteWrites {
    /// Sends to the pipelines alone at first.
    pub fn new(pipelines: Downstream, resources: Resources) -> Arc<Self> {
        Arc::new(Self {
            pipelines,
            resources,
            running: RwLock::default(),
            changing: Default::default(),
            told: Mutex::default(),
        })
    }

    /// Where what is scraped enters.
    pub fn entrance(self: &Arc<Self>) -> Downstream {
        let consumer: Arc<dyn Consumer> = self.clone();
        Downstream::new([(Signal::Metrics, consumer)])
    }

    /// Runs these and no others; those that are equal go on. With an error of one that cannot be made nothing has changed.
    pub async fn apply(&self, configs: &[Write]) -> Result<(), ComponentError> {
        let _turn = self.changing.lock().await;
        let (mut new, mut leaving) = (Vec::new(), Vec::new());
        {
            let running = self.running.read().await;
            for config in configs.iter().filter(|config| !running.iter().any(|one| one.config == **config)) {
                let made = RemoteWriteExporter::of_prometheus(config, &self.resources.context(&config.id));
                let exporter = made.map_err(|error| ComponentError::new(format!("{}: {error}", config.id)))?;
                new.push(Running { config: config.clone(), exporter: Arc::new(exporter) });
            }
            leaving.extend(running.iter().filter(|one| !configs.contains(&one.config)).map(|one| one.exporter.clone()));
        }
        // Scrapes go on meanwhile: what they bring waits on disk with the rest.
        join_all(leaving.iter().map(|exporter| exporter.pause(GRACE))).await;

        let mut running = self.running.write().await;
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *running).into_iter().partition(|one| configs.contains(&one.config));
        *running = kept;
        // A successor finds on disk what its predecessor leaves.
        join_all(gone.iter().map(|one| one.exporter.shutdown(Duration::ZERO))).await;
        for one in gone.iter().filter(|one| !configs.iter().any(|config| config.id == one.config.id)) {
            self.resources.metrics.forget_exporter(&one.config.id);
        }
        let mut result = Ok(());
        for one in new {
            match one.exporter.start().await {
                Ok(()) => running.push(one),
                // The others need not suffer for it.
                Err(error) => result = result.and(Err(ComponentError::new(format!("{}: {error}", one.config.id)))),
            }
        }
        result
    }

    pub async fn shutdown(&self, grace: Duration) {
        let running = std::mem::take(&mut *self.running.write().await);
        join_all(running.iter().map(|one| one.exporter.shutdown(grace))).await;
    }

    /// What one of them does not take is counted as its, and is no matter of who scrapes.
    fn tell(&self, running: &[Running], answers: Vec<Result<Accepted, Refused>>) {
        for (one, answer) in running.iter().zip(answers) {
            let Err(refused) = answer else { continue };
            let now = Instant::now();
            let mut told = self.told.lock();
            if told.is_none_or(|last| now.duration_since(last) >= QUIET) {
                *told = Some(now);
                tracing::warn!(remote_write = %one.config.id, url = %one.config.url, %refused, "scraped samples are not sent on");
            }
        }
    }
}

#[async_trait]
impl Consumer for RemoteWrites {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let running = self.running.read().await;
        let others = join_all(running.iter().map(|one| one.exporter.consume(telemetry.clone())));
        let (answer, others) = join(self.pipelines.consume(telemetry.clone()), others).await;
        self.tell(&running, others);
        answer
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let running = self.running.read().await;
        let others = join_all(running.iter().map(|one| one.exporter.consume_write(request.clone())));
        let (answer, others) = join(self.pipelines.consume_write(request.clone()), others).await;
        self.tell(&running, others);
        answer
    }
}
