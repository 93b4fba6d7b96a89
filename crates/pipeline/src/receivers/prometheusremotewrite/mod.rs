//! The `prometheusremotewrite` receiver: Prometheus' remote write, 1.0 and 2.0.
//!
//! A request becomes one OTLP export request with the names and labels as they are (`docs/decisions/0011-remote-write.md`),
//! and is answered when the pipelines are done with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use trefoil_model::Signal;
use trefoil_model::tenant::Tenancy;

use self::config::Config;
use super::http_listener::{HttpListener, with_layers};
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use super::otlp::load_tls;
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::{ReceiverMetrics, TransportMetrics};
use crate::net::listener::Listener;

pub(crate) mod batch;
mod coarser;
pub mod config;
pub(crate) mod exemplars;
pub(crate) mod families;
pub(crate) mod groups;
pub(crate) mod histogram;
mod http;
mod judge;
pub(crate) mod labels;
pub(crate) mod message;
pub(crate) mod part;
mod report;
mod straight;
mod strays;
#[cfg(test)]
mod tests;
pub(crate) mod times;
mod translate;
pub mod write;

pub use self::http::{PATH, WriteLimits};

pub use self::write::WriteRequest;

pub const FACTORY: ReceiverFactory =
    ReceiverFactory { kind: "prometheusremotewrite", signals: &[Signal::Metrics], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

/// Remote write at [`PATH`] as a route for other listeners, which nest it where they like; clones of the router share
/// bounds and memory. `in_flight_bytes` bounds the bodies of all requests under way together; `None` is 256 MiB.
pub fn http_router(
    downstream: Downstream,
    tenancy: Tenancy,
    limits: WriteLimits,
    in_flight_bytes: Option<usize>,
    metrics: TransportMetrics,
) -> Router {
    let intake = Intake::new(downstream, tenancy, in_flight_bytes.unwrap_or(DEFAULT_IN_FLIGHT_BYTES));
    http::routes(intake.of_another_listener(), limits, metrics)
}

/// Reads any body as a request of 2.0 or 1.0 and translates it; for fuzzing. Whether it could be read.
#[doc(hidden)]
pub fn try_translate(is_v2: bool, body: &[u8], limit: usize) -> Option<bytes::Bytes> {
    let version = if is_v2 { message::Version::V2 } else { message::Version::V1 };
    let remembered = families::Families::default();
    let surroundings = translate::Surroundings { remembered: &remembered, now: 1, limit };
    translate::translate(version, body, &surroundings).ok().map(|translated| translated.body)
}

/// The same by the way into the store, with `series` as what it remembers. The request with what is not samples of known
/// series, and these.
#[doc(hidden)]
pub fn try_translate_for_store(
    is_v2: bool,
    body: &[u8],
    limit: usize,
    series: &std::sync::Arc<trefoil_model::active::TenantSeries>,
) -> Option<(bytes::Bytes, trefoil_model::samples::KnownSamples)> {
    let version = if is_v2 { message::Version::V2 } else { message::Version::V1 };
    let remembered = families::Families::default();
    let surroundings = translate::Surroundings { remembered: &remembered, now: 1, limit };
    let flight = trefoil_model::active::Flight::begin(series.clone(), i64::MAX);
    let (translated, flight, samples) = translate::translate_for_store(version, body, &surroundings, flight).ok()?;
    flight.land();
    Some((translated.body, samples))
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let metrics = context.metrics.receiver(&context.id);
        Ok(Arc::new(RemoteWriteReceiver::new(self, context.tenancy, downstream, &metrics)?))
    }
}

/// The running receiver.
pub struct RemoteWriteReceiver(HttpListener);

impl RemoteWriteReceiver {
    /// Reads certificates; listens only when started.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &ReceiverMetrics,
    ) -> Result<Self, ComponentError> {
        let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
        let router = http::routes(intake.clone(), config.limits(), metrics.over("http"));
        let listener = Listener {
            protocol: "http",
            endpoint: config.endpoint.clone(),
            transport: config.transport.clone(),
            router: with_layers(router, config.cors.as_ref(), &config.response_headers)?,
            settings: config.server_settings(),
            tls: load_tls(config.tls.as_ref(), &["h2", "http/1.1"])?,
        };
        Ok(Self(HttpListener::new("Prometheus remote write", listener, intake)))
    }

    /// Where it listens; `None` before start and after shutdown.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address()
    }
}

impl Receiver for RemoteWriteReceiver {
    fn listening(&self) -> Vec<Listening> {
        self.0.listening()
    }
}

#[async_trait]
impl Component for RemoteWriteReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        self.0.start().await
    }

    async fn shutdown(&self, grace: Duration) {
        self.0.shutdown(grace).await;
    }
}
