//! Why a query has no answer.

use std::time::Duration;

use thiserror::Error;

/// A place in a query's text: byte offsets, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Position {
    pub start: usize,
    pub end: usize,
}

impl Position {
    /// `line:column` of the start, both from 1, columns in characters as Prometheus counts them (bytes).
    pub fn line_column(&self, query: &str) -> (usize, usize) {
        let before = query.get(..self.start).unwrap_or(query);
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
        (line, column)
    }
}

/// The text is no query. `Display` is what Prometheus answers: `1:5: parse error: …`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: parse error: {message}", place(*.line, *.column))]
pub struct ParseError {
    /// From 1; 0 where the query is empty and so has no places.
    pub line: usize,
    pub column: usize,
    pub position: Position,
    pub message: String,
}

fn place(line: usize, column: usize) -> String {
    match line {
        0 => "unknown position".to_owned(),
        line => format!("{line}:{column}"),
    }
}

/// The query is one, but cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EvalError {
    /// Prometheus' `execution` (422).
    #[error("{0}")]
    Execution(String),
    /// A limit of samples, series or points; `execution` as well.
    #[error("{0}")]
    Limit(String),
    #[error("query timed out in expression evaluation")]
    Timeout(Duration),
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The source could not be read.
    #[error("{0}")]
    Source(String),
}
