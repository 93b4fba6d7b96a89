//! Exporters: what takes telemetry out.

use crate::component::ExporterFactory;

pub mod parcel;
pub mod queue;
pub mod queued;
pub mod retry;
pub mod store;

/// Every kind of exporter.
pub const FACTORIES: &[ExporterFactory] = &[store::FACTORY];
