//! A scanner over the text of JSON that builds nothing. What is skipped is looked at only for where it ends.

use std::borrow::Cow;
use std::ops::ControlFlow;

use memchr::{memchr2, memchr3};

use super::escape;
use crate::Malformed;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'l> {
    line: &'l str,
    pub at: usize,
}

/// What stands at a place, scalars read, of objects and arrays the opening bracket only.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Token<'l> {
    String(Quoted<'l>),
    /// A number or a truth, as written.
    Plain(&'l str),
    Null,
    Object,
    Array,
}

/// Between quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted<'l> {
    text: &'l str,
    is_escaped: bool,
}

impl<'l> Quoted<'l> {
    /// Bytes between the quotes.
    pub fn len(self) -> usize {
        self.text.len()
    }

    pub fn is_escaped(self) -> bool {
        self.is_escaped
    }

    pub fn text(self) -> Cow<'l, str> {
        match self.is_escaped {
            false => Cow::Borrowed(self.text),
            true => Cow::Owned(escape::decoded(self.text)),
        }
    }
}

impl<'l> Scanner<'l> {
    pub fn new(line: &'l str) -> Self {
        Self { line, at: 0 }
    }

    pub fn wrong<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { what, at: self.at.min(self.line.len()), kept: 0 })
    }

    /// The next byte that is not white.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.line.as_bytes().get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return Some(*other),
            }
        }
        None
    }

    /// Whether the next byte is this one, which is taken then.
    pub fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub fn since(&self, start: usize) -> &'l str {
        self.line.get(start..self.at).unwrap_or_default()
    }

    /// Hands over each member of an object, the scanner standing at its value, which `member` has to take. Stands behind the
    /// opening brace, and at the end behind the closing one.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Quoted<'l>) -> Result<ControlFlow<()>, Malformed>,
    ) -> Result<ControlFlow<()>, Malformed> {
        if self.takes(b'}') {
            return Ok(ControlFlow::Continue(()));
        }
        loop {
            if !self.takes(b'"') {
                return self.wrong("no key of an object");
            }
            let key = self.quoted()?;
            if !self.takes(b':') {
                return self.wrong("no colon behind a key");
            }
            if member(self, key)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.takes(b'}') {
                return Ok(ControlFlow::Continue(()));
            }
            if !self.takes(b',') {
                return self.wrong("neither comma nor closing brace behind a value");
            }
        }
    }

    pub fn token(&mut self) -> Result<Token<'l>, Malformed> {
        let Some(first) = self.peek() else { return self.wrong("no value") };
        match first {
            b'"' => {
                self.at += 1;
                self.quoted().map(Token::String)
            }
            b'{' | b'[' => {
                self.at += 1;
                Ok(if first == b'{' { Token::Object } else { Token::Array })
            }
            b't' => self.word("true").map(Token::Plain),
            b'f' => self.word("false").map(Token::Plain),
            b'n' => self.word("null").map(|_| Token::Null),
            b'-' | b'0'..=b'9' => {
                let start = self.at;
                let rest = self.line.as_bytes().get(start..).unwrap_or_default();
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                self.at += rest.iter().take_while(|byte| is_part(byte)).count();
                Ok(Token::Plain(self.since(start)))
            }
            _ => self.wrong("no value"),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<&'l str, Malformed> {
        let start = self.at;
        if !self.line.get(start..).is_some_and(|rest| rest.starts_with(word)) {
            return self.wrong("no value");
        }
        self.at += word.len();
        Ok(self.since(start))
    }

    /// Behind the opening quote, up to behind the closing one.
    pub fn quoted(&mut self) -> Result<Quoted<'l>, Malformed> {
        let (start, mut is_escaped) = (self.at, false);
        loop {
            let rest = self.line.as_bytes().get(self.at..).unwrap_or_default();
            let Some(found) = quote_or_escape(rest) else {
                self.at = self.line.len();
                return self.wrong("a string without an end");
            };
            if rest[found] == b'"' {
                self.at += found + 1;
                let text = self.line.get(start..self.at - 1).unwrap_or_default();
                return Ok(Quoted { text, is_escaped });
            }
            is_escaped = true;
            self.at += found + 2;
        }
    }

    /// Behind the opening bracket of an object or array, up to behind the closing one.
    pub fn skip_block(&mut self, open: u8, close: u8) -> Result<(), Malformed> {
        let mut depth = 1_usize;
        while depth > 0 {
            let rest = self.line.as_bytes().get(self.at..).unwrap_or_default();
            let Some(found) = memchr3(b'"', open, close, rest) else {
                self.at = self.line.len();
                return self.wrong("an object or array without an end");
            };
            self.at += found + 1;
            match rest[found] {
                b'"' => drop(self.quoted()?),
                byte if byte == open => depth += 1,
                _ => depth -= 1,
            }
        }
        Ok(())
    }

    /// What is left of a value whose token has been read.
    pub fn skip_rest(&mut self, token: Token<'l>) -> Result<(), Malformed> {
        match token {
            Token::Object => self.skip_block(b'{', b'}'),
            Token::Array => self.skip_block(b'[', b']'),
            _ => Ok(()),
        }
    }
}

/// Most strings end within the first words, which are looked through sooner than a search that is made for long ones begins.
fn quote_or_escape(bytes: &[u8]) -> Option<usize> {
    const WORD: usize = size_of::<u64>();
    const WORDS: usize = 4;
    const QUOTES: u64 = u64::from_le_bytes([b'"'; WORD]);
    const ESCAPES: u64 = u64::from_le_bytes([b'\\'; WORD]);
    let words = bytes.as_chunks::<WORD>().0.iter().take(WORDS);
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ ESCAPES);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += WORD;
    }
    Some(at + memchr2(b'"', b'\\', bytes.get(at..)?)?)
}

const ALL_BYTES: u64 = 0x0101_0101_0101_0101;

/// The highest bit of the first byte that is zero (and perhaps of some behind it).
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ALL_BYTES) & !word & (ALL_BYTES << 7)
}
