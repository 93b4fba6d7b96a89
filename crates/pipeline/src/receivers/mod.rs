//! Receivers: what brings telemetry in.

use crate::component::ReceiverFactory;

/// Every kind of receiver.
pub const FACTORIES: &[ReceiverFactory] = &[];
