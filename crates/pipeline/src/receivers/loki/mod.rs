//! The `loki` receiver: what Loki's clients push, over HTTP and gRPC.
//!
//! A push becomes one OTLP export request (`trefoil_loki`) and is answered when the pipelines are done with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use trefoil_loki::Options;
use trefoil_model::{Signal, Tenancy};

use self::config::Config;
use self::door::Door;
use super::otlp::HttpLimits;
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::{ReceiverMetrics, TransportMetrics};
use crate::net::listener::Listeners;

pub mod config;
mod door;
mod grpc;
mod http;

pub use self::config::LimitsSection;
pub use self::grpc::PUSH as GRPC_PUSH;
pub use self::http::PUSH;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "loki", signals: &[Signal::Logs], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

/// The receiver's paths as routes for other listeners. They share bounds.
#[derive(Clone)]
pub struct HttpRouters {
    /// For a listener that is Loki's own: a push in both of its places, OTLP as Loki takes it.
    pub own: Router,
    /// For a listener that has other things, too: the same below `/loki`, and a push where it is in any Loki, which begins with that.
    pub shared: Router,
}

/// Entries keep their times; `streams` bounds them.
pub fn http_routers(
    downstream: Downstream,
    tenancy: Tenancy,
    limits: HttpLimits,
    streams: &LimitsSection,
    metrics: TransportMetrics,
) -> HttpRouters {
    let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES).of_another_listener();
    let options = Options { limits: streams.limits(), use_incoming_timestamp: true };
    let door = Door { intake, options: Arc::new(options), metrics };
    let own = http::routes(&door, limits.clone());
    let shared = http::push_route(&door, limits).nest("/loki", own.clone());
    HttpRouters { own, shared }
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let metrics = context.metrics.receiver(&context.id);
        Ok(Arc::new(LokiReceiver::new(self, context.tenancy, downstream, &metrics)?))
    }
}

/// The running receiver.
pub struct LokiReceiver {
    intake: Intake,
    listeners: Listeners,
}

impl LokiReceiver {
    /// Reads certificates; listens only when started.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &ReceiverMetrics,
    ) -> Result<Self, ComponentError> {
        let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
        let options = Arc::new(config.options());
        let door =
            |transport| Door { intake: intake.clone(), options: options.clone(), metrics: metrics.over(transport) };
        let mut listeners = Vec::new();
        if let Some(http) = &config.protocols.http {
            let server = http.server();
            let limits = server.limits().map_err(ComponentError::new)?;
            listeners.push(server.listener("http", http::routes(&door("http"), limits))?);
        }
        if let Some(grpc) = &config.protocols.grpc {
            listeners.push(grpc.listener(grpc::routes(door("grpc"), grpc.limits()))?);
        }
        Ok(Self { intake, listeners: Listeners::new("receiving Loki's logs", "protocols.", listeners) })
    }

    /// Where it listens, by the name of the protocol; `None` before start and after shutdown.
    pub fn address(&self, protocol: &str) -> Option<SocketAddr> {
        self.listening().iter().find(|listening| listening.protocol == protocol).map(|listening| listening.address)
    }
}

impl Receiver for LokiReceiver {
    fn listening(&self) -> Vec<Listening> {
        self.listeners.listening()
    }
}

#[async_trait]
impl Component for LokiReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        self.listeners.start().await
    }

    async fn shutdown(&self, grace: Duration) {
        self.intake.refuse_after(grace, self.listeners.shutdown(grace)).await;
    }
}
