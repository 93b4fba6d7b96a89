//! A bookstore of nine services in one process, which tells OpenTelemetry about everything it does: each service a real
//! HTTP server, with a real database and a message broker between them.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod broker;
mod database;
mod demo;
mod faults;
mod http;
mod latency;
mod load;
mod options;
mod progress;
mod propagation;
mod scenario;
mod services;
mod share;
mod shop;
mod telemetry;
mod tenants;

pub use demo::{Demo, reachable};
pub use options::{Options, Protocol};
