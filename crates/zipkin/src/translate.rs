//! Bodies of Zipkin's clients as OTLP.

use crate::problem::{Problem, Rejected, Unreadable};
use crate::span::Span;
use crate::to_otlp::{Incoming, Writer};
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
    let mut intake = Intake { writer: Writer::new(options), index: 0, spans: 0, rejected: Rejected::default() };
    let read = match format {
        Format::JsonV2 => json::read(body, |span| intake.take(span)),
        Format::ProtobufV2 => protobuf::read(body, |span| intake.take(span)),
        Format::JsonV1 => v1::json::read(body, |span| intake.take_sides(span)),
        Format::ThriftV1 => v1::thrift::read(body, |span| intake.take_sides(span)),
    };
    read.map_err(|reason| Unreadable { format, reason })?;
    let Intake { writer, spans, rejected, .. } = intake;
    Ok(Translated { request: writer.finish(), spans, rejected })
}

struct Intake<'o> {
    writer: Writer<'o>,
    /// Of the next span in the body.
    index: usize,
    spans: u64,
    rejected: Rejected,
}

impl Intake<'_> {
    fn take(&mut self, span: Result<Span<'_>, Problem>) {
        match span {
            Ok(span) => self.add(&Incoming::from(span)),
            Err(problem) => self.reject(problem),
        }
        self.index += 1;
    }

    fn take_sides(&mut self, span: Result<v1::Span<'_>, Problem>) {
        match span {
            Ok(span) => v1::sides(span).iter().for_each(|side| self.add(side)),
            Err(problem) => self.reject(problem),
        }
        self.index += 1;
    }

    fn add(&mut self, incoming: &Incoming<'_>) {
        match self.writer.add(incoming) {
            Ok(()) => self.spans += 1,
            Err(problem) => self.reject(problem),
        }
    }

    fn reject(&mut self, problem: Problem) {
        self.rejected.add(problem.at(self.index));
    }
}
