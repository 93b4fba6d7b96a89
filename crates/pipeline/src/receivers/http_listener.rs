//! A receiver's own HTTP listener: what the Collector's `confighttp` puts around routes, and its life.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use parking_lot::Mutex;

use super::otlp::config::parse_headers;
use super::otlp::cors::Cors;
use super::otlp::intake::Intake;
use crate::component::{ComponentError, Listening};
use crate::net::listener::{LAST_WORDS, Listener};
use crate::net::server::{self, Server};

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

/// The only listener of a receiver, and the server while it runs.
pub struct HttpListener {
    /// As in "receiving Zipkin's spans".
    receiving: &'static str,
    listener: Listener,
    intake: Intake,
    server: Mutex<Option<Arc<Server>>>,
}

impl HttpListener {
    pub fn new(receiving: &'static str, listener: Listener, intake: Intake) -> HttpListener {
        HttpListener { receiving, listener, intake, server: Mutex::default() }
    }

    /// Where it listens; `None` before start and after shutdown.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.lock().as_ref().map(|server| server.address())
    }

    pub fn listening(&self) -> Vec<Listening> {
        self.address().map(|address| Listening { protocol: "http", address }).into_iter().collect()
    }

    pub async fn start(&self) -> Result<(), ComponentError> {
        let Listener { endpoint, transport, router, settings, tls, .. } = &self.listener;
        let failed = |error| ComponentError::new(format!("cannot listen on {endpoint}: {error}"));
        let socket = server::bind(transport, endpoint).await.map_err(failed)?;
        let server = Server::start(socket, router.clone(), settings.clone(), tls.clone()).map_err(failed)?;
        tracing::info!(address = %server.address(), "receiving {}", self.receiving);
        *self.server.lock() = Some(Arc::new(server));
        Ok(())
    }

    pub async fn shutdown(&self, grace: Duration) {
        let Some(server) = self.server.lock().take() else { return };
        let drained = async {
            server.shutdown(grace.saturating_add(LAST_WORDS)).await;
        };
        self.intake.refuse_after(grace, drained).await;
    }
}
