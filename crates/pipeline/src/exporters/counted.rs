//! Counts what an exporter without a sending queue sends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use trefoil_model::Signal;

use crate::component::{Component, ComponentError, Context, Exporter};
use crate::metrics::ExporterMetrics;
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

/// An exporter whose answer says what the destination did with the items.
pub struct Counted<E> {
    exporter: E,
    metrics: ExporterMetrics,
}

impl<E: Exporter> Counted<E> {
    pub fn new(context: &Context, exporter: E) -> Arc<Self> {
        Arc::new(Self { exporter, metrics: context.metrics.exporter(&context.id) })
    }
}

impl<E: Exporter> Exporter for Counted<E> {}

#[async_trait]
impl<E: Exporter> Component for Counted<E> {
    async fn start(&self) -> Result<(), ComponentError> {
        self.exporter.start().await
    }

    fn hurry(&self) {
        self.exporter.hurry();
    }

    async fn shutdown(&self, grace: Duration) {
        self.exporter.shutdown(grace).await;
    }
}

#[async_trait]
impl<E: Exporter> Consumer for Counted<E> {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let (signal, items) = (telemetry.signal(), telemetry.payload.items());
        let answer = self.exporter.consume(telemetry).await;
        self.metrics.answered(signal, items, &answer);
        answer
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let answer = self.exporter.consume_write(request.clone()).await;
        self.metrics.answered(Signal::Metrics, request.items(), &answer);
        answer
    }
}
