//! Columns → OTLP messages: the way back out of the tables, for trace by id, exports and round-trip tests.
//!
//! What comes out is the *canonical* form of what went in: rows of equal resource and scope are gathered (in the order in
//! which they first appear, items in the order of the rows), attributes are sorted by key (those of one key keep their
//! order), a resource or scope without any content is absent, and so is a status with code 0 and no message.

mod columns;
mod logs;
mod metrics;
mod origin;
mod traces;

pub use logs::logs;
pub use metrics::metrics;
pub use traces::traces;

use arrow::error::ArrowError;
use thiserror::Error;

use crate::attributes::ReadError;

/// The rows are not what [`crate::decode`] makes: a damaged file, or one that another program wrote.
#[derive(Debug, Error)]
pub enum EncodeError {
    #[error("column {0} is missing")]
    Missing(String),
    #[error("column {column}: {source}")]
    Column { column: String, source: ArrowError },
    #[error("column {column} is {found} where {expected} is expected")]
    Type { column: String, expected: &'static str, found: String },
    #[error("rows cannot be compared: {0}")]
    Rows(ArrowError),
    #[error(transparent)]
    Attributes(#[from] ReadError),
    #[error("no row of table series describes series {series_id} of metric {metric}")]
    UnknownSeries { series_id: u64, metric: String },
    #[error("unknown metric_type {0:?}")]
    MetricType(String),
}
