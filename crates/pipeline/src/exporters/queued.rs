//! What every exporter to another system is: a sender, tried again, behind a queue.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use super::headers;
use super::parcel::{Parcel, Sender};
use super::queue::{Queue, QueueConfig, Reports};
use super::retry::{RetryConfig, send_with_retry};
use crate::component::{Component, ComponentError, Context, Exporter};
use crate::config::Secret;
use crate::metrics::{ExporterMetrics, Metrics};
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

pub struct QueuedExporter {
    name: String,
    directory: PathBuf,
    sender: Arc<dyn Sender>,
    retry: RetryConfig,
    config: QueueConfig,
    queue: RwLock<Option<Queue>>,
    metrics: Metrics,
    sent: ExporterMetrics,
    stop: CancellationToken,
}

/// Checks the options that every such exporter has; `problem` takes the option and what is wrong with it.
pub fn check(
    headers: &BTreeMap<String, Secret>,
    retry: &RetryConfig,
    queue: &QueueConfig,
    mut problem: impl FnMut(&str, String),
) {
    if let Err(reason) = headers::parse(headers) {
        problem("headers", reason);
    }
    if let Err(reason) = retry.check() {
        problem("retry_on_failure", reason);
    }
    if let Err((option, reason)) = queue.check() {
        problem(&format!("sending_queue.{option}"), reason);
    }
}

impl QueuedExporter {
    pub fn new(context: &Context, sender: Arc<dyn Sender>, retry: RetryConfig, config: QueueConfig) -> Self {
        Self {
            name: context.id.to_string(),
            directory: context.state_dir("exporters").join("queue"),
            sender,
            retry,
            config,
            queue: RwLock::default(),
            metrics: context.metrics.clone(),
            sent: context.metrics.exporter(&context.id),
            stop: CancellationToken::new(),
        }
    }
}

impl QueuedExporter {
    /// See [`Queue::pause`].
    pub async fn pause(&self, grace: Duration) {
        let queue = self.queue.read().clone();
        if let Some(queue) = queue {
            queue.pause(grace).await;
        }
    }
}

impl Exporter for QueuedExporter {}

#[async_trait]
impl Component for QueuedExporter {
    async fn start(&self) -> Result<(), ComponentError> {
        let on_disk = self.config.enabled && self.config.storage.is_some();
        if !on_disk && std::fs::read_dir(&self.directory).is_ok_and(|mut files| files.next().is_some()) {
            tracing::warn!(
                exporter = self.name,
                directory = %self.directory.display(),
                "requests of an earlier `sending_queue.storage` lie here and are not sent while it is off"
            );
        }
        if !self.config.enabled {
            return Ok(());
        }
        let (config, retry) = (self.config.clone(), self.retry.clone());
        let reports =
            Reports { exporter: self.name.clone(), sent: self.sent.clone(), queue: self.metrics.queue(&self.name) };
        let queue = Queue::start(reports, config, retry, self.sender.clone(), self.directory.clone());
        let queue = queue.map_err(|error| {
            ComponentError::new(format!("sending_queue: cannot use {}: {error}", self.directory.display()))
        })?;
        *self.queue.write() = Some(queue);
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        let queue = self.queue.read().clone();
        if let Some(queue) = queue {
            queue.shutdown(grace).await;
        }
        self.stop.cancel();
    }
}

#[async_trait]
impl Consumer for QueuedExporter {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let parcel = Parcel::from(telemetry);
        if !self.config.enabled {
            let answer = send_with_retry(&*self.sender, &parcel, &self.retry, &self.stop).await;
            self.sent.answered(parcel.signal, parcel.items, &answer);
            return answer;
        }
        let queue = self.queue.read().clone();
        match queue {
            Some(queue) => queue.put(parcel).await,
            None => Err(Refused::unavailable("the exporter is not started")),
        }
    }
}
