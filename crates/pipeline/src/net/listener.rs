//! The listeners of one component: they start together and drain together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::join_all;
use parking_lot::Mutex;

use super::server::{self, Server, ServerSettings};
use super::tls::ServerTlsSource;
use crate::component::{ComponentError, Listening};

/// How long the answers to requests that were cut short may take to leave.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What one protocol needs to listen.
pub(crate) struct Listener {
    /// As the configuration names it.
    pub protocol: &'static str,
    pub endpoint: String,
    pub transport: String,
    pub router: Router,
    pub settings: ServerSettings,
    pub tls: Option<Arc<ServerTlsSource>>,
}

pub(crate) struct Listeners {
    /// What is said of them: "receiving OTLP".
    purpose: &'static str,
    /// Where the configuration has them: `protocols.` or nothing.
    section: &'static str,
    listeners: Vec<Listener>,
    servers: Mutex<Vec<Arc<Server>>>,
}

impl Listeners {
    pub fn new(purpose: &'static str, section: &'static str, listeners: Vec<Listener>) -> Self {
        Self { purpose, section, listeners, servers: Mutex::default() }
    }

    /// All or none: a half-started component would hold its port against the next attempt.
    pub async fn start(&self) -> Result<(), ComponentError> {
        let mut started = Vec::new();
        for listener in &self.listeners {
            match self.start_one(listener).await {
                Ok(server) => started.push(Arc::new(server)),
                Err(error) => {
                    join_all(started.iter().map(|server| server.shutdown(Duration::ZERO))).await;
                    return Err(error);
                }
            }
        }
        *self.servers.lock() = started;
        Ok(())
    }

    async fn start_one(&self, listener: &Listener) -> Result<Server, ComponentError> {
        let Listener { protocol, endpoint, transport, .. } = listener;
        let section = self.section;
        let failed = |error| ComponentError::new(format!("{section}{protocol}: cannot listen on {endpoint}: {error}"));
        let socket = server::bind(transport, endpoint).await.map_err(failed)?;
        let server = Server::start(socket, listener.router.clone(), listener.settings.clone(), listener.tls.clone());
        let server = server.map_err(failed)?;
        tracing::info!(protocol, address = %server.address(), "{}", self.purpose);
        Ok(server)
    }

    /// In the order in which they were given; empty before start and after shutdown.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.lock().iter().map(|server| server.address()).collect()
    }

    pub fn listening(&self) -> Vec<Listening> {
        let protocols = self.listeners.iter().map(|listener| listener.protocol);
        protocols.zip(self.addresses()).map(|(protocol, address)| Listening { protocol, address }).collect()
    }

    /// Takes nothing new and waits for the requests under way, for as long as `grace` and their last words take.
    pub async fn shutdown(&self, grace: Duration) {
        let servers = std::mem::take(&mut *self.servers.lock());
        join_all(servers.iter().map(|server| server.shutdown(grace.saturating_add(LAST_WORDS)))).await;
    }
}
