//! LogQL: parse, check, print, and what becomes of lines: their fields, filters on them, templates and series of them. The
//! reference is what the newest Loki accepts and answers.
//!
//! This crate is pure and synchronous. It reads no files and knows no table and no protocol: lines with their labels are given
//! to it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ast;
pub mod captures;
mod check;
pub mod decolorize;
pub mod error;
pub mod extract;
pub mod filter;
mod lexer;
pub mod matcher;
pub mod metrics;
mod parser;
pub mod pattern;
pub mod patterns;
pub mod pipeline;
pub mod print;

pub use error::ParseError;
pub use parser::{parse, parse_log, parse_metric, parse_selector};
