//! Bodies of Loki's clients as OTLP.

use std::fmt;

use thiserror::Error;

use crate::limits::Limits;
use crate::rejected::Rejected;
use crate::to_otlp::Writer;
use crate::{json, protobuf};

/// What a request may become, in bytes: an entry of two bytes is a record of twenty.
pub(crate) const LARGEST: usize = 64 << 20;

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `logproto.PushRequest`, decompressed.
    Protobuf,
    /// Of `/loki/api/v1/push`, and the older form of `/api/prom/push`.
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub limits: Limits,
    /// `false`: every entry gets the time at which it was received. (The Collector's name.)
    pub use_incoming_timestamp: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), use_incoming_timestamp: true }
    }
}

/// What a body holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translated {
    /// An OTLP `ExportLogsServiceRequest` in protobuf: one resource for each stream, in their order.
    pub request: Vec<u8>,
    /// The number of records in it.
    pub entries: u64,
    /// What was left out. Each rejected entry costs only itself; labels that are wrong cost the entries of their stream.
    pub rejected: Rejected,
}

/// Nothing of the body can be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    #[error("the body is not a push request in {format}: {reason}")]
    Malformed { format: Format, reason: String },
    #[error("the push request is larger than {LARGEST} bytes as OTLP")]
    TooLarge,
}

/// Reads a body, decompressed, and translates its streams. `received` is when it came, in nanoseconds since the epoch: what times are
/// compared with, and that of entries that have none.
///
/// # Errors
/// If it is not of the format, or too large. Then none of it is taken.
pub fn translate(format: Format, body: &[u8], options: &Options, received: u64) -> Result<Translated, Unreadable> {
    // Senders cut lines anywhere.
    let text = match format {
        Format::Json => String::from_utf8_lossy(body),
        Format::Protobuf => Default::default(),
    };
    let mut writer = Writer::new(options, received);
    let read = match format {
        Format::Protobuf => protobuf::read(body, &mut writer).map_err(|error| error.to_string()),
        Format::Json => json::read(&text, &mut writer).map_err(|error| error.to_string()),
    };
    read.map_err(|reason| Unreadable::Malformed { format, reason })?;
    writer.finish()
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Protobuf => "protobuf",
            Format::Json => "JSON",
        })
    }
}
