//! What can be wrong with a query.

use thiserror::Error;

/// A text that is not LogQL, or makes no sense. `Display` is what Loki answers. Line and column are counted from one, columns
/// in characters; a query that is well-formed and wrong as a whole has neither.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    #[error("parse error at line {line}, col {column}: {message}")]
    At { line: usize, column: usize, message: String },
    #[error("parse error : {0}")]
    Whole(String),
    /// A query of another kind than the one that was asked for.
    #[error("{0}")]
    Kind(&'static str),
}

impl ParseError {
    pub(crate) fn whole(message: impl Into<String>) -> ParseError {
        ParseError::Whole(message.into())
    }

    /// Of a part of a pipeline that makes no sense.
    pub(crate) fn of_stage(stage: &impl ToString, message: &str) -> ParseError {
        ParseError::Whole(format!("stage '{}' : {message}", stage.to_string()))
    }
}
