//! LogQL: parse, check, print. The reference is what the newest Loki accepts and answers.
//!
//! This crate is pure and synchronous. It reads no files and knows no table and no protocol: lines with their labels are given
//! to it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ast;
mod check;
pub mod error;
mod lexer;
pub mod matcher;
mod parser;
pub mod pattern;
pub mod print;

pub use error::ParseError;
pub use parser::{parse, parse_log, parse_metric, parse_selector};
