//! A load generator for anything that takes OTLP or Prometheus remote write: the traffic of a bookstore, the same for the same seed.
//!
//! [`Source`] builds a few dozen requests once, with the fields that must differ from request to request (ids, times,
//! counters, order numbers) left as holes, and fills the holes into a copy of the bytes for each request. A request of a
//! thousand spans costs the client about as much as copying it, so that a load test measures the server.
//!
//! The crate knows nothing of Trefoil: benches of other crates take request bytes from it, the binary sends them.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bookstore;
mod logs;
mod metrics;
pub mod numbered;
pub mod random;
pub mod remote_write;
pub mod source;
pub mod template;
mod traces;

pub mod client;
pub mod load;
pub mod lookup;
pub mod process;
pub mod report;
pub mod verify;

pub use source::{Signal, Source, SourceOptions};
