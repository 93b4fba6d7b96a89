//! Where numbers, durations and strings end. What they are worth is [`super::literal`]'s.

use trefoil_go::quote::code_point;

use super::lexer::{LexError, Lexer, is_alphanumeric};
use super::token::Kind;

impl Lexer<'_> {
    /// A number of any form; `false` where there is none, with whatever was looked at read.
    pub(super) fn number(&mut self) -> bool {
        let beginning = self.at;
        let mut digit: fn(char) -> bool = |character| character.is_ascii_digit();
        let mut is_hex = false;
        if self.accept(|character| character == '0') && self.accept(|character| matches!(character, 'x' | 'X')) {
            self.accept(|character| character == '_');
            (digit, is_hex) = (|character: char| character.is_ascii_hexdigit(), true);
        }
        self.accept(|character| character == '.');
        self.accept(digit);
        let (mut got_dot, mut got_exponent) = (false, false);
        while let Some(character) = self.peek() {
            match character {
                '.' => {
                    self.at += 1;
                    if got_dot || self.accept(|next| matches!(next, '_' | '.')) || is_hex {
                        return false;
                    }
                    got_dot = true;
                }
                'e' | 'E' => {
                    self.at += 1;
                    if got_exponent {
                        return false;
                    }
                    got_exponent = true;
                    self.accept(|next| matches!(next, '+' | '-'));
                    if self.accept(|next| matches!(next, '.' | '_' | 'e' | 'E')) || self.peek().is_none() {
                        return false;
                    }
                }
                '_' => {
                    self.at += 1;
                    if self.accept(|next| matches!(next, '.' | '_' | 'e' | 'E')) || self.peek().is_none() {
                        return false;
                    }
                }
                _ if digit(character) => self.accept_all(digit),
                _ => break,
            }
        }
        self.at > beginning && !self.peek().is_some_and(is_alphanumeric)
    }

    /// Behind a number that has turned out to be a duration's first: its unit and whatever else belongs to it.
    pub(super) fn rest_of_duration(&mut self) -> bool {
        if !self.accept(|unit| matches!(unit, 's' | 'm' | 'h' | 'd' | 'w' | 'y')) {
            return false;
        }
        // Of `ms`; `hs` and the like are found out where the value is taken.
        self.accept(|unit| unit == 's');
        while self.accept(|character| character.is_ascii_digit()) {
            self.accept_all(|character| character.is_ascii_digit());
            if !self.accept(|unit| matches!(unit, 's' | 'm' | 'h' | 'd' | 'w')) {
                return false;
            }
            self.accept(|unit| unit == 's');
        }
        if self.peek().is_some_and(is_alphanumeric) {
            // Prometheus shows this character in its error.
            self.next();
            return false;
        }
        true
    }

    /// The opening quote has been read.
    pub(super) fn quoted(&mut self, quote: char) -> Result<Kind, LexError> {
        loop {
            match self.next() {
                Some('\\') => self.escape(quote)?,
                Some(char::REPLACEMENT_CHARACTER) => return self.fail("invalid UTF-8 rune"),
                None | Some('\n') => return self.fail("unterminated quoted string"),
                Some(character) if character == quote => return Ok(Kind::String),
                Some(_) => {}
            }
        }
    }

    /// The opening backtick has been read.
    pub(super) fn raw(&mut self) -> Result<Kind, LexError> {
        loop {
            match self.next() {
                Some(char::REPLACEMENT_CHARACTER) => return self.fail("invalid UTF-8 rune"),
                None => return self.fail("unterminated raw string"),
                Some('`') => return Ok(Kind::String),
                Some(_) => {}
            }
        }
    }

    /// The backslash has been read.
    fn escape(&mut self, quote: char) -> Result<(), LexError> {
        let Some(kind) = self.next() else { return self.fail("escape sequence not terminated") };
        let (digits, base, largest) = match kind {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            _ if kind == quote => return Ok(()),
            '0'..='7' => {
                self.at -= 1;
                (3, 8, 255)
            }
            'x' => (2, 16, 255),
            'u' => (4, 16, u32::from(char::MAX)),
            'U' => (8, 16, u32::from(char::MAX)),
            _ => return self.fail(format!("unknown escape sequence {}", code_point(kind))),
        };
        let mut code: u32 = 0;
        for _ in 0..digits {
            let Some(character) = self.next() else { return self.fail("escape sequence not terminated") };
            let Some(digit) = character.to_digit(base) else {
                return self.fail(format!("illegal character {} in escape sequence", code_point(character)));
            };
            // Eight digits of base 16 fill it exactly.
            code = code.wrapping_mul(base).wrapping_add(digit);
        }
        if code > largest || (0xd800..0xe000).contains(&code) {
            return self.fail("escape sequence is an invalid Unicode code point");
        }
        Ok(())
    }
}
