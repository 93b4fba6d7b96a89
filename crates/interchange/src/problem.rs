//! What cannot be read, and where it is.

use std::fmt;

/// Where something begins in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 1, after decompression.
    pub line: u64,
    /// Within its document: `data[3]`, `resourceSpans[0].scopeSpans[1].spans[2]`; empty for the document itself.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if self.path.is_empty() {
            return Ok(());
        }
        write!(f, ", {}", self.path)
    }
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub reason: String,
    /// How many spans that costs, where it is known.
    pub spans: Option<u64>,
}

impl Problem {
    pub(crate) fn of_span(place: Place, reason: String) -> Self {
        Self { place, reason, spans: Some(1) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}
