//! `resource`: actions on the attributes of the resources that telemetry comes from.

use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::Deserialize;
use trefoil_model::Signal;

use super::actions::{Actions, RawAction};
use crate::component::{Component, ComponentError, Context, Processor, ProcessorConfig, ProcessorFactory};
use crate::config::{ConfigError, Section};
use crate::telemetry::{Accepted, Consumer, Message, Refused, Telemetry};

pub const FACTORY: ProcessorFactory = ProcessorFactory { kind: "resource", signals: &Signal::ALL, parse };

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(default)]
    attributes: Vec<RawAction>,
}

#[derive(Debug, Clone)]
struct Config(Arc<Actions>);

fn parse(section: &Section<'_>) -> Result<Box<dyn ProcessorConfig>, ConfigError> {
    let raw: RawConfig = section.parse()?;
    Ok(Box::new(Config(Arc::new(Actions::new(section, "attributes", raw.attributes)?))))
}

impl ProcessorConfig for Config {
    fn build(
        &self,
        _context: Context,
        _signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        Ok(Arc::new(ResourceProcessor { actions: self.0.clone(), next }))
    }
}

struct ResourceProcessor {
    actions: Arc<Actions>,
    next: Arc<dyn Consumer>,
}

impl Processor for ResourceProcessor {}

impl Component for ResourceProcessor {}

#[async_trait]
impl Consumer for ResourceProcessor {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        let origin = telemetry.origin.clone();
        for resource in resources(telemetry.payload.message_mut()?) {
            let attributes = &mut resource.get_or_insert_with(Resource::default).attributes;
            self.actions.apply(attributes, &origin);
        }
        self.next.consume(telemetry).await
    }
}

fn resources(message: &mut Message) -> Vec<&mut Option<Resource>> {
    match message {
        Message::Traces(request) => request.resource_spans.iter_mut().map(|group| &mut group.resource).collect(),
        Message::Metrics(request) => request.resource_metrics.iter_mut().map(|group| &mut group.resource).collect(),
        Message::Logs(request) => request.resource_logs.iter_mut().map(|group| &mut group.resource).collect(),
    }
}
