//! A position in a text, and the tokens that both text formats have.

use std::borrow::Cow;

use super::error::ParseError;

#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// The end of the line or of the body.
    #[inline]
    pub fn is_at_line_end(&self) -> bool {
        matches!(self.peek(), None | Some(b'\n'))
    }

    #[inline]
    pub fn bump(&mut self) {
        self.at += 1;
    }

    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    pub fn eat_all(&mut self, token: &[u8]) -> bool {
        let is_there = self.body[self.at..].starts_with(token);
        self.at += if is_there { token.len() } else { 0 };
        is_there
    }

    #[inline]
    pub fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// To the first byte that `ends` it, without that.
    #[inline]
    pub fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.body[self.at..];
        let length = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Without its newline, which is passed.
    pub fn rest_of_line(&mut self) -> &'a [u8] {
        let rest = &self.body[self.at..];
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = (self.at + length + 1).min(self.body.len());
        &rest[..length]
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, of metrics with colons; `None` where none begins.
    #[inline]
    pub fn name(&mut self, has_colons: bool) -> Option<&'a str> {
        let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (has_colons && byte == b':');
        if !self.peek().is_some_and(starts) {
            return None;
        }
        let name = self.until(|byte| !(starts(byte) || byte.is_ascii_digit()));
        std::str::from_utf8(name).ok()
    }

    /// Text in quotes. A newline inside is an error, unless it is escaped.
    pub fn quoted(&mut self, what: &'static str) -> Result<Cow<'a, str>, ParseError> {
        let start = self.at;
        if !self.eat(b'"') {
            return Err(self.unexpected(format!("expected {what}")));
        }
        let mut has_escapes = false;
        loop {
            let Some(length) = memchr::memchr3(b'"', b'\\', b'\n', &self.body[self.at..]) else {
                return Err(ParseError::at(self.body, start, self.body.len(), format!("{what} does not end")));
            };
            self.at += length + 1;
            match self.body[self.at - 1] {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    self.at = (self.at + 1).min(self.body.len());
                }
                _ => return Err(ParseError::at(self.body, start, self.at, format!("{what} has a newline inside"))),
            }
        }
        let text = self.utf8(start + 1, self.at - 1)?;
        Ok(if has_escapes { Cow::Owned(unescaped(text)) } else { Cow::Borrowed(text) })
    }

    /// What lies between two positions, as text.
    pub fn utf8(&self, start: usize, end: usize) -> Result<&'a str, ParseError> {
        std::str::from_utf8(&self.body[start..end])
            .map_err(|_| ParseError::at(self.body, start, end, "expected valid UTF-8"))
    }

    /// What stands here is not what should.
    #[cold]
    pub fn unexpected(&self, problem: impl Into<String>) -> ParseError {
        let rest = &self.body[self.at.min(self.body.len())..];
        let is_separator = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'{' | b'}' | b',' | b'=' | b'"' | b'#');
        let length = rest.iter().position(is_separator).unwrap_or(rest.len()).max(1);
        ParseError::at(self.body, self.at, self.at + length, problem)
    }

    /// What began at `start` and ends here, or with the line before, is wrong.
    #[cold]
    pub fn wrong_since(&self, start: usize, problem: impl Into<String>) -> ParseError {
        let end = if self.body[start..self.at].ends_with(b"\n") { self.at - 1 } else { self.at };
        ParseError::at(self.body, start, end, problem)
    }
}

/// `\\`, `\"` and `\n`; others stand for themselves.
pub fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (shown, length) = match after.as_bytes().first() {
            Some(b'\\') => ("\\", 1),
            Some(b'"') => ("\"", 1),
            Some(b'n') => ("\n", 1),
            _ => ("\\", 0),
        };
        plain.push_str(shown);
        rest = &after[length..];
    }
    plain.push_str(rest);
    plain
}
