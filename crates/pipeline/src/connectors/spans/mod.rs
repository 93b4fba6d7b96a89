//! Spans as they lie in the bytes of an OTLP request, read as far as metrics of them need it.

use trefoil_model::Limits;
use trefoil_model::wire::{Reader, WireError};

use self::attributes::{Found, Keys};

pub mod attributes;
pub mod sampling;

/// Spans, events and links of one request that are held until all of it is read: a few bytes of a request can be one.
pub const MOST_ITEMS: usize = 1 << 19;

/// What is done with the spans of a request, in the order of the wire.
pub trait Visit<'a> {
    /// The message of a resource; `false` passes its spans over.
    fn resource(&mut self, resource: Reader<'a>) -> Result<bool, WireError>;

    /// The message of a scope: all spans until the next one are of it.
    fn scope(&mut self, scope: Reader<'a>) -> Result<(), WireError>;

    fn span(&mut self, span: Reader<'a>) -> Result<(), WireError>;
}

/// Goes through an `ExportTraceServiceRequest`. Fails only where no decoder could go on: what cannot be read inside of a span's
/// attributes, events and links, or of a resource, is not there. The store refuses some of that and rejects some of it with its span;
/// a connector beside it must not refuse what it takes.
pub fn walk<'a>(body: &'a [u8], visit: &mut impl Visit<'a>) -> Result<(), WireError> {
    // Larger ones are rejected by the store.
    let most = Limits::default().max_item_bytes;
    each(Reader::new(body), 1, |resource_spans| {
        if !visit.resource(last(resource_spans, 1)?)? {
            return Ok(());
        }
        each(resource_spans, 2, |scope_spans| {
            visit.scope(last(scope_spans, 1)?)?;
            each(scope_spans, 2, |span| match span.bytes().len() > most {
                true => Ok(()),
                false => visit.span(span),
            })
        })
    })
}

/// The messages in a repeated field, as far as they can be read.
pub fn nested(message: Reader<'_>, number: u32) -> impl Iterator<Item = Reader<'_>> {
    message.flatten().filter(move |field| field.number == number).filter_map(|field| field.message().ok())
}

/// Every message in a repeated field.
fn each<'a>(
    message: Reader<'a>,
    number: u32,
    mut use_message: impl FnMut(Reader<'a>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    for field in message {
        let field = field?;
        if field.number == number {
            use_message(field.message()?)?;
        }
    }
    Ok(())
}

/// The message in a field that is not repeated; an empty one where there is none.
fn last(message: Reader<'_>, number: u32) -> Result<Reader<'_>, WireError> {
    let mut found = Reader::default();
    each(message, number, |message| {
        found = message;
        Ok(())
    })?;
    Ok(found)
}

/// What is in a span beside its lists. Nothing is checked but the framing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span<'a> {
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub parent_span_id: &'a [u8],
    pub trace_state: &'a [u8],
    pub name: &'a [u8],
    pub kind: i32,
    pub start: u64,
    pub end: u64,
    pub status_code: i32,
    pub status_message: &'a [u8],
}

/// The lists of a span; reused from span to span.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    /// Its attributes that are wanted.
    pub found: Found<'a>,
    pub events: Vec<Reader<'a>>,
    pub links: Vec<Reader<'a>>,
}

impl<'a> Span<'a> {
    pub fn parse(message: Reader<'a>, keys: &Keys, lists: &mut Lists<'a>) -> Result<Self, WireError> {
        let mut span = Self::default();
        lists.found.clear(keys);
        lists.events.clear();
        lists.links.clear();
        for field in message {
            let field = field?;
            match field.number {
                9 => lists.found.take(keys, field.message()?),
                1 => span.trace_id = field.bytes()?,
                2 => span.span_id = field.bytes()?,
                3 => span.trace_state = field.bytes()?,
                4 => span.parent_span_id = field.bytes()?,
                5 => span.name = field.bytes()?,
                6 => span.kind = field.int32()?,
                7 => span.start = field.fixed64()?,
                8 => span.end = field.fixed64()?,
                11 => lists.events.push(field.message()?),
                13 => lists.links.push(field.message()?),
                15 => span.status(field.message()?)?,
                _ => {}
            }
        }
        Ok(span)
    }

    fn status(&mut self, message: Reader<'a>) -> Result<(), WireError> {
        for field in message {
            let field = field?;
            match field.number {
                2 => self.status_message = field.bytes()?,
                3 => self.status_code = field.int32()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Nanoseconds; 0 where it ends before it starts.
    pub fn duration(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// `None`: they are not what ids have to be.
    pub fn ids(&self) -> Option<Ids> {
        Ids::new(self.trace_id, self.span_id)
    }
}

/// Names a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ids {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

impl Ids {
    /// Of 16 and 8 bytes that are not all zeros.
    pub fn new(trace_id: &[u8], span_id: &[u8]) -> Option<Self> {
        let ids = Self { trace_id: trace_id.try_into().ok()?, span_id: span_id.try_into().ok()? };
        (ids.trace_id != [0; 16] && ids.span_id != [0; 8]).then_some(ids)
    }
}

pub const CLIENT: i32 = 3;
pub const SERVER: i32 = 2;
pub const PRODUCER: i32 = 4;
pub const CONSUMER: i32 = 5;
pub const STATUS_ERROR: i32 = 2;

/// OTLP's name of a span's kind; nothing for a number that is none.
pub const fn kind_name(kind: i32) -> &'static str {
    match kind {
        0 => "SPAN_KIND_UNSPECIFIED",
        1 => "SPAN_KIND_INTERNAL",
        SERVER => "SPAN_KIND_SERVER",
        CLIENT => "SPAN_KIND_CLIENT",
        PRODUCER => "SPAN_KIND_PRODUCER",
        CONSUMER => "SPAN_KIND_CONSUMER",
        _ => "",
    }
}

/// OTLP's name of a status code; nothing for a number that is none.
pub const fn status_name(code: i32) -> &'static str {
    match code {
        0 => "STATUS_CODE_UNSET",
        1 => "STATUS_CODE_OK",
        STATUS_ERROR => "STATUS_CODE_ERROR",
        _ => "",
    }
}
