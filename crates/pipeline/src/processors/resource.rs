//! `resource`: changes the attributes of resources, by the same actions as `attributes`.

use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::Deserialize;
use trefoil_model::Signal;

use super::attributes::action::{ActionConfig, Actions};
use crate::component::{Component, ComponentError, Context, Processor, ProcessorConfig, ProcessorFactory};
use crate::config::{ConfigError, Section};
use crate::telemetry::{Accepted, Consumer, Message, Origin, Refused, Telemetry};

pub const FACTORY: ProcessorFactory = ProcessorFactory { kind: "resource", signals: &Signal::ALL, parse };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    attributes: Vec<ActionConfig>,
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ProcessorConfig>, ConfigError> {
    let config: Config = section.parse()?;
    Ok(Box::new(Rules(Actions::new(section, "attributes", config.attributes)?)))
}

#[derive(Clone)]
struct Rules(Actions);

impl Rules {
    fn apply(&self, message: &mut Message, origin: &Origin) {
        let change = |resource: &mut Option<Resource>| {
            let was_absent = resource.is_none();
            let changed = resource.get_or_insert_default();
            self.0.apply(&mut changed.attributes, origin);
            if was_absent && changed.attributes.is_empty() {
                *resource = None;
            }
        };
        match message {
            Message::Traces(request) => request.resource_spans.iter_mut().for_each(|group| change(&mut group.resource)),
            Message::Metrics(request) => {
                request.resource_metrics.iter_mut().for_each(|group| change(&mut group.resource));
            }
            Message::Logs(request) => request.resource_logs.iter_mut().for_each(|group| change(&mut group.resource)),
        }
    }
}

impl ProcessorConfig for Rules {
    fn build(
        &self,
        _context: Context,
        _signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        Ok(Arc::new(ResourceProcessor { rules: self.clone(), next }))
    }
}

struct ResourceProcessor {
    rules: Rules,
    next: Arc<dyn Consumer>,
}

impl Component for ResourceProcessor {}

impl Processor for ResourceProcessor {}

#[async_trait]
impl Consumer for ResourceProcessor {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        let message = telemetry.payload.message_mut()?;
        self.rules.apply(message, &telemetry.origin);
        self.next.consume(telemetry).await
    }
}
