//! PromQL: parse, check, evaluate. The reference is what the newest Prometheus accepts and answers.
//!
//! A query is evaluated for all its steps at once, on a *step grid*: one dense row of floats per series with a bitmap of which
//! steps have a value ([`points`]). Functions and operators run along rows; only what depends on other series at the same
//! step (aggregation, matching) looks across them. Evaluation is pure and synchronous: what the selectors of an expression
//! need is asked of a [`source::SeriesSource`]. This crate reads no files and knows no protocol.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod annotations;
pub mod ast;
pub mod error;
pub mod eval;
pub mod functions;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod memory;
pub mod parser;
pub mod points;
pub mod print;
pub mod shares;
pub mod source;
pub mod steps;
pub mod times;
pub mod value;
