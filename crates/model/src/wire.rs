//! Protobuf's wire format without generated messages: read here, written in [`write`].
//!
//! The reader goes over borrowed bytes: no copies, bounds checked everywhere.
//!
//! A [`Reader`] iterates over the fields of one message. Unknown fields cost a skip. A *known* field of another wire type
//! is an error, as in `prost`: it means that the sender uses another schema, and skipping it would lose data in silence.
//! Errors carry the offset in the whole request. Format: <https://protobuf.dev/programming-guides/encoding/>.

pub mod otlp;
pub mod write;

use std::fmt;

use thiserror::Error;

/// How deep deprecated groups may nest before they are refused.
const MAX_GROUP_DEPTH: usize = 100;

/// The request's framing is broken at `offset` (bytes from the start of the request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed protobuf at byte {offset}: {problem}")]
pub struct WireError {
    pub offset: usize,
    pub problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A length or a number reaches beyond the end of the message around it.
    Truncated,
    /// A varint of more than 10 bytes or more than 64 bits.
    Varint,
    /// Field numbers are 1 to 2^29 - 1.
    FieldNumber,
    /// Wire types 6 and 7 do not exist.
    WireType(u8),
    /// The field has another wire type than the schema says.
    UnexpectedType { field: u32, expected: &'static str, found: &'static str },
    /// An end of group without its start, or with the number of another group.
    EndGroup,
    /// Groups nested too deep.
    Depth,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated => f.write_str("the message ends before its announced length"),
            Problem::Varint => f.write_str("a varint is longer than 64 bits"),
            Problem::FieldNumber => f.write_str("the field number is not between 1 and 536870911"),
            Problem::WireType(found) => write!(f, "unknown wire type {found}"),
            Problem::UnexpectedType { field, expected, found } => {
                write!(f, "field {field} must be {expected}, found {found}")
            }
            Problem::EndGroup => f.write_str("a group ends that did not start"),
            Problem::Depth => write!(f, "groups are nested deeper than {MAX_GROUP_DEPTH}"),
        }
    }
}

/// The unread rest of one message.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Where the message ends in the request; with it an offset costs nothing until somebody asks.
    end: usize,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Self::new(&[])
    }
}

/// One field as it lies on the wire. The typed accessors check the wire type.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
    offset: usize,
}

#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Reader<'a>),
}

impl<'a> Reader<'a> {
    /// A reader of a whole request: offsets count from its first byte.
    pub fn new(request: &'a [u8]) -> Self {
        Self { rest: request, end: request.len() }
    }

    /// A reader of one message that lies somewhere in a request: offsets count from the request's first byte. The range is
    /// within the request.
    pub fn within(request: &'a [u8], range: std::ops::Range<usize>) -> Self {
        Self { rest: &request[range.clone()], end: range.end }
    }

    /// The bytes not read yet; of a fresh reader, the whole message.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// How far into the request the next field lies.
    #[inline]
    pub fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    #[cold]
    fn error(&self, problem: Problem) -> WireError {
        WireError { offset: self.offset(), problem }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            if index == 9 && byte > 1 {
                return Err(self.error(Problem::Varint));
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        let problem = if self.rest.len() >= 10 { Problem::Varint } else { Problem::Truncated };
        Err(self.error(problem))
    }

    #[inline]
    fn fixed64(&mut self) -> Result<u64, WireError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.error(Problem::Truncated));
        };
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline]
    fn fixed32(&mut self) -> Result<u32, WireError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.error(Problem::Truncated));
        };
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    #[inline]
    fn delimited(&mut self) -> Result<Reader<'a>, WireError> {
        let length = self.varint()?;
        if length > self.rest.len() as u64 {
            return Err(self.error(Problem::Truncated));
        }
        let (bytes, rest) = self.rest.split_at(length as usize);
        self.rest = rest;
        Ok(Reader { rest: bytes, end: self.end - rest.len() })
    }

    /// (field number, wire type)
    #[inline]
    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(self.error(Problem::FieldNumber));
        }
        Ok((number as u32, (tag & 7) as u8))
    }

    // Every caller matches on the number at once; out of line, the result would go through memory.
    #[inline(always)]
    fn field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        while !self.rest.is_empty() {
            let offset = self.offset();
            let (number, wire_type) = self.tag()?;
            let value = match wire_type {
                2 => Value::Bytes(self.delimited()?),
                0 => Value::Varint(self.varint()?),
                1 => Value::Fixed64(self.fixed64()?),
                5 => Value::Fixed32(self.fixed32()?),
                3 => {
                    self.skip_group(number)?;
                    continue;
                }
                4 => return Err(self.error(Problem::EndGroup)),
                other => return Err(self.error(Problem::WireType(other))),
            };
            return Ok(Some(Field { number, value, offset }));
        }
        Ok(None)
    }

    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), WireError> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            let (number, wire_type) = self.tag()?;
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.fixed64()?),
                2 => drop(self.delimited()?),
                5 => drop(self.fixed32()?),
                3 if open.len() >= MAX_GROUP_DEPTH => return Err(self.error(Problem::Depth)),
                3 => open.push(number),
                4 if number == innermost => drop(open.pop()),
                4 => return Err(self.error(Problem::EndGroup)),
                other => return Err(self.error(Problem::WireType(other))),
            }
        }
        Ok(())
    }
}

