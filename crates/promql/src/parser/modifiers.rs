//! What stands behind an expression: ranges, `offset`, `@`, `anchored`, `smoothed`.

use super::duration_expr::{Context, ParsedDuration};
use super::token::{Keyword, Kind, TimeWord, Token};
use super::{Parser, Result};
use crate::ast::{At, BinaryOp, Duration, Expr, Extension, MatrixSelector, Subquery};
use crate::error::Position;

/// The parts of a selector or subquery that modifiers set.
struct Modifiable<'e> {
    offset: &'e mut Option<Duration>,
    at: &'e mut Option<At>,
    position: &'e mut Position,
}

impl Parser<'_> {
    /// `expr` with all modifiers behind it.
    pub(super) fn modified(&mut self, mut expr: Expr) -> Result<Expr> {
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::LeftBracket => expr = self.range(expr)?,
                Kind::Keyword(Keyword::Offset) => self.offset(&mut expr)?,
                Kind::At => self.at(&mut expr)?,
                Kind::Keyword(Keyword::Anchored) => self.extension(&mut expr, Extension::Anchored)?,
                Kind::Keyword(Keyword::Smoothed) => self.extension(&mut expr, Extension::Smoothed)?,
                _ => return Ok(expr),
            }
        }
    }

    fn range(&mut self, expr: Expr) -> Result<Expr> {
        let open = self.advance()?;
        let range = self.positive_duration(Context::Range)?;
        if let Some(close) = self.eat(Kind::RightBracket)? {
            return self.matrix_selector(expr, open, range, close);
        }
        if self.eat(Kind::Colon)?.is_none() {
            return self.unexpected_in("subquery or range", "\":\" or \"]\"");
        }
        self.count_operator(open.position())?;
        let (step, end) = match self.eat(Kind::RightBracket)? {
            Some(close) => (None, close.end()),
            None => {
                let step = self.positive_duration(Context::Step)?;
                let Some(close) = self.eat(Kind::RightBracket)? else {
                    return self.unexpected_in("subquery selector", "\"]\"");
                };
                (Some(step), close.end())
            }
        };
        let position = Position { start: expr.position().start, end };
        Ok(Expr::Subquery(Subquery { expr: Box::new(expr), range, step, offset: None, at: None, position }))
    }

    fn matrix_selector(&self, expr: Expr, open: Token<'_>, range: Duration, close: Token<'_>) -> Result<Expr> {
        let brackets = Position { start: open.start, end: close.end() };
        let Expr::Vector(selector) = expr else {
            return self.fail(brackets, "ranges only allowed for vector selectors");
        };
        if selector.offset.is_some() {
            return self.fail(brackets, "no offset modifiers allowed before range");
        }
        if selector.at.is_some() {
            return self.fail(brackets, "no @ modifiers allowed before range");
        }
        let position = Position { start: selector.position.start, end: close.end() };
        Ok(Expr::Matrix(MatrixSelector { selector, range, position }))
    }

    fn offset(&mut self, expr: &mut Expr) -> Result<()> {
        self.advance()?;
        let (duration, end) = self.offset_duration()?;
        let at = expr.position();
        let Some(target) = modifiable(expr) else {
            return self.fail(at, misplaced("offset"));
        };
        if target.offset.is_some() {
            return self.fail(at, "offset may not be set multiple times");
        }
        *target.offset = match duration {
            // The same as none, also for Prometheus.
            ParsedDuration::Literal(number) if number.value == 0.0 => None,
            duration => Some(duration.into()),
        };
        target.position.end = end;
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Result<()> {
        self.advance()?;
        let position = expr.position();
        let (at, end) = match self.at_boundary()? {
            Some(boundary) => boundary,
            None => {
                let (seconds, end) = self.at_seconds()?;
                // What does not fit in 64 bits.
                if seconds.is_nan() || seconds.abs() >= 9_223_372_036_854_775_808.0 {
                    let message = format!("timestamp out of bounds for @ modifier: {}", fixed(seconds));
                    return self.fail(position, message);
                }
                (At::Time((seconds * 1000.0).round() as i64), end)
            }
        };
        let Some(target) = modifiable(expr) else {
            return self.fail(position, misplaced("@"));
        };
        if target.at.is_some() {
            return self.fail(position, "@ <timestamp> may not be set multiple times");
        }
        *target.at = Some(at);
        target.position.end = end;
        Ok(())
    }

    /// `start()` or `end()`.
    fn at_boundary(&mut self) -> Result<Option<(At, usize)>> {
        let at = match self.peek()?.kind {
            Kind::TimeWord(TimeWord::Start) => At::Start,
            Kind::TimeWord(TimeWord::End) => At::End,
            _ => return Ok(None),
        };
        self.advance()?;
        if self.eat(Kind::LeftParen)?.is_none() {
            return self.unexpected_in("@", "timestamp");
        }
        match self.eat(Kind::RightParen)? {
            Some(close) => Ok(Some((at, close.end()))),
            None => self.unexpected_in("@", "timestamp"),
        }
    }

    fn at_seconds(&mut self) -> Result<(f64, usize)> {
        let sign = self.eat_sign()?;
        let Some(number) = self.eat_number()? else {
            return self.unexpected_in("@", "timestamp");
        };
        let value = match sign {
            Some((BinaryOp::Sub, _)) => -number.value,
            _ => number.value,
        };
        Ok((value, number.position.end))
    }

    fn extension(&mut self, expr: &mut Expr, extension: Extension) -> Result<()> {
        self.advance()?;
        let at = expr.position();
        let name = extension.name();
        if !self.options.extended_range_selectors {
            return self.fail(at, format!("{name} modifier is experimental and not enabled"));
        }
        let selector = match expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &mut matrix.selector,
            Expr::Subquery(_) => return self.fail(at, format!("{name} modifier is not supported for subqueries")),
            _ => return self.fail(at, format!("{name} modifier not implemented")),
        };
        if selector.extension.is_some_and(|other| other != extension) {
            return self.fail(at, "anchored and smoothed modifiers cannot be used together");
        }
        selector.extension = Some(extension);
        Ok(())
    }
}

fn modifiable(expr: &mut Expr) -> Option<Modifiable<'_>> {
    match expr {
        Expr::Vector(selector) => {
            Some(Modifiable { offset: &mut selector.offset, at: &mut selector.at, position: &mut selector.position })
        }
        Expr::Matrix(matrix) => Some(Modifiable {
            offset: &mut matrix.selector.offset,
            at: &mut matrix.selector.at,
            position: &mut matrix.position,
        }),
        Expr::Subquery(subquery) => {
            Some(Modifiable { offset: &mut subquery.offset, at: &mut subquery.at, position: &mut subquery.position })
        }
        _ => None,
    }
}

fn misplaced(modifier: &str) -> String {
    let places = "an instant vector selector or range vector selector or a subquery";
    format!("{modifier} modifier must be preceded by {places}")
}

/// With six digits behind the point, infinities as Go writes them.
fn fixed(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => format!("{value:.6}"),
    }
}
