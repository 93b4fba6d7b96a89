//! Questions about logs: LogQL over the store.
//!
//! A question goes through the sources of records (row groups of files, batches of the buffer). Neighbouring rows of a source are mostly
//! of the same stream, so that a selector leaves whole [runs](streams::Run) of rows; times leave rows of those. What the filters in
//! front of a query's stages leave of them gets its labels and structured metadata and goes through the stages, one line after the other.

mod columns;
mod entries;
mod fields;
mod lines;
mod listing;
mod names;
mod needles;
mod pages;
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

pub use fields::{DetectedField, FieldParser, FieldType};
pub use lines::{Direction, FoundLine, FoundLines, LinesRequest};
pub use listing::{StreamStats, StreamVolume, VolumeGroups};
pub use pages::{LinePage, LinePages, PageBounds};
pub use series::SeriesRequest;
pub use spent::Spent;
pub use tail::{Arrived, Tail};
pub use tenants::TENANT_LABEL;
pub use view::LogView;
