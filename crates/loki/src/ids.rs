//! Ids of traces and spans in structured metadata.

/// Hexadecimal digits, two for each byte; not all of them zero.
pub(crate) fn parse<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != 2 * BYTES {
        return None;
    }
    let mut id = [0; BYTES];
    for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(digits[0])? * 16 + digit(digits[1])?) as u8;
    }
    Some(id).filter(|id| *id != [0; BYTES])
}

/// In lower case; empty where there is none.
pub(crate) fn text(id: &[u8]) -> String {
    if id.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_ids() {
        assert_eq!(parse::<2>("0aFf"), Some([0x0a, 0xff]));
        for wrong in ["", "0a", "0aff0", "0000", "zz11", "+a+b", "éa1"] {
            assert_eq!(parse::<2>(wrong), None, "{wrong}");
        }
        assert_eq!((text(&[0x0a, 0xff]), text(&[0, 0]), text(&[])), ("0aff".into(), String::new(), String::new()));
    }
}
