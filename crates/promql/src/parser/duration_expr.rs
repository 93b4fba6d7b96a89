//! Lengths of time that are computed: `[2 * step()]`, `offset (1h / 2)`.

use super::expression::{SIGN_OPERAND, precedence};
use super::token::{Kind, TimeWord};
use super::{Parser, Result};
use crate::ast::{BinaryOp, Duration, DurationExpr, NumberLiteral};
use crate::error::Position;

/// Where a duration stands, which errors tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Range,
    Step,
    Offset,
}

pub(super) enum ParsedDuration {
    /// Not in parentheses.
    Literal(NumberLiteral),
    Computed(DurationExpr, Position),
}

/// Seconds that do not fit in 64 bits of nanoseconds.
const OUT_OF_RANGE: f64 = i64::MAX as f64 / 1e9;

impl From<ParsedDuration> for Duration {
    fn from(duration: ParsedDuration) -> Self {
        match duration {
            // Prometheus rounds to nanoseconds and then leaves out what is less than a millisecond.
            ParsedDuration::Literal(number) => Duration::Millis((number.value * 1e9).round() as i64 / 1_000_000),
            ParsedDuration::Computed(expr, _) => Duration::Computed(Box::new(expr)),
        }
    }
}

impl ParsedDuration {
    fn position(&self) -> Position {
        match self {
            ParsedDuration::Literal(number) => number.position,
            ParsedDuration::Computed(_, position) => *position,
        }
    }

    fn expr(self) -> DurationExpr {
        match self {
            ParsedDuration::Literal(number) => DurationExpr::Number(number),
            ParsedDuration::Computed(expr, _) => expr,
        }
    }
}

