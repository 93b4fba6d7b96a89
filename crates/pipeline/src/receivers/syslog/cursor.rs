//! Reading a message from left to right, with errors that know their place.

use std::borrow::Cow;

use thiserror::Error;

/// Why a text is no message of its protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}, at byte {at}")]
pub struct Malformed {
    /// In the text without its framing, from 0.
    pub at: usize,
    pub reason: Cow<'static, str>,
}

/// A text and how far it is read; always between two characters.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub fn malformed(&self, reason: impl Into<Cow<'static, str>>) -> Malformed {
        Malformed { at: self.at, reason: reason.into() }
    }

    /// Takes an ASCII character if it is the next one.
    pub fn eat(&mut self, wanted: u8) -> bool {
        debug_assert!(wanted.is_ascii());
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    pub fn expect(&mut self, wanted: u8, what: &'static str) -> Result<(), Malformed> {
        match self.eat(wanted) {
            true => Ok(()),
            false => Err(self.malformed(format!("expected {what}"))),
        }
    }

    /// Takes what stands before the first ASCII character that `ends`; all that is left if there is none.
    pub fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| byte.is_ascii() && ends(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    pub fn word(&mut self) -> &'a str {
        self.until(|byte| byte == b' ')
    }

    /// At most `most` digits.
    pub fn digits(&mut self, most: usize) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        self.at += length;
        &rest[..length]
    }

    pub fn skip_spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// Takes `prefix` if it is next.
    pub fn eat_text(&mut self, prefix: &str) -> bool {
        let is_next = self.rest().starts_with(prefix);
        self.at += if is_next { prefix.len() } else { 0 };
        is_next
    }
}
