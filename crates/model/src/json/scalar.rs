//! Single values: how JSON spells them and how protobuf writes them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserializer, Error, Visitor};

use super::descriptor::{Field, Kind};

pub(super) const LENGTH_DELIMITED: u32 = 2;
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const FIXED32: u32 = 5;

/// A value in the shape of its wire type.
pub(super) enum Scalar {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Vec<u8>),
}

impl Scalar {
    pub fn read<'de, D: Deserializer<'de>>(field: &'static Field, json: D) -> Result<Self, D::Error> {
        json.deserialize_any(ScalarVisitor(field))
    }

    pub fn write(&self, number: u32, out: &mut Vec<u8>) {
        match self {
            Scalar::Varint(value) => {
                put_tag(number, VARINT, out);
                put_varint(*value, out);
            }
            Scalar::Fixed32(value) => {
                put_tag(number, FIXED32, out);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Scalar::Fixed64(value) => {
                put_tag(number, FIXED64, out);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Scalar::Bytes(bytes) => {
                put_tag(number, LENGTH_DELIMITED, out);
                put_varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
        }
    }
}

pub(super) fn put_tag(number: u32, wire_type: u32, out: &mut Vec<u8>) {
    put_varint(u64::from(number << 3 | wire_type), out);
}

pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct ScalarVisitor(&'static Field);

impl ScalarVisitor {
    fn integer<T>(&self, value: T) -> Option<Scalar>
    where
        T: Copy + TryInto<i64> + TryInto<u64> + TryInto<i32> + TryInto<u32>,
    {
        Some(match self.0.kind {
            Kind::Int64 => Scalar::Varint(TryInto::<i64>::try_into(value).ok()? as u64),
            Kind::Sfixed64 => Scalar::Fixed64(TryInto::<i64>::try_into(value).ok()? as u64),
            Kind::Uint64 => Scalar::Varint(value.try_into().ok()?),
            Kind::Fixed64 => Scalar::Fixed64(value.try_into().ok()?),
            Kind::Uint32 => Scalar::Varint(TryInto::<u32>::try_into(value).ok()?.into()),
            Kind::Fixed32 => Scalar::Fixed32(value.try_into().ok()?),
            Kind::Sint32 => Scalar::Varint(zigzag(value.try_into().ok()?)),
            // Negative enum numbers are sign-extended to 64 bits.
            Kind::Enum(..) => Scalar::Varint(i64::from(TryInto::<i32>::try_into(value).ok()?) as u64),
            _ => return None,
        })
    }

    fn is_integer(&self) -> bool {
        use Kind::*;
        matches!(self.0.kind, Int64 | Sfixed64 | Uint64 | Fixed64 | Uint32 | Fixed32 | Sint32 | Enum(..))
    }

    fn wrong<E: Error>(&self, found: impl fmt::Display) -> E {
        E::custom(format_args!("`{}` must be {}, found {found}", self.0.name, self.0.kind))
    }
}

fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be {}", self.0.name, self.0.kind)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        match self.0.kind {
            Kind::Bool => Ok(Scalar::Varint(value.into())),
            _ => Err(self.wrong(value)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        if let Kind::Double = self.0.kind {
            return self.visit_f64(value as f64);
        }
        self.integer(value).ok_or_else(|| self.wrong(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        if let Kind::Double = self.0.kind {
            return self.visit_f64(value as f64);
        }
        self.integer(value).ok_or_else(|| self.wrong(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        if let Kind::Double = self.0.kind {
            return Ok(Scalar::Fixed64(value.to_bits()));
        }
        // Some writers spell whole numbers as `1e3` or `5.0`; beyond 2^53 such a spelling is not exact.
        if self.is_integer() && value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            return self.integer(value as i64).ok_or_else(|| self.wrong(value));
        }
        Err(self.wrong(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        let found = || format!("{:?}", shortened(text));
        match self.0.kind {
            Kind::String => Ok(Scalar::Bytes(text.as_bytes().to_vec())),
            Kind::Id => id(text).map(Scalar::Bytes).ok_or_else(|| self.wrong(found())),
            Kind::Base64 => from_base64(text).map(Scalar::Bytes).ok_or_else(|| self.wrong(found())),
            Kind::Double => match f64::from_str(text) {
                Ok(value) => Ok(Scalar::Fixed64(value.to_bits())),
                Err(_) => Err(self.wrong(found())),
            },
            Kind::Enum(prefix, words) => {
                let word = text.strip_prefix(prefix).unwrap_or(text);
                match words.iter().position(|known| *known == word) {
                    Some(number) => Ok(Scalar::Varint(number as u64)),
                    None => text.parse().ok().and_then(|n: i128| self.integer(n)).ok_or_else(|| self.wrong(found())),
                }
            }
            _ if self.is_integer() => {
                text.parse().ok().and_then(|number: i128| self.integer(number)).ok_or_else(|| self.wrong(found()))
            }
            _ => Err(self.wrong(found())),
        }
    }
}

/// Enough of a text to recognise it in an error.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// OTLP's hexadecimal digits, or the Base64 of protobuf's own JSON, in which Tempo answers: of ids, it always ends with a sign
/// that no digit is.
fn id(text: &str) -> Option<Vec<u8>> {
    match text.ends_with('=') {
        false => from_hex(text),
        true => from_base64(text).filter(|bytes| matches!(bytes.len(), 8 | 16)),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Standard or URL-safe alphabet, padding optional, as protobuf's JSON readers must accept.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}
