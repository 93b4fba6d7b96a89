//! Parquet files: how rows of the buffer become files, and where files lie.
//!
//! A file holds rows of one tenant, one table and (but for stragglers) one UTC day, in [`Table::sort_order`] within each
//! row group. It is complete and durable before anybody names it, and never changes afterwards.
//!
//! [`Table::sort_order`]: trefoil_model::Table::sort_order

mod batches;
mod columns;
mod delta;
mod error;
mod forms;
mod gather;
pub(crate) mod grams;
mod groups;
mod hybrid;
mod keys;
mod left_out;
mod output;
mod pages;
mod properties;
mod runs;
mod sort;
mod stats;
mod store;
pub(crate) mod text_index;
mod times;
mod write;
mod writer;

pub use error::FilesError;
pub use store::{FileStore, StoredObject};
pub use write::write;

pub(crate) use gather::{Gather, Parts, dictionary_type};
pub(crate) use left_out::text;
pub(crate) use output::Output;
pub(crate) use properties::{is_unique_text, row_group_rows};
pub(crate) use sort::sorted;
pub(crate) use store::{created_at, location, new_path};
pub(crate) use text_index::TextIndex;
pub(crate) use writer::FileWriter;
