//! How the bytes of a file are text.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use crate::config::suggestion;
use crate::stanza::value::{Value, from_text};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Utf8,
    Utf16LittleEndian,
    Utf16BigEndian,
    /// The bytes as they are, as text where they are text.
    Raw,
    /// No text and no lines.
    Nop,
}

const NAMES: [(&str, Encoding); 11] = [
    ("utf-8", Encoding::Utf8),
    ("utf8", Encoding::Utf8),
    ("ascii", Encoding::Utf8),
    ("us-ascii", Encoding::Utf8),
    ("utf-16le", Encoding::Utf16LittleEndian),
    ("utf-16", Encoding::Utf16LittleEndian),
    ("utf16", Encoding::Utf16LittleEndian),
    ("utf-16be", Encoding::Utf16BigEndian),
    ("utf8-raw", Encoding::Raw),
    ("utf-8-raw", Encoding::Raw),
    ("nop", Encoding::Nop),
];

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| {
            let name = text.to_ascii_lowercase();
            let found = NAMES.iter().find(|(known, _)| *known == name);
            let known = || suggestion(&name, NAMES.iter().map(|(name, _)| *name));
            found
                .map(|(_, encoding)| *encoding)
                .ok_or_else(|| format!("the encoding `{text}` is not supported{}", known()))
        })
    }
}

impl Encoding {
    pub const fn is_wide(self) -> bool {
        matches!(self, Encoding::Utf16LittleEndian | Encoding::Utf16BigEndian)
    }

    /// What cannot be read becomes U+FFFD, as in the Collector.
    pub fn decode(self, bytes: &[u8]) -> Value {
        match self {
            Encoding::Utf8 => Value::String(String::from_utf8_lossy(bytes).into_owned()),
            Encoding::Utf16LittleEndian => Value::String(wide(bytes, u16::from_le_bytes)),
            Encoding::Utf16BigEndian => Value::String(wide(bytes, u16::from_be_bytes)),
            Encoding::Raw => match String::from_utf8_lossy(bytes) {
                Cow::Borrowed(text) => Value::String(text.to_owned()),
                Cow::Owned(_) => Value::Bytes(bytes.to_vec()),
            },
            Encoding::Nop => Value::Bytes(bytes.to_vec()),
        }
    }

    /// The line end in a pair of bytes.
    pub fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Encoding::Utf16BigEndian => u16::from_be_bytes(bytes),
            _ => u16::from_le_bytes(bytes),
        }
    }

    /// Where to cut, at most at `limit`, so that no character is cut into.
    pub fn cut(self, bytes: &[u8], limit: usize) -> usize {
        match self {
            Encoding::Nop => limit,
            _ if self.is_wide() => (limit & !1).max(2),
            _ => {
                let is_inside = |place: usize| bytes.get(place).is_some_and(|byte| byte & 0xc0 == 0x80);
                let place = (limit.saturating_sub(3)..=limit).rev().find(|place| !is_inside(*place));
                place.filter(|place| *place > 0).unwrap_or(limit)
            }
        }
    }
}

fn wide(bytes: &[u8], read: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks(2).map(|unit| match unit {
        [a, b] => read([*a, *b]),
        // Half a character.
        _ => 0xd800,
    });
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read() {
        let text = |text: &str| Value::String(text.to_owned());
        assert_eq!(Encoding::Utf8.decode(b"a\xffb"), text("a\u{fffd}b"));
        assert_eq!(Encoding::Utf8.decode("ä€😀".as_bytes()), text("ä€😀"));
        assert_eq!(Encoding::Utf16LittleEndian.decode(b"a\0\x3d\xd8\0\xde"), text("a😀"));
        assert_eq!(Encoding::Utf16BigEndian.decode(b"\0a\xd8\x3d"), text("a\u{fffd}"));
        assert_eq!(Encoding::Utf16LittleEndian.decode(b"a\0b"), text("a\u{fffd}"));
        assert_eq!(Encoding::Raw.decode(b"a\xff"), Value::Bytes(b"a\xff".to_vec()));
        assert_eq!(Encoding::Raw.decode(b"a"), text("a"));
        assert_eq!(Encoding::Nop.decode(b"a"), Value::Bytes(b"a".to_vec()));
    }

    #[test]
    fn no_character_is_cut_into() {
        let text = "aä€😀".as_bytes();
        let cuts: Vec<usize> = (1..text.len()).map(|limit| Encoding::Utf8.cut(text, limit)).collect();
        assert_eq!(cuts, [1, 1, 3, 3, 3, 6, 6, 6, 6]);
        // What is no text is cut anywhere.
        assert_eq!(Encoding::Utf8.cut(&[0x80; 9], 5), 5);
        assert_eq!(Encoding::Utf16LittleEndian.cut(&[0; 9], 5), 4);
    }
}
