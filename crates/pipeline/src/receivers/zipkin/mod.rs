//! The `zipkin` receiver: spans of Zipkin's clients, in all formats that Zipkin takes over HTTP.
//!
//! A request becomes one OTLP export request (`trefoil_zipkin`) and is answered when the pipelines are done with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use trefoil_model::Signal;
use trefoil_model::tenant::Tenancy;

use self::config::Config;
use super::http_listener::{HttpListener, with_layers};
use super::otlp::HttpLimits;
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use super::otlp::load_tls;
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::ReceiverMetrics;
use crate::net::listener::Listener;

pub mod config;
pub mod http;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "zipkin", signals: &[Signal::Traces], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

/// The receiver's paths as routes for another listener, which nests them where it likes.
pub fn http_router(downstream: Downstream, tenancy: Tenancy, limits: HttpLimits, metrics: &ReceiverMetrics) -> Router {
    let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
    http::routes(intake.of_another_listener(), limits, false, metrics)
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let metrics = context.metrics.receiver(&context.id);
        Ok(Arc::new(ZipkinReceiver::new(self, context.tenancy, downstream, &metrics, context.zipkin_queries)?))
    }
}

/// The running receiver.
pub struct ZipkinReceiver(HttpListener);

impl ZipkinReceiver {
    /// Reads certificates; listens only when started. `queries` are answered on the same endpoint.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &ReceiverMetrics,
        queries: Option<Router>,
    ) -> Result<Self, ComponentError> {
        let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
        let limits = config.http.limits().map_err(ComponentError::new)?;
        let routes = http::routes(intake.clone(), limits, config.parse_string_tags, metrics);
        let router = queries.into_iter().fold(routes, Router::merge);
        let listener = Listener {
            protocol: "http",
            endpoint: config.http.endpoint.clone(),
            transport: config.http.transport.clone(),
            router: with_layers(router, config.http.cors.as_ref(), &config.http.response_headers)?,
            settings: config.http.server_settings(),
            tls: load_tls(config.http.tls.as_ref(), &["h2", "http/1.1"])?,
        };
        Ok(Self(HttpListener::new("Zipkin's spans", listener, intake)))
    }

    /// Where it listens; `None` before start and after shutdown.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address()
    }
}

impl Receiver for ZipkinReceiver {
    fn listening(&self) -> Vec<Listening> {
        self.0.listening()
    }
}

#[async_trait]
impl Component for ZipkinReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        self.0.start().await
    }

    async fn shutdown(&self, grace: Duration) {
        self.0.shutdown(grace).await;
    }
}
