//! Jaeger's own forms of traces, read and written: Thrift ([`thrift`]), protobuf ([`proto`]) and the JSON of its UI ([`json`]), all by
//! way of one [`model`], and from there to OpenTelemetry and back ([`otlp`]). [`sampling`] is about what Jaeger tells its clients.
//!
//! Pure computation: no I/O, no clock.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod json;
pub mod model;
pub mod otlp;
pub mod proto;
pub mod sampling;
pub mod thrift;

#[cfg(test)]
mod tests;
