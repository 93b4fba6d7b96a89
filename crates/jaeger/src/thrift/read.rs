//! Apache's readers of both protocols, bounded by the bytes that are there, and with the place of what is wrong.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use thrift::TConfiguration;
use thrift::protocol::{TBinaryInputProtocol, TCompactInputProtocol, TInputProtocol, TMessageIdentifier, TType};

use super::{Problem, ThriftError};
use crate::model;

/// How deep values that are skipped may nest.
pub const MAX_DEPTH: usize = 32;

/// For how many structs there is memory before they come.
const MOST_AT_ONCE: usize = 32;

pub struct Reader<'a, P> {
    protocol: P,
    length: usize,
    rest: Rest<'a>,
}

type Result<T> = std::result::Result<T, ThriftError>;

/// The bytes that are not read yet; the protocol takes from those that its reader sees.
#[derive(Clone)]
pub struct Rest<'a>(Rc<Cell<&'a [u8]>>);

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.0.get();
        let count = rest.read(buffer)?;
        self.0.set(rest);
        Ok(count)
    }

    #[inline]
    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut rest = self.0.get();
        let outcome = rest.read_exact(buffer);
        self.0.set(rest);
        outcome
    }
}

/// How strings lie in a protocol: the library would copy them.
pub trait Strings: TInputProtocol {
    /// The length of the string that `bytes` begin with, and what comes behind the length; `None` if that is no length.
    fn length(bytes: &[u8]) -> Option<(usize, &[u8])>;
}

impl Strings for TBinaryInputProtocol<Rest<'_>> {
    fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
        let (length, rest) = bytes.split_first_chunk()?;
        Some((i32::from_be_bytes(*length).try_into().ok()?, rest))
    }
}

impl Strings for TCompactInputProtocol<Rest<'_>> {
    fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
        let mut length = 0;
        for (index, byte) in bytes.iter().take(5).enumerate() {
            length |= u32::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                return Some((length as usize, &bytes[index + 1..]));
            }
        }
        None
    }
}

impl<'a> Reader<'a, TBinaryInputProtocol<Rest<'a>>> {
    pub fn binary(bytes: &'a [u8]) -> Result<Self> {
        Self::new(bytes, |rest, limits| TBinaryInputProtocol::with_config(rest, false, limits))
    }
}

impl<'a> Reader<'a, TCompactInputProtocol<Rest<'a>>> {
    pub fn compact(bytes: &'a [u8]) -> Result<Self> {
        Self::new(bytes, TCompactInputProtocol::with_config)
    }
}

impl<'a, P: Strings> Reader<'a, P> {
    fn new(bytes: &'a [u8], protocol: impl FnOnce(Rest<'a>, TConfiguration) -> P) -> Result<Self> {
        let most = Some(bytes.len());
        // No string or list is longer than all of the bytes.
        let limits = TConfiguration::builder()
            .max_message_size(most)
            .max_frame_size(most)
            .max_string_size(most)
            .max_container_size(most)
            .max_recursion_depth(Some(MAX_DEPTH))
            .build()
            .map_err(|error| ThriftError { offset: 0, problem: error.into() })?;
        let rest = Rest(Rc::new(Cell::new(bytes)));
        Ok(Self { protocol: protocol(rest.clone(), limits), length: bytes.len(), rest })
    }

    #[cold]
    pub fn error(&self, problem: Problem) -> ThriftError {
        ThriftError { offset: self.length - self.rest.0.get().len(), problem }
    }

    #[inline]
    fn read<T>(&mut self, read: impl FnOnce(&mut P) -> thrift::Result<T>) -> Result<T> {
        read(&mut self.protocol).map_err(|error| self.error(error.into()))
    }

    pub fn message(&mut self) -> Result<TMessageIdentifier> {
        self.read(|protocol| protocol.read_message_begin())
    }

    /// Begins a struct.
    pub fn begin(&mut self) -> Result<()> {
        self.read(|protocol| protocol.read_struct_begin()).map(|_| ())
    }

    /// The number and type of the struct's next field; `None` where it ends.
    pub fn field(&mut self) -> Result<Option<(i16, TType)>> {
        let field = self.read(|protocol| protocol.read_field_begin())?;
        match field.id {
            Some(number) if field.field_type != TType::Stop => Ok(Some((number, field.field_type))),
            _ => self.read(|protocol| protocol.read_struct_end()).map(|()| None),
        }
    }

    /// Leaves a value out.
    pub fn skip(&mut self, kind: TType) -> Result<()> {
        self.read(|protocol| protocol.skip(kind))
    }

    pub fn bool(&mut self) -> Result<bool> {
        self.read(|protocol| protocol.read_bool())
    }

    pub fn i32(&mut self) -> Result<i32> {
        self.read(|protocol| protocol.read_i32())
    }

    pub fn i64(&mut self) -> Result<i64> {
        self.read(|protocol| protocol.read_i64())
    }

    pub fn double(&mut self) -> Result<f64> {
        self.read(|protocol| protocol.read_double())
    }

    /// Bytes where they lie.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let found = P::length(self.rest.0.get()).and_then(|(length, rest)| rest.split_at_checked(length));
        if let Some((bytes, rest)) = found {
            self.rest.0.set(rest);
            return Ok(bytes);
        }
        // The library tells what is wrong with them.
        self.skip(TType::String)?;
        Err(self.error(Problem::Truncated))
    }

    /// Text; what is no UTF-8 is replaced.
    pub fn text(&mut self) -> Result<Cow<'a, str>> {
        self.bytes().map(model::text)
    }

    /// A list of structs, each read by `read`.
    pub fn structs<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let list = self.read(|protocol| protocol.read_list_begin())?;
        if list.size > 0 && list.element_type != TType::Struct {
            return Err(self.error(Problem::NotStructs));
        }
        // Beyond a few it is grown by what comes, not by what is announced.
        let mut structs = Vec::with_capacity((list.size as usize).min(MOST_AT_ONCE));
        for _ in 0..list.size {
            structs.push(read(self)?);
        }
        Ok(structs)
    }
}
