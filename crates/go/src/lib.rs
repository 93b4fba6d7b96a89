//! Go's own forms of text, which the query languages and their clients share: numbers, quotes, patterns, durations,
//! layouts of times.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod duration;
pub mod float;
pub mod layout;
pub mod number;
pub mod pattern;
pub mod quote;
mod unquote;

pub use unquote::{unquote, unquote_checked};
