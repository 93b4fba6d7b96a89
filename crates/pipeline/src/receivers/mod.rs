//! Where telemetry comes in.

use crate::component::ReceiverFactory;

mod http_listener;
pub mod jaeger;
pub mod journald;
mod log_records;
pub mod otlp;
pub mod prometheus;
pub mod prometheusremotewrite;
pub mod syslog;
pub mod workflow;
pub mod zipkin;

/// Every kind of receiver.
pub const FACTORIES: &[ReceiverFactory] = &[
    jaeger::FACTORY,
    journald::FACTORY,
    otlp::FACTORY,
    prometheus::FACTORY,
    prometheusremotewrite::FACTORY,
    syslog::FACTORY,
    workflow::FACTORY,
    zipkin::FACTORY,
];
