//! Jaeger's protobuf, `jaeger.api_v2` (`model.proto` and `collector.proto` of jaeger-idl).
//!
//! What is read borrows from the request. Of text that is no UTF-8 the rest of the message should not suffer: it is replaced.

mod messages;
mod read;

use prost::Message as _;
use thiserror::Error;
use trefoil_model::wire::WireError;

pub use self::messages::{Batch, KeyValue, Log, PostSpansRequest, Process, Span, SpanRef, Time};
use crate::model;

/// The full name of the method that takes spans, and the message it takes is [`PostSpansRequest`]; its answer is empty.
pub const POST_SPANS: &str = "/jaeger.api_v2.CollectorService/PostSpans";

/// A message that is none, or not of Jaeger.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtoError {
    #[error(transparent)]
    Malformed(#[from] WireError),
    /// Empty messages take two bytes each, and much more once they are read.
    #[error("the message holds too many empty spans, tags or logs for its {0} bytes")]
    Hollow(usize),
    #[error("{name} has {length} bytes, more than {most}")]
    LongId { name: &'static str, length: usize, most: usize },
    #[error("{0} knows no {1}")]
    UnknownVariant(&'static str, i32),
}

/// Reads the request of `PostSpans`.
pub fn read_post_spans(bytes: &[u8]) -> Result<model::Batch<'_>, ProtoError> {
    read::post_spans(bytes)
}

/// Writes the request of `PostSpans`.
pub fn write_post_spans(batch: &model::Batch<'_>) -> Vec<u8> {
    PostSpansRequest { batch: Some(batch.into()) }.encode_to_vec()
}

/// The same for processes that are the same.
pub(crate) fn process_key(process: &model::Process<'_>) -> Vec<u8> {
    Process::from(process).encode_to_vec()
}
