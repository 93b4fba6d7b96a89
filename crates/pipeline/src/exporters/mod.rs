//! Exporters: what takes telemetry out.

use crate::component::ExporterFactory;

/// Every kind of exporter.
pub const FACTORIES: &[ExporterFactory] = &[];
