//! Text to expressions.
//!
//! The grammar, what errors say and where they point are Prometheus'. It reports the first of several errors, so reading ends
//! at the first one.

mod call;
mod check;
mod duration;
mod duration_expr;
mod expression;
mod lexer;
mod literal;
mod modifiers;
mod pattern;
mod scan;
mod selector;
mod token;

#[cfg(test)]
mod tests;

pub use duration::{format_duration, parse_duration};

use crate::ast::Expr;
use crate::error::{ParseError, Position};
use crate::labels::Labels;
use crate::matcher::Matcher;

use lexer::Lexer;
use token::{Kind, Token};

/// What the parser accepts beyond the stable language; the names are Prometheus' feature flags.
#[derive(Debug, Clone, Copy)]
pub struct ParserOptions {
    /// `promql-experimental-functions` (aggregations too).
    pub experimental_functions: bool,
    /// `promql-extended-range-selectors`: `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `promql-duration-expr`.
    pub duration_expressions: bool,
    /// `promql-binop-fill-modifiers`.
    pub fill_modifiers: bool,
}

impl ParserOptions {
    pub const ALL: Self = Self {
        experimental_functions: true,
        extended_range_selectors: true,
        duration_expressions: true,
        fill_modifiers: true,
    };
}

/// Bytes of one query.
pub const LONGEST_QUERY: usize = 1 << 20;
/// How deep parentheses, calls, operators to the right of operators and the like may nest.
pub const DEEPEST_NESTING: usize = 100;
/// Operators and subqueries in one query. In `a + b + c` and in `a[1m:][1m:]` each is a level of the tree, and trees are walked
/// by functions that call themselves.
pub const MOST_OPERATORS: usize = 500;

/// One expression, type-checked.
pub fn parse(query: &str, options: ParserOptions) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(query, options)?;
    if parser.peek()?.kind == Kind::End {
        return parser.fail(Position::default(), "no expression found in input");
    }
    let mut expr = parser.expression(0)?;
    parser.expect_end()?;
    check::check(&mut expr, query)?;
    Ok(expr)
}

/// A metric with labels as values, not as conditions: `up{job="x"}`, `{"my.metric", "a.b"="c"}`. Also nothing at all.
pub fn parse_metric(text: &str) -> Result<Labels, ParseError> {
    let mut parser = Parser::new(text, ParserOptions::ALL)?;
    let labels = parser.metric()?;
    parser.expect_end()?;
    Ok(labels)
}

/// An instant selector without modifiers, as in `match[]`. It may be empty (`{}`).
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text, ParserOptions::ALL)?;
    let selector = parser.vector_selector()?;
    parser.expect_end()?;
    Ok(selector.matchers)
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

struct Parser<'q> {
    query: &'q str,
    options: ParserOptions,
    lexer: Lexer<'q>,
    peeked: Option<Token<'q>>,
    nesting: usize,
    operators: usize,
    /// How many aggregations are open. Errors inside of one say so.
    aggregations: usize,
}

impl<'q> Parser<'q> {
    fn new(query: &'q str, options: ParserOptions) -> Result<Self> {
        if query.len() > LONGEST_QUERY {
            let message = format!("query is longer than {LONGEST_QUERY} bytes");
            return Err(error_at(query, Position::default(), message));
        }
        let lexer = Lexer::new(query);
        Ok(Self { query, options, lexer, peeked: None, nesting: 0, operators: 0, aggregations: 0 })
    }

    fn peek(&mut self) -> Result<Token<'q>> {
        if let Some(token) = self.peeked {
            return Ok(token);
        }
        let token = self.lexer.next_token().map_err(|error| {
            let position = Position { start: error.start, end: self.query.len() };
            error_at(self.query, position, error.message)
        })?;
        self.peeked = Some(token);
        Ok(token)
    }

    fn advance(&mut self) -> Result<Token<'q>> {
        let token = self.peek()?;
        self.peeked = None;
        Ok(token)
    }

    /// The next token if it is this one.
    fn eat(&mut self, kind: Kind) -> Result<Option<Token<'q>>> {
        match self.peek()?.kind == kind {
            true => self.advance().map(Some),
            false => Ok(None),
        }
    }

    /// The next token, which can be nothing else.
    fn expect(&mut self, kind: Kind) -> Result<Token<'q>> {
        match self.eat(kind)? {
            Some(token) => Ok(token),
            None => self.unexpected(),
        }
    }

    fn expect_end(&mut self) -> Result<()> {
        self.expect(Kind::End).map(drop)
    }

    fn fail<T>(&self, position: Position, message: impl Into<String>) -> Result<T> {
        Err(error_at(self.query, position, message))
    }

    /// The next token fits nowhere.
    fn unexpected<T>(&mut self) -> Result<T> {
        let token = self.peek()?;
        let place = if self.aggregations > 0 { " in aggregation" } else { "" };
        self.fail(token.position(), format!("unexpected {}{place}", token.describe()))
    }

    /// The next token does not fit in what is being read.
    fn unexpected_in<T>(&mut self, place: &str, expected: &str) -> Result<T> {
        let token = self.peek()?;
        self.fail(token.position(), format!("unexpected {} in {place}, expected {expected}", token.describe()))
    }

    /// Counts what makes trees deep without nesting.
    fn count_operator(&mut self, at: Position) -> Result<()> {
        self.operators += 1;
        match self.operators > MOST_OPERATORS {
            true => self.fail(at, format!("query has more than {MOST_OPERATORS} operators")),
            false => Ok(()),
        }
    }

    /// Called by what may come back to itself, which may do so for at most [`DEEPEST_NESTING`] levels. Whoever returns with an
    /// error need not [leave](Self::leave): nothing is read after it.
    fn enter(&mut self) -> Result<()> {
        if self.nesting >= DEEPEST_NESTING {
            let at = self.peek()?.position();
            return self.fail(at, format!("query is nested more than {DEEPEST_NESTING} levels deep"));
        }
        self.nesting += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.nesting -= 1;
    }
}

fn error_at(query: &str, position: Position, message: impl Into<String>) -> ParseError {
    let (line, column) = match query.is_empty() {
        true => (0, 0),
        false => position.line_column(query),
    };
    ParseError { line, column, position, message: message.into() }
}
