//! Processors: what changes, groups or refuses telemetry on its way.

use crate::component::ProcessorFactory;

mod attributes;
mod batch;
mod cardinality_guard;
mod memory_limiter;
mod resource;

pub use memory_limiter::total_memory;

/// Every kind of processor.
pub const FACTORIES: &[ProcessorFactory] =
    &[attributes::FACTORY, batch::FACTORY, cardinality_guard::FACTORY, memory_limiter::FACTORY, resource::FACTORY];
