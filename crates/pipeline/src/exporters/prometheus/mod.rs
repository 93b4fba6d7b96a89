//! The `prometheus` exporter: the latest value of every series, for a Prometheus to scrape.
//!
//! Points are acknowledged when their series are up to date in memory; a restart begins with none. Differences (delta
//! temporality) are added up. A series that gets no points for `metric_expiration`, or that is said to have ended, is gone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use trefoil_model::Signal;

use self::config::Config;
use self::series::Collection;
use super::counted::Counted;
use super::prometheus_view::{View, each};
use crate::component::{Component, ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Section};
use crate::net::server::{self, Server};
use crate::net::tls::ServerTlsSource;
use crate::receivers::otlp::load_tls;
use crate::telemetry::{Accepted, Consumer, Message, Refused, Telemetry};

mod assemble;
mod config;
mod http;
mod series;
#[cfg(test)]
mod tests;

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "prometheus", signals: &[Signal::Metrics], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ExporterConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ExporterConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        let collection = Arc::new(Collection::new(self.metric_expiration));
        let exporter = PrometheusExporter {
            router: http::routes(self, collection.clone(), context.tenancy)?,
            collection,
            view: self.view(),
            tls: load_tls(self.tls.as_ref(), &["h2", "http/1.1"])?,
            config: self.clone(),
            server: Mutex::default(),
        };
        Ok(Counted::new(&context, exporter))
    }
}

struct PrometheusExporter {
    config: Config,
    view: View,
    collection: Arc<Collection>,
    router: axum::Router,
    tls: Option<Arc<ServerTlsSource>>,
    server: Mutex<Option<Arc<Server>>>,
}

impl Exporter for PrometheusExporter {}

#[async_trait]
impl Component for PrometheusExporter {
    async fn start(&self) -> Result<(), ComponentError> {
        let Config { endpoint, transport, .. } = &self.config;
        let failed = |error| ComponentError::new(format!("cannot listen on {endpoint}: {error}"));
        let listener = server::bind(transport, endpoint).await.map_err(failed)?;
        let settings = self.config.server_settings();
        let server = Server::start(listener, self.router.clone(), settings, self.tls.clone()).map_err(failed)?;
        tracing::info!(address = %server.address(), "metrics to be scraped at /metrics");
        *self.server.lock() = Some(Arc::new(server));
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        let server = self.server.lock().take();
        if let Some(server) = server {
            server.shutdown(grace).await;
        }
    }
}

#[async_trait]
impl Consumer for PrometheusExporter {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let tenant = telemetry.tenant;
        let Message::Metrics(request) = telemetry.payload.into_message()? else {
            return Err(Refused::Invalid("the exporter takes only metrics".to_owned()));
        };
        let mut refused = series::Refusals::default();
        let mut update = self.collection.update(&tenant);
        let without_form = each(request, &self.view, |point| update.take(point, &mut refused));
        drop(update);
        Ok(refused.answer(without_form))
    }
}
