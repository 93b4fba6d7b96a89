//! Requests as they lie on the wire, read into the model.
//!
//! As everywhere in protobuf, of a field that comes twice the last one counts, and messages that are no list come together.

use std::borrow::Cow;

use trefoil_model::wire::Reader;

use super::{ProtoError, Time};
use crate::model::{Batch, Log, Process, Reference, ReferenceType, Span, Tag, Value, text};

type Read<T> = Result<T, ProtoError>;

/// How few bytes a message that says something takes.
mod least {
    pub const TAG: usize = 4;
    pub const REFERENCE: usize = 10;
    pub const LOG: usize = 2;
    pub const PROCESS: usize = 2;
    pub const SPAN: usize = 20;
}

/// A few empty messages do no harm.
const SLACK: usize = 1 << 10;

pub fn post_spans(bytes: &[u8]) -> Read<Batch<'_>> {
    let mut request = Request { length: bytes.len(), weight: 0 };
    let mut batch = Batch::default();
    for field in Reader::new(bytes) {
        let field = field?;
        if field.number == 1 {
            request.batch(field.message()?, &mut batch)?;
        }
    }
    Ok(batch)
}

/// A request that is read, message by message.
struct Request {
    length: usize,
    /// How many bytes the messages so far should have taken at least. Empty ones take next to none, and much memory.
    weight: usize,
}

impl Request {
    fn weigh(&mut self, least: usize) -> Read<()> {
        self.weight += least;
        match self.weight > self.length + SLACK {
            true => Err(ProtoError::Hollow(self.length)),
            false => Ok(()),
        }
    }

    fn batch<'a>(&mut self, message: Reader<'a>, batch: &mut Batch<'a>) -> Read<()> {
        for field in message {
            let field = field?;
            match field.number {
                1 => batch.spans.extend(self.span(field.message()?)?),
                2 => self.process(field.message()?, batch.process.get_or_insert_default())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn process<'a>(&mut self, message: Reader<'a>, process: &mut Process<'a>) -> Read<()> {
        self.weigh(least::PROCESS)?;
        for field in message {
            let field = field?;
            match field.number {
                1 => process.service_name = text(field.bytes()?),
                2 => process.tags.push(self.tag(field.message()?)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// `None` is a span that says nothing: Jaeger's encoder writes one that is none as an empty one.
    fn span<'a>(&mut self, message: Reader<'a>) -> Read<Option<Span<'a>>> {
        self.weigh(least::SPAN)?;
        let mut span = Span::default();
        let (mut trace_id, mut span_id, mut name, mut process_id) = <[&[u8]; 4]>::default().into();
        let (mut start, mut duration) = <(Option<Time>, Option<Time>)>::default();
        for field in message {
            let field = field?;
            match field.number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => name = field.bytes()?,
                4 => span.references.push(self.reference(field.message()?)?),
                5 => span.flags = field.uint32()?,
                6 => time(field.message()?, start.get_or_insert_default())?,
                7 => time(field.message()?, duration.get_or_insert_default())?,
                8 => span.tags.push(self.tag(field.message()?)?),
                9 => span.logs.push(self.log(field.message()?)?),
                10 => self.process(field.message()?, span.process.get_or_insert_default())?,
                11 => process_id = field.bytes()?,
                12 => span.warnings.push(text(field.bytes()?)),
                _ => {}
            }
        }
        let is_empty = [trace_id, span_id, name, process_id].iter().all(|bytes| bytes.is_empty())
            && start.or(duration).is_none()
            && span == Span::default();
        if is_empty {
            return Ok(None);
        }
        span.trace_id = trace_id_of(trace_id)?;
        span.span_id = span_id_of(span_id)?;
        span.operation_name = text(name);
        span.start = start.map_or(0, Time::nanoseconds);
        span.duration = duration.map_or(0, Time::nanoseconds);
        Ok(Some(span))
    }

    fn reference(&mut self, message: Reader<'_>) -> Read<Reference> {
        self.weigh(least::REFERENCE)?;
        let (mut trace_id, mut span_id, mut kind) = <(&[u8], &[u8], i32)>::default();
        for field in message {
            let field = field?;
            match field.number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => kind = field.int32()?,
                _ => {}
            }
        }
        let kind = match kind {
            0 => ReferenceType::ChildOf,
            1 => ReferenceType::FollowsFrom,
            other => return Err(ProtoError::UnknownVariant("SpanRefType", other)),
        };
        Ok(Reference { kind, trace_id: trace_id_of(trace_id)?, span_id: span_id_of(span_id)? })
    }

    fn log<'a>(&mut self, message: Reader<'a>) -> Read<Log<'a>> {
        self.weigh(least::LOG)?;
        let (mut at, mut fields) = (Time::default(), Vec::new());
        for field in message {
            let field = field?;
            match field.number {
                1 => time(field.message()?, &mut at)?,
                2 => fields.push(self.tag(field.message()?)?),
                _ => {}
            }
        }
        Ok(Log { time: at.nanoseconds(), fields })
    }

    fn tag<'a>(&mut self, message: Reader<'a>) -> Read<Tag<'a>> {
        self.weigh(least::TAG)?;
        let (mut key, mut kind, mut string, mut binary) = <(&[u8], i32, &[u8], &[u8])>::default();
        let (mut boolean, mut int64, mut float64) = (false, 0, 0.0);
        for field in message {
            let field = field?;
            match field.number {
                1 => key = field.bytes()?,
                2 => kind = field.int32()?,
                3 => string = field.bytes()?,
                4 => boolean = field.bool()?,
                5 => int64 = field.int64()?,
                6 => float64 = field.double()?,
                7 => binary = field.bytes()?,
                _ => {}
            }
        }
        let value = match kind {
            0 => Value::String(text(string)),
            1 => Value::Bool(boolean),
            2 => Value::Int64(int64),
            3 => Value::Float64(float64),
            4 => Value::Binary(Cow::Borrowed(binary)),
            other => return Err(ProtoError::UnknownVariant("ValueType", other)),
        };
        Ok(Tag { key: text(key), value })
    }
}

/// Into what an earlier one of the same field said.
fn time(message: Reader<'_>, time: &mut Time) -> Read<()> {
    for field in message {
        let field = field?;
        match field.number {
            1 => time.seconds = field.int64()?,
            2 => time.nanos = field.int32()?,
            _ => {}
        }
    }
    Ok(())
}

fn trace_id_of(bytes: &[u8]) -> Read<u128> {
    Ok(u128::from_be_bytes(id("trace_id", bytes)?))
}

fn span_id_of(bytes: &[u8]) -> Read<u64> {
    Ok(u64::from_be_bytes(id("span_id", bytes)?))
}

/// With zeros in front of one that is shorter.
fn id<const WIDTH: usize>(name: &'static str, bytes: &[u8]) -> Read<[u8; WIDTH]> {
    let mut id = [0; WIDTH];
    let zeros = WIDTH.checked_sub(bytes.len());
    let zeros = zeros.ok_or(ProtoError::LongId { name, length: bytes.len(), most: WIDTH })?;
    id[zeros..].copy_from_slice(bytes);
    Ok(id)
}
