//! What receivers and exporters share of the network: bodies and their compression, gRPC framing, TLS, and a draining
//! HTTP server.

pub mod body;
pub mod compression;
pub mod grpc;
pub(crate) mod listener;
pub mod server;
pub mod tls;
