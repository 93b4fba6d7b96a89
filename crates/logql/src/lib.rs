//! LogQL, Loki's language: what stages of a query do with lines, and what becomes of lines that are counted.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod captures;
pub mod decolorize;
pub mod extract;
pub mod filter;
pub mod level;
pub mod patterns;
pub mod units;
