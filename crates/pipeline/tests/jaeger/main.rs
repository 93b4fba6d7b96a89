//! Jaeger's protocols over real sockets.

#![allow(clippy::unwrap_used)]

mod configuration;
mod grpc;
mod http;
mod running;
#[path = "../otlp/self_signed.rs"]
mod self_signed;
#[allow(dead_code)]
#[path = "../otlp/support.rs"]
mod support;
mod udp;
