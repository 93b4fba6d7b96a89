//! `forward`: hands telemetry from the pipelines that export to it to those that receive from it, unchanged.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use trefoil_model::Signal;

use crate::component::{Component, ComponentError, Connector, ConnectorConfig, ConnectorFactory, Context, Downstream};
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

pub const FACTORY: ConnectorFactory = ConnectorFactory {
    kind: "forward",
    signals: &[(Signal::Traces, Signal::Traces), (Signal::Metrics, Signal::Metrics), (Signal::Logs, Signal::Logs)],
    parse: |section| Ok(Box::new(section.parse::<ForwardConfig>()?)),
};

/// There is nothing to configure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForwardConfig {}

impl ConnectorConfig for ForwardConfig {
    fn build(&self, _context: Context, downstream: Downstream) -> Result<Arc<dyn Connector>, ComponentError> {
        Ok(Arc::new(Forward(downstream)))
    }
}

struct Forward(Downstream);

impl Component for Forward {}

impl Connector for Forward {}

#[async_trait]
impl Consumer for Forward {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.0.consume(telemetry).await
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        self.0.consume_write(request).await
    }
}
