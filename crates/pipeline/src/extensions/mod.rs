//! Extensions: what runs beside the pipelines.

mod health_check;
mod http;
mod jaegerremotesampling;
pub mod pprof;

use crate::component::ExtensionFactory;

/// Every kind of extension.
pub const FACTORIES: &[ExtensionFactory] = &[health_check::FACTORY, jaegerremotesampling::FACTORY, pprof::FACTORY];
