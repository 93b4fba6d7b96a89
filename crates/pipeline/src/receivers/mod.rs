//! Where telemetry comes in.

use crate::component::ReceiverFactory;

pub mod jaeger;
pub mod otlp;
pub mod prometheus;
pub mod prometheusremotewrite;

/// Every kind of receiver.
pub const FACTORIES: &[ReceiverFactory] =
    &[jaeger::FACTORY, otlp::FACTORY, prometheus::FACTORY, prometheusremotewrite::FACTORY];
