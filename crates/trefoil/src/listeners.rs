//! Binding and serving the listeners of the read APIs.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A bound socket and what it will serve. Binding comes first for all of them, so that a taken port stops the start
/// before anything has been done.
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
}

impl Listener {
    pub async fn bind(name: &'static str, address: &str) -> anyhow::Result<Self> {
        let socket = TcpListener::bind(address).await.with_context(|| {
            format!("listener {name} cannot bind {address} (move it with `listeners.{name}.endpoint`, or switch it off with `listeners.{name}.enabled: false`)")
        })?;
        Ok(Self { name, socket })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it really listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Serves until `shutdown`, then lets running requests finish.
    pub fn serve(self, router: Router, tasks: &mut JoinSet<()>, shutdown: CancellationToken) {
        if let Some(address) = self.address() {
            tracing::info!(listener = self.name, %address, "listening");
        }
        tasks.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let served = axum::serve(self.socket, service).with_graceful_shutdown(shutdown.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(listener = self.name, %error, "the listener failed");
            }
        });
    }
}
