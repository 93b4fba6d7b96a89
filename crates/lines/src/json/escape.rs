//! Escapes in strings of JSON.

use std::str::Chars;

/// What a string says between its quotes. Half a pair of surrogates is U+FFFD, an escape that there is not stands for itself.
pub(super) fn decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('\\') {
        decoded.push_str(&rest[..place]);
        let mut characters = rest[place + 1..].chars();
        unescape(&mut characters, &mut decoded);
        rest = characters.as_str();
    }
    decoded.push_str(rest);
    decoded
}

fn unescape(characters: &mut Chars<'_>, decoded: &mut String) {
    let Some(kind) = characters.next() else { return decoded.push('\\') };
    let character = match kind {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '"' | '\\' | '/' => kind,
        'u' => match unit(characters) {
            Some(unit) => code_point(unit, characters),
            None => return decoded.push_str("\\u"),
        },
        other => {
            decoded.push('\\');
            other
        }
    };
    decoded.push(character);
}

/// Four hexadecimal digits.
fn unit(characters: &mut Chars<'_>) -> Option<u32> {
    let digits = characters.as_str().get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    *characters = characters.as_str()[4..].chars();
    Some(unit)
}

fn code_point(high: u32, characters: &mut Chars<'_>) -> char {
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    let mut behind = characters.clone();
    let is_escape = behind.next() == Some('\\') && behind.next() == Some('u');
    match is_escape.then(|| unit(&mut behind)).flatten() {
        Some(low @ 0xdc00..0xe000) => {
            *characters = behind;
            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        _ => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_what_they_stand_for() {
        for (text, expected) in [
            (r#"a\"b\\c\/d"#, r#"a"b\c/d"#),
            (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
            (r"\u00e9\u20AC", "é€"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83d!", "\u{fffd}!"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ude00", "\u{fffd}"),
            (r"\u12", r"\u12"),
            (r"\u12é4", r"\u12é4"),
            (r"\x41", r"\x41"),
            ("\\", "\\"),
            (r"é\né", "é\né"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
