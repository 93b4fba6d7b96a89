//! Text to tokens. What a character means depends on what is open: braces and brackets have words of their own.

use trefoil_go::quote::{quote, quote_char};

use super::token::{Keyword, Kind, Token, duration_word, word};
use crate::ast::BinaryOp;

/// Tokens one after the other. After an error there are no more.
#[derive(Debug)]
pub(super) struct Lexer<'q> {
    pub(super) text: &'q str,
    /// Of the next character.
    pub(super) at: usize,
    /// Of the token that is being read.
    pub(super) start: usize,
    open_parens: usize,
    in_braces: bool,
    in_brackets: bool,
    /// Between `[` and the first number behind it, where fewer characters are known.
    in_duration: bool,
    got_colon: bool,
    /// A number has been seen in any brackets so far.
    got_duration: bool,
}

/// Text that is no token.
#[derive(Debug)]
pub(super) struct LexError {
    pub start: usize,
    pub message: String,
}

type Result<T> = std::result::Result<T, LexError>;

impl<'q> Lexer<'q> {
    pub fn new(text: &'q str) -> Self {
        Self {
            text,
            at: 0,
            start: 0,
            open_parens: 0,
            in_braces: false,
            in_brackets: false,
            in_duration: false,
            got_colon: false,
            got_duration: false,
        }
    }

