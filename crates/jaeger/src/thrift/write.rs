//! Batches as clients write them.

use super::Protocol;
use crate::model::{Batch, Log, Process, Reference, ReferenceType, Span, Tag, Value};

pub fn batch(protocol: Protocol, batch: &Batch) -> Vec<u8> {
    let mut writer = Writer { protocol, out: Vec::new() };
    writer.batch(batch);
    writer.out
}

pub fn emit_batch(protocol: Protocol, batch: &Batch) -> Vec<u8> {
    let mut writer = Writer { protocol, out: Vec::new() };
    // A one-way call with the sequence number 0.
    match protocol {
        Protocol::Binary => {
            writer.out.extend([0x80, 0x01, 0, 4]);
            writer.bytes(b"emitBatch");
            writer.out.extend([0; 4]);
        }
        Protocol::Compact => {
            writer.out.extend([0x82, 1 | 4 << 5, 0]);
            writer.bytes(b"emitBatch");
        }
    }
    writer.field(0, 1, STRUCT);
    writer.batch(batch);
    writer.end();
    writer.out
}

/// A type's number in the binary and in the compact protocol.
type Kind = (u8, u8);

const I32: Kind = (8, 5);
const I64: Kind = (10, 6);
const DOUBLE: Kind = (4, 7);
const STRING: Kind = (11, 8);
const LIST: Kind = (15, 9);
const STRUCT: Kind = (12, 12);

struct Writer {
    protocol: Protocol,
    out: Vec<u8>,
}

impl Writer {
    fn batch(&mut self, batch: &Batch) {
        self.field(0, 1, STRUCT);
        self.process(&batch.process.clone().unwrap_or_default());
        self.field(1, 2, LIST);
        self.list(&batch.spans, Self::span);
        self.end();
    }

    fn process(&mut self, process: &Process) {
        self.text_field(0, 1, &process.service_name);
        self.field(1, 2, LIST);
        self.list(&process.tags, Self::tag);
        self.end();
    }

    fn span(&mut self, span: &Span) {
        self.i64_field(0, 1, span.trace_id as i64);
        self.i64_field(1, 2, (span.trace_id >> 64) as i64);
        self.i64_field(2, 3, span.span_id as i64);
        self.i64_field(3, 4, span.parent().unwrap_or(0) as i64);
        self.text_field(4, 5, &span.operation_name);
        self.field(5, 6, LIST);
        self.list(&span.references, Self::reference);
        self.i32_field(6, 7, span.flags as i32);
        self.i64_field(7, 8, microseconds(span.start));
        self.i64_field(8, 9, microseconds(span.duration));
        self.field(9, 10, LIST);
        self.list(&span.tags, Self::tag);
        self.field(10, 11, LIST);
        self.list(&span.logs, Self::log);
        self.end();
    }

    fn reference(&mut self, reference: &Reference) {
        self.i32_field(0, 1, (reference.kind == ReferenceType::FollowsFrom).into());
        self.i64_field(1, 2, reference.trace_id as i64);
        self.i64_field(2, 3, (reference.trace_id >> 64) as i64);
        self.i64_field(3, 4, reference.span_id as i64);
        self.end();
    }

    fn log(&mut self, log: &Log) {
        self.i64_field(0, 1, microseconds(log.time));
        self.field(1, 2, LIST);
        self.list(&log.fields, Self::tag);
        self.end();
    }

    fn tag(&mut self, tag: &Tag) {
        self.text_field(0, 1, &tag.key);
        match &tag.value {
            Value::String(text) => {
                self.i32_field(1, 2, 0);
                self.text_field(2, 3, text);
            }
            Value::Float64(value) => {
                self.i32_field(1, 2, 1);
                self.field(2, 4, DOUBLE);
                self.out.extend(match self.protocol {
                    Protocol::Binary => value.to_be_bytes(),
                    Protocol::Compact => value.to_le_bytes(),
                });
            }
            Value::Bool(value) => {
                self.i32_field(1, 2, 2);
                // The compact protocol has the value in the type.
                self.field(2, 5, (2, if *value { 1 } else { 2 }));
                if self.protocol == Protocol::Binary {
                    self.out.push((*value).into());
                }
            }
            Value::Int64(value) => {
                self.i32_field(1, 2, 3);
                self.i64_field(2, 6, *value);
            }
            Value::Binary(bytes) => {
                self.i32_field(1, 2, 4);
                self.field(2, 7, STRING);
                self.bytes(bytes);
            }
        }
        self.end();
    }

    /// The header of a field; `last` is the number of the one before it.
    fn field(&mut self, last: u8, number: u8, kind: Kind) {
        match self.protocol {
            Protocol::Binary => self.out.extend([kind.0, 0, number]),
            Protocol::Compact => self.out.push((number - last) << 4 | kind.1),
        }
    }

    fn text_field(&mut self, last: u8, number: u8, text: &str) {
        self.field(last, number, STRING);
        self.bytes(text.as_bytes());
    }

    fn i32_field(&mut self, last: u8, number: u8, value: i32) {
        self.field(last, number, I32);
        match self.protocol {
            Protocol::Binary => self.out.extend(value.to_be_bytes()),
            Protocol::Compact => self.zigzag(value.into()),
        }
    }

    fn i64_field(&mut self, last: u8, number: u8, value: i64) {
        self.field(last, number, I64);
        match self.protocol {
            Protocol::Binary => self.out.extend(value.to_be_bytes()),
            Protocol::Compact => self.zigzag(value),
        }
    }

    fn list<T>(&mut self, elements: &[T], write: impl Fn(&mut Self, &T)) {
        match (self.protocol, elements.len()) {
            (Protocol::Binary, _) => {
                self.out.push(STRUCT.0);
                self.length(elements.len());
            }
            (Protocol::Compact, short @ ..15) => self.out.push((short as u8) << 4 | STRUCT.1),
            (Protocol::Compact, _) => {
                self.out.push(0xf0 | STRUCT.1);
                self.length(elements.len());
            }
        }
        for element in elements {
            write(self, element);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.out.extend(bytes);
    }

    fn length(&mut self, length: usize) {
        match self.protocol {
            Protocol::Binary => self.out.extend((length as u32).to_be_bytes()),
            Protocol::Compact => self.varint(length as u64),
        }
    }

    fn zigzag(&mut self, value: i64) {
        self.varint((value << 1 ^ value >> 63) as u64);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn end(&mut self) {
        self.out.push(0);
    }
}

fn microseconds(nanoseconds: u64) -> i64 {
    (nanoseconds / 1000) as i64
}
