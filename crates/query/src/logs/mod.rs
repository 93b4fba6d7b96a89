//! Questions about logs: LogQL over the store.
//!
//! A question goes through the sources of records (row groups of files, batches of the buffer). Neighbouring rows of a source are mostly
//! of the same stream, so that a selector leaves whole [runs](streams::Run) of rows; times leave rows of those. What the filters in
//! front of a query's stages leave of them gets its labels and structured metadata and goes through the stages, one line after the other.

mod by_fields;
mod columns;
mod counting;
mod deletion;
mod entries;
mod fields;
mod found;
mod ids;
mod lines;
mod listing;
mod moment;
mod names;
mod needles;
mod pace;
mod pages;
mod parsed;
mod passing;
mod patterns;
mod record;
mod search;
mod series;
mod spent;
mod streams;
mod tail;
mod tenants;
#[cfg(test)]
mod tests;
mod view;

pub use deletion::{Cancelled, DeletionStatus, LogDeletion};
pub use fields::{DetectedField, FieldParser, FieldType};
pub use lines::{Direction, FoundLine, FoundLines, LinesRequest};
pub use listing::{StreamStats, StreamVolume, VolumeGroups};
pub use pages::{LinePage, LinePages, PageBounds};
pub use patterns::{FoundPattern, PatternOptions, Patterns, PatternsRequest};
pub use series::SeriesRequest;
pub use spent::Spent;
pub(crate) use streams::Streams;
pub use tail::{Arrived, Tail};
pub use tenants::TENANT_LABEL;
pub use view::LogView;
