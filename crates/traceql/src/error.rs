//! What can be wrong with a query.

use thiserror::Error;

/// A query that is not TraceQL, or makes no sense. Line and column are counted from one; a query that is well-formed and wrong
/// as a whole has none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    #[error("parse error at line {line}, col {column}: {message}")]
    At { line: usize, column: usize, message: String },
    #[error("{0}")]
    Whole(String),
}

impl ParseError {
    pub(crate) fn whole(message: impl Into<String>) -> ParseError {
        ParseError::Whole(message.into())
    }
}
