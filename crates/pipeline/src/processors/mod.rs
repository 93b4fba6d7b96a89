//! Processors: what changes, groups or refuses telemetry on its way.

use crate::component::ProcessorFactory;

/// Every kind of processor.
pub const FACTORIES: &[ProcessorFactory] = &[];
