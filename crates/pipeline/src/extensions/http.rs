//! An extension that is an HTTP server: listens on start, drains on shutdown.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use parking_lot::Mutex;

use crate::component::{Component, ComponentError, ComponentId, Extension};
use crate::net::server::{Server, ServerSettings, bind};
use crate::net::tls::{ServerTls, ServerTlsSource};

pub(super) struct HttpExtension {
    pub id: ComponentId,
    pub endpoint: String,
    pub tls: Option<ServerTls>,
    pub router: Router,
    pub server: Mutex<Option<Arc<Server>>>,
}

impl HttpExtension {
    pub fn new(id: ComponentId, endpoint: &str, tls: Option<ServerTls>, router: Router) -> Arc<Self> {
        Arc::new(Self { id, endpoint: endpoint.to_owned(), tls, router, server: Mutex::new(None) })
    }
}

impl Extension for HttpExtension {}

#[async_trait]
impl Component for HttpExtension {
    async fn start(&self) -> Result<(), ComponentError> {
        let failed = |reason: String| ComponentError(format!("extension {}: {reason}", self.id));
        let tls = self.tls.as_ref().map(|tls| ServerTlsSource::load(tls, &["h2", "http/1.1"])).transpose();
        let tls = tls.map_err(|error| failed(error.to_string()))?.map(Arc::new);
        let listener = bind("tcp", &self.endpoint)
            .await
            .map_err(|error| failed(format!("cannot listen on {}: {error}", self.endpoint)))?;
        let server = Server::start(listener, self.router.clone(), ServerSettings::default(), tls)
            .map_err(|error| failed(error.to_string()))?;
        tracing::info!(extension = %self.id, address = %server.address(), "listening");
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
