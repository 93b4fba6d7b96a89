//! OTLP in and out over real sockets: stock clients against the receiver, the exporters against the receiver and against
//! servers that fail.

#![allow(clippy::unwrap_used)]

mod configuration;
mod receive_grpc;
mod receive_http;
mod send;
mod support;
mod tls;
