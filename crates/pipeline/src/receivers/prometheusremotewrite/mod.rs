//! The `prometheusremotewrite` receiver: Prometheus' remote write, 1.0 and 2.0.
//!
//! A request becomes one OTLP export request with the names and labels as they are (`docs/decisions/0011-remote-write.md`),
//! and is answered when the pipelines are done with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::response::Response;
use parking_lot::Mutex;
use trefoil_model::Signal;
use trefoil_model::tenant::Tenancy;

use self::config::Config;
use super::otlp::config::parse_headers;
use super::otlp::intake::{DEFAULT_IN_FLIGHT_BYTES, Intake};
use super::otlp::{LAST_WORDS, load_tls};
use crate::component::{
    Component, ComponentError, Context, Downstream, Listening, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Section};
use crate::metrics::{ReceiverMetrics, TransportMetrics};
use crate::net::server::{self, Server};
use crate::net::tls::ServerTlsSource;

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
pub struct RemoteWriteReceiver {
    intake: Intake,
    config: Config,
    router: Router,
    tls: Option<Arc<ServerTlsSource>>,
    server: Mutex<Option<Arc<Server>>>,
}

impl RemoteWriteReceiver {
    /// Reads certificates; listens only when started.
    pub fn new(
        config: &Config,
        tenancy: Tenancy,
        downstream: Downstream,
        metrics: &ReceiverMetrics,
    ) -> Result<Self, ComponentError> {
        let intake = Intake::new(downstream, tenancy, DEFAULT_IN_FLIGHT_BYTES);
        let mut router = http::routes(intake.clone(), config.limits(), metrics.over("http"));
        if let Some(cors) = &config.cors
            && let Some(layer) = cors.layer().map_err(ComponentError::new)?
        {
            router = router.layer(layer);
        }
        let headers = parse_headers(&config.response_headers).map_err(ComponentError::new)?;
        if !headers.is_empty() {
            router = router.layer(axum::middleware::map_response(move |mut response: Response| {
                response.headers_mut().extend(headers.clone());
                std::future::ready(response)
            }));
        }
        let tls = load_tls(config.tls.as_ref(), &["h2", "http/1.1"])?;
        Ok(Self { intake, config: config.clone(), router, tls, server: Mutex::default() })
    }

    /// Where it listens; `None` before start and after shutdown.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.lock().as_ref().map(|server| server.address())
    }
}

impl Receiver for RemoteWriteReceiver {
    fn listening(&self) -> Vec<Listening> {
        self.address().map(|address| Listening { protocol: "http", address }).into_iter().collect()
    }
}

#[async_trait]
impl Component for RemoteWriteReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        let Config { endpoint, transport, .. } = &self.config;
        let failed = |error| ComponentError::new(format!("cannot listen on {endpoint}: {error}"));
        let listener = server::bind(transport, endpoint).await.map_err(failed)?;
        let settings = self.config.server_settings();
        let server = Server::start(listener, self.router.clone(), settings, self.tls.clone()).map_err(failed)?;
        tracing::info!(address = %server.address(), "receiving Prometheus remote write");
        *self.server.lock() = Some(Arc::new(server));
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        let Some(server) = self.server.lock().take() else { return };
        let cut_short = async {
            tokio::time::sleep(grace).await;
            tracing::warn!(?grace, "requests are still under way at the end of the grace time; they are refused");
            self.intake.refuse_all();
            std::future::pending().await
        };
        tokio::select! {
            _ = server.shutdown(grace.saturating_add(LAST_WORDS)) => {}
            () = cut_short => {}
        }
    }
}
