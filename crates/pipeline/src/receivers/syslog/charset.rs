//! `encoding`: how bytes of messages are text.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// An encoding by one of its IANA names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Charset {
    /// Text in it; bytes that are none become U+FFFD.
    Text(&'static Encoding),
    /// `nop`: UTF-8 that nobody has to keep to; a message that is not in it has a body of bytes.
    Raw,
}

impl Default for Charset {
    fn default() -> Self {
        Self::Text(encoding_rs::UTF_8)
    }
}

impl Charset {
    /// Only encodings in which trailers, counts and the parts of a message can be found byte by byte.
    pub fn named(name: &str) -> Result<Self, String> {
        if name.eq_ignore_ascii_case("nop") {
            return Ok(Self::Raw);
        }
        let label = match name.to_ascii_lowercase().as_str() {
            "" | "utf8-raw" => "utf-8".to_owned(),
            other => other.to_owned(),
        };
        let encoding = Encoding::for_label(label.as_bytes());
        let encoding =
            encoding.ok_or_else(|| format!("`{name}` is not the name of an encoding such as utf-8, latin1 or big5"))?;
        if !encoding.is_ascii_compatible() {
            return Err(format!("messages in `{name}` cannot be found, as its letters are not those of ASCII"));
        }
        Ok(Self::Text(encoding))
    }

    /// The text, and whether it says all that the bytes did.
    pub fn read<'a>(self, bytes: &'a [u8]) -> (Cow<'a, str>, bool) {
        match self {
            Self::Text(encoding) => {
                let (text, _) = encoding.decode_without_bom_handling(bytes);
                (text, true)
            }
            Self::Raw => match std::str::from_utf8(bytes) {
                Ok(text) => (text.into(), true),
                Err(_) => (String::from_utf8_lossy(bytes), false),
            },
        }
    }
}
