//! From text to tokens.

use crate::stanza::value::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Name(String),
    Literal(Value),
    /// Operators and punctuation.
    Sign(&'static str),
}

/// Longest first where one begins another.
const SIGNS: [&str; 32] = [
    "==", "!=", "<=", ">=", "&&", "||", "**", "??", "?.", "..", "->", "(", ")", "[", "]", "{", "}", ",", ":", "?", ".",
    "<", ">", "!", "+", "-", "*", "/", "%", "^", "|", "#",
];

/// The tokens and where each begins, in bytes.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        if character.is_whitespace() {
            at += character.len_utf8();
            continue;
        }
        let (token, length) = match character {
            '"' | '\'' => quoted(rest, character)?,
            '`' => {
                let end = rest[1..].find('`').ok_or("a backquote is not closed")?;
                (Token::Literal(rest[1..=end].into()), end + 2)
            }
            '0'..='9' => number(rest)?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) && !follows_value(&tokens) => number(rest)?,
            _ if character.is_alphabetic() || matches!(character, '_' | '$') => {
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
                let length = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                (Token::Name(rest[..length].to_owned()), length)
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| format!("`{character}` means nothing here"))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// `body.0` is no number behind a body.
fn follows_value(tokens: &[(usize, Token)]) -> bool {
    matches!(tokens.last(), Some((_, Token::Name(_) | Token::Sign(")" | "]"))))
}

fn quoted(text: &str, quote: char) -> Result<(Token, usize), String> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Ok((Token::Literal(Value::String(value)), at + 1)),
            '\\' => {
                let (_, escaped) = characters.next().ok_or("a quote is not closed")?;
                value.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'v' => '\u{b}',
                    'x' => code(&mut characters, 2)?,
                    'u' => code(&mut characters, 4)?,
                    'U' => code(&mut characters, 8)?,
                    '\\' | '"' | '\'' | '`' => escaped,
                    other => return Err(format!("`\\{other}` is no escape in a string; write \\\\{other}")),
                });
            }
            other => value.push(other),
        }
    }
    Err("a quote is not closed".to_owned())
}

fn code(characters: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> Result<char, String> {
    let hex: String = characters.take(digits).map(|(_, character)| character).collect();
    let code = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits).and_then(char::from_u32);
    code.ok_or_else(|| format!("`{hex}` is no character in hexadecimal"))
}

fn number(text: &str) -> Result<(Token, usize), String> {
    let wrong = |text: &str| format!("`{text}` is no number");
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let length = digits.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(digits.len());
            let value = i64::from_str_radix(&digits[..length].replace('_', ""), radix);
            let value = value.map_err(|_| wrong(&text[..length + 2]))?;
            return Ok((Token::Literal(Value::Int(value)), length + 2));
        }
    }
    let bytes = text.as_bytes();
    let mut length = 0;
    let mut is_whole = true;
    while let Some(byte) = bytes.get(length) {
        let after_exponent = length > 0 && matches!(bytes[length - 1], b'e' | b'E');
        match byte {
            b'0'..=b'9' | b'_' => {}
            // Two dots are a range.
            b'.' if is_whole && bytes.get(length + 1) != Some(&b'.') => is_whole = false,
            b'e' | b'E' => is_whole = false,
            b'+' | b'-' if after_exponent => {}
            _ => break,
        }
        length += 1;
    }
    let digits = text[..length].replace('_', "");
    let value = match is_whole {
        true => digits.parse().map(Value::Int).map_err(|_| wrong(&digits))?,
        false => digits.parse().map(Value::Double).map_err(|_| wrong(&digits))?,
    };
    Ok((Token::Literal(value), length))
}
