//! The `prometheusremotewrite` exporter: metrics to a Prometheus, or to whoever takes its remote write, 2.0 or 1.0.
//!
//! Requests wait in the queue as OTLP and become remote write when they are sent. Each is split by the resource (of literal
//! series, by their name) into lanes, as many as there are consumers, and a lane is sent in its order: receivers refuse samples
//! that come out of order.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use trefoil_model::Signal;

pub use self::beside::RemoteWrites;
use self::config::Config;
use self::sender::WriteSender;
use super::queued::QueuedExporter;
use crate::component::{Component, ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Section};
use crate::receivers::prometheus::config::Write;
use crate::telemetry::{Accepted, Consumer, Message, Payload, Refused, Telemetry};

mod beside;
mod client;
mod config;
mod delivery;
mod encode;
mod lanes;
mod prometheus;
mod selection;
mod sender;
mod series;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_delivery;

pub const FACTORY: ExporterFactory =
    ExporterFactory { kind: "prometheusremotewrite", signals: &[Signal::Metrics], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ExporterConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ExporterConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        let queue = self.remote_write_queue.as_queue();
        let lanes = if queue.enabled { queue.num_consumers } else { 1 };
        let sender = WriteSender::new(self.settings(context.id.to_string(), lanes)?);
        let inner = QueuedExporter::new(&context, Arc::new(sender), self.retry_on_failure.clone(), queue);
        Ok(Arc::new(RemoteWriteExporter { inner, lanes }))
    }
}

struct RemoteWriteExporter {
    inner: QueuedExporter,
    lanes: usize,
}

impl RemoteWriteExporter {
    /// One by a `remote_write` section of Prometheus.
    fn of_prometheus(config: &Write, context: &Context) -> Result<Self, ComponentError> {
        let sender = WriteSender::new(prometheus::settings(config)?);
        let inner =
            QueuedExporter::new(context, Arc::new(sender), prometheus::retry(config), prometheus::queue(config));
        // Parts of what waits together are sent at once instead.
        Ok(Self { inner, lanes: 1 })
    }
}

impl RemoteWriteExporter {
    /// Sends no more, but still takes what comes and keeps it on disk; what is being sent may end within `grace`.
    async fn pause(&self, grace: Duration) {
        self.inner.pause(grace).await;
    }
}

impl Exporter for RemoteWriteExporter {}

#[async_trait]
impl Component for RemoteWriteExporter {
    async fn start(&self) -> Result<(), ComponentError> {
        self.inner.start().await
    }

    async fn shutdown(&self, grace: Duration) {
        self.inner.shutdown(grace).await;
    }
}

#[async_trait]
impl Consumer for RemoteWriteExporter {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        if self.lanes == 1 {
            return self.inner.consume(telemetry).await;
        }
        let Message::Metrics(request) = telemetry.payload.message()? else {
            return Err(Refused::Invalid("the exporter takes only metrics".to_owned()));
        };
        if lanes::is_one(request, self.lanes) {
            return self.inner.consume(telemetry).await;
        }
        let Telemetry { tenant, payload, origin } = telemetry;
        let Message::Metrics(request) = payload.into_message()? else { return Ok(Accepted::all()) };
        let mut answer = Accepted::all();
        // What is queued before one of them is refused is sent twice then, which receivers take for the same.
        for part in lanes::split(request, self.lanes) {
            let payload = Payload::from_message(Message::Metrics(part));
            let telemetry = Telemetry { tenant: tenant.clone(), payload, origin: origin.clone() };
            answer = answer.and(self.inner.consume(telemetry).await?);
        }
        Ok(answer)
    }
}
