//! What every query language shares: a session over one snapshot of one tenant's data, limits, cancellation.
//! Of languages it knows SQL, which DataFusion brings along, gives PromQL its samples and TraceQL its spans; it knows no protocol.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod attributes;
pub mod error;
pub mod hex_ids;
pub mod limits;
pub mod logs;
pub mod memory;
pub mod metrics;
pub mod search;
pub mod session;
pub mod settings;
mod share;
mod sources;
pub mod sql;
mod thread;
pub mod trace;
pub mod traces;

pub use error::QueryError;
pub use limits::Limits;
pub use session::Engine;
