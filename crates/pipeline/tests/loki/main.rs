//! Loki's push in and out over real sockets.

#![allow(clippy::unwrap_used)]

mod configuration;
mod grpc;
mod receive;
mod running;
#[path = "../otlp/self_signed.rs"]
mod self_signed;
mod send;
#[allow(dead_code)]
#[path = "../otlp/support.rs"]
mod support;
