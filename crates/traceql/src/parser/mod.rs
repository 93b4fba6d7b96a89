//! From tokens to a tree. Precedence and associativity are the reference's: `&&` and `||` bind alike and least, then come
//! comparisons and structural operators, sums, products, powers.

mod field;
mod lenient;
mod metrics;
mod node;
mod pipeline;

use std::mem;

use crate::ast::{Attribute, Expr, Field, Hint, Query};
use crate::check;
use crate::error::ParseError;
use crate::lexer::{Kind, Token, tokens};
use crate::value::Value;

pub use lenient::filter_so_far;

/// Bytes of a query.
const MAX_LENGTH: usize = 128 << 10;
/// How deep expressions may be within each other.
const MAX_DEPTH: usize = 200;

type Result<T> = std::result::Result<T, ParseError>;

/// Reads and checks a query.
pub fn parse(text: &str) -> Result<Query> {
    let mut parser = Parser::new(text)?;
    let expr = parser.whole()?;
    let mut hints = Vec::new();
    while parser.takes_word("with") {
        hints.extend(parser.hints()?);
    }
    parser.end()?;
    let query = Query { expr, hints };
    check::query(&query)?;
    Ok(query)
}

/// Reads one attribute: `.a`, `resource.service.name`, `span:duration`, `name`.
pub fn attribute(text: &str) -> Result<Attribute> {
    let mut parser = Parser::new(text)?;
    let attribute = parser.attribute()?;
    parser.end()?;
    check::field(&Field::Attribute(attribute.clone()))?;
    Ok(attribute)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Parser> {
        if text.len() > MAX_LENGTH {
            return Err(ParseError::whole(format!("the query is longer than {MAX_LENGTH} bytes")));
        }
        Ok(Parser { tokens: tokens(text)?, at: 0, depth: 0 })
    }

    fn whole(&mut self) -> Result<Expr> {
        use node::Node;
        match self.pipeline()?.node {
            Node::Metrics(metrics) => Ok(Expr::Metrics(metrics)),
            Node::Pipeline(pipeline) => Ok(Expr::Search(pipeline)),
            Node::Spanset(spanset) => Ok(Expr::Search(node::alone(spanset))),
            Node::Scalar(_) | Node::Constant(_) => {
                Err(self.fail("syntax error: expected a comparison or a function of metrics"))
            }
        }
    }

    fn peek(&self) -> &Kind {
        &self.tokens[self.at].kind
    }

    /// The last token is the end, and stays.
    fn next(&mut self) -> Kind {
        let last = self.tokens.len() - 1;
        let kind = mem::replace(&mut self.tokens[self.at].kind, Kind::End);
        self.at = last.min(self.at + 1);
        kind
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Kind::Symbol(found) if *found == symbol)
    }

    fn takes_symbol(&mut self, symbol: &str) -> bool {
        let is_there = self.is_symbol(symbol);
        if is_there {
            self.next();
        }
        is_there
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_there = matches!(self.peek(), Kind::Word(found) if found == word);
        if is_there {
            self.next();
        }
        is_there
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        match self.takes_symbol(symbol) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("expected {symbol}"))),
        }
    }

    fn end(&self) -> Result<()> {
        match self.peek() {
            Kind::End => Ok(()),
            _ => Err(self.unexpected("expected the end of the query")),
        }
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
        let found = match self.peek() {
            Kind::Symbol(symbol) => (*symbol).to_owned(),
            Kind::Word(word) => word.clone(),
            Kind::Text(_) => "a string".to_owned(),
            Kind::Int(number) => number.to_string(),
            Kind::Float(number) => number.to_string(),
            Kind::Duration(_) => "a duration".to_owned(),
            Kind::Attribute(_) => "an attribute".to_owned(),
            Kind::Scope(scope) => format!("{scope}:"),
            Kind::End => "$end".to_owned(),
        };
        self.fail(format!("syntax error: unexpected {found}, {expected}"))
    }

    /// What `parse` reads, one level deeper.
    fn within<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.too_deep());
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn too_deep(&self) -> ParseError {
        self.fail(format!("expressions are more than {MAX_DEPTH} levels deep"))
    }

    /// The depth of a node of nodes that are so deep.
    fn above(&self, depths: [usize; 2]) -> Result<usize> {
        let depth = depths[0].max(depths[1]) + 1;
        if depth > MAX_DEPTH { Err(self.too_deep()) } else { Ok(depth) }
    }

    /// One or more, separated by commas, in parentheses.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect("(")?;
        let mut items = vec![item(self)?];
        while self.takes_symbol(",") {
            items.push(item(self)?);
        }
        self.expect(")")?;
        Ok(items)
    }

    fn hints(&mut self) -> Result<Vec<Hint>> {
        self.list(|parser| {
            let Kind::Word(name) = parser.peek().clone() else {
                return Err(parser.unexpected("expected the name of a hint"));
            };
            parser.next();
            parser.expect("=")?;
            let value = parser.value()?.filter(|value| !value.is_nil());
            let value = value.ok_or_else(|| parser.unexpected("expected a value"))?;
            Ok(Hint { name, value })
        })
    }

    fn integer(&mut self) -> Result<i64> {
        match *self.peek() {
            Kind::Int(number) => {
                self.next();
                Ok(number)
            }
            _ => Err(self.unexpected("expected an integer")),
        }
    }

    fn constant(&mut self) -> Option<Value> {
        let value = match *self.peek() {
            Kind::Int(number) => Value::Int(number),
            Kind::Float(number) => Value::Float(number),
            Kind::Duration(nanos) => Value::Duration(nanos),
            _ => return None,
        };
        self.next();
        Some(value)
    }
}
