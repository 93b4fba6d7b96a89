//! What telemetry *is* in Trefoil: tenants, signals, attributes, the Arrow schemas of the tables, and the way between
//! OTLP bytes and those schemas. Pure computation: no I/O, no clock, no globals.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod active;
pub mod attributes;
#[cfg(test)]
mod conformance;
pub mod decode;
pub mod encode;
pub mod entities;
pub mod json;
pub mod limits;
pub mod logs;
pub mod native;
pub mod promote;
pub mod samples;
pub mod schema;
pub mod series;
pub mod series_id;
pub mod signal;
pub mod tenant;
pub mod texts;
pub mod trace_ids;
pub mod versions;
pub mod wire;

pub use limits::Limits;
pub use promote::Promoted;
pub use schema::Table;
pub use signal::Signal;
pub use tenant::{Tenancy, Tenant, Tenants};
