//! A query as a list of tokens.
//!
//! Words, numbers and quotes are Go's. Keywords are so in any case of letters, and cannot be labels. Names of functions are that only
//! in front of parentheses or a grouping; elsewhere they are labels.

mod number;
mod token;

use trefoil_go::unquote;

use token::{FLAGS, FUNCTIONS, KEYWORDS, SYMBOLS, fixed};
pub use token::{Kind, Token};

use crate::error::ParseError;
use crate::print::durations;

pub fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lexer = Lexer { text, at: 0, line: 1, line_start: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let is_end = token.kind == Kind::End;
        tokens.push(token);
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Result<Token, ParseError> {
        self.skip_blanks()?;
        let (line, column) = (self.line, self.column());
        let kind = self.kind()?;
        Ok(Token { kind, line, column })
    }

    fn kind(&mut self) -> Result<Kind, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Kind::End) };
        match first {
            '"' => self.quoted(),
            '`' => self.raw(),
            '[' => self.range(),
            '-' if let Some(flag) = fixed(&FLAGS, flag_text(rest)) => {
                self.at += flag.len();
                Ok(Kind::Fixed(flag))
            }
            '0'..='9' | '.' | '-' if number::begins(rest) => {
                let (kind, length) = number::scan(rest).map_err(|message| self.fail(message))?;
                self.at += length;
                Ok(kind)
            }
            _ if first == '_' || first.is_alphabetic() => Ok(self.word()),
            _ => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
                let symbol = symbol.ok_or_else(|| self.fail(format!("syntax error: unexpected {first:?}")))?;
                self.at += symbol.len();
                Ok(Kind::Fixed(symbol))
            }
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn column(&self) -> usize {
        self.text[self.line_start..self.at].chars().count() + 1
    }

    fn fail(&self, message: impl Into<String>) -> ParseError {
        ParseError::At { line: self.line, column: self.column(), message: message.into() }
    }

    /// White space, `# …`, `// …` and `/* … */`.
    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            let rest = self.rest();
            let line_end = || rest.find('\n').unwrap_or(rest.len());
            let length = match rest {
                _ if rest.starts_with([' ', '\t', '\r', '\n']) => {
                    rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len()
                }
                _ if rest.starts_with('#') || rest.starts_with("//") => line_end(),
                _ if rest.starts_with("/*") => match rest[2..].find("*/") {
                    Some(end) => end + 4,
                    None => return Err(self.fail("comment not terminated")),
                },
                _ => return Ok(()),
            };
            self.skip(length);
        }
    }

    /// Over text that may have line ends.
    fn skip(&mut self, length: usize) {
        let passed = &self.text[self.at..self.at + length];
        self.line += passed.matches('\n').count();
        if let Some(last) = passed.rfind('\n') {
            self.line_start = self.at + last + 1;
        }
        self.at += length;
    }

    fn word(&mut self) -> Kind {
        let rest = self.rest();
        let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        self.at += end;
        let lowercase = word.to_lowercase();
        if let Some(function) = fixed(&FUNCTIONS, &lowercase) {
            return match is_called(behind) {
                true => Kind::Fixed(function),
                false => Kind::Identifier(word.to_owned()),
            };
        }
        match fixed(&KEYWORDS, &lowercase) {
            Some(keyword) => Kind::Fixed(keyword),
            None => Kind::Identifier(word.to_owned()),
        }
    }

    fn quoted(&mut self) -> Result<Kind, ParseError> {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        let end = loop {
            match characters.next() {
                Some((at, '"')) => break at + 1,
                Some((at, '\\')) => {
                    let length = escape_length(&rest[at + 1..]).ok_or_else(|| self.fail("invalid char escape"))?;
                    characters.nth(length - 1);
                }
                Some((_, '\n')) | None => return Err(self.fail("literal not terminated")),
                Some(_) => {}
            }
        };
        self.at += end;
        Ok(Kind::Text(unquote(&rest[..end])))
    }

    fn raw(&mut self) -> Result<Kind, ParseError> {
        let rest = self.rest();
        let end = rest[1..].find('`').ok_or_else(|| self.fail("literal not terminated"))? + 2;
        self.skip(end);
        Ok(Kind::Text(unquote(&rest[..end])))
    }

    /// `[5m]`.
    fn range(&mut self) -> Result<Kind, ParseError> {
        let rest = &self.rest()[1..];
        let end = rest.find(']').ok_or_else(|| self.fail("missing closing ']' in duration"))?;
        let nanos = durations::range(&rest[..end]).map_err(|message| self.fail(message))?;
        self.skip(end + 2);
        Ok(Kind::Range(nanos))
    }
}

/// `--strict` of `--strict|…`.
fn flag_text(rest: &str) -> &str {
    let end = rest.find(|c: char| c != '-' && !c.is_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

/// Whether what follows a word are parentheses or a grouping.
fn is_called(behind: &str) -> bool {
    let behind = behind.trim_start();
    if behind.starts_with('(') {
        return true;
    }
    ["by", "without"].iter().any(|keyword| {
        let is_there = behind.get(..keyword.len()).is_some_and(|text| text.eq_ignore_ascii_case(keyword));
        is_there && behind[keyword.len()..].trim_start().starts_with('(')
    })
}

/// Characters of an escape of Go's behind its backslash. `None`: it is not one.
fn escape_length(behind: &str) -> Option<usize> {
    let are_digits = |from: usize, count: usize, base: u32| {
        behind.chars().skip(from).take(count).filter(|c| c.is_digit(base)).count() == count
    };
    match behind.chars().next()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '"' => Some(1),
        '0'..='3' if are_digits(0, 3, 8) => Some(3),
        'x' if are_digits(1, 2, 16) => Some(3),
        'u' if are_digits(1, 4, 16) => Some(5),
        'U' if are_digits(1, 8, 16) => Some(9),
        _ => None,
    }
}
