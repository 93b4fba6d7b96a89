//! Questions about logs: LogQL over the store.
//!
//! A question goes through the sources of records (row groups of files, batches of the buffer). Neighbouring rows of a source are mostly
//! of the same stream, so that a selector leaves whole [runs](streams::Run) of rows; times leave rows of those. What the filters in
//! front of a query's stages leave of them gets its labels and structured metadata and goes through the stages, one line after the other.

mod columns;
mod counting;
mod entries;
mod fields;
mod found;
mod ids;
mod lines;
mod listing;
mod names;
mod needles;
mod record;
mod search;
mod series;
mod streams;
mod tail;
mod view;

use std::iter::Sum;

pub use fields::{DetectedField, FieldParser, FieldType};
pub use lines::{Direction, FoundLine, FoundLines, LinesRequest};
pub use listing::{StreamStats, StreamVolume, VolumeGroups};
pub use series::SeriesRequest;
pub(crate) use streams::Streams;
pub use tail::{Arrived, Tail};
pub use view::LogView;

/// What a question has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Lines that were looked at.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines that passed all stages.
    pub passed: u64,
    /// Streams of which lines were looked at; one that lies in several sources counts in each.
    pub streams: u64,
    /// Row groups of files and batches of the buffer that were read.
    pub sources: u64,
}

impl Sum for Spent {
    fn sum<I: Iterator<Item = Spent>>(all: I) -> Spent {
        all.fold(Spent::default(), |a, b| Spent {
            lines: a.lines + b.lines,
            bytes: a.bytes + b.bytes,
            passed: a.passed + b.passed,
            streams: a.streams + b.streams,
            sources: a.sources + b.sources,
        })
    }
}
