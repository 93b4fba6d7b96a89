//! Counts what passes between components.

use std::sync::Arc;

use async_trait::async_trait;
use prometheus_client::metrics::counter::Counter;

use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

/// Counts items on their way to `next`, whatever becomes of them there.
pub struct Counted {
    pub items: Counter,
    pub next: Arc<dyn Consumer>,
}

#[async_trait]
impl Consumer for Counted {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.items.inc_by(telemetry.payload.items());
        self.next.consume(telemetry).await
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let answer = self.next.consume_write(request.clone()).await;
        // Somebody has looked inside by now.
        self.items.inc_by(request.items());
        answer
    }
}
