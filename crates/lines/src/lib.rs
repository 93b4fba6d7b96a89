//! Lines of logs: the fields that stand in them as JSON or logfmt, their level, amounts with units.
//!
//! The stages of a query and the columns that files have of fields come from here, so that a column says exactly what the stage
//! would. Between lines only a [`Reader`] keeps something. Names are handed over sanitised, values borrowed from the line wherever they stand in it
//! as they are meant.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod form;
pub mod json;
pub mod level;
pub mod logfmt;
mod name;
pub mod units;
pub mod unpack;
mod wanted;

pub use form::{Form, MOST_BYTES, MOST_FIELDS, Reader, Told};
pub use name::sanitised;
pub use wanted::Wanted;

use thiserror::Error;

/// A line is not of the form that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    pub what: &'static str,
    /// Where in the line.
    pub at: usize,
    /// So many of the fields that were handed over count. Others were in an object that has no end.
    pub kept: usize,
}
