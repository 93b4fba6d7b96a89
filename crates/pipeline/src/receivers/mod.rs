//! Where telemetry comes in.

use crate::component::ReceiverFactory;

pub mod filelog;
mod http_listener;
pub mod http_server;
pub mod jaeger;
pub mod journald;
mod log_records;
pub mod loki;
pub mod otlp;
pub mod prometheus;
pub mod prometheusremotewrite;
pub mod syslog;
pub mod workflow;
pub mod zipkin;

/// Every kind of receiver.
pub const FACTORIES: &[ReceiverFactory] = &[
    filelog::FACTORY,
    filelog::RENAMED,
    jaeger::FACTORY,
    journald::FACTORY,
    loki::FACTORY,
    otlp::FACTORY,
    prometheus::FACTORY,
    prometheusremotewrite::FACTORY,
    syslog::FACTORY,
    workflow::FACTORY,
    zipkin::FACTORY,
];
