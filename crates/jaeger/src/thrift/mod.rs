//! Jaeger's Thrift (`jaeger.thrift` and `agent.thrift` of jaeger-idl), in the binary and the compact protocol.
//!
//! Apache's library knows the protocols; what is read is bounded by the bytes that are there, borrows from them, and nothing nests
//! deeper than a few levels.

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

/// The bytes are not what they should be, found before `offset`.
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
    /// What the protocol forbids, or what is larger or deeper than it may be.
    Protocol(String),
    /// The elements of a list are no structs.
    NotStructs,
    /// `required` in the schema: struct and field.
    Missing(&'static str, &'static str),
    /// The value of an enumeration: its name and the number.
    UnknownVariant(&'static str, i32),
    /// A message that calls nothing.
    NoCall,
    /// The method that is called.
    Method(String),
}

impl From<thrift::Error> for Problem {
    fn from(error: thrift::Error) -> Self {
        match error {
            // Nothing else happens to bytes in memory.
            thrift::Error::Transport(_) => Problem::Truncated,
            thrift::Error::Protocol(error) => Problem::Protocol(error.message),
            other => Problem::Protocol(other.to_string()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated => f.write_str("it ends within a value"),
            Problem::Protocol(reason) => f.write_str(reason),
            Problem::NotStructs => f.write_str("a list must hold structs"),
            Problem::Missing(of, field) => write!(f, "{of} has no {field}"),
            Problem::UnknownVariant(name, number) => write!(f, "{name} knows no {number}"),
            Problem::NoCall => f.write_str("the message is no call"),
            Problem::Method(name) => write!(f, "the method {name:?} is not supported; emitBatch is"),
        }
    }
}

/// Reads a `Batch`, the body of `POST /api/traces`.
pub fn read_batch(protocol: Protocol, bytes: &[u8]) -> Result<Batch<'_>, ThriftError> {
    match protocol {
        Protocol::Binary => structs::batch(&mut Reader::binary(bytes)?),
        Protocol::Compact => structs::batch(&mut Reader::compact(bytes)?),
    }
}

/// Reads a call of `Agent.emitBatch`, the content of a UDP packet.
pub fn read_emit_batch(protocol: Protocol, bytes: &[u8]) -> Result<Batch<'_>, ThriftError> {
    match protocol {
        Protocol::Binary => structs::emit_batch(&mut Reader::binary(bytes)?),
        Protocol::Compact => structs::emit_batch(&mut Reader::compact(bytes)?),
    }
}

/// Writes a `Batch`. Of the spans' own processes and warnings Thrift knows nothing. The error is a list that is too long for Thrift.
pub fn write_batch(protocol: Protocol, batch: &Batch<'_>) -> Result<Vec<u8>, ThriftError> {
    write::batch(protocol, batch).map_err(unwritable)
}

/// Writes a call of `Agent.emitBatch`, as a client sends it by UDP.
pub fn write_emit_batch(protocol: Protocol, batch: &Batch<'_>) -> Result<Vec<u8>, ThriftError> {
    write::emit_batch(protocol, batch).map_err(unwritable)
}

fn unwritable(error: thrift::Error) -> ThriftError {
    ThriftError { offset: 0, problem: error.into() }
}
