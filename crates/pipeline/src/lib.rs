//! The OpenTelemetry Collector's configuration model: receivers, processors, connectors and exporters, wired to
//! pipelines by a configuration file. How data is stored is not known here: the store is one exporter behind a trait.
//!
//! Data flows `receiver → processors → exporters`; an answer travels back the same way, so that nobody is told "taken"
//! before it is safe. [`config`] reads and checks the file, [`component`] says what a component is, [`graph`] builds,
//! runs, reloads and drains.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod component;
pub mod config;
pub mod connectors;
pub mod exporters;
pub mod extensions;
pub mod graph;
pub mod metrics;
pub mod net;
pub mod overrides;
pub mod processors;
pub mod receivers;
pub mod stanza;
pub mod store;
pub mod telemetry;

pub use graph::{Graph, Resources};
pub use metrics::Metrics;
pub use store::{SampleStore, Store};
pub use telemetry::{Accepted, Consumer, Message, Origin, Payload, Refused, Telemetry};
