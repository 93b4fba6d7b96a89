//! Zipkin's spans in and out over real sockets.

#![allow(clippy::unwrap_used)]

mod configuration;
mod receive;
mod send;
#[allow(dead_code)]
#[path = "../otlp/support.rs"]
mod support;
