//! Fields that lines hold: what the parsers of a query find in a line.
//!
//! Nothing is kept between lines. Names are handed over sanitised, values borrowed from the line wherever they stand in it as
//! they are meant.

pub mod json;
pub mod logfmt;
mod name;
pub mod pattern;
pub mod regexp;
pub mod unpack;
mod wanted;

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