    pub fn next_token(&mut self) -> Result<Token<'q>> {
        self.skip_spaces_and_comments();
        self.start = self.at;
        let kind = match () {
            () if self.in_braces => self.inside_braces()?,
            () if self.in_duration => self.duration_start()?,
            () => self.statement()?,
        };
        Ok(Token { kind, start: self.start, text: self.token_text() })
    }

    fn token_text(&self) -> &'q str {
        self.text.get(self.start..self.at).unwrap_or_default()
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(LexError { start: self.start, message: message.into() })
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    pub(super) fn accept(&mut self, accepted: impl FnOnce(char) -> bool) -> bool {
        match self.peek() {
            Some(character) if accepted(character) => {
                self.at += character.len_utf8();
                true
            }
            _ => false,
        }
    }

    pub(super) fn accept_all(&mut self, accepted: impl Fn(char) -> bool) {
        while self.accept(&accepted) {}
    }

    fn skip_spaces_and_comments(&mut self) {
        self.accept_all(is_space);
        // Where a duration begins, `#` is no comment.
        while !self.in_duration && self.accept(|character| character == '#') {
            self.accept_all(|character| !matches!(character, '\n' | '\r'));
            self.accept_all(is_space);
        }
    }

    fn statement(&mut self) -> Result<Kind> {
        let Some(character) = self.next() else { return self.end() };
        match character {
            ',' => Ok(Kind::Comma),
            '@' => Ok(Kind::At),
            '=' => self.equal(),
            '!' => match self.next() {
                Some('=') => Ok(Kind::Op(BinaryOp::Ne)),
                other => self.fail(format!("unexpected character after '!': {}", quote_char(other))),
            },
            '<' => Ok(Kind::Op(self.comparison(BinaryOp::Lt, BinaryOp::Le, BinaryOp::TrimUpper))),
            '>' => Ok(Kind::Op(self.comparison(BinaryOp::Gt, BinaryOp::Ge, BinaryOp::TrimLower))),
            '"' | '\'' => self.quoted(character),
            '`' => self.raw(),
            '(' => Ok(self.open_paren()),
            ')' => self.close_paren(),
            '{' => {
                self.in_braces = true;
                Ok(Kind::LeftBrace)
            }
            '[' if self.in_brackets => self.fail("unexpected left bracket '['"),
            '[' => {
                (self.in_brackets, self.in_duration, self.got_colon) = (true, true, false);
                Ok(Kind::LeftBracket)
            }
            ']' if !self.in_brackets => self.fail("unexpected right bracket ']'"),
            ']' => {
                self.in_brackets = false;
                Ok(Kind::RightBracket)
            }
            ':' | '_' | 'a'..='z' | 'A'..='Z' => self.word(character),
            '0'..='9' => self.number_or_duration(),
            '.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => self.number_or_duration(),
            _ => match arithmetic(character) {
                Some(op) => Ok(Kind::Op(op)),
                None => self.fail(format!("unexpected character: {}", quote_char(Some(character)))),
            },
        }
    }

    fn end(&self) -> Result<Kind> {
        match (self.open_parens, self.in_brackets) {
            (1.., _) => self.fail("unclosed left parenthesis"),
            (0, true) => self.fail("unclosed left bracket"),
            (0, false) => Ok(Kind::End),
        }
    }

    fn equal(&mut self) -> Result<Kind> {
        match self.peek() {
            Some('=') => {
                self.at += 1;
                Ok(Kind::Op(BinaryOp::Eq))
            }
            Some('~') => self.fail("unexpected character after '=': '~'"),
            _ => Ok(Kind::Equal),
        }
    }

    fn comparison(&mut self, alone: BinaryOp, with_equal: BinaryOp, with_slash: BinaryOp) -> BinaryOp {
        let op = match self.peek() {
            Some('=') => with_equal,
            Some('/') => with_slash,
            _ => return alone,
        };
        self.at += 1;
        op
    }

    fn open_paren(&mut self) -> Kind {
        self.open_parens += 1;
        Kind::LeftParen
    }

    fn close_paren(&mut self) -> Result<Kind> {
        let Some(open) = self.open_parens.checked_sub(1) else {
            // Prometheus names the place behind it.
            self.start = self.at;
            return self.fail("unexpected right parenthesis ')'");
        };
        self.open_parens = open;
        Ok(Kind::RightParen)
    }

    /// A colon or a letter has been read.
    fn word(&mut self, first: char) -> Result<Kind> {
        if self.in_brackets {
            return self.word_in_brackets(first);
        }
        self.accept_all(|character| is_alphanumeric(character) || character == ':');
        let text = self.token_text();
        Ok(match word(text) {
            // Metrics of these names are older than the words.
            Some(Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)) if !self.paren_follows() => {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if text.contains(':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        })
    }

    fn paren_follows(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.trim_start_matches(is_space).starts_with('(')
    }

    fn word_in_brackets(&mut self, first: char) -> Result<Kind> {
        if first == ':' {
            if self.got_colon {
                return self.fail("unexpected colon ':'");
            }
            self.got_colon = true;
            return Ok(Kind::Colon);
        }
        match self.duration_word() {
            Some(kind) => Ok(kind),
            None => self.fail(format!("unexpected character: {}, expected ':'", quote_char(Some(first)))),
        }
    }

    fn duration_word(&mut self) -> Option<Kind> {
        self.accept_all(|character| character.is_ascii_alphabetic() || character == '_');
        duration_word(self.token_text())
    }

    /// Behind `[`, before the first number.
    fn duration_start(&mut self) -> Result<Kind> {
        let Some(character) = self.next() else {
            return self.fail("unexpected end of input in duration expression");
        };
        match character {
            ']' => {
                (self.in_brackets, self.in_duration, self.got_colon) = (false, false, false);
                Ok(Kind::RightBracket)
            }
            ':' => self.colon_before_duration(),
            '(' => Ok(self.open_paren()),
            ')' => self.close_paren(),
            ',' => Ok(Kind::Comma),
            '0'..='9' => self.first_number(),
            '.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => self.first_number(),
            _ => {
                let known = match arithmetic(character) {
                    Some(op) => Some(Kind::Op(op)),
                    None if character.is_ascii_alphabetic() => self.duration_word(),
                    None => None,
                };
                match known {
                    Some(kind) => Ok(kind),
                    None => {
                        let character = quote_char(Some(character));
                        self.fail(format!("unexpected character in duration expression: {character}"))
                    }
                }
            }
        }
    }

    fn colon_before_duration(&mut self) -> Result<Kind> {
        if !self.got_duration || self.got_colon {
            // Prometheus names the place behind it.
            self.start = self.at;
            return self.fail(match self.got_duration {
                false => "unexpected colon before duration in duration expression",
                true => "unexpected repeated colon in duration expression",
            });
        }
        self.got_colon = true;
        Ok(Kind::Colon)
    }

    fn first_number(&mut self) -> Result<Kind> {
        (self.in_duration, self.got_duration) = (false, true);
        self.number_or_duration()
    }

    /// The first character has been read.
    fn number_or_duration(&mut self) -> Result<Kind> {
        self.at = self.start;
        if self.number() {
            return Ok(Kind::Number);
        }
        if self.rest_of_duration() {
            return Ok(Kind::Duration);
        }
        self.fail(format!("bad number or duration syntax: {}", quote(self.token_text())))
    }

    fn inside_braces(&mut self) -> Result<Kind> {
        let Some(character) = self.next() else {
            return self.fail("unexpected end of input inside braces");
        };
        match character {
            ',' => Ok(Kind::Comma),
            '"' | '\'' => self.quoted(character),
            '`' => self.raw(),
            '=' if self.accept(|next| next == '~') => Ok(Kind::EqualRegex),
            '=' => Ok(Kind::Equal),
            '!' => match self.next() {
                Some('~') => Ok(Kind::NotEqualRegex),
                Some('=') => Ok(Kind::Op(BinaryOp::Ne)),
                other => self.fail(format!("unexpected character after '!' inside braces: {}", quote_char(other))),
            },
            '{' => self.fail("unexpected left brace '{'"),
            '}' => {
                self.in_braces = false;
                Ok(Kind::RightBrace)
            }
            '_' | 'a'..='z' | 'A'..='Z' => {
                self.accept_all(is_alphanumeric);
                Ok(Kind::Identifier)
            }
            _ => self.fail(format!("unexpected character inside braces: {}", quote_char(Some(character)))),
        }
    }
}

fn arithmetic(character: char) -> Option<BinaryOp> {
    Some(match character {
        '+' => BinaryOp::Add,
        '-' => BinaryOp::Sub,
        '*' => BinaryOp::Mul,
        '/' => BinaryOp::Div,
        '%' => BinaryOp::Mod,
        '^' => BinaryOp::Pow,
        _ => return None,
    })
}

pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

pub(super) fn is_alphanumeric(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
