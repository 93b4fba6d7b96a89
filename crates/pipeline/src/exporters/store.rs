//! The `trefoil` exporter: into Trefoil's own store. It answers when the data is durable and queries see it.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use trefoil_model::Signal;

use super::counted::Counted;
use crate::component::{Component, ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Section};
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::receivers::prometheusremotewrite::write::{ForStore, consume_as_otlp};
use crate::store::Store;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "trefoil", signals: &Signal::ALL, parse };

/// It has no options: how the store works is said in the section `storage`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {}

fn parse(section: &Section<'_>) -> Result<Box<dyn ExporterConfig>, ConfigError> {
    Ok(Box::new(section.parse::<Config>()?))
}

impl ExporterConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        Ok(Counted::new(&context, StoreExporter(context.store.clone())))
    }
}

struct StoreExporter(Arc<dyn Store>);

impl Exporter for StoreExporter {}

impl Component for StoreExporter {}

#[async_trait]
impl Consumer for StoreExporter {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let signal = telemetry.signal();
        self.0.append(&telemetry.tenant, signal, telemetry.payload.into_bytes()).await
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let Some(store) = self.0.samples() else { return consume_as_otlp(self, request).await };
        let tenant = request.tenant.clone();
        let ForStore { samples, rest, flight, refused } = request.into_store(store.series()).await?;
        if samples.is_empty() && rest.is_empty() {
            flight.land();
            return Ok(refused);
        }
        let accepted = store.append_samples(&tenant, samples, rest).await?;
        flight.land();
        Ok(refused.and(accepted))
    }
}
