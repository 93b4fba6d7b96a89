//! Prometheus' own forms, which receivers, exporters and APIs share: what a scrape target says ([`exposition`]).
//!
//! Pure computation: no I/O, no clock.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod exposition;
