//! The `otlp` receiver: OTLP over gRPC and over HTTP.
//!
//! Bodies are decompressed but not decoded: the pipelines get the protobuf bytes that the client sent (JSON is turned
//! into them), and a client is answered when the pipelines are done with its request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use trefoil_model::Signal;
use trefoil_model::tenant::Tenancy;

use self::config::{Config, Grpc, Http};
use self::http::Paths;
use self::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::{ReceiverMetrics, TransportMetrics};
use crate::net::listener::{Listener, Listeners};
use crate::net::tls::{ServerTls, ServerTlsSource};

pub mod config;
pub mod cors;
pub mod grpc;
pub mod http;
pub mod intake;
pub mod status;
pub(crate) mod workshop;

pub use self::http::HttpLimits;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "otlp", signals: &Signal::ALL, parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

/// OTLP/HTTP at `/v1/{traces,metrics,logs}` as routes for another listener, which nests them where it likes.
/// `in_flight_bytes` bounds the bodies of all requests under way together; `None` is 256 MiB.
pub fn http_router(
    downstream: Downstream,
    tenancy: Tenancy,
    limits: HttpLimits,
    in_flight_bytes: Option<usize>,
    metrics: TransportMetrics,
) -> Router {
    let intake = Intake::new(downstream, tenancy, in_flight_bytes.unwrap_or(DEFAULT_IN_FLIGHT_BYTES));
    http::routes(intake.of_another_listener(), limits, &Paths::default(), metrics)
}

/// Metrics over OTLP/HTTP at the paths where Prometheus takes them; otherwise as [`http_router`].
pub fn prometheus_router(
    downstream: Downstream,
    tenancy: Tenancy,
    limits: HttpLimits,
    in_flight_bytes: Option<usize>,
    metrics: TransportMetrics,
) -> Router {
    let intake = Intake::new(downstream, tenancy, in_flight_bytes.unwrap_or(DEFAULT_IN_FLIGHT_BYTES));
    let paths = ["/api/v1/otlp/v1/metrics", "/otlp/v1/metrics"];
    http::metrics_routes(intake.of_another_listener(), limits, &paths, metrics)
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let metrics = context.metrics.receiver(&context.id);
        Ok(Arc::new(OtlpReceiver::new(self, context.tenancy, downstream, &metrics)?))
    }
}

fn grpc_listener(config: &Grpc, intake: Intake, metrics: TransportMetrics) -> Result<Listener, ComponentError> {
    config.listener(grpc::routes(intake, config.limits(), metrics))
}

fn http_listener(config: &Http, intake: Intake, metrics: TransportMetrics) -> Result<Listener, ComponentError> {
    let limits = config.limits().map_err(ComponentError::new)?;
    config.listener("http", http::routes(intake, limits, &config.paths(), metrics))
}

pub(crate) fn load_tls(
    settings: Option<&ServerTls>,
    alpn: &[&str],
) -> Result<Option<Arc<ServerTlsSource>>, ComponentError> {
    let load = |settings| ServerTlsSource::load(settings, alpn).map(Arc::new).map_err(ComponentError::new);
    settings.map(load).transpose()
}

/// The running receiver.
pub struct OtlpReceiver {
    intake: Intake,
    listeners: Listeners,
}

impl OtlpReceiver {
    /// Reads certificates; listens only when started.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &ReceiverMetrics,
    ) -> Result<Self, ComponentError> {
        let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
        let mut listeners = Vec::new();
        if let Some(grpc) = &config.protocols.grpc {
            listeners.push(grpc_listener(grpc, intake.clone(), metrics.over("grpc"))?);
        }
        if let Some(http) = &config.protocols.http {
            listeners.push(http_listener(http, intake.clone(), metrics.over("http"))?);
        }
        Ok(Self { intake, listeners: Listeners::new("receiving OTLP", "protocols.", listeners) })
    }

    /// Where it listens, gRPC before HTTP; empty before start and after shutdown.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }
}

impl Receiver for OtlpReceiver {
    fn listening(&self) -> Vec<Listening> {
        self.listeners.listening()
    }
}

#[async_trait]
impl Component for OtlpReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        self.listeners.start().await
    }

    async fn shutdown(&self, grace: Duration) {
        self.intake.refuse_after(grace, self.listeners.shutdown(grace)).await;
    }
}
