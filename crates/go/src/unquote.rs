//! What text in quotes says.

/// What a string in double, single or back quotes says. It is well-formed: that is the business of who found where it ends.
///
/// Escapes can make bytes that are no UTF-8; they become U+FFFD.
pub fn unquote(text: &str) -> String {
    let mut characters = text.chars();
    let quote = characters.next();
    characters.next_back();
    if quote == Some('`') {
        return characters.as_str().to_owned();
    }
    if !characters.as_str().contains('\\') {
        return characters.as_str().to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => unescape(&mut characters, &mut bytes),
            character => push(&mut bytes, character),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// As [`unquote`], for text of which nobody has looked whether its escapes are well-formed. `None`: they are not.
pub fn unquote_checked(text: &str) -> Option<String> {
    let quote = text.chars().next()?;
    let within = text.get(1..)?.strip_suffix(quote)?;
    if quote == '`' {
        return (!within.contains('`')).then(|| within.replace('\r', ""));
    }
    let mut characters = within.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => check_escape(&mut characters, quote)?,
            '\n' => return None,
            other if other == quote => return None,
            _ => {}
        }
    }
    Some(unquote(text))
}

/// Behind the backslash.
fn check_escape(characters: &mut std::str::Chars<'_>, quote: char) -> Option<()> {
    let (digits, base, first) = match characters.next()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Some(()),
        'x' => (2, 16, 0),
        'u' => (4, 16, 0),
        'U' => (8, 16, 0),
        octal @ '0'..='7' => (2, 8, octal.to_digit(8)?),
        other => return (other == quote).then_some(()),
    };
    let mut code = first;
    for _ in 0..digits {
        code = code.checked_mul(base)?.checked_add(characters.next()?.to_digit(base)?)?;
    }
    match digits {
        2 => (code <= 0xff).then_some(()),
        _ => char::from_u32(code).map(|_| ()),
    }
}

fn unescape(characters: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) {
    let Some(kind) = characters.next() else { return };
    let byte = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '0'..='7' => {
            let rest = take_code(characters, 2, 8);
            (kind.to_digit(8).unwrap_or_default() * 64 + rest) as u8
        }
        'x' => take_code(characters, 2, 16) as u8,
        'u' => return push(bytes, code_point(take_code(characters, 4, 16))),
        'U' => return push(bytes, code_point(take_code(characters, 8, 16))),
        other => return push(bytes, other),
    };
    bytes.push(byte);
}

fn code_point(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn take_code(characters: &mut std::str::Chars<'_>, digits: usize, base: u32) -> u32 {
    let digits = characters.by_ref().take(digits).filter_map(|character| character.to_digit(base));
    digits.fold(0, |code: u32, digit| code.wrapping_mul(base).wrapping_add(digit))
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_what_they_stand_for() {
        let cases = [
            (r#""a\n\t\\\"'""#, "a\n\t\\\"'"),
            (r#"'\'"'"#, "'\""),
            (r"`\n\``", r"\n\`"),
            (r#""\x41\101\u0041\U00000041""#, "AAAA"),
            (r#""\xe2\x82\xac\377""#, "€\u{fffd}"),
            ("''", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(unquote(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_seen() {
        for (text, expected) in [
            (r#""a\n\x41\101\u00e9\U0001F600\"""#, Some("a\nAAé😀\"")),
            ("`a\r\n\\`", Some("a\n\\")),
            (r"'\''", Some("'")),
            (r#""\'""#, None),
            (r#"'\"'"#, None),
            (r#""\x4""#, None),
            (r#""\u12""#, None),
            (r#""\ud800""#, None),
            (r#""\U00110000""#, None),
            (r#""\400""#, None),
            (r#""\q""#, None),
            ("\"\n\"", None),
            ("\"", None),
            ("", None),
        ] {
            assert_eq!(unquote_checked(text).as_deref(), expected, "{text}");
        }
    }
}
