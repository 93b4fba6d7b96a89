//! Bodies of Zipkin's clients as OTLP.

use crate::batch::Batch;
use crate::problem::{Problem, Rejected, Unreadable};
use crate::to_otlp::{Incoming, to_otlp};
use crate::{json, protobuf, v1};

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    JsonV2,
    ProtobufV2,
    JsonV1,
    /// A list of spans in the binary protocol.
    ThriftV1,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Tags that look like numbers or truth values become such attributes.
    pub parse_string_tags: bool,
    /// When the body came, in nanoseconds since the epoch: the start of spans of which no time at all is known.
    pub received: u64,
}

/// What a body holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translated {
    /// An OTLP `ExportTraceServiceRequest` in protobuf; the spans of a resource and scope stand together.
    pub request: Vec<u8>,
    /// The number of spans in it. A span of version 1 that both sides of a call wrote into is two.
    pub spans: u64,
    /// What was left out. Each rejected span costs only itself.
    pub rejected: Rejected,
}

/// Reads a body, decompressed, and translates its spans.
///
/// # Errors
/// If it is not of the format. Then none of it is taken.
pub fn translate(format: Format, body: &[u8], options: &Options) -> Result<Translated, Unreadable> {
    let (mut batch, mut spans, mut rejected) = (Batch::default(), 0, Rejected::default());
    let mut take = |index: usize, incoming: Result<Incoming, Problem>| {
        let outgoing = incoming.and_then(|incoming| to_otlp(incoming, options).map_err(|problem| problem.at(index)));
        match outgoing {
            Ok(outgoing) => {
                batch.add(&outgoing);
                spans += 1;
            }
            Err(problem) => rejected.add(problem),
        }
    };
    let read = match format {
        Format::JsonV2 => json::read(body, numbered(|index, span| take(index, span.map(Incoming::from)))),
        Format::ProtobufV2 => protobuf::read(body, numbered(|index, span| take(index, span.map(Incoming::from)))),
        Format::JsonV1 => v1::json::read(body, numbered(|index, span| v1::split(span, |part| take(index, part)))),
        Format::ThriftV1 => v1::thrift::read(body, numbered(|index, span| v1::split(span, |part| take(index, part)))),
    };
    read.map_err(|reason| Unreadable { format, reason })?;
    Ok(Translated { request: batch.finish(), spans, rejected })
}

type Read<T> = Result<T, Problem>;

fn numbered<T>(mut each: impl FnMut(usize, Read<T>)) -> impl FnMut(Read<T>) {
    let mut index = 0;
    move |element| {
        each(index, element);
        index += 1;
    }
}
