//! Ids as people and programs write them in paths.

/// Up to 32 hexadecimal digits; a shorter id (64-bit tracers, stripped zeros) is padded on the left, as Tempo does.
/// The error says what is wrong.
pub(crate) fn parse_trace_id(text: &str) -> Result<[u8; 16], String> {
    parse(text, "trace", 32).map(u128::to_be_bytes)
}

/// Up to 16 hexadecimal digits, likewise.
pub(crate) fn parse_span_id(text: &str) -> Result<[u8; 8], String> {
    let number = parse(text, "span", 16)?;
    u64::try_from(number).map(u64::to_be_bytes).map_err(|error| error.to_string())
}

fn parse(text: &str, what: &str, most_digits: usize) -> Result<u128, String> {
    let is_hex = (1..=most_digits).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = if is_hex { u128::from_str_radix(text, 16).ok() } else { None };
    number.ok_or_else(|| format!("{what} id {text:?} is not 1 to {most_digits} hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_are_padded_on_the_left() {
        assert_eq!(parse_trace_id("aB1"), Ok(0xab1_u128.to_be_bytes()));
        assert_eq!(parse_span_id("aB1"), Ok(0xab1_u64.to_be_bytes()));
        assert_eq!(parse_span_id(&"f".repeat(16)), Ok([0xff; 8]));
        for wrong in ["", "xyz", "+1", "é1", &"1".repeat(33)] {
            assert!(parse_trace_id(wrong).unwrap_err().contains("1 to 32 hexadecimal digits"), "{wrong}");
            assert!(parse_span_id(wrong).is_err(), "{wrong}");
        }
        assert!(parse_span_id(&"1".repeat(17)).is_err());
    }
}
