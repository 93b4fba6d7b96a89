//! Prometheus' API as a client sees it, over a real store.

#![allow(clippy::unwrap_used)]

mod fixture;
mod listings;
mod more;
mod queries;
mod server;
mod surface;
