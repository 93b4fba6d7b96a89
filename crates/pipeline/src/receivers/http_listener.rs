//! A receiver's own HTTP listener: what the Collector's `confighttp` puts around routes, and its life.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use parking_lot::Mutex;

use super::otlp::LAST_WORDS;
use super::otlp::config::parse_headers;
use super::otlp::cors::Cors;
use super::otlp::intake::Intake;
use crate::component::{ComponentError, Listening};
use crate::net::server::{self, Server, ServerSettings};
use crate::net::tls::ServerTlsSource;

/// The routes with CORS and further headers of responses.
pub fn with_layers(
    mut router: Router,
    cors: Option<&Cors>,
    response_headers: &BTreeMap<String, String>,
) -> Result<Router, ComponentError> {
    if let Some(cors) = cors
        && let Some(layer) = cors.layer().map_err(ComponentError::new)?
    {
        router = router.layer(layer);
    }
    let headers = parse_headers(response_headers).map_err(ComponentError::new)?;
    if headers.is_empty() {
        return Ok(router);
    }
    Ok(router.layer(axum::middleware::map_response(move |mut response: Response| {
        response.headers_mut().extend(headers.clone());
        std::future::ready(response)
    })))
}

/// What a receiver with one listener needs to listen, and the server while it does.
pub struct HttpListener {
    /// As in "receiving Zipkin spans".
    pub receiving: &'static str,
    pub endpoint: String,
    pub transport: String,
    pub router: Router,
    pub settings: ServerSettings,
    pub tls: Option<Arc<ServerTlsSource>>,
    pub intake: Intake,
    pub server: Mutex<Option<Arc<Server>>>,
}

impl HttpListener {
    /// Where it listens; `None` before start and after shutdown.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.lock().as_ref().map(|server| server.address())
    }

    pub fn listening(&self) -> Vec<Listening> {
        self.address().map(|address| Listening { protocol: "http", address }).into_iter().collect()
    }

    pub async fn start(&self) -> Result<(), ComponentError> {
        let endpoint = &self.endpoint;
        let failed = |error| ComponentError::new(format!("cannot listen on {endpoint}: {error}"));
        let listener = server::bind(&self.transport, endpoint).await.map_err(failed)?;
        let server = Server::start(listener, self.router.clone(), self.settings.clone(), self.tls.clone());
        let server = server.map_err(failed)?;
        tracing::info!(address = %server.address(), "receiving {}", self.receiving);
        *self.server.lock() = Some(Arc::new(server));
        Ok(())
    }

    pub async fn shutdown(&self, grace: Duration) {
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
