//! Which series: metric names and conditions on labels, and metrics with their labels.

use trefoil_go::unquote;

use super::token::{Kind, Token};
use super::{Parser, Result, pattern};
use crate::ast::{BinaryOp, VectorSelector};
use crate::error::Position;
use crate::labels::{Labels, LabelsBuilder, METRIC_NAME};
use crate::matcher::{MatchOp, Matcher};

/// The name of a label, or of the metric if nothing follows.
struct Name {
    text: String,
    is_quoted: bool,
    start: usize,
}

impl Parser<'_> {
    pub(super) fn vector_selector(&mut self) -> Result<VectorSelector> {
        let token = self.peek()?;
        if token.kind.is_metric_name() {
            self.advance()?;
            return self.named_selector(token);
        }
        if token.kind != Kind::LeftBrace {
            return self.unexpected();
        }
        let (matchers, end) = self.label_matchers()?;
        Ok(selector(None, matchers, Position { start: token.start, end }))
    }

    /// The name has been read.
    pub(super) fn named_selector(&mut self, name: Token<'_>) -> Result<VectorSelector> {
        let (mut matchers, end) = match self.peek()?.kind {
            Kind::LeftBrace => self.label_matchers()?,
            _ => (Vec::new(), name.end()),
        };
        matchers.push(Matcher::equal(METRIC_NAME, name.text));
        Ok(selector(Some(name.text.to_owned()), matchers, Position { start: name.start, end }))
    }

    /// In braces; with where these end.
    fn label_matchers(&mut self) -> Result<(Vec<Matcher>, usize)> {
        let mut matchers = Vec::new();
        let end = self.in_braces("label matching", |parser| {
            let matcher = parser.label_matcher()?;
            matchers.push(matcher);
            Ok(())
        })?;
        Ok((matchers, end))
    }

    fn label_matcher(&mut self) -> Result<Matcher> {
        let name = self.name("label matching")?;
        let op = match self.peek()?.kind {
            Kind::Equal => MatchOp::Equal,
            Kind::Op(BinaryOp::Ne) => MatchOp::NotEqual,
            Kind::EqualRegex => MatchOp::Regex,
            Kind::NotEqualRegex => MatchOp::NotRegex,
            _ if name.is_quoted => return Ok(Matcher::equal(METRIC_NAME, name.text)),
            _ => return self.unexpected_in("label matching", "label matching operator"),
        };
        self.advance()?;
        let (value, end) = self.label_value("label matching")?;
        match Matcher::new(op, name.text, value.as_str()) {
            Ok(matcher) => Ok(matcher),
            Err(error) => self.fail(Position { start: name.start, end }, pattern::error(&value, &error)),
        }
    }

    /// A metric as in the text formats: labels are values.
    pub(super) fn metric(&mut self) -> Result<Labels> {
        let token = self.peek()?;
        let is_named = token.kind.is_metric_name();
        if is_named {
            self.advance()?;
        }
        let mut labels = LabelsBuilder::default();
        if self.peek()?.kind == Kind::LeftBrace {
            self.in_braces("label set", |parser| parser.label(&mut labels))?;
        }
        if is_named {
            labels.set(METRIC_NAME, token.text);
        }
        Ok(labels.build())
    }

    fn label(&mut self, labels: &mut LabelsBuilder) -> Result<()> {
        let name = self.name("label set")?;
        if self.eat(Kind::Equal)?.is_some() {
            let (value, _) = self.label_value("label set")?;
            labels.set(name.text, value);
            return Ok(());
        }
        if !name.is_quoted {
            return self.unexpected_in("label set", "\"=\"");
        }
        labels.set(METRIC_NAME, name.text);
        Ok(())
    }

    /// Things between braces, with commas between and perhaps behind them.
    fn in_braces(&mut self, place: &str, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<usize> {
        self.expect(Kind::LeftBrace)?;
        loop {
            if let Some(close) = self.eat(Kind::RightBrace)? {
                return Ok(close.end());
            }
            item(self)?;
            if let Some(close) = self.eat(Kind::RightBrace)? {
                return Ok(close.end());
            }
            if self.eat(Kind::Comma)?.is_none() {
                return self.unexpected_in(place, "\",\" or \"}\"");
            }
        }
    }

    fn name(&mut self, place: &str) -> Result<Name> {
        let token = self.peek()?;
        let (text, is_quoted) = match token.kind {
            Kind::Identifier => (token.text.to_owned(), false),
            Kind::String => (unquote(token.text), true),
            _ => return self.unexpected_in(place, "identifier or \"}\""),
        };
        self.advance()?;
        Ok(Name { text, is_quoted, start: token.start })
    }

    fn label_value(&mut self, place: &str) -> Result<(String, usize)> {
        match self.eat(Kind::String)? {
            Some(token) => Ok((unquote(token.text), token.end())),
            None => self.unexpected_in(place, "string"),
        }
    }
}

fn selector(name: Option<String>, matchers: Vec<Matcher>, position: Position) -> VectorSelector {
    VectorSelector { name, matchers, offset: None, at: None, extension: None, position }
}
