//! `attributes`: changes attributes of spans, log records and data points.
//!
//! A filter whose conditions a signal does not have is an error where the processor stands in such a pipeline, as in the
//! Collector.

use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use serde::Deserialize;
use trefoil_model::Signal;

use self::action::{ActionConfig, Actions};
use self::filter::{Filter, FilterConfig, Surroundings};
use crate::component::{Component, ComponentError, Context, Processor, ProcessorConfig, ProcessorFactory};
use crate::config::{ConfigError, Problems, Section};
use crate::telemetry::{Accepted, Consumer, Message, Origin, Refused, Telemetry};

pub mod action;
mod filter;
#[cfg(test)]
mod tests;
mod value;

pub const FACTORY: ProcessorFactory = ProcessorFactory { kind: "attributes", signals: &Signal::ALL, parse };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    actions: Vec<ActionConfig>,
    include: Option<FilterConfig>,
    exclude: Option<FilterConfig>,
}

/// What the processor does, checked.
#[derive(Debug, Clone)]
struct Rules {
    actions: Actions,
    include: Option<Filter>,
    exclude: Option<Filter>,
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ProcessorConfig>, ConfigError> {
    Ok(Box::new(Rules::parse(section)?))
}

impl Rules {
    fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let config: Config = section.parse()?;
        let mut problems = Problems::default();
        let actions = problems.note(Actions::new(section, "actions", config.actions));
        let mut filter = |option: &str, config: Option<FilterConfig>| {
            config.and_then(|config| problems.note(Filter::new(section, option, config)))
        };
        let include = filter("include", config.include);
        let exclude = filter("exclude", config.exclude);
        match actions {
            Some(actions) => problems.or(Self { actions, include, exclude }),
            None => Err(problems.into_error().unwrap_or_else(|| section.invalid("actions", "cannot be read"))),
        }
    }

    fn apply(&self, message: &mut Message, origin: &Origin) {
        match message {
            Message::Traces(request) => {
                for group in &mut request.resource_spans {
                    let resource = group.resource.as_ref();
                    for scope in &mut group.scope_spans {
                        let around = Surroundings { resource, scope: scope.scope.as_ref() };
                        for span in &mut scope.spans {
                            if self.concerns(|filter| filter.matches_span(span, &around)) {
                                self.actions.apply(&mut span.attributes, origin);
                            }
                        }
                    }
                }
            }
            Message::Logs(request) => {
                for group in &mut request.resource_logs {
                    let resource = group.resource.as_ref();
                    for scope in &mut group.scope_logs {
                        let around = Surroundings { resource, scope: scope.scope.as_ref() };
                        for record in &mut scope.log_records {
                            if self.concerns(|filter| filter.matches_log(record, &around)) {
                                self.actions.apply(&mut record.attributes, origin);
                            }
                        }
                    }
                }
            }
            Message::Metrics(request) => {
                for group in &mut request.resource_metrics {
                    let resource = group.resource.as_ref();
                    for scope in &mut group.scope_metrics {
                        let around = Surroundings { resource, scope: scope.scope.as_ref() };
                        for metric in &mut scope.metrics {
                            if self.concerns(|filter| filter.matches_metric(&metric.name, &around)) {
                                let apply = |attributes: &mut Vec<KeyValue>| self.actions.apply(attributes, origin);
                                each_point(metric.data.as_mut(), apply);
                            }
                        }
                    }
                }
            }
        }
    }

    fn concerns(&self, matches: impl Fn(&Filter) -> bool) -> bool {
        self.include.as_ref().is_none_or(&matches) && !self.exclude.as_ref().is_some_and(&matches)
    }
}

fn each_point(data: Option<&mut Data>, apply: impl Fn(&mut Vec<KeyValue>)) {
    match data {
        None => {}
        Some(Data::Gauge(data)) => data.data_points.iter_mut().for_each(|point| apply(&mut point.attributes)),
        Some(Data::Sum(data)) => data.data_points.iter_mut().for_each(|point| apply(&mut point.attributes)),
        Some(Data::Histogram(data)) => data.data_points.iter_mut().for_each(|point| apply(&mut point.attributes)),
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter_mut().for_each(|point| apply(&mut point.attributes));
        }
        Some(Data::Summary(data)) => data.data_points.iter_mut().for_each(|point| apply(&mut point.attributes)),
    }
}

impl ProcessorConfig for Rules {
    fn build(
        &self,
        _context: Context,
        signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        for (option, filter) in [("include", &self.include), ("exclude", &self.exclude)] {
            if filter.as_ref().is_some_and(|filter| !filter.is_for(signal)) {
                let reason =
                    format!("`{option}` has conditions that {signal} do not have, but a pipeline of {signal} uses it");
                return Err(ComponentError(reason));
            }
        }
        Ok(Arc::new(Attributes { rules: self.clone(), next }))
    }
}

/// One line for what the regex crate draws in several.
fn not_a_regex(error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    format!("not a regular expression: {}", reason.trim_start_matches("error: "))
}

struct Attributes {
    rules: Rules,
    next: Arc<dyn Consumer>,
}

impl Component for Attributes {}

impl Processor for Attributes {}

#[async_trait]
impl Consumer for Attributes {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        let message = telemetry.payload.message_mut()?;
        self.rules.apply(message, &telemetry.origin);
        self.next.consume(telemetry).await
    }
}
