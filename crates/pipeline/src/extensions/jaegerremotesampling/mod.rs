//! `jaegerremotesampling`: tells Jaeger's clients, and OpenTelemetry SDKs with Jaeger's remote sampler, how much to sample, over HTTP and
//! gRPC. The strategies are those of Jaeger's file, which is read again every `reload_interval`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use trefoil_jaeger::sampling::Strategies;

use self::config::Config;
use self::source::Source;
use crate::component::{Component, ComponentError, ComponentId, Context, Extension, ExtensionConfig, ExtensionFactory};
use crate::config::{ConfigError, Section};
use crate::net::listener::{Listener, Listeners};
use crate::net::server::ServerSettings;
use crate::receivers::otlp::load_tls;

pub mod config;
mod serve;
mod source;
#[cfg(test)]
mod tests;

pub const FACTORY: ExtensionFactory = ExtensionFactory { kind: "jaegerremotesampling", signals: &[], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ExtensionConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl ExtensionConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Extension>, ComponentError> {
        Ok(Arc::new(RemoteSampling::new(self, context.id)?))
    }
}

/// The strategies of now; a reload changes them.
type Current = Arc<ArcSwap<Strategies>>;

/// The running extension.
pub struct RemoteSampling {
    id: ComponentId,
    source: Source,
    reload_interval: Duration,
    strategies: Current,
    listeners: Listeners,
    reloads: Mutex<Option<JoinHandle<()>>>,
}

impl RemoteSampling {
    /// Reads certificates; reads the strategies and listens only when started.
    pub fn new(config: &Config, id: ComponentId) -> Result<Self, ComponentError> {
        let strategies = Current::default();
        let mut listeners = Vec::new();
        if let Some(http) = &config.http {
            listeners.push(Listener {
                protocol: "http",
                endpoint: http.endpoint.clone(),
                transport: http.transport.clone(),
                router: serve::http(strategies.clone()),
                settings: ServerSettings::default(),
                tls: load_tls(http.tls.as_ref(), &["h2", "http/1.1"])?,
            });
        }
        if let Some(grpc) = &config.grpc {
            listeners.push(grpc.listener(serve::grpc(strategies.clone(), grpc.limits().max_message_size))?);
        }
        let listeners = Listeners::new("telling Jaeger's sampling strategies", "", listeners);
        let (source, reload_interval) = (Source::new(&config.source), config.source.reload_interval);
        Ok(Self { id, source, reload_interval, strategies, listeners, reloads: Mutex::default() })
    }

    /// Where it listens, HTTP before gRPC; empty before start and after shutdown.
    #[cfg(test)]
    pub fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.listeners.addresses()
    }
}

impl Extension for RemoteSampling {}

#[async_trait]
impl Component for RemoteSampling {
    async fn start(&self) -> Result<(), ComponentError> {
        let failed = |reason: String| ComponentError(format!("extension {}: {reason}", self.id));
        let text = self.source.read().await.map_err(failed)?;
        let strategies = parse_strategies(&text).map_err(failed)?;
        self.strategies.store(Arc::new(strategies));
        self.listeners.start().await.map_err(|error| failed(error.to_string()))?;
        if self.source.may_change() && !self.reload_interval.is_zero() {
            let reloads = reload(self.source.clone(), self.reload_interval, text, self.strategies.clone());
            *self.reloads.lock() = Some(tokio::spawn(reloads));
        }
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        if let Some(reloads) = self.reloads.lock().take() {
            reloads.abort();
        }
        self.listeners.shutdown(grace).await;
    }
}

fn parse_strategies(text: &str) -> Result<Strategies, String> {
    let strategies = Strategies::parse(text).map_err(|error| error.to_string())?;
    for warning in strategies.warnings() {
        tracing::warn!("sampling strategies: {warning}");
    }
    Ok(strategies)
}

/// What cannot be read leaves the strategies as they are.
async fn reload(source: Source, interval: Duration, mut last: String, current: Current) {
    loop {
        tokio::time::sleep(interval).await;
        let text = match source.read().await {
            Ok(text) => text,
            Err(reason) => {
                tracing::warn!(reason, "the sampling strategies cannot be read again; the old ones stay");
                continue;
            }
        };
        if text == last {
            continue;
        }
        match parse_strategies(&text) {
            Ok(strategies) => {
                tracing::info!("the sampling strategies have changed");
                current.store(Arc::new(strategies));
            }
            Err(reason) => tracing::warn!(reason, "the new sampling strategies are not used; the old ones stay"),
        }
        // What is wrong is told once.
        last = text;
    }
}
