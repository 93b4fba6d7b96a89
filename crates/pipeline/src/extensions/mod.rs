//! Extensions: what runs beside the pipelines.

mod health_check;
mod http;
pub mod pprof;

use crate::component::ExtensionFactory;

/// Every kind of extension.
pub const FACTORIES: &[ExtensionFactory] = &[health_check::FACTORY, pprof::FACTORY];
