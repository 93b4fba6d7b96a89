//! Calls of functions, aggregations, and the lists of labels that go with them.

use trefoil_go::quote::quote;
use trefoil_go::unquote;

use super::token::{Keyword, Kind, Token};
use super::{Parser, Result};
use crate::ast::{Aggregate, AggregateOp, Call, Expr};
use crate::error::Position;
use crate::functions::Function;

/// `by (…)` or `without (…)`.
struct Grouping {
    labels: Vec<String>,
    without: bool,
    end: usize,
}

impl Parser<'_> {
    /// The name has been read, and a parenthesis follows.
    pub(super) fn call(&mut self, name: Token<'_>) -> Result<Expr> {
        let (args, end) = self.arguments()?;
        let Some(function) = Function::find(name.text) else {
            return self.fail(name.position(), format!("unknown function with name {}", quote(name.text)));
        };
        if function.is_experimental && !self.options.experimental_functions {
            return self.fail(name.position(), format!("function {} is not enabled", quote(name.text)));
        }
        Ok(Expr::Call(Call { function, args, position: Position { start: name.start, end } }))
    }

    /// In parentheses; with where these end.
    fn arguments(&mut self) -> Result<(Vec<Expr>, usize)> {
        self.expect(Kind::LeftParen)?;
        let mut args = Vec::new();
        if let Some(close) = self.eat(Kind::RightParen)? {
            return Ok((args, close.end()));
        }
        loop {
            args.push(self.expression(0)?);
            if let Some(close) = self.eat(Kind::RightParen)? {
                return Ok((args, close.end()));
            }
            let comma = self.expect(Kind::Comma)?;
            if !self.peek()?.kind.starts_expression() {
                return self.fail(comma.position(), "trailing commas not allowed in function call args");
            }
        }
    }

    /// The operator has been read, and a parenthesis, `by` or `without` follows.
    pub(super) fn aggregate(&mut self, op: AggregateOp, start: usize) -> Result<Expr> {
        self.aggregations += 1;
        let before = self.grouping()?;
        let (args, args_end) = self.arguments()?;
        let grouping = match before {
            Some(before) => Grouping { end: args_end, ..before },
            None => self.grouping()?.unwrap_or(Grouping { labels: Vec::new(), without: false, end: args_end }),
        };
        self.aggregations -= 1;
        let Grouping { labels, without, end } = grouping;
        let position = Position { start, end };
        let (param, expr) = self.aggregate_arguments(op, args, position)?;
        Ok(Expr::Aggregate(Aggregate { op, expr: Box::new(expr), param, grouping: labels, without, position }))
    }

    fn aggregate_arguments(
        &mut self,
        op: AggregateOp,
        args: Vec<Expr>,
        position: Position,
    ) -> Result<(Option<Box<Expr>>, Expr)> {
        if args.is_empty() {
            return self.fail(position, "no arguments for aggregate expression provided");
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let flag = "--enable-feature=promql-experimental-functions";
            return self.fail(position, format!("{}() is experimental and must be enabled with {flag}", op.name()));
        }
        let (expected, given) = (if op.has_param() { 2 } else { 1 }, args.len());
        let mut args = args.into_iter();
        match (op.has_param(), args.next(), args.next(), args.next()) {
            (false, Some(expr), None, None) => Ok((None, expr)),
            (true, Some(param), Some(expr), None) => Ok((Some(Box::new(param)), expr)),
            _ => self.fail(
                position,
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {expected}, got {given}"
                ),
            ),
        }
    }

    fn grouping(&mut self) -> Result<Option<Grouping>> {
        let without = match self.peek()?.kind {
            Kind::Keyword(Keyword::By) => false,
            Kind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.advance()?;
        let (labels, end) = self.label_list()?;
        Ok(Some(Grouping { labels, without, end }))
    }

    /// Names of labels in parentheses.
    pub(super) fn grouping_labels(&mut self) -> Result<Vec<String>> {
        self.label_list().map(|(labels, _)| labels)
    }

    fn label_list(&mut self) -> Result<(Vec<String>, usize)> {
        if self.eat(Kind::LeftParen)?.is_none() {
            return self.unexpected_in("grouping opts", "\"(\"");
        }
        let mut labels = Vec::new();
        loop {
            // A comma may stand behind the last one.
            if let Some(close) = self.eat(Kind::RightParen)? {
                return Ok((labels, close.end()));
            }
            labels.push(self.grouping_label()?);
            if let Some(close) = self.eat(Kind::RightParen)? {
                return Ok((labels, close.end()));
            }
            if self.eat(Kind::Comma)?.is_none() {
                return self.unexpected_in("grouping opts", "\",\" or \")\"");
            }
        }
    }

    fn grouping_label(&mut self) -> Result<String> {
        let token = self.peek()?;
        let label = match token.kind {
            Kind::String => unquote(token.text),
            kind if kind.is_label_name() => token.text.to_owned(),
            _ => return self.unexpected_in("grouping opts", "label"),
        };
        self.advance()?;
        if label.is_empty() {
            return self.fail(token.position(), "invalid label name for grouping: \"\"");
        }
        Ok(label)
    }
}
