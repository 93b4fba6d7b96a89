//! What is wrong with a body, and where.

use thiserror::Error;
use trefoil_model::wire::WireError;

/// How much of a line an error repeats.
const SHOWN: usize = 80;

/// A body cannot be read (on).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    #[error("line {line}, column {column}: {problem}, got {got:?} in {context:?}")]
    Text {
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
        /// `expected label value`
        problem: String,
        got: String,
        /// The line, shortened.
        context: String,
    },
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("malformed protobuf at byte {offset}: {problem}")]
    Protobuf { offset: usize, problem: String },
}

impl ParseError {
    /// `got` is from `start` to `end`.
    #[cold]
    pub(super) fn at(body: &[u8], start: usize, end: usize, problem: impl Into<String>) -> Self {
        let start = start.min(body.len());
        let before = &body[..start];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let line_end = memchr::memchr(b'\n', &body[start..]).map_or(body.len(), |length| start + length);
        Self::Text {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: start - line_start + 1,
            problem: problem.into(),
            got: shown(&body[start..end.clamp(start, body.len())]),
            context: shown(&body[line_start..line_end]),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    if bytes.len() > SHOWN { text + "…" } else { text }
}
