//! What a component is: a factory that reads its configuration, a configuration that builds it, and the built thing
//! with its life cycle.
//!
//! Start order is exporters, then processors and connectors, then receivers; shutdown is the other way round, so that
//! everything a receiver took reaches its end.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use thiserror::Error;
use trefoil_model::{Signal, Tenancy};

use crate::config::{ConfigError, Section};
use crate::metrics::Metrics;
use crate::overrides::Overrides;
use crate::receivers::prometheus::Scraping;
use crate::store::Store;
use crate::telemetry::Consumer;

mod downstream;
mod health;
mod id;
mod listening;
mod registry;
mod storage;

pub use downstream::Downstream;
pub(crate) use downstream::Generation;
pub use health::Health;
pub use id::{ComponentId, InvalidId};
pub use listening::{Listening, OtlpListening};
pub use registry::Registry;
pub use storage::{Storage, StorageClient, Storages};

/// A component could not be built or started.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ComponentError(pub String);

impl ComponentError {
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// What every component gets when it is built.
#[derive(Clone)]
pub struct Context {
    pub id: ComponentId,
    /// The store behind the `trefoil` exporter.
    pub store: Arc<dyn Store>,
    /// Whether requests must say whose they are; receivers ask it.
    pub tenancy: Tenancy,
    /// Where components may keep state (on-disk queues), below a directory of their own.
    pub data_dir: PathBuf,
    /// Whether the whole pipeline is up, for health checks.
    pub health: Health,
    /// Where components count what they do.
    pub metrics: Metrics,
    /// Where receivers tell what they scrape.
    pub scraping: Scraping,
    /// What is asked where Zipkin's spans are taken.
    pub zipkin_queries: Option<Router>,
    /// What tenants choose for themselves.
    pub overrides: Overrides,
    /// Where components keep what an extension stores.
    pub storages: Storages,
}

impl Context {
    /// The state directory of this component, not yet created; unique per kind of component and id.
    pub fn state_dir(&self, class: &str) -> PathBuf {
        self.data_dir.join(class).join(self.id.to_string().replace('/', "%2F"))
    }
}

/// The life of a built component.
#[async_trait]
pub trait Component: Send + Sync {
    /// Called once, before anything is sent to it. A receiver listens when this returns: a taken port is an error here.
    async fn start(&self) -> Result<(), ComponentError> {
        Ok(())
    }

    /// From now on waits for nothing: what it holds to make larger batches goes on at once, and so does what still comes.
    /// Called before the senders upstream are asked to finish, who may be waiting for just that.
    fn hurry(&self) {}

    /// Called once, when nothing is sent to it any more, so that it hands on or persists what it holds. A receiver takes
    /// nothing new and answers the requests under way, those that `grace` does not suffice for with a retryable error.
    async fn shutdown(&self, _grace: Duration) {}
}

/// Brings telemetry in; one instance for all pipelines and signals that name it.
pub trait Receiver: Component {
    /// Where it listens; empty before start and after shutdown.
    fn listening(&self) -> Vec<Listening> {
        Vec::new()
    }

    /// What turns it into one of another configuration while it runs, without disturbing what is the same in both. `None`: it has
    /// to be replaced. The error is what building one anew would give; nothing changes before the [`Change`] is made.
    fn prepare(&self, _next: &dyn ReceiverConfig) -> Option<Result<Change, ComponentError>> {
        None
    }
}

/// A change that cannot fail any more.
pub type Change = Box<dyn FnOnce() + Send>;

/// Stands in one pipeline; one instance for each pipeline that names it.
pub trait Processor: Component + Consumer {}

/// Takes telemetry out; one instance for all pipelines and signals that name it.
pub trait Exporter: Component + Consumer {}

/// The end of some pipelines and the beginning of others.
pub trait Connector: Component + Consumer {}

/// Runs beside the pipelines.
pub trait Extension: Component {}

/// A checked configuration of one receiver.
pub trait ReceiverConfig: Any + Send + Sync {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError>;
}

/// A checked configuration of one processor.
pub trait ProcessorConfig: Send + Sync {
    fn build(
        &self,
        context: Context,
        signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError>;
}

/// A checked configuration of one exporter.
pub trait ExporterConfig: Send + Sync {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError>;
}

/// A checked configuration of one connector.
pub trait ConnectorConfig: Send + Sync {
    /// `downstream` leads to the pipelines that have the connector as a receiver.
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Connector>, ComponentError>;
}

/// A checked configuration of one extension.
pub trait ExtensionConfig: Send + Sync {
    fn build(&self, context: Context) -> Result<Arc<dyn Extension>, ComponentError>;
}

/// Reads and checks a component's own part of the file: no network, no state.
pub type Parse<C> = fn(&Section<'_>) -> Result<Box<C>, ConfigError>;

/// A kind of component: the name in the configuration, what it takes, and how its configuration is read.
pub struct Factory<C: ?Sized, S: 'static = Signal> {
    /// `otlp`, as in `receivers: {otlp/2: …}`.
    pub kind: &'static str,
    /// The signals it can stand in a pipeline of.
    pub signals: &'static [S],
    pub parse: Parse<C>,
}

impl<C: ?Sized, S> Clone for Factory<C, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: ?Sized, S> Copy for Factory<C, S> {}

pub type ReceiverFactory = Factory<dyn ReceiverConfig>;
pub type ProcessorFactory = Factory<dyn ProcessorConfig>;
pub type ExporterFactory = Factory<dyn ExporterConfig>;
/// Its signals are pairs of what it takes and what it gives.
pub type ConnectorFactory = Factory<dyn ConnectorConfig, (Signal, Signal)>;
/// It has no signals.
pub type ExtensionFactory = Factory<dyn ExtensionConfig>;
