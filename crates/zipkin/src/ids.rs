//! Ids: hexadecimal text of any length up to their own, so that both widths of trace ids are read.

use std::fmt;

/// Writes 16 digits, or 32 where they are needed.
pub(crate) struct TraceId(pub u128);

pub(crate) struct SpanId(pub u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0) {
            Ok(low) => write!(f, "{low:016x}"),
            Err(_) => write!(f, "{:032x}", self.0),
        }
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A trace id of 1 to 32 digits, which may be zero. The error says what it is instead.
pub fn parse_trace_id(text: &str) -> Result<u128, String> {
    let digits = digits(text, 32)?;
    let (high, low) = digits.split_at(digits.len().saturating_sub(16));
    let half = |digits| parse(digits).ok_or_else(|| not_hexadecimal(text)).map(u128::from);
    Ok(half(high)? << 64 | half(low)?)
}

/// The id of a span, of 1 to 16 digits, which may be zero. The error says what it is instead.
pub fn parse_span_id(text: &str) -> Result<u64, String> {
    parse(digits(text, 16)?).ok_or_else(|| not_hexadecimal(text))
}

fn digits(text: &str, most: usize) -> Result<&[u8], String> {
    match text.len() {
        0 => Err(not_hexadecimal(text)),
        length if length > most => Err(format!("has {length} characters instead of at most {most} hexadecimal digits")),
        _ => Ok(text.as_bytes()),
    }
}

/// At most 16 digits.
fn parse(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |id, digit| Some(id << 4 | u64::from(char::from(*digit).to_digit(16)?)))
}

fn not_hexadecimal(text: &str) -> String {
    format!("{text:?} is not hexadecimal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_widths_are_read_and_written() {
        assert_eq!(parse_trace_id("4d1e00c0db9010db86154a4ba6e91385"), Ok(0x4d1e_00c0_db90_10db_8615_4a4b_a6e9_1385));
        assert_eq!(parse_trace_id("86154A4BA6E91385"), Ok(0x8615_4a4b_a6e9_1385));
        assert_eq!(parse_span_id("1"), Ok(1));
        assert_eq!(TraceId(1).to_string(), "0000000000000001");
        assert_eq!(TraceId(1 << 64).to_string(), "00000000000000010000000000000000");
        assert_eq!(SpanId(0xabc).to_string(), "0000000000000abc");
    }

    #[test]
    fn what_is_no_id_is_named() {
        for (text, expected) in [
            ("", "\"\" is not hexadecimal"),
            ("+1", "\"+1\" is not hexadecimal"),
            ("xyz", "\"xyz\" is not hexadecimal"),
            ("00000000000000001", "has 17 characters instead of at most 16 hexadecimal digits"),
        ] {
            assert_eq!(parse_span_id(text).unwrap_err(), expected);
        }
        assert!(parse_trace_id(&"0".repeat(33)).unwrap_err().starts_with("has 33 characters instead of at most 32"));
    }
}
