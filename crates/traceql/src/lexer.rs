//! A query as a list of tokens.
//!
//! Words are Go's, but for attributes: behind `.`, `span.` and the like everything up to white space or one of
//! `{}()=~!<>&|^,` is their name, parts of which may stand in double quotes.

use trefoil_go::duration;
use trefoil_go::unquote;

use crate::ast::{Attribute, Scope};
use crate::error::ParseError;

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// An operator or a bracket.
    Symbol(&'static str),
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// With the scope that stands in front of it.
    Attribute(Attribute),
    /// `trace:`, of which the name follows.
    Scope(&'static str),
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
    pub column: usize,
}

/// Longer ones first.
const SYMBOLS: [&str; 34] = [
    "!>>", "!<<", "&>>", "&<<", "&&", "||", "!=", "!~", "!>", "!<", "=~", ">=", ">>", "<=", "<<", "&~", "&>", "&<",
    "{", "}", "(", ")", "=", "<", ">", "+", "-", "*", "/", "%", "^", "|", "~", ",",
];
const NOT: &str = "!";
const SCOPES: [&str; 5] = ["trace", "span", "event", "link", "instrumentation"];

pub fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
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

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token, ParseError> {
        self.skip_blanks()?;
        let (line, column) = (self.line, self.column());
        let kind = self.kind()?;
        Ok(Token { kind, line, column })
    }

    fn kind(&mut self) -> Result<Kind, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Kind::End) };
        let second = rest.chars().nth(1);
        match first {
            '"' | '`' => self.text(first),
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|digit| digit.is_ascii_digit()) => self.number(),
            '.' => {
                self.at += 1;
                Ok(Kind::Attribute(Attribute::Named { scope: None, name: self.attribute_name()? }))
            }
            _ if first == '_' || first.is_alphabetic() => self.word(),
            _ => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
                let symbol = symbol.or_else(|| rest.starts_with(NOT).then_some(NOT));
                let symbol = symbol.ok_or_else(|| self.fail(format!("unexpected {first:?}")))?;
                self.at += symbol.len();
                Ok(Kind::Symbol(symbol))
            }
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn column(&self) -> usize {
        self.text[self.line_start..self.at].chars().count() + 1
    }

    fn fail(&self, message: impl Into<String>) -> ParseError {
        ParseError::At { line: self.line, column: self.column(), message: message.into() }
    }

    /// White space, `// …` and `/* … */`.
    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            let length = match &rest[blank..] {
                comment if comment.starts_with("//") => blank + comment.find('\n').unwrap_or(comment.len()),
                comment if comment.starts_with("/*") => {
                    let end = comment.find("*/").ok_or_else(|| self.fail("comment not terminated"))?;
                    blank + end + 2
                }
                _ => blank,
            };
            if length == 0 {
                return Ok(());
            }
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

    fn text(&mut self, quote: char) -> Result<Kind, ParseError> {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        let end = loop {
            match characters.next() {
                None => return Err(self.fail("literal not terminated")),
                Some((at, character)) if character == quote => break at + 1,
                Some((_, '\n')) if quote == '"' => return Err(self.fail("literal not terminated")),
                Some((at, '\\')) if quote == '"' => {
                    let length = escape_length(&rest[at + 1..]).ok_or_else(|| self.fail("invalid escape sequence"))?;
                    // By characters: an escape is ASCII.
                    for _ in 0..length {
                        characters.next();
                    }
                }
                Some(_) => {}
            }
        };
        let text = unquote(&rest[..end]);
        self.skip(end);
        Ok(Kind::Text(text))
    }

    fn number(&mut self) -> Result<Kind, ParseError> {
        let rest = self.rest();
        let digits = |from: usize| from + rest[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - from);
        let mut end = digits(0);
        let mut is_float = false;
        if rest[end..].starts_with('.') {
            (is_float, end) = (true, digits(end + 1));
        }
        let exponent =
            rest[end..].strip_prefix(['e', 'E']).map(|behind| behind.strip_prefix(['+', '-']).unwrap_or(behind));
        if let Some(behind) = exponent.filter(|behind| behind.starts_with(|c: char| c.is_ascii_digit())) {
            (is_float, end) = (true, digits(rest.len() - behind.len()));
        }

        let with_unit = rest.find(|c: char| !(c.is_ascii_digit() || "nsuµμmhdwy.".contains(c))).unwrap_or(rest.len());
        if with_unit > end
            && let Some(nanos) = duration::parse(&rest[..with_unit])
        {
            self.at += with_unit;
            return Ok(Kind::Duration(nanos));
        }
        let number = &rest[..end];
        let out_of_range = || self.fail(format!("parsing \"{number}\": value out of range"));
        let kind = if is_float {
            Kind::Float(number.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(out_of_range)?)
        } else {
            Kind::Int(number.parse().map_err(|_| out_of_range())?)
        };
        self.at += end;
        Ok(kind)
    }

    fn word(&mut self) -> Result<Kind, ParseError> {
        let rest = self.rest();
        let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let word = &rest[..end];
        let behind = rest[end..].chars().next();
        if behind == Some(':')
            && let Some(scope) = SCOPES.into_iter().find(|scope| *scope == word)
        {
            self.at += end + 1;
            return Ok(Kind::Scope(scope));
        }
        if behind == Some('.') && word == "parent" {
            self.at += end + 1;
            let within = [Scope::Resource, Scope::Span].into_iter();
            let scope = within
                .into_iter()
                .find(|scope| self.rest().strip_prefix(scope.name()).is_some_and(|behind| behind.starts_with('.')));
            self.at += scope.map_or(0, |scope| scope.name().len() + 1);
            return Ok(Kind::Attribute(Attribute::OfParent { scope, name: self.attribute_name()? }));
        }
        if behind == Some('.')
            && let Some(scope) = Scope::named(word)
        {
            self.at += end + 1;
            return Ok(Kind::Attribute(Attribute::Named { scope: Some(scope), name: self.attribute_name()? }));
        }
        if behind == Some('.') && rest[end + 1..].starts_with(|c: char| c == '_' || c.is_alphabetic()) {
            // `service.name` is an error in Tempo; people write it, and it can mean only one thing.
            return Ok(Kind::Attribute(Attribute::Named { scope: None, name: self.attribute_name()? }));
        }
        let word = word.to_owned();
        self.at += end;
        Ok(Kind::Word(word))
    }

    fn attribute_name(&mut self) -> Result<String, ParseError> {
        let mut name = String::new();
        loop {
            let rest = self.rest();
            match rest.chars().next() {
                Some('"') => name.push_str(&self.quoted_part()?),
                Some(character) if is_attribute_character(character) => {
                    name.push(character);
                    self.at += character.len_utf8();
                }
                _ if name.is_empty() => return Err(self.fail("syntax error: expected the name of an attribute")),
                _ => return Ok(name),
            }
        }
    }

    /// From one double quote to the next; `\"` and `\\` stand for what is behind the backslash.
    fn quoted_part(&mut self) -> Result<String, ParseError> {
        let rest = self.rest();
        let mut part = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.skip(at + 1);
                    return Ok(part);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => part.push(escaped),
                    _ => return Err(self.fail("invalid escape sequence")),
                },
                other => part.push(other),
            }
        }
        Err(self.fail("unexpected EOF, expecting \""))
    }
}

/// Whether an attribute's name can have it outside of quotes.
pub fn is_attribute_character(character: char) -> bool {
    !character.is_whitespace() && !"{}()=~!<>&|^,".contains(character)
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
