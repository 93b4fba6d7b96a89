//! What can be wrong with a template, in Go's words.

use thiserror::Error;

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    pub name: String,
    /// Counted from one.
    pub line: usize,
    pub message: String,
}

/// A template that cannot be executed over a value, or not within its limits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExecuteError {
    /// Something within a template. Lines are counted from one, columns in bytes from zero, as Go does.
    #[error("template: {name}:{line}:{column}: executing {} at <{context}>: {message}", trefoil_go::quote::quote(.template))]
    At {
        /// Of the text that was parsed.
        name: String,
        line: usize,
        column: usize,
        /// The template that was executed, which the text may define among others.
        template: String,
        /// The part of the template, written anew.
        context: String,
        message: String,
    },
    /// There is no such template.
    #[error("template: {0}")]
    Whole(String),
}

impl ExecuteError {
    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        match self {
            ExecuteError::At { message, .. } | ExecuteError::Whole(message) => message,
        }
    }
}
