//! Apache's readers of both protocols, bounded by the bytes that are there, and with the place of what is wrong.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use thrift::TConfiguration;
use thrift::protocol::{TBinaryInputProtocol, TCompactInputProtocol, TInputProtocol, TMessageIdentifier, TType};

use super::{Problem, Protocol, ThriftError};

/// How deep values that are skipped may nest.
pub const MAX_DEPTH: usize = 32;

pub struct Reader<'a> {
    protocol: Box<dyn TInputProtocol + 'a>,
    at: Rc<Cell<usize>>,
}

type Result<T> = std::result::Result<T, ThriftError>;

/// Bytes of which somebody else knows how many are read.
struct Counted<'a> {
    rest: &'a [u8],
    at: Rc<Cell<usize>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.rest.read(buffer)?;
        self.at.set(self.at.get() + count);
        Ok(count)
    }
}

impl<'a> Reader<'a> {
    pub fn new(protocol: Protocol, bytes: &'a [u8]) -> Result<Self> {
        let at = Rc::<Cell<usize>>::default();
        let most = Some(bytes.len());
        // A string's memory is taken before its bytes are there, and no string or list is longer than all of them.
        let limits = TConfiguration::builder()
            .max_message_size(most)
            .max_frame_size(most)
            .max_string_size(most)
            .max_container_size(most)
            .max_recursion_depth(Some(MAX_DEPTH))
            .build()
            .map_err(|error| ThriftError { offset: 0, problem: error.into() })?;
        let bytes = Counted { rest: bytes, at: at.clone() };
        let protocol: Box<dyn TInputProtocol + 'a> = match protocol {
            Protocol::Binary => Box::new(TBinaryInputProtocol::with_config(bytes, false, limits)),
            Protocol::Compact => Box::new(TCompactInputProtocol::with_config(bytes, limits)),
        };
        Ok(Self { protocol, at })
    }

    #[cold]
    pub fn error(&self, problem: Problem) -> ThriftError {
        ThriftError { offset: self.at.get(), problem }
    }

    fn read<T>(&mut self, read: impl FnOnce(&mut dyn TInputProtocol) -> thrift::Result<T>) -> Result<T> {
        read(&mut *self.protocol).map_err(|error| self.error(error.into()))
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

    pub fn binary(&mut self) -> Result<Vec<u8>> {
        self.read(|protocol| protocol.read_bytes())
    }

    /// Text; what is no UTF-8 is replaced.
    pub fn text(&mut self) -> Result<String> {
        let bytes = self.binary()?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// A list of structs, each read by `read`.
    pub fn structs<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let list = self.read(|protocol| protocol.read_list_begin())?;
        if list.size > 0 && list.element_type != TType::Struct {
            return Err(self.error(Problem::NotStructs));
        }
        // Grown by what comes, not by what is announced.
        let mut structs = Vec::new();
        for _ in 0..list.size {
            structs.push(read(self)?);
        }
        Ok(structs)
    }
}