impl Parser<'_> {
    /// In brackets.
    pub(super) fn positive_duration(&mut self, context: Context) -> Result<Duration> {
        let duration = self.duration_expr(context, 0)?;
        self.peek()?;
        match &duration {
            ParsedDuration::Literal(number) if number.value <= 0.0 => {
                self.fail(number.position, "duration must be greater than 0")
            }
            _ => Ok(duration.into()),
        }
    }

    /// Behind `offset`, with where it ends. Only what begins with a parenthesis (or two signs) goes on over operators:
    /// `a offset 5m + 1` adds 1 to `a`.
    pub(super) fn offset_duration(&mut self) -> Result<(ParsedDuration, usize)> {
        let context = Context::Offset;
        let duration = match self.eat_sign()? {
            None if self.peek()?.kind == Kind::LeftParen => self.duration_expr(context, 0)?,
            None => self.duration_operand(context)?,
            Some((op, sign)) => match self.peek()?.kind {
                Kind::Op(BinaryOp::Add | BinaryOp::Sub) => {
                    let operand = self.duration_expr(context, SIGN_OPERAND)?;
                    let signed = self.signed_duration(op, sign, operand)?;
                    self.duration_operators(context, signed, 0)?
                }
                Kind::TimeWord(_) => {
                    let operand = self.duration_operand(context)?;
                    let position = Position { start: sign.start, end: operand.position().end };
                    ParsedDuration::Computed(DurationExpr::Sign(op, Box::new(operand.expr()), position), position)
                }
                _ => {
                    let operand = self.duration_operand(context)?;
                    self.signed_duration(op, sign, operand)?
                }
            },
        };
        let end = duration.position().end;
        Ok((duration, end))
    }

    fn duration_expr(&mut self, context: Context, weakest: u8) -> Result<ParsedDuration> {
        self.enter()?;
        let operand = self.duration_operand(context)?;
        let duration = self.duration_operators(context, operand, weakest)?;
        self.leave();
        Ok(duration)
    }

    fn duration_operators(&mut self, context: Context, mut lhs: ParsedDuration, weakest: u8) -> Result<ParsedDuration> {
        loop {
            let token = self.peek()?;
            let Kind::Op(op) = token.kind else { return Ok(lhs) };
            let (strength, from_right) = precedence(op);
            let is_arithmetic = strength >= precedence(BinaryOp::Add).0 && op != BinaryOp::Atan2;
            if !is_arithmetic || strength < weakest {
                return Ok(lhs);
            }
            self.advance()?;
            self.count_operator(token.position())?;
            let rhs = self.duration_expr(context, if from_right { strength } else { strength + 1 })?;
            self.computed(lhs.position())?;
            if matches!(&rhs, ParsedDuration::Literal(number) if number.value == 0.0) {
                match op {
                    BinaryOp::Div => return self.fail(token.position(), "division by zero"),
                    BinaryOp::Mod => return self.fail(token.position(), "modulo by zero"),
                    _ => {}
                }
            }
            let position = Position { start: lhs.position().start, end: rhs.position().end };
            let expr = DurationExpr::Binary(op, Box::new(lhs.expr()), Box::new(rhs.expr()), position);
            lhs = ParsedDuration::Computed(expr, position);
        }
    }

    fn duration_operand(&mut self, context: Context) -> Result<ParsedDuration> {
        if let Some(number) = self.eat_number()? {
            if number.value.abs() > OUT_OF_RANGE {
                return self.fail(number.position, "duration out of range");
            }
            return Ok(ParsedDuration::Literal(number));
        }
        if let Some((op, sign)) = self.eat_sign()? {
            let operand = self.duration_expr(context, SIGN_OPERAND)?;
            return self.signed_duration(op, sign, operand);
        }
        let token = self.peek()?;
        match token.kind {
            Kind::TimeWord(word @ (TimeWord::Step | TimeWord::Range | TimeWord::MinOf | TimeWord::MaxOf)) => {
                self.advance()?;
                self.duration_function(context, word, token.start)
            }
            Kind::LeftParen => {
                self.advance()?;
                let inner = self.duration_expr(context, 0)?;
                let close = self.expect_in(context, Kind::RightParen)?;
                self.computed(inner.position())?;
                let position = Position { start: token.start, end: close };
                let expr = match inner.expr() {
                    // Prometheus knows no doubled parentheses here.
                    inner @ DurationExpr::Paren(_) => inner,
                    inner => DurationExpr::Paren(Box::new(inner)),
                };
                Ok(ParsedDuration::Computed(expr, position))
            }
            _ => self.unexpected_duration(context),
        }
    }

    fn duration_function(&mut self, context: Context, word: TimeWord, start: usize) -> Result<ParsedDuration> {
        self.expect_in(context, Kind::LeftParen)?;
        let operands = match word {
            TimeWord::MinOf | TimeWord::MaxOf => {
                let a = Box::new(self.duration_expr(context, 0)?.expr());
                self.expect_in(context, Kind::Comma)?;
                Some((a, Box::new(self.duration_expr(context, 0)?.expr())))
            }
            _ => None,
        };
        let position = Position { start, end: self.expect_in(context, Kind::RightParen)? };
        let expr = match (word, operands) {
            (TimeWord::MinOf, Some((a, b))) => DurationExpr::Min(a, b),
            (_, Some((a, b))) => DurationExpr::Max(a, b),
            (TimeWord::Step, None) => DurationExpr::Step(position),
            (_, None) => DurationExpr::Range(position),
        };
        self.computed(position)?;
        Ok(ParsedDuration::Computed(expr, position))
    }

    /// A sign belongs to the number behind it; plus in front of anything else means nothing.
    fn signed_duration(&mut self, op: BinaryOp, sign: Position, operand: ParsedDuration) -> Result<ParsedDuration> {
        let position = Position { start: sign.start, end: operand.position().end };
        match (op, operand) {
            (op, ParsedDuration::Literal(number)) => {
                let value = if op == BinaryOp::Sub { -number.value } else { number.value };
                Ok(ParsedDuration::Literal(NumberLiteral { value, position, ..number }))
            }
            (BinaryOp::Sub, ParsedDuration::Computed(expr, _)) => {
                Ok(ParsedDuration::Computed(DurationExpr::Sign(BinaryOp::Sub, Box::new(expr), position), position))
            }
            (_, operand) => Ok(operand),
        }
    }

    /// There is something to compute, which has to be allowed.
    fn computed(&self, at: Position) -> Result<()> {
        match self.options.duration_expressions {
            true => Ok(()),
            false => self.fail(at, "experimental duration expression is not enabled"),
        }
    }

    fn expect_in(&mut self, context: Context, kind: Kind) -> Result<usize> {
        match self.eat(kind)? {
            Some(token) => Ok(token.end()),
            None => self.unexpected_duration(context),
        }
    }

    fn unexpected_duration<T>(&mut self, context: Context) -> Result<T> {
        match context {
            Context::Range => self.unexpected_in("subquery or range selector", "number, duration, step(), or range()"),
            Context::Step => self.unexpected_in("subquery selector", "number, duration, step(), range(), or \"]\""),
            Context::Offset => self.unexpected_in("offset", "number, duration, step(), or range()"),
        }
    }
}
