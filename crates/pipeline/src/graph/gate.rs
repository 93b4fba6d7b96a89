//! Where requests wait while a reload exchanges what is behind a receiver.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::component::{Downstream, Generation};
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

/// Closed when made. If it is dropped without having been opened, who waits is refused and may try again.
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// From now on requests to `downstream` wait; gives back what they went to, in order to wait until it is empty.
    pub fn close(&self, downstream: &Downstream) -> Arc<Generation> {
        let waiting: Arc<dyn Consumer> = Arc::new(Waiting { open: self.0.subscribe(), downstream: downstream.clone() });
        let signals = downstream.signals();
        downstream.swap(Generation::new(signals.into_iter().map(|signal| (signal, waiting.clone()))))
    }

    /// Every downstream that was closed must lead elsewhere by now.
    pub fn open(self) {
        self.0.send_replace(true);
    }
}

struct Waiting {
    open: watch::Receiver<bool>,
    downstream: Downstream,
}

impl Waiting {
    async fn wait(&self) -> Result<(), Refused> {
        let opened = self.open.clone().wait_for(|open| *open).await.is_ok();
        if opened { Ok(()) } else { Err(Refused::unavailable("the pipelines are being restarted")) }
    }
}

#[async_trait]
impl Consumer for Waiting {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.wait().await?;
        self.downstream.consume(telemetry).await
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        self.wait().await?;
        self.downstream.consume_write(request).await
    }
}
