//! Where telemetry comes in.

use crate::component::ReceiverFactory;

pub mod otlp;

/// Every kind of receiver.
pub const FACTORIES: &[ReceiverFactory] = &[otlp::FACTORY];
