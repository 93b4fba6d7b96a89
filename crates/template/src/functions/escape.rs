//! `html`, `js` and `urlquery`, and the way back from the latter.

use std::fmt::Write;

use trefoil_go::quote;

use super::Call;
use crate::print;
use crate::value::Value;

/// A text alone is itself; everything else is written as `print` does, with `<no value>` for nothing.
pub(super) fn joined(call: &Call<'_>, arguments: &[Value<'_>]) -> Result<String, String> {
    if let [Value::String(text)] = arguments {
        return Ok(text.to_string());
    }
    let shown: Vec<Value<'_>> = arguments
        .iter()
        .map(|value| match value {
            Value::Nil => "<no value>".into(),
            other => other.clone(),
        })
        .collect();
    print::print(&shown, call.limits.output)
}

pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' => escaped.push('\u{fffd}'),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

pub(super) fn js(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '\'' | '"' => escaped.extend(['\\', character]),
            '<' | '>' | '&' | '=' | '\0'..=' ' if character != ' ' => push_code(&mut escaped, character),
            other if other.is_ascii() || trefoil_go::quote::is_printable(other) => escaped.push(other),
            other => push_code(&mut escaped, other),
        }
    }
    escaped
}

fn push_code(text: &mut String, character: char) {
    let written = write!(text, "\\u{:04X}", u32::from(character));
    debug_assert!(written.is_ok(), "writing to a text does not fail");
}

/// As the value of a parameter, where a space is a plus.
pub(super) fn url_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            other => {
                let written = write!(escaped, "%{other:02X}");
                debug_assert!(written.is_ok(), "writing to a text does not fail");
            }
        }
    }
    escaped
}

/// The error is Go's. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn url_unquery(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, behind) = match (first, behind) {
            (b'+', _) => (b' ', behind),
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
                (digit(high) << 4 | digit(low), behind)
            }
            (b'%', _) => {
                let wrong = &rest[..rest.len().min(3)];
                let shown = std::str::from_utf8(wrong).map_or_else(|_| quote::quote_bytes(wrong), quote::quote);
                return Err(format!("invalid URL escape {shown}"));
            }
            (byte, _) => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
