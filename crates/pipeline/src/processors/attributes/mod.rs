//! `attributes` and `resource`: lists of actions on the attributes of items, or of the resources they came from.

mod actions;
mod matching;
mod resource;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use trefoil_model::Signal;

use crate::component::{Component, ComponentError, Context, Processor, ProcessorConfig, ProcessorFactory};
use crate::config::{ConfigError, Section};
use crate::telemetry::{Accepted, Consumer, Message, Refused, Telemetry};
use actions::{Actions, RawAction};
use matching::{Filter, RawMatch, Surroundings, point_attributes};

pub use resource::FACTORY as RESOURCE;

pub const FACTORY: ProcessorFactory = ProcessorFactory { kind: "attributes", signals: &Signal::ALL, parse };

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(default)]
    actions: Vec<RawAction>,
    #[serde(default)]
    include: Option<RawMatch>,
    #[serde(default)]
    exclude: Option<RawMatch>,
}

#[derive(Debug, Clone)]
struct Config {
    actions: Arc<Actions>,
    filter: Arc<Filter>,
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ProcessorConfig>, ConfigError> {
    let raw: RawConfig = section.parse()?;
    let filter = Filter::new(section, raw.include, raw.exclude)?;
    let actions = Actions::new(section, "actions", raw.actions)?;
    Ok(Box::new(Config { actions: Arc::new(actions), filter: Arc::new(filter) }))
}

impl ProcessorConfig for Config {
    fn build(
        &self,
        context: Context,
        signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        if let Some(reason) = self.filter.unfit_for(signal) {
            return Err(ComponentError(format!("processor {}: {reason}", context.id)));
        }
        Ok(Arc::new(AttributesProcessor { config: self.clone(), next }))
    }
}

struct AttributesProcessor {
    config: Config,
    next: Arc<dyn Consumer>,
}

impl Processor for AttributesProcessor {}

impl Component for AttributesProcessor {}

#[async_trait]
impl Consumer for AttributesProcessor {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        let origin = telemetry.origin.clone();
        self.config.change(telemetry.payload.message_mut()?, &origin);
        self.next.consume(telemetry).await
    }
}

impl Config {
    fn change(&self, message: &mut Message, origin: &crate::telemetry::Origin) {
        match message {
            Message::Traces(request) => {
                for group in &mut request.resource_spans {
                    let resource = group.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
                    for scope in &mut group.scope_spans {
                        let around = Surroundings { resource, scope: scope.scope.as_ref() };
                        for span in scope.spans.iter_mut().filter(|span| self.filter.takes_span(span, around)) {
                            self.actions.apply(&mut span.attributes, origin);
                        }
                    }
                }
            }
            Message::Logs(request) => {
                for group in &mut request.resource_logs {
                    let resource = group.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
                    for scope in &mut group.scope_logs {
                        let around = Surroundings { resource, scope: scope.scope.as_ref() };
                        let records = scope.log_records.iter_mut();
                        for record in records.filter(|record| self.filter.takes_log(record, around)) {
                            self.actions.apply(&mut record.attributes, origin);
                        }
                    }
                }
            }
            Message::Metrics(request) => {
                for group in &mut request.resource_metrics {
                    let resource = group.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
                    for scope in &mut group.scope_metrics {
                        let around = Surroundings { resource, scope: scope.scope.as_ref() };
                        for metric in &mut scope.metrics {
                            let name = metric.name.clone();
                            for attributes in point_attributes(metric) {
                                if self.filter.takes_point(&name, attributes, around) {
                                    self.actions.apply(attributes, origin);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
