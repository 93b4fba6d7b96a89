//! What a trace says: where its time went, whose clock is wrong, who called whom, what failed, where its context was lost, and
//! how it differs from another.
//!
//! Pure functions over spans in memory. All take time linear in the spans (but for sorting), none recurses, and whatever comes is
//! a trace: with many roots or none, with parents that are missing or name each other, with the same span twice.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod clock;
pub mod critical_path;
pub mod diff;
pub mod durations;
pub mod exceptions;
pub mod graph;
pub mod otlp;
pub mod propagation;
pub mod self_time;
pub mod skew;
mod span;
#[cfg(test)]
mod test_support;

pub use span::{Kind, Name, Names, Span, Trace};
