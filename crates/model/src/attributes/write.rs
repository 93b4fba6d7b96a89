//! Wire bytes → JSON text, appended straight to a buffer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{AnyValue, KeyValue};
use crate::limits::Limits;
use crate::wire::{Reader, WireError};

/// What had to be changed while values were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Strings whose invalid UTF-8 was replaced by U+FFFD.
    pub replaced_utf8: u64,
    /// Attributes left out because of a limit; add it to the item's `dropped_attributes_count`.
    pub dropped: u32,
}

/// Why a value cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Malformed(WireError),
    /// Deeper than [`Limits::max_nesting`].
    TooDeep,
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Refusal::Malformed(error)
    }
}

/// Appends a list of attributes (each a `KeyValue` message) as one JSON object; returns whether there was any. Appends
/// nothing for an empty list. Attributes beyond the limits are left out and counted.
pub fn push_attributes<'a>(
    out: &mut String,
    attributes: impl IntoIterator<Item = Reader<'a>>,
    limits: &Limits,
    tally: &mut Tally,
) -> Result<bool, WireError> {
    let start = out.len();
    for (index, message) in attributes.into_iter().enumerate() {
        if index >= limits.max_attributes {
            tally.dropped = tally.dropped.saturating_add(1);
            continue;
        }
        push_member(out, start, &KeyValue::parse(message)?, limits, tally)?;
    }
    Ok(close_object(out, start))
}

/// Appends one attribute to the object that begins at `start` (nothing is there before the first member). An attribute
/// beyond the limits is left out and counted.
#[inline]
pub fn push_member(
    out: &mut String,
    start: usize,
    attribute: &KeyValue<'_>,
    limits: &Limits,
    tally: &mut Tally,
) -> Result<(), WireError> {
    if attribute.key.len() > limits.max_attribute_key_bytes {
        tally.dropped = tally.dropped.saturating_add(1);
        return Ok(());
    }
    let before = out.len();
    out.push(if before == start { '{' } else { ',' });
    push_string(out, attribute.key, tally);
    out.push(':');
    match push_limited(out, attribute.value, limits, tally) {
        Ok(true) => Ok(()),
        Err(Refusal::Malformed(error)) => Err(error),
        Ok(false) | Err(Refusal::TooDeep) => {
            out.truncate(before);
            tally.dropped = tally.dropped.saturating_add(1);
            Ok(())
        }
    }
}

/// Ends the object that begins at `start`, if it has any member; returns whether it has.
#[inline]
pub fn close_object(out: &mut String, start: usize) -> bool {
    let any = out.len() > start;
    if any {
        out.push('}');
    }
    any
}

/// `Ok(false)`: longer than the limit and not a string.
#[inline]
fn push_limited(out: &mut String, value: AnyValue<'_>, limits: &Limits, tally: &mut Tally) -> Result<bool, Refusal> {
    let length = match value {
        AnyValue::String(text) => {
            push_string(out, truncate_string(text, limits.max_attribute_value_bytes), tally);
            return Ok(true);
        }
        AnyValue::Bytes(bytes) => bytes.len(),
        AnyValue::Array(message) | AnyValue::KvList(message) => message.bytes().len(),
        _ => 0,
    };
    if length > limits.max_attribute_value_bytes {
        return Ok(false);
    }
    push_value(out, value, limits.max_nesting, tally)?;
    Ok(true)
}

/// The longest prefix of `text` of at most `limit` bytes that does not cut a character.
#[inline]
pub fn truncate_string(text: &[u8], limit: usize) -> &[u8] {
    if text.len() <= limit {
        return text;
    }
    let is_continuation = |&cut: &usize| text[cut] & 0xc0 == 0x80;
    let cut = (limit.saturating_sub(3)..=limit).rev().find(|cut| !is_continuation(cut)).unwrap_or(limit);
    &text[..cut]
}

/// Appends any value; of a composite, at most `levels` levels. On an error the text ends in the middle of the value.
#[inline]
pub fn push_value(out: &mut String, value: AnyValue<'_>, levels: usize, tally: &mut Tally) -> Result<(), Refusal> {
    match value {
        AnyValue::String(text) => push_string(out, text, tally),
        AnyValue::Int(number) => out.push_str(itoa::Buffer::new().format(number)),
        AnyValue::Bool(true) => out.push_str("true"),
        AnyValue::Bool(false) => out.push_str("false"),
        AnyValue::Double(number) => push_double(out, number),
        AnyValue::Empty => out.push_str("null"),
        AnyValue::Bytes(bytes) => {
            out.push_str("{\"$bytes\":\"");
            STANDARD.encode_string(bytes, out);
            out.push_str("\"}");
        }
        AnyValue::Array(_) | AnyValue::KvList(_) if levels == 0 => return Err(Refusal::TooDeep),
        AnyValue::Array(message) => push_array(out, message, levels - 1, tally)?,
        AnyValue::KvList(message) => push_object(out, message, levels - 1, tally)?,
    }
    Ok(())
}

fn push_array(out: &mut String, message: Reader<'_>, levels: usize, tally: &mut Tally) -> Result<(), Refusal> {
    out.push('[');
    let start = out.len();
    for field in message {
        let field = field?;
        if field.number != 1 {
            continue;
        }
        if out.len() > start {
            out.push(',');
        }
        push_value(out, AnyValue::parse(field.message()?)?, levels, tally)?;
    }
    out.push(']');
    Ok(())
}

fn push_object(out: &mut String, message: Reader<'_>, levels: usize, tally: &mut Tally) -> Result<(), Refusal> {
    out.push('{');
    let start = out.len();
    for field in message {
        let field = field?;
        if field.number != 1 {
            continue;
        }
        if out.len() > start {
            out.push(',');
        }
        let member = KeyValue::parse(field.message()?)?;
        let key = out.len();
        push_string(out, member.key, tally);
        if member.key.first() == Some(&b'$') {
            out.insert(key + 1, '$');
        }
        out.push(':');
        push_value(out, member.value, levels, tally)?;
    }
    out.push('}');
    Ok(())
}

fn push_double(out: &mut String, number: f64) {
    if number.is_finite() {
        return out.push_str(ryu::Buffer::new().format_finite(number));
    }
    out.push_str(match number {
        f64::INFINITY => "{\"$double\":\"Infinity\"}",
        f64::NEG_INFINITY => "{\"$double\":\"-Infinity\"}",
        _ => "{\"$double\":\"NaN\"}",
    });
}

/// Appends a quoted JSON string. Invalid UTF-8 is replaced by U+FFFD and counted.
#[inline]
pub fn push_string(out: &mut String, text: &[u8], tally: &mut Tally) {
    let Ok(text) = std::str::from_utf8(text) else {
        tally.replaced_utf8 += 1;
        return push_text(out, &String::from_utf8_lossy(text));
    };
    push_text(out, text);
}

#[inline]
fn push_text(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    // No early exit: the loop over the bytes becomes vector instructions.
    if text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        push_escaped(out, text);
    } else {
        out.push_str(text);
    }
    out.push('"');
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn push_escaped(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut clean = 0;
    for (index, byte) in text.bytes().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        // Only ASCII bytes need an escape, so both cuts lie on character boundaries.
        out.push_str(&text[clean..index]);
        clean = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out.push_str(&text[clean..]);
}
