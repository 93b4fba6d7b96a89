//! TraceQL: parse, check, evaluate. The reference is what the newest Tempo accepts and answers.
//!
//! A query is evaluated trace by trace: a [`eval::Trace`] holds the spans of one with the values that the query asks for
//! ([`eval::Program::attributes`]), and nothing else. Evaluation is pure and synchronous; which traces are worth looking at is
//! for others to find out, by the query's filters. This crate reads no files and knows no protocol.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ast;
mod check;
pub mod error;
pub mod eval;
mod lexer;
pub mod metrics;
mod parser;
pub mod print;
pub mod value;

pub use error::ParseError;
pub use parser::{attribute, filter_so_far, parse};
