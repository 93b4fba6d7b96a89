//! Exporters: what takes telemetry out.

use crate::component::ExporterFactory;

mod answer;
mod counted;
pub mod debug;
pub mod file;
mod headers;
mod http_client;
pub mod loki;
pub mod otlp;
pub mod otlphttp;
pub mod parcel;
pub mod prometheus;
mod prometheus_view;
pub mod prometheusremotewrite;
pub mod queue;
pub mod queued;
pub mod retry;
pub mod store;
pub mod zipkin;

/// Every kind of exporter.
pub const FACTORIES: &[ExporterFactory] = &[
    store::FACTORY,
    otlp::FACTORY,
    otlphttp::FACTORY,
    prometheus::FACTORY,
    prometheusremotewrite::FACTORY,
    debug::FACTORY,
    file::FACTORY,
    zipkin::FACTORY,
    loki::FACTORY,
];
