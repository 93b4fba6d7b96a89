//! Operators on log entries, as the Collector's receivers of logs have them: parse, move, drop, route and join what was read, one entry
//! at a time. (The Collector's library for them is called stanza.)
//!
//! A [`chain::Chain`] is built from the list `operators` of a configuration. What is put in comes out as [`entry::Entry`]s, of which
//! [`records`] makes OTLP.

pub mod chain;
pub mod config;
pub mod constants;
pub mod entry;
pub mod expr;
pub mod field;
pub mod operators;
pub mod receipt;
pub mod records;
pub mod severity;
pub mod size;
#[cfg(test)]
mod tests;
pub mod time;
pub mod value;

pub use chain::Chain;
pub use entry::Entry;
pub use field::Field;
pub use value::{Map, Value};
