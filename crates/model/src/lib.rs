//! What telemetry *is* in Trefoil: tenants, signals, attributes, the Arrow schemas of the tables, and the way between
//! OTLP bytes and those schemas. Pure computation: no I/O, no clock, no globals.

pub mod schema;
pub mod signal;
pub mod tenant;

pub use schema::Table;
pub use signal::Signal;
pub use tenant::{Tenancy, Tenant};
