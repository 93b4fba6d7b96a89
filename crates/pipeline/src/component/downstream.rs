//! Where a receiver or a connector sends to. What is behind it can be swapped while requests are under way: that is
//! how a reload keeps listening sockets and connections.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use trefoil_model::Signal;

use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

/// The pipelines behind one receiver or connector. Cheap to clone; all clones lead to the same place.
///
/// Ask [`Downstream::takes`] for each request, not once at start: a reload can add and remove signals.
#[derive(Clone, Default)]
pub struct Downstream(Arc<ArcSwap<Generation>>);

/// One state of what is behind a [`Downstream`], and the requests that are inside it.
#[derive(Default)]
pub(crate) struct Generation {
    consumers: [Option<Arc<dyn Consumer>>; 3],
    requests: TaskTracker,
}

impl Generation {
    pub(crate) fn new(consumers: impl IntoIterator<Item = (Signal, Arc<dyn Consumer>)>) -> Self {
        let mut generation = Self::default();
        for (signal, consumer) in consumers {
            generation.consumers[signal as usize] = Some(consumer);
        }
        generation
    }

    /// Asks every sender to come back later.
    pub(crate) fn not_running() -> Self {
        let nothing: Arc<dyn Consumer> = Arc::new(NotRunning);
        Self::new(Signal::ALL.map(|signal| (signal, nothing.clone())))
    }

    fn of(&self, signal: Signal) -> Result<&Arc<dyn Consumer>, Refused> {
        let consumer = self.consumers[signal as usize].as_ref();
        consumer.ok_or_else(|| Refused::Invalid(format!("no pipeline takes {signal} from this receiver")))
    }

    /// Returns when no request is inside; only useful after it was swapped out.
    pub(crate) async fn drained(&self) {
        self.requests.close();
        self.requests.wait().await;
    }
}

impl Downstream {
    pub fn new(consumers: impl IntoIterator<Item = (Signal, Arc<dyn Consumer>)>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Generation::new(consumers))))
    }

    /// Leads nowhere yet: senders are asked to come back later.
    pub fn not_running() -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Generation::not_running())))
    }

    /// Whether a pipeline of the signal is there; OTLP's answer to a request of another signal is "not found".
    pub fn takes(&self, signal: Signal) -> bool {
        self.0.load().consumers[signal as usize].is_some()
    }

    pub(crate) fn signals(&self) -> Vec<Signal> {
        Signal::ALL.into_iter().filter(|signal| self.takes(*signal)).collect()
    }

    fn enter(&self) -> (Arc<Generation>, TaskTrackerToken) {
        // A swap between loading and entering would let the drain miss this request, so look again after entering.
        loop {
            let generation = self.0.load_full();
            let inside = generation.requests.token();
            if Arc::ptr_eq(&generation, &self.0.load()) {
                return (generation, inside);
            }
        }
    }

    /// Sends new requests to `next`; the old generation is given back for [`Generation::drained`].
    pub(crate) fn swap(&self, next: Generation) -> Arc<Generation> {
        self.0.swap(Arc::new(next))
    }
}

struct NotRunning;

#[async_trait]
impl Consumer for NotRunning {
    async fn consume(&self, _telemetry: Telemetry) -> Result<Accepted, Refused> {
        Err(Refused::unavailable("the pipelines are not running (yet)"))
    }

    async fn consume_write(&self, _request: WriteRequest) -> Result<Accepted, Refused> {
        Err(Refused::unavailable("the pipelines are not running (yet)"))
    }
}

#[async_trait]
impl Consumer for Downstream {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let (generation, _inside) = self.enter();
        generation.of(telemetry.signal())?.consume(telemetry).await
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let (generation, _inside) = self.enter();
        generation.of(Signal::Metrics)?.consume_write(request).await
    }
}
