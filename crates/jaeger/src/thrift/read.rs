//! Values of Thrift's two protocols from borrowed bytes.
//! (`doc/specs/thrift-binary-protocol.md` and `thrift-compact-protocol.md` of apache/thrift.)

use super::{Problem, Protocol, ThriftError};

/// How deep values that are skipped may nest.
pub const MAX_DEPTH: usize = 32;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Byte,
    I16,
    I32,
    I64,
    Double,
    String,
    Struct,
    Map,
    /// A set is the same on the wire.
    List,
    Uuid,
}

pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    protocol: Protocol,
    /// The value of a boolean field, which the compact protocol has in the field's type.
    boolean: Option<bool>,
}

/// The number of the field before, of which the compact protocol tells the distance.
#[derive(Debug, Default)]
pub struct Last(i16);

type Result<T> = std::result::Result<T, ThriftError>;

impl<'a> Reader<'a> {
    pub fn new(protocol: Protocol, bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, protocol, boolean: None }
    }

    #[cold]
    pub fn error(&self, problem: Problem) -> ThriftError {
        ThriftError { offset: self.at, problem }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let taken = self.bytes[self.at..].get(..length).ok_or_else(|| self.error(Problem::Truncated))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let error = self.error(Problem::Truncated);
        self.take(N)?.try_into().map_err(|_| error)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // Of the tenth byte one bit counts.
                return if shift == 63 && byte > 1 { Err(self.error(Problem::Varint)) } else { Ok(value) };
            }
        }
        Err(self.error(Problem::Varint))
    }

    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn length(&mut self) -> Result<usize> {
        let length = match self.protocol {
            Protocol::Binary => i64::from(i32::from_be_bytes(self.array()?)),
            Protocol::Compact => i64::from(self.varint()? as u32 as i32),
        };
        let length = usize::try_from(length).map_err(|_| self.error(Problem::NegativeLength))?;
        // Nothing takes less than a byte, neither characters nor elements.
        if length > self.bytes.len() - self.at {
            return Err(self.error(Problem::Truncated));
        }
        Ok(length)
    }

    fn kind(&self, number: u8) -> Result<Kind> {
        let kind = match (self.protocol, number) {
            (Protocol::Binary, 2) | (Protocol::Compact, 1 | 2) => Kind::Bool,
            (_, 3) => Kind::Byte,
            (Protocol::Binary, 6) | (Protocol::Compact, 4) => Kind::I16,
            (Protocol::Binary, 8) | (Protocol::Compact, 5) => Kind::I32,
            (Protocol::Binary, 10) | (Protocol::Compact, 6) => Kind::I64,
            (Protocol::Binary, 4) | (Protocol::Compact, 7) => Kind::Double,
            (Protocol::Binary, 11) | (Protocol::Compact, 8) => Kind::String,
            (_, 12) => Kind::Struct,
            (Protocol::Binary, 13) | (Protocol::Compact, 11) => Kind::Map,
            (Protocol::Binary, 14 | 15) | (Protocol::Compact, 9 | 10) => Kind::List,
            (Protocol::Binary, 16) | (Protocol::Compact, 13) => Kind::Uuid,
            _ => return Err(self.error(Problem::UnknownType(number))),
        };
        Ok(kind)
    }

    pub fn bool(&mut self) -> Result<bool> {
        if let Some(boolean) = self.boolean.take() {
            return Ok(boolean);
        }
        // In lists of the compact protocol 2 is false.
        Ok(self.byte()? == 1)
    }

    pub fn i32(&mut self) -> Result<i32> {
        match self.protocol {
            Protocol::Binary => Ok(i32::from_be_bytes(self.array()?)),
            Protocol::Compact => i32::try_from(self.zigzag()?).map_err(|_| self.error(Problem::Varint)),
        }
    }

    pub fn i64(&mut self) -> Result<i64> {
        match self.protocol {
            Protocol::Binary => Ok(i64::from_be_bytes(self.array()?)),
            Protocol::Compact => self.zigzag(),
        }
    }

    pub fn double(&mut self) -> Result<f64> {
        let bytes = self.array()?;
        Ok(match self.protocol {
            Protocol::Binary => f64::from_be_bytes(bytes),
            Protocol::Compact => f64::from_le_bytes(bytes),
        })
    }

    pub fn binary(&mut self) -> Result<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// Text; what is no UTF-8 is replaced.
    pub fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(self.binary()?).into_owned())
    }

    /// The number and kind of the next field; `None` at the end of the struct.
    pub fn field(&mut self, last: &mut Last) -> Result<Option<(i16, Kind)>> {
        let header = self.byte()?;
        if header == 0 {
            return Ok(None);
        }
        let number = match self.protocol {
            Protocol::Binary => i16::from_be_bytes(self.array()?),
            Protocol::Compact => match header >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| self.error(Problem::Varint))?,
                distance => last.0.wrapping_add(distance.into()),
            },
        };
        last.0 = number;
        let kind = match self.protocol {
            Protocol::Binary => self.kind(header)?,
            Protocol::Compact => self.kind(header & 0x0f)?,
        };
        self.boolean = (self.protocol == Protocol::Compact && kind == Kind::Bool).then_some(header & 0x0f == 1);
        Ok(Some((number, kind)))
    }

    fn list(&mut self) -> Result<(Kind, usize)> {
        let header = self.byte()?;
        let (kind, length) = match self.protocol {
            Protocol::Binary => (header, self.length()?),
            Protocol::Compact if header >> 4 == 15 => (header & 0x0f, self.length()?),
            Protocol::Compact => (header & 0x0f, usize::from(header >> 4)),
        };
        // An empty list need not know what it has none of.
        if length == 0 {
            return Ok((Kind::Struct, 0));
        }
        Ok((self.kind(kind)?, length))
    }

    /// A list of structs, each read by `read`.
    pub fn structs<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let (kind, length) = self.list()?;
        if kind != Kind::Struct {
            return Err(self.error(Problem::NotStructs));
        }
        // Grown by what comes, not by what is announced.
        let mut structs = Vec::new();
        for _ in 0..length {
            structs.push(read(self)?);
        }
        Ok(structs)
    }

    /// Leaves a value out.
    pub fn skip(&mut self, kind: Kind) -> Result<()> {
        self.skip_within(kind, 0)
    }

    fn skip_within(&mut self, kind: Kind, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.error(Problem::Depth));
        }
        match kind {
            Kind::Bool => self.bool().map(|_| ()),
            Kind::Byte => self.byte().map(|_| ()),
            Kind::I16 if self.protocol == Protocol::Binary => self.take(2).map(|_| ()),
            Kind::I16 | Kind::I32 => self.i32().map(|_| ()),
            Kind::I64 => self.i64().map(|_| ()),
            Kind::Double => self.take(8).map(|_| ()),
            Kind::String => self.binary().map(|_| ()),
            Kind::Uuid => self.take(16).map(|_| ()),
            Kind::Struct => {
                let mut last = Last::default();
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip_within(kind, depth + 1)?;
                }
                Ok(())
            }
            Kind::List => {
                let (kind, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip_within(kind, depth + 1))
            }
            Kind::Map => {
                let Some((key, value, length)) = self.map()? else { return Ok(()) };
                for _ in 0..length {
                    self.skip_within(key, depth + 1)?;
                    self.skip_within(value, depth + 1)?;
                }
                Ok(())
            }
        }
    }

    fn map(&mut self) -> Result<Option<(Kind, Kind, usize)>> {
        let (key, value, length) = match self.protocol {
            Protocol::Binary => {
                let [key, value] = self.array()?;
                (key, value, self.length()?)
            }
            Protocol::Compact => match self.length()? {
                0 => return Ok(None),
                length => {
                    let kinds = self.byte()?;
                    (kinds >> 4, kinds & 0x0f, length)
                }
            },
        };
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((self.kind(key)?, self.kind(value)?, length)))
    }

    /// Begins a message that calls a method, and tells its name.
    pub fn call(&mut self) -> Result<&'a [u8]> {
        let (kind, name) = match self.protocol {
            Protocol::Compact => {
                let [id, version] = self.array()?;
                if id != 0x82 || version & 0x1f != 1 {
                    return Err(self.error(Problem::Version));
                }
                self.varint()?;
                (version >> 5, self.binary()?)
            }
            Protocol::Binary => self.binary_call()?,
        };
        // 1 waits for an answer, which UDP does not give, 4 does not.
        if kind != 1 && kind != 4 {
            return Err(self.error(Problem::MessageType(kind)));
        }
        Ok(name)
    }

    fn binary_call(&mut self) -> Result<(u8, &'a [u8])> {
        let header = i32::from_be_bytes(self.array()?);
        // Before versions there was the length of the name, which is not negative.
        if let Ok(length) = usize::try_from(header) {
            let name = self.take(length)?;
            let kind = self.byte()?;
            self.array::<4>()?;
            return Ok((kind, name));
        }
        let [high, low, _, kind] = header.to_be_bytes();
        if (high, low) != (0x80, 0x01) {
            return Err(self.error(Problem::Version));
        }
        let name = self.binary()?;
        self.array::<4>()?;
        Ok((kind, name))
    }
}
