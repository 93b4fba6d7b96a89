//! Prometheus' own forms, which receivers, exporters and APIs share: what a scrape target says ([`exposition`]),
//! the names ([`names`]) and label values ([`attributes`]) of what came from OpenTelemetry, the messages of remote read and write
//! ([`remote`]).
//!
//! Pure computation: no I/O, no clock.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod attributes;
pub mod exposition;
pub mod names;
pub mod remote;
