//! Where telemetry is kept: one engine for three signals.
//!
//! An append is durable *and* visible when it returns. It goes to the [`log`] (one fsync for many requests) and into the
//! buffer (queryable at once); a flush writes the buffer to Parquet files and registers them in the catalog, in one
//! transaction with the log position they cover; compaction and retention keep the files few and young. A [`Snapshot`] is a
//! catalog version together with what is buffered beyond it, so that no row is seen twice or missed, and it cannot be had
//! without a tenant.
//!
//! This crate knows no protocol and no query language.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backup;
pub mod cache;
pub mod catalog;
pub mod compaction;
pub mod config;
pub mod deletion;
pub mod error;
pub mod files;
pub mod log;
pub mod metrics;
pub mod retention;
pub mod scan;
pub mod units;

mod admission;
mod bodies;
mod buffer;
mod engine;
mod flush;
mod ingest;
mod lease;
pub mod limits;
mod lock;
mod maintenance;
mod recent;
mod refusal;
mod replay;
mod sequencer;
mod snapshot;
mod storage;
pub mod trace_ids;
mod withheld;

pub use buffer::Following;
pub use config::StorageConfig;
pub use deletion::{Beginning, Deleted, Deletion};
pub use error::{AppendError, Appended, StorageError};
pub use snapshot::Snapshot;
pub use storage::Storage;
pub use withheld::{Picked, WithholdError, Withholding};
