//! The `otlp` receiver: OTLP over gRPC and over HTTP.
//!
//! Bodies are decompressed but not decoded: the pipelines get the protobuf bytes that the client sent (JSON is turned
//! into them), and a client is answered when the pipelines are done with its request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use futures::future::join_all;
use parking_lot::Mutex;
use trefoil_model::Signal;
use trefoil_model::tenant::Tenancy;

use self::config::{Config, Grpc, Http};
use self::grpc::GrpcLimits;
use self::http::Paths;
use self::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use super::http_listener::with_layers;
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::{ReceiverMetrics, TransportMetrics};
use crate::net::server::{self, Server, ServerSettings};
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
    let limits = GrpcLimits {
        max_message_size: config.max_recv_msg_size_mib as usize * (1 << 20),
        include_metadata: config.include_metadata,
    };
    Ok(Listener {
        protocol: "grpc",
        endpoint: config.endpoint.clone(),
        transport: config.transport.clone(),
        router: grpc::routes(intake, limits, metrics),
        settings: config.server_settings(),
        tls: load_tls(config.tls.as_ref(), &["h2"])?,
    })
}

fn http_listener(config: &Http, intake: Intake, metrics: TransportMetrics) -> Result<Listener, ComponentError> {
    let limits = config.limits().map_err(ComponentError::new)?;
    let router = http::routes(intake, limits, &config.paths(), metrics);
    Ok(Listener {
        protocol: "http",
        endpoint: config.endpoint.clone(),
        transport: config.transport.clone(),
        router: with_layers(router, config.cors.as_ref(), &config.response_headers)?,
        settings: config.server_settings(),
        tls: load_tls(config.tls.as_ref(), &["h2", "http/1.1"])?,
    })
}

pub(crate) fn load_tls(
    settings: Option<&ServerTls>,
    alpn: &[&str],
) -> Result<Option<Arc<ServerTlsSource>>, ComponentError> {
    let load = |settings| ServerTlsSource::load(settings, alpn).map(Arc::new).map_err(ComponentError::new);
    settings.map(load).transpose()
}

/// What one protocol needs to listen.
struct Listener {
    protocol: &'static str,
    endpoint: String,
    transport: String,
    router: Router,
    settings: ServerSettings,
    tls: Option<Arc<ServerTlsSource>>,
}

impl Listener {
    async fn start(&self) -> Result<Server, ComponentError> {
        let failed = |error| {
            ComponentError::new(format!("protocols.{}: cannot listen on {}: {error}", self.protocol, self.endpoint))
        };
        let listener = server::bind(&self.transport, &self.endpoint).await.map_err(failed)?;
        let server = Server::start(listener, self.router.clone(), self.settings.clone(), self.tls.clone());
        let server = server.map_err(failed)?;
        tracing::info!(protocol = self.protocol, address = %server.address(), "receiving OTLP");
        Ok(server)
    }
}

/// The running receiver.
pub struct OtlpReceiver {
    intake: Intake,
    listeners: Vec<Listener>,
    servers: Mutex<Vec<Arc<Server>>>,
}

/// How long the answers to requests that were cut short may take to leave.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

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
        Ok(Self { intake, listeners, servers: Mutex::default() })
    }

    /// Where it listens, gRPC before HTTP; empty before start and after shutdown.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.lock().iter().map(|server| server.address()).collect()
    }
}

impl Receiver for OtlpReceiver {
    fn listening(&self) -> Vec<Listening> {
        let protocols = self.listeners.iter().map(|listener| listener.protocol);
        protocols.zip(self.addresses()).map(|(protocol, address)| Listening { protocol, address }).collect()
    }
}

#[async_trait]
impl Component for OtlpReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        let mut started = Vec::new();
        for listener in &self.listeners {
            match listener.start().await {
                Ok(server) => started.push(Arc::new(server)),
                Err(error) => {
                    // Both or none: a half-started receiver would hold its port against the next attempt.
                    join_all(started.iter().map(|server| server.shutdown(Duration::ZERO))).await;
                    return Err(error);
                }
            }
        }
        *self.servers.lock() = started;
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        let servers = std::mem::take(&mut *self.servers.lock());
        let drained = join_all(servers.iter().map(|server| server.shutdown(grace.saturating_add(LAST_WORDS))));
        let cut_short = async {
            tokio::time::sleep(grace).await;
            tracing::warn!(?grace, "requests are still under way at the end of the grace time; they are refused");
            self.intake.refuse_all();
            std::future::pending().await
        };
        tokio::select! {
            _ = drained => {}
            () = cut_short => {}
        }
    }
}
