//! Syslog over real sockets.

#![allow(clippy::unwrap_used)]

mod configuration;
mod running;
#[allow(dead_code)]
#[path = "../otlp/support.rs"]
mod support;
mod tcp;
mod tls;
mod udp;
