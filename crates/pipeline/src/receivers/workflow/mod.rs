//! The `workflow` receiver: processes out of reach of any SDK (engines, batch jobs, partners' systems), traced by the events that
//! they send. CloudEvents over HTTP report changes of state; each instance becomes one trace, with a root span for the instance and
//! a span for each state ([`trace`]), which can be seen while it runs.
//!
//! `docs/decisions/0030-workflows.md` says why it is so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trefoil_model::{Signal, Tenancy};

use self::config::Config;
use self::intake::Workflows;
use self::ledger::Ledger;
use super::http_listener::{HttpListener, with_layers};
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use super::otlp::load_tls;
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::{ReceiverMetrics, WorkflowMetrics};
use crate::net::listener::Listener;

mod caller;
pub mod change;
pub mod cloudevents;
pub mod config;
mod http;
mod intake;
mod ledger;
pub mod mapping;
#[cfg(test)]
mod tests;
pub mod trace;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "workflow", signals: &[Signal::Traces], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let metrics = (&context.metrics.receiver(&context.id), context.metrics.workflows(&context.id));
        let directory = context.state_dir("receivers");
        Ok(Arc::new(WorkflowReceiver::new(self, directory, context.tenancy, downstream, metrics)?))
    }
}

/// The running receiver.
pub struct WorkflowReceiver {
    workflows: Arc<Workflows>,
    directory: PathBuf,
    listener: HttpListener,
    sweeper: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

impl WorkflowReceiver {
    /// Reads certificates; listens and opens its state, in `directory`, only when started.
    pub fn new(
        config: &Config,
        directory: PathBuf,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: (&ReceiverMetrics, WorkflowMetrics),
    ) -> Result<Self, ComponentError> {
        let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
        let workflows = Arc::new(Workflows {
            mapping: config.mapping.clone(),
            limits: config.limits,
            refresh: config.refresh,
            retire: config.retire,
            intake: intake.clone(),
            metrics: metrics.1,
            ledger: OnceLock::new(),
        });
        let server = config.http.server();
        let limits = server.limits().map_err(ComponentError::new)?;
        let router = http::routes(workflows.clone(), limits, &config.path, metrics.0);
        let router = with_layers(router, server.cors.as_ref(), &server.response_headers)?;
        let listener = Listener {
            protocol: "http",
            endpoint: server.endpoint.clone(),
            transport: server.transport.clone(),
            router: http::with_handshake(router, config.webhook.clone()),
            settings: server.server_settings(),
            tls: load_tls(server.tls.as_ref(), &["h2", "http/1.1"])?,
        };
        let listener = HttpListener::new("CloudEvents of workflows", listener, intake);
        Ok(Self { workflows, directory, listener, sweeper: Mutex::default(), stop: CancellationToken::new() })
    }

    /// Where it listens; `None` before start and after shutdown.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }
}

impl Receiver for WorkflowReceiver {
    fn listening(&self) -> Vec<Listening> {
        self.listener.listening()
    }
}

#[async_trait]
impl Component for WorkflowReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        let ledger = Ledger::open(self.directory.clone(), self.workflows.limits).await.map_err(ComponentError::new)?;
        let ledger = self.workflows.ledger.get_or_init(|| ledger);
        if let Err(error) = self.listener.start().await {
            ledger.close().await;
            return Err(error);
        }
        *self.sweeper.lock() = Some(tokio::spawn(self.workflows.clone().sweep(self.stop.clone())));
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        self.listener.shutdown(grace).await;
        self.stop.cancel();
        let sweeper = self.sweeper.lock().take();
        if let Some(mut sweeper) = sweeper {
            match tokio::time::timeout(grace, &mut sweeper).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "looking after workflows ended early"),
                // What the pipelines have not taken yet is pending on disk.
                Err(_) => sweeper.abort(),
            }
        }
        if let Some(ledger) = self.workflows.ledger.get() {
            ledger.close().await;
        }
    }
}
