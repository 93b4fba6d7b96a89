//! What a component is: a factory that reads its configuration, a configuration that builds it, and the built thing
//! with its life cycle.
//!
//! Start order is exporters, then processors and connectors, then receivers; shutdown is the other way round, so that
//! everything a receiver took reaches its end.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use trefoil_model::Signal;

use crate::config::{ConfigError, Section};
use crate::store::Store;
use crate::telemetry::Consumer;

mod downstream;
mod health;
mod id;
mod registry;

pub use downstream::Downstream;
pub(crate) use downstream::Generation;
pub use health::Health;
pub use id::{ComponentId, InvalidId};
pub use registry::Registry;

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
    /// Where components may keep state (on-disk queues), below a directory of their own.
    pub data_dir: PathBuf,
    /// Whether the whole pipeline is up, for health checks.
    pub health: Health,
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

    /// Called once, when nothing is sent to it any more, so that it hands on or persists what it holds. A receiver takes
    /// nothing new and answers the requests under way, those that `grace` does not suffice for with a retryable error.
    async fn shutdown(&self, _grace: Duration) {}
}

/// Brings telemetry in; one instance for all pipelines and signals that name it.
pub trait Receiver: Component {}

/// Stands in one pipeline; one instance for each pipeline that names it.
pub trait Processor: Component + Consumer {}

/// Takes telemetry out; one instance for all pipelines and signals that name it.
pub trait Exporter: Component + Consumer {}

/// The end of some pipelines and the beginning of others.
pub trait Connector: Component + Consumer {}

/// Runs beside the pipelines.
pub trait Extension: Component {}

/// A checked configuration of one receiver.
pub trait ReceiverConfig: Send + Sync {
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

/// Reads and checks a component's own part of the file: no I/O on the network, no state.
pub type Parse<T> = fn(&Section<'_>) -> Result<T, ConfigError>;

/// A kind of receiver (`otlp`).
#[derive(Clone, Copy)]
pub struct ReceiverFactory {
    pub kind: &'static str,
    pub signals: &'static [Signal],
    pub parse: Parse<Box<dyn ReceiverConfig>>,
}

/// A kind of processor (`batch`).
#[derive(Clone, Copy)]
pub struct ProcessorFactory {
    pub kind: &'static str,
    pub signals: &'static [Signal],
    pub parse: Parse<Box<dyn ProcessorConfig>>,
}

/// A kind of exporter (`debug`).
#[derive(Clone, Copy)]
pub struct ExporterFactory {
    pub kind: &'static str,
    pub signals: &'static [Signal],
    pub parse: Parse<Box<dyn ExporterConfig>>,
}

/// A kind of connector (`forward`).
#[derive(Clone, Copy)]
pub struct ConnectorFactory {
    pub kind: &'static str,
    /// Which signal it takes and which it gives, all pairs.
    pub signals: &'static [(Signal, Signal)],
    pub parse: Parse<Box<dyn ConnectorConfig>>,
}

/// A kind of extension (`health_check`).
#[derive(Clone, Copy)]
pub struct ExtensionFactory {
    pub kind: &'static str,
    pub parse: Parse<Box<dyn ExtensionConfig>>,
}
