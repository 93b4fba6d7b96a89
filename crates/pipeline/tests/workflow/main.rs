//! CloudEvents over real sockets, and what the pipelines get.

#![allow(clippy::unwrap_used)]

mod answers;
mod configuration;
mod receive;
#[path = "../otlp/self_signed.rs"]
mod self_signed;
#[allow(dead_code)]
#[path = "../otlp/support.rs"]
mod support;
