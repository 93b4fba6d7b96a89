//! Connectors: from the end of one pipeline to the beginning of another.

use crate::component::ConnectorFactory;

mod forward;

/// Every kind of connector.
pub const FACTORIES: &[ConnectorFactory] = &[forward::FACTORY];
