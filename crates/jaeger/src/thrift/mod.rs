//! Jaeger's Thrift (`jaeger.thrift` and `agent.thrift` of jaeger-idl), in the binary and the compact protocol.
//!
//! Apache's library would read into owned values, with the lengths that the sender announces; here everything is read from bytes that
//! are there already, so that nothing is allocated for what does not come, and nothing nests deeper than a few levels.

mod read;
mod structs;
mod write;

use std::fmt;

use thiserror::Error;

use self::read::Reader;
use crate::model::Batch;

/// How values lie in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `TBinaryProtocol`, strict or not.
    Binary,
    /// `TCompactProtocol`
    Compact,
}

/// The bytes are not what they should be, found at `offset`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed Thrift at byte {offset}: {problem}")]
pub struct ThriftError {
    pub offset: usize,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A value reaches beyond the end.
    Truncated,
    /// A number in variable length that does not fit into its type.
    Varint,
    /// A length or count below zero.
    NegativeLength,
    /// No type has this number.
    UnknownType(u8),
    /// The elements of a list are no structs.
    NotStructs,
    /// Structs, lists and maps within each other.
    Depth,
    /// `required` in the schema: struct and field.
    Missing(&'static str, &'static str),
    /// The value of an enumeration: its name and the number.
    UnknownVariant(&'static str, i32),
    /// The message is of another protocol or version.
    Version,
    /// A message of another kind than a call, by its number.
    MessageType(u8),
    /// The method that is called.
    Method(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated => f.write_str("it ends within a value"),
            Problem::Varint => f.write_str("a number is too long"),
            Problem::NegativeLength => f.write_str("a length is negative"),
            Problem::UnknownType(number) => write!(f, "no type has the number {number}"),
            Problem::NotStructs => f.write_str("a list must hold structs"),
            Problem::Depth => write!(f, "values are nested deeper than {}", read::MAX_DEPTH),
            Problem::Missing(of, field) => write!(f, "{of} has no {field}"),
            Problem::UnknownVariant(name, number) => write!(f, "{name} knows no {number}"),
            Problem::Version => f.write_str("it is no message of this protocol"),
            Problem::MessageType(number) => write!(f, "a message of type {number} is no call"),
            Problem::Method(name) => write!(f, "the method {name:?} is not supported; emitBatch is"),
        }
    }
}

/// Reads a `Batch`, the body of `POST /api/traces`.
pub fn read_batch(protocol: Protocol, bytes: &[u8]) -> Result<Batch, ThriftError> {
    structs::batch(&mut Reader::new(protocol, bytes))
}

/// Reads a call of `Agent.emitBatch`, the content of a UDP packet.
pub fn read_emit_batch(protocol: Protocol, bytes: &[u8]) -> Result<Batch, ThriftError> {
    structs::emit_batch(&mut Reader::new(protocol, bytes))
}

/// Writes a `Batch`. Of the spans' own processes and warnings Thrift knows nothing.
pub fn write_batch(protocol: Protocol, batch: &Batch) -> Vec<u8> {
    write::batch(protocol, batch)
}

/// Writes a call of `Agent.emitBatch`, as a client sends it by UDP.
pub fn write_emit_batch(protocol: Protocol, batch: &Batch) -> Vec<u8> {
    write::emit_batch(protocol, batch)
}