/// The fields in the order of the wire; ends after the first error.
impl<'a> Iterator for Reader<'a> {
    type Item = Result<Field<'a>, WireError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.field() {
            Ok(field) => field.map(Ok),
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

impl<'a> Field<'a> {
    /// Where the field starts in the request.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// An embedded message.
    #[inline]
    pub fn message(&self) -> Result<Reader<'a>, WireError> {
        match self.value {
            Value::Bytes(reader) => Ok(reader),
            _ => Err(self.unexpected("length-delimited")),
        }
    }

    /// `bytes`, or `string` before its UTF-8 is checked.
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        Ok(self.message()?.rest)
    }

    /// `uint64`, and the raw form of the other varint types.
    #[inline]
    pub fn uint64(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(self.unexpected("a varint")),
        }
    }

    #[inline]
    pub fn int64(&self) -> Result<i64, WireError> {
        Ok(self.uint64()? as i64)
    }

    #[inline]
    pub fn uint32(&self) -> Result<u32, WireError> {
        Ok(self.uint64()? as u32)
    }

    /// `int32` and enumerations.
    #[inline]
    pub fn int32(&self) -> Result<i32, WireError> {
        Ok(self.uint64()? as i32)
    }

    /// `sint32`: zigzag.
    #[inline]
    pub fn sint32(&self) -> Result<i32, WireError> {
        let raw = self.uint32()?;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    #[inline]
    pub fn bool(&self) -> Result<bool, WireError> {
        Ok(self.uint64()? != 0)
    }

    #[inline]
    pub fn fixed64(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Fixed64(value) => Ok(value),
            _ => Err(self.unexpected("fixed64")),
        }
    }

    #[inline]
    pub fn sfixed64(&self) -> Result<i64, WireError> {
        Ok(self.fixed64()? as i64)
    }

    #[inline]
    pub fn double(&self) -> Result<f64, WireError> {
        Ok(f64::from_bits(self.fixed64()?))
    }

    #[inline]
    pub fn fixed32(&self) -> Result<u32, WireError> {
        match self.value {
            Value::Fixed32(value) => Ok(value),
            _ => Err(self.unexpected("fixed32")),
        }
    }

    /// Every value of this occurrence of a `repeated fixed64` (or, by bits, `double`) field, packed or not.
    pub fn each_fixed64(&self, mut use_value: impl FnMut(u64)) -> Result<(), WireError> {
        let Value::Bytes(mut packed) = self.value else {
            use_value(self.fixed64()?);
            return Ok(());
        };
        while !packed.rest.is_empty() {
            use_value(packed.fixed64()?);
        }
        Ok(())
    }

    /// Every value of this occurrence of a `repeated uint64` field, packed or not.
    pub fn each_varint(&self, mut use_value: impl FnMut(u64)) -> Result<(), WireError> {
        let Value::Bytes(mut packed) = self.value else {
            use_value(self.uint64()?);
            return Ok(());
        };
        while !packed.rest.is_empty() {
            use_value(packed.varint()?);
        }
        Ok(())
    }

    #[cold]
    fn unexpected(&self, expected: &'static str) -> WireError {
        let found = match self.value {
            Value::Varint(_) => "a varint",
            Value::Fixed64(_) => "fixed64",
            Value::Fixed32(_) => "fixed32",
            Value::Bytes(_) => "length-delimited",
        };
        WireError { offset: self.offset, problem: Problem::UnexpectedType { field: self.number, expected, found } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
        Reader::new(bytes).collect()
    }

    fn problem(bytes: &[u8]) -> (usize, Problem) {
        let error = fields(bytes).unwrap_err();
        (error.offset, error.problem)
    }

    #[test]
    fn reads_every_wire_type() {
        let bytes = [0x08, 0x96, 0x01, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'h', b'i', 0x25, 7, 0, 0, 0];
        let fields = fields(&bytes).unwrap();
        assert_eq!(fields.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(fields[0].uint64(), Ok(150));
        assert_eq!(fields[1].fixed64(), Ok(1));
        assert_eq!(fields[2].bytes(), Ok(&b"hi"[..]));
        assert_eq!(fields[3].fixed32(), Ok(7));
        assert_eq!(fields[3].offset(), 16);
    }

    #[test]
    fn skips_groups() {
        // group 1 { varint 1; group 2 { bytes } } then field 5.
        let bytes = [0x0b, 0x08, 1, 0x13, 0x1a, 1, 0, 0x14, 0x0c, 0x28, 9];
        assert_eq!(fields(&bytes).unwrap()[0].int32(), Ok(9));
        assert_eq!(problem(&[0x0b, 0x14]), (2, Problem::EndGroup));
        assert_eq!(problem(&[0x0c]), (1, Problem::EndGroup));
        assert_eq!(problem(&[0x0b; 200]), (101, Problem::Depth));
    }

    #[test]
    fn says_where_the_framing_breaks() {
        assert_eq!(problem(&[0x08]), (1, Problem::Truncated));
        assert_eq!(problem(&[0x08, 0x80]), (1, Problem::Truncated));
        assert_eq!(problem(&[0x0a, 5, 1, 2]), (2, Problem::Truncated));
        assert_eq!(problem(&[0x09, 5, 1, 2]), (1, Problem::Truncated));
        assert_eq!(problem(&[0x0d, 5, 1, 2]), (1, Problem::Truncated));
        assert_eq!(problem(&[0x08, 1, 0x0e]), (3, Problem::WireType(6)));
        assert_eq!(problem(&[0x00, 1]), (1, Problem::FieldNumber));
        assert_eq!(problem(&[0xff; 11]), (0, Problem::Varint));
        assert_eq!(problem(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), (11, Problem::Truncated));
    }

    #[test]
    fn offsets_of_nested_messages_count_from_the_request() {
        let bytes = [0x08, 1, 0x12, 3, 0x0a, 9, 1];
        let fields = fields(&bytes).unwrap();
        let error = fields[1].message().unwrap().next().unwrap().unwrap_err();
        assert_eq!(error, WireError { offset: 6, problem: Problem::Truncated });
        assert_eq!(error.to_string(), "malformed protobuf at byte 6: the message ends before its announced length");
    }

    #[test]
    fn a_known_field_of_another_type_is_an_error() {
        let error = fields(&[0x08, 1]).unwrap()[0].bytes().unwrap_err();
        assert_eq!(error.to_string(), "malformed protobuf at byte 0: field 1 must be length-delimited, found a varint");
    }

    #[test]
    fn repeated_numbers_come_packed_or_not() {
        let mut seen = vec![];
        for field in fields(&[0x0a, 3, 1, 0x96, 1, 0x08, 7]).unwrap() {
            field.each_varint(|value| seen.push(value)).unwrap();
        }
        assert_eq!(seen, [1, 150, 7]);
        let cut = fields(&[0x0a, 9, 1, 0, 0, 0, 0, 0, 0, 0, 2]).unwrap()[0].each_fixed64(|_| ()).unwrap_err();
        assert_eq!(cut, WireError { offset: 10, problem: Problem::Truncated });
    }

    #[test]
    fn sint32_is_zigzag() {
        for (raw, value) in [(0u8, 0), (1, -1), (2, 1), (3, -2)] {
            assert_eq!(fields(&[0x08, raw]).unwrap()[0].sint32(), Ok(value));
        }
    }
}
