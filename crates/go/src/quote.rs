//! Text in quotes as Go writes it (`%q`), which is how Prometheus shows names, values and characters in its texts.

use std::fmt::Write;

/// In double quotes.
///
/// U+FFFD is written as an escape, unlike in Go: PromQL takes it for a broken character where it stands as itself.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            char::REPLACEMENT_CHARACTER => quoted.push_str("\\ufffd"),
            character => push_escaped(&mut quoted, character, '"'),
        }
    }
    quoted.push('"');
    quoted
}

/// In double quotes, and what is not ASCII byte by byte (`\xc2\xb5`): so Go shows texts that are no times or durations.
pub fn quote_bytes(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.iter().copied() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            other => {
                let written = write!(quoted, "\\x{other:02x}");
                debug_assert!(written.is_ok(), "writing to a text does not fail");
            }
        }
    }
    quoted.push('"');
    quoted
}

/// In single quotes; the end of the text (`None`) is U+FFFD.
pub fn quote_char(character: Option<char>) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, character.unwrap_or(char::REPLACEMENT_CHARACTER), '\'');
    quoted.push('\'');
    quoted
}

/// `U+0078 'x'`, or without the character where it cannot be seen (Go's `%#U`).
pub fn code_point(character: char) -> String {
    match is_printable(character) {
        true => format!("U+{:04X} '{character}'", u32::from(character)),
        false => format!("U+{:04X}", u32::from(character)),
    }
}

fn push_escaped(text: &mut String, character: char, quote: char) {
    let simple = match character {
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        '\\' => '\\',
        _ if character == quote => quote,
        _ if is_printable(character) => return text.push(character),
        _ => return push_code(text, u32::from(character)),
    };
    text.push('\\');
    text.push(simple);
}

fn push_code(text: &mut String, code: u32) {
    let written = match code {
        0..0x20 | 0x7f => write!(text, "\\x{code:02x}"),
        0..0x1_0000 => write!(text, "\\u{code:04x}"),
        _ => write!(text, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a text does not fail");
}

/// Letters, marks, numbers, punctuation, symbols and the space itself.
pub fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // Standing behind another character, marks are not escaped by the library for being marks.
    let mut buffer = [b'a', 0, 0, 0, 0];
    let length = 1 + character.encode_utf8(&mut buffer[1..]).len();
    match std::str::from_utf8(&buffer[..length]) {
        Ok(text) => text.escape_debug().nth(1) == Some(character),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_go_does() {
        let cases = [
            ("a'b", r#""a'b""#),
            ("a\"\\b", r#""a\"\\b""#),
            ("\n\t\x07\x0b\x01\x7f", r#""\n\t\a\v\x01\x7f""#),
            ("é→\u{301}", "\"é→\u{301}\""),
            ("\u{85}\u{a0}\u{200b}\u{e0001}", r#""\u0085\u00a0\u200b\U000e0001""#),
            ("\u{fffd}", r#""\ufffd""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quote(text), expected);
        }
        assert_eq!(quote_bytes("a\"\\µ\n\x7f"), "\"a\\\"\\\\\\xc2\\xb5\\x0a\x7f\"");
        assert_eq!((quote_char(Some('\'')), quote_char(Some('"'))), (r"'\''".to_owned(), "'\"'".to_owned()));
        assert_eq!((quote_char(None), quote_char(Some('\n'))), ("'\u{fffd}'".to_owned(), r"'\n'".to_owned()));
        assert_eq!((code_point('x'), code_point('\n')), ("U+0078 'x'".to_owned(), "U+000A".to_owned()));
    }
}
