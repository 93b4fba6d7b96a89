//! From tokens to a tree. The grammar and the precedence of operators are Loki's.

mod expression;
mod label_filter;
mod log;
mod range;
mod vector;

use crate::ast::{LogQuery, Metric, Query};
use crate::check;
use crate::error::ParseError;
use crate::lexer::{Kind, Token, tokens};
use crate::matcher::Matcher;
use crate::pattern::Pattern;

/// Bytes of a query.
const MAX_LENGTH: usize = 128 << 10;
/// How deep parentheses, calls and operators to the right of operators may be within each other.
const MAX_DEPTH: usize = 100;
/// Operators between series. In `a + b + c` each is a level of the tree, and trees are walked by functions that call themselves.
const MAX_OPERATORS: usize = 500;
/// Stages of a pipeline.
const MAX_STAGES: usize = 1_000;
/// Conditions on labels in one stage, alternatives of a line filter, labels in a list.
const MAX_LIST: usize = 1_000;
/// Regular expressions, which take memory of their own.
const MAX_PATTERNS: usize = 250;

type Result<T> = std::result::Result<T, ParseError>;

/// Reads and checks a query.
pub fn parse(text: &str) -> Result<Query> {
    let mut parser = Parser::new(text)?;
    let query = parser.expression(1)?;
    parser.end()?;
    check::query(&query)?;
    Ok(query)
}

/// Reads and checks a query for lines.
pub fn parse_log(text: &str) -> Result<LogQuery> {
    match parse(text)? {
        Query::Log(query) => Ok(query),
        Query::Metric(_) => Err(ParseError::Kind("only log selector is supported")),
    }
}

/// Reads and checks a query for series.
pub fn parse_metric(text: &str) -> Result<Metric> {
    match parse(text)? {
        Query::Metric(metric) => Ok(metric),
        Query::Log(_) => Err(ParseError::Kind("only sample expression supported")),
    }
}

/// Reads a selector alone, as in `match[]`. It may be empty (`{}`) or fit all streams.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>> {
    let mut parser = Parser::new(text)?;
    let query = parser.expression(1)?;
    parser.end()?;
    match query {
        Query::Log(LogQuery { selector, stages }) if stages.is_empty() => Ok(selector),
        _ => Err(ParseError::Kind("only label matchers are supported")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    operators: usize,
    patterns: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Parser> {
        if text.len() >= MAX_LENGTH {
            return Err(ParseError::whole(format!("input size too long ({} > {MAX_LENGTH})", text.len())));
        }
        Ok(Parser { tokens: tokens(text)?, at: 0, depth: 0, operators: 0, patterns: 0 })
    }

    fn peek(&self) -> &Kind {
        &self.tokens[self.at].kind
    }

    /// The one behind the next.
    fn peek_second(&self) -> &Kind {
        let last = self.tokens.len() - 1;
        &self.tokens[last.min(self.at + 1)].kind
    }

    /// The last token is the end, and stays.
    fn next(&mut self) {
        let last = self.tokens.len() - 1;
        self.at = last.min(self.at + 1);
    }

    fn fixed(&self) -> Option<&'static str> {
        match self.peek() {
            Kind::Fixed(text) => Some(text),
            _ => None,
        }
    }

    fn is(&self, text: &str) -> bool {
        self.fixed() == Some(text)
    }

    fn takes(&mut self, text: &str) -> bool {
        let is_there = self.is(text);
        if is_there {
            self.next();
        }
        is_there
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        match self.takes(text) {
            true => Ok(()),
            false => Err(self.unexpected(text)),
        }
    }

    fn end(&self) -> Result<()> {
        match self.peek() {
            Kind::End => Ok(()),
            _ => Err(self.unexpected("$end")),
        }
    }

    fn identifier(&mut self) -> Result<String> {
        match self.peek() {
            Kind::Identifier(name) => Ok(self.taken(name.clone())),
            _ => Err(self.unexpected("IDENTIFIER")),
        }
    }

    /// `expected` is what else could stand there.
    fn text(&mut self, expected: &str) -> Result<String> {
        match self.peek() {
            Kind::Text(text) => Ok(self.taken(text.clone())),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// A number as it is written.
    fn number(&mut self) -> Result<String> {
        match self.peek() {
            Kind::Number(text) => Ok(self.taken(text.clone())),
            _ => Err(self.unexpected("NUMBER")),
        }
    }

    /// What the next token says, which is passed.
    fn taken(&mut self, text: String) -> String {
        self.next();
        text
    }

    /// One or more, separated by commas.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.takes(",") {
            if items.len() >= MAX_LIST {
                return Err(self.fail(format!("list has more than {MAX_LIST} members")));
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `compile` is [`Pattern::whole`] or [`Pattern::anywhere`]; `token` has the text.
    fn pattern(
        &mut self,
        token: usize,
        text: &str,
        compile: fn(&str) -> std::result::Result<Pattern, String>,
    ) -> Result<Pattern> {
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return Err(self.fail_at(token, format!("query has more than {MAX_PATTERNS} regular expressions")));
        }
        compile(text).map_err(|message| self.fail_at(token, message))
    }

    /// At the next token.
    fn fail(&self, message: impl Into<String>) -> ParseError {
        self.fail_at(self.at, message)
    }

    fn fail_at(&self, token: usize, message: impl Into<String>) -> ParseError {
        let Token { line, column, .. } = self.tokens[token];
        ParseError::At { line, column, message: message.into() }
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        self.fail(format!("syntax error: unexpected {}, expecting {expected}", self.peek()))
    }

    /// What `parse` reads, one level deeper.
    fn within<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail(format!("query is nested more than {MAX_DEPTH} levels deep")));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }
}
