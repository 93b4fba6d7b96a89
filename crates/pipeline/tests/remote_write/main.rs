//! Prometheus remote write over real sockets.

#![allow(clippy::unwrap_used)]

mod configuration;
mod receive;
#[path = "../otlp/self_signed.rs"]
mod self_signed;
mod send;
#[allow(dead_code)]
#[path = "../otlp/support.rs"]
mod support;
