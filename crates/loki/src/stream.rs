//! Streams as they are written.

use crate::labels::Labels;

/// Entries with the same labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    pub labels: Labels<'static>,
    pub entries: Vec<Entry>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since the epoch.
    pub time: u64,
    pub line: String,
    /// Structured metadata.
    pub metadata: Vec<(String, String)>,
}
