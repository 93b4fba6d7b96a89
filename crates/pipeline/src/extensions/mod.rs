//! Extensions: what runs beside the pipelines.

use crate::component::ExtensionFactory;

/// Every kind of extension.
pub const FACTORIES: &[ExtensionFactory] = &[];
