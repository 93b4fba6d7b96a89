//! Extensions: what runs beside the pipelines.

pub mod file_storage;
mod health_check;
mod http;
mod jaegerremotesampling;
pub mod pprof;

use crate::component::ExtensionFactory;

/// Every kind of extension.
pub const FACTORIES: &[ExtensionFactory] =
    &[file_storage::FACTORY, health_check::FACTORY, jaegerremotesampling::FACTORY, pprof::FACTORY];
