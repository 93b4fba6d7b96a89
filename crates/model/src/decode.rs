//! OTLP requests → columns: the one place where wire bytes become rows, without messages in between.
//!
//! A request is decoded as a whole or not at all when its framing is broken ([`DecodeError`]); single items that cannot be
//! stored are left out, counted and explained ([`Report`]), as OTLP's partial success wants it.

mod attributes;
mod batch;
mod columns;
mod entries;
mod logs;
mod metrics;
mod nested;
mod origin;
mod report;
mod traces;
mod walk;

pub use metrics::histogram_fingerprint;
pub use report::{Place, Report};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use thiserror::Error;

use crate::promote::KeyCounts;
use crate::samples::KnownSamples;
use crate::series::SeriesIndex;
use crate::trace_ids::TraceIds;
use crate::wire::WireError;
use crate::{Limits, Promoted, Signal, Table, Tenant};

/// What decoding depends on beside the bytes. Replay has [`decode_again`], because limits and what is known may be others then.
#[derive(Clone, Copy)]
pub struct DecodeContext<'a> {
    pub promoted: &'a Promoted,
    pub limits: &'a Limits,
    pub series: &'a SeriesIndex,
    /// When the request came, in nanoseconds since the Unix epoch: the time of log records that bring none.
    pub received: i64,
    /// Where ids of traces are looked for in log records that have none; `None`: only in what is a label of the name.
    pub trace_ids: Option<&'a TraceIds>,
}

/// The rows of one request and what to tell its sender.
#[derive(Debug, Default)]
pub struct Decoded {
    /// At most one batch a table; no empty ones. Each has the table's base columns, then those promoted columns that have a
    /// value. Strings are Utf8, Utf8View or dictionaries of Utf8, as it suited.
    pub batches: Vec<(Table, RecordBatch)>,
    pub accepted: u64,
    pub rejected: u64,
    /// For OTLP's `partial_success.error_message`; also there with `rejected == 0`, as a warning.
    pub reasons: Option<String>,
    /// (series id, day) of the `series` rows in `batches`, to be remembered once they are safe.
    pub new_series: Vec<(u64, i32)>,
    /// Attributes outside promoted columns, for [`crate::promote::Learner`]; `None` for metrics.
    pub key_counts: Option<KeyCounts>,
    /// Strings whose invalid UTF-8 was replaced.
    pub replaced_utf8: u64,
    /// Data points, by their number in the request, that the limits of series refused: for [`decode_again`].
    pub refused_points: Vec<u32>,
    /// Of logs: a hash of each row, equal for entries that are sent again, 0 where that cannot be told
    /// (docs/decisions/0040-entries-once.md).
    pub entries: Vec<u64>,
}

/// The whole request is refused; sending it again will not help.
#[derive(Debug, Error)]
pub enum DecodeError {
    #[error(transparent)]
    Malformed(#[from] WireError),
    #[error("the request has {size} bytes, more than the limit of {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("cannot lay out the columns: {0}")]
    Columns(#[from] ArrowError),
}

/// Decodes one OTLP export request: the protobuf bytes of `ExportTraceServiceRequest`, `ExportMetricsServiceRequest` or
/// `ExportLogsServiceRequest` (or, being the same on the wire, `TracesData`, `MetricsData`, `LogsData`).
pub fn decode(
    signal: Signal,
    tenant: &Tenant,
    body: &[u8],
    context: &DecodeContext<'_>,
) -> Result<Decoded, DecodeError> {
    check_size(body, context)?;
    match signal {
        Signal::Traces => traces::decode(tenant, body, context),
        Signal::Metrics => metrics::decode(tenant, body, context),
        Signal::Logs => logs::decode(tenant, body, context),
    }
}

/// Samples of known series, and an `ExportMetricsServiceRequest` with the rest of one request; either may be empty.
pub fn decode_samples(
    tenant: &Tenant,
    samples: &KnownSamples,
    rest: &[u8],
    context: &DecodeContext<'_>,
) -> Result<Decoded, DecodeError> {
    check_size(rest, context)?;
    metrics::decode_samples(tenant, samples, rest, context)
}

/// Decodes what was decoded before and is durable: without asking whether the limits allow it today, and without the points
/// that they did not allow then.
pub fn decode_again(
    signal: Signal,
    tenant: &Tenant,
    stored: Stored<'_>,
    context: &DecodeContext<'_>,
) -> Result<Decoded, DecodeError> {
    match signal {
        Signal::Metrics => metrics::decode_again(tenant, stored, context),
        Signal::Traces | Signal::Logs => decode(signal, tenant, stored.body, context),
    }
}

/// What was stored of a request.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    pub body: &'a [u8],
    pub samples: &'a KnownSamples,
    /// [`Decoded::refused_points`], in order.
    pub refused_points: &'a [u32],
    /// Its samples came by Prometheus' ways: another value at the time of a series' last one is refused, as before.
    pub is_judged: bool,
}

fn check_size(body: &[u8], context: &DecodeContext<'_>) -> Result<(), DecodeError> {
    let limit = context.limits.max_request_bytes.min(Limits::REQUEST_CEILING);
    match body.len() > limit {
        true => Err(DecodeError::TooLarge { size: body.len(), limit }),
        false => Ok(()),
    }
}
