//! Batches as clients write them.

use thrift::Result;
use thrift::protocol::{
    TBinaryOutputProtocol, TCompactOutputProtocol, TFieldIdentifier, TListIdentifier, TMessageIdentifier, TMessageType,
    TOutputProtocol, TStructIdentifier, TType,
};

use super::Protocol;
use crate::model::{Batch, Log, Process, Reference, ReferenceType, Span, Tag, Value};

pub fn batch(protocol: Protocol, batch: &Batch<'_>) -> Result<Vec<u8>> {
    written(protocol, |writer| writer.batch(batch))
}

pub fn emit_batch(protocol: Protocol, batch: &Batch<'_>) -> Result<Vec<u8>> {
    written(protocol, |writer| {
        let message = TMessageIdentifier::new("emitBatch", TMessageType::OneWay, 0);
        writer.0.write_message_begin(&message)?;
        writer.structure("emitBatch_args", |writer| {
            writer.field(1, TType::Struct)?;
            writer.batch(batch)
        })?;
        writer.0.write_message_end()
    })
}

fn written(protocol: Protocol, write: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let protocol: Box<dyn TOutputProtocol + '_> = match protocol {
        Protocol::Binary => Box::new(TBinaryOutputProtocol::new(&mut out, true)),
        Protocol::Compact => Box::new(TCompactOutputProtocol::new(&mut out)),
    };
    let mut writer = Writer(protocol);
    write(&mut writer)?;
    drop(writer);
    Ok(out)
}

struct Writer<'a>(Box<dyn TOutputProtocol + 'a>);

impl Writer<'_> {
    fn batch(&mut self, batch: &Batch<'_>) -> Result<()> {
        self.structure("Batch", |writer| {
            writer.field(1, TType::Struct)?;
            writer.process(batch.process.as_ref().unwrap_or(&Process::default()))?;
            writer.list(2, &batch.spans, Self::span)
        })
    }

    fn process(&mut self, process: &Process<'_>) -> Result<()> {
        self.structure("Process", |writer| {
            writer.text(1, &process.service_name)?;
            writer.list(2, &process.tags, Self::tag)
        })
    }

    fn span(&mut self, span: &Span<'_>) -> Result<()> {
        self.structure("Span", |writer| {
            writer.i64(1, span.trace_id as i64)?;
            writer.i64(2, (span.trace_id >> 64) as i64)?;
            writer.i64(3, span.span_id as i64)?;
            writer.i64(4, span.parent().unwrap_or(0) as i64)?;
            writer.text(5, &span.operation_name)?;
            writer.list(6, &span.references, Self::reference)?;
            writer.i32(7, span.flags as i32)?;
            writer.i64(8, microseconds(span.start))?;
            writer.i64(9, microseconds(span.duration))?;
            writer.list(10, &span.tags, Self::tag)?;
            writer.list(11, &span.logs, Self::log)
        })
    }

    fn reference(&mut self, reference: &Reference) -> Result<()> {
        self.structure("SpanRef", |writer| {
            writer.i32(1, (reference.kind == ReferenceType::FollowsFrom).into())?;
            writer.i64(2, reference.trace_id as i64)?;
            writer.i64(3, (reference.trace_id >> 64) as i64)?;
            writer.i64(4, reference.span_id as i64)
        })
    }

    fn log(&mut self, log: &Log<'_>) -> Result<()> {
        self.structure("Log", |writer| {
            writer.i64(1, microseconds(log.time))?;
            writer.list(2, &log.fields, Self::tag)
        })
    }

    fn tag(&mut self, tag: &Tag<'_>) -> Result<()> {
        self.structure("Tag", |writer| {
            writer.text(1, &tag.key)?;
            match &tag.value {
                Value::String(text) => {
                    writer.i32(2, 0)?;
                    writer.text(3, text)
                }
                Value::Float64(value) => {
                    writer.i32(2, 1)?;
                    writer.field(4, TType::Double)?;
                    writer.0.write_double(*value)
                }
                Value::Bool(value) => {
                    writer.i32(2, 2)?;
                    writer.field(5, TType::Bool)?;
                    writer.0.write_bool(*value)
                }
                Value::Int64(value) => {
                    writer.i32(2, 3)?;
                    writer.i64(6, *value)
                }
                Value::Binary(bytes) => {
                    writer.i32(2, 4)?;
                    writer.field(7, TType::String)?;
                    writer.0.write_bytes(bytes)
                }
            }
        })
    }

    fn structure(&mut self, name: &str, fields: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.0.write_struct_begin(&TStructIdentifier::new(name))?;
        fields(self)?;
        self.0.write_field_stop()?;
        self.0.write_struct_end()
    }

    fn field(&mut self, number: i16, kind: TType) -> Result<()> {
        // Neither protocol writes names.
        self.0.write_field_begin(&TFieldIdentifier::new("", kind, number))
    }

    fn text(&mut self, number: i16, text: &str) -> Result<()> {
        self.field(number, TType::String)?;
        self.0.write_string(text)
    }

    fn i32(&mut self, number: i16, value: i32) -> Result<()> {
        self.field(number, TType::I32)?;
        self.0.write_i32(value)
    }

    fn i64(&mut self, number: i16, value: i64) -> Result<()> {
        self.field(number, TType::I64)?;
        self.0.write_i64(value)
    }

    fn list<T>(&mut self, number: i16, elements: &[T], write: impl Fn(&mut Self, &T) -> Result<()>) -> Result<()> {
        let length = i32::try_from(elements.len()).map_err(|error| error.to_string())?;
        self.field(number, TType::List)?;
        self.0.write_list_begin(&TListIdentifier::new(TType::Struct, length))?;
        elements.iter().try_for_each(|element| write(self, element))?;
        self.0.write_list_end()
    }
}

fn microseconds(nanoseconds: u64) -> i64 {
    (nanoseconds / 1000) as i64
}
