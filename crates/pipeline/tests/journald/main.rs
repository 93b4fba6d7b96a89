//! The journal, as a `journalctl` of ours tells it.

#![allow(clippy::unwrap_used)]

mod follow;
mod running;
#[allow(dead_code)]
#[path = "../otlp/support.rs"]
mod support;
