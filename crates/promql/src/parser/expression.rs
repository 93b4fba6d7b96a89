//! Expressions, by climbing their operators' precedence.

use trefoil_go::unquote;

use super::token::{Keyword, Kind};
use super::{Parser, Result, duration, literal};
use crate::ast::{Binary, BinaryOp, Cardinality, Expr, NumberLiteral, Paren, StringLiteral, Unary, VectorMatching};
use crate::error::Position;

/// What stands between an operator and its right side.
struct BinaryModifiers {
    return_bool: bool,
    matching: VectorMatching,
}

/// How tightly an operator binds, and whether it groups from the right.
pub(super) fn precedence(op: BinaryOp) -> (u8, bool) {
    use BinaryOp::*;
    match op {
        Or => (1, false),
        And | Unless => (2, false),
        Eq | Ne | Gt | Lt | Ge | Le | TrimUpper | TrimLower => (3, false),
        Add | Sub => (4, false),
        Mul | Div | Mod | Atan2 => (5, false),
        Pow => (6, true),
    }
}

/// Signs bind like `*`, so what they are in front of reaches over `^` only.
pub(super) const SIGN_OPERAND: u8 = 6;

impl Parser<'_> {
    /// An expression of operators that bind at least as tightly as `weakest`.
    pub(super) fn expression(&mut self, weakest: u8) -> Result<Expr> {
        self.enter()?;
        let mut lhs = self.operand()?;
        while let Some((op, rhs_weakest)) = self.binary_operator(weakest)? {
            let modifiers = self.binary_modifiers()?;
            let rhs = self.expression(rhs_weakest)?;
            lhs = self.binary(lhs, op, modifiers, rhs)?;
        }
        self.leave();
        Ok(lhs)
    }

    /// The next operator, if it binds tightly enough, and how tightly those to the right of it have to.
    fn binary_operator(&mut self, weakest: u8) -> Result<Option<(BinaryOp, u8)>> {
        let token = self.peek()?;
        let Kind::Op(op) = token.kind else { return Ok(None) };
        let (strength, from_right) = precedence(op);
        if strength < weakest {
            return Ok(None);
        }
        self.advance()?;
        self.count_operator(token.position())?;
        Ok(Some((op, if from_right { strength } else { strength + 1 })))
    }

    fn binary(&mut self, lhs: Expr, op: BinaryOp, modifiers: BinaryModifiers, rhs: Expr) -> Result<Expr> {
        let position = Position { start: lhs.position().start, end: rhs.position().end };
        let BinaryModifiers { return_bool, matching } = modifiers;
        if !self.options.fill_modifiers && (matching.fill_left.is_some() || matching.fill_right.is_some()) {
            return self.fail(position, "binop fill modifiers are experimental and not enabled");
        }
        let (lhs, rhs) = (Box::new(lhs), Box::new(rhs));
        Ok(Expr::Binary(Binary { op, lhs, rhs, matching: Some(matching), return_bool, position }))
    }

    /// `bool`, `on` or `ignoring`, `group_left` or `group_right`, `fill…`: each optional, in this order.
    fn binary_modifiers(&mut self) -> Result<BinaryModifiers> {
        let return_bool = self.eat(Kind::Keyword(Keyword::Bool))?.is_some();
        let mut matching = VectorMatching {
            cardinality: Cardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        if let Kind::Keyword(keyword @ (Keyword::On | Keyword::Ignoring)) = self.peek()?.kind {
            self.advance()?;
            matching.on = keyword == Keyword::On;
            matching.labels = self.grouping_labels()?;
            self.group_modifier(&mut matching)?;
        }
        self.fill_modifiers(&mut matching)?;
        Ok(BinaryModifiers { return_bool, matching })
    }

    fn group_modifier(&mut self, matching: &mut VectorMatching) -> Result<()> {
        matching.cardinality = match self.peek()?.kind {
            Kind::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            Kind::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return Ok(()),
        };
        self.advance()?;
        match self.peek()?.kind {
            Kind::LeftParen => matching.include = self.grouping_labels()?,
            Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight) => {}
            kind if kind.starts_expression() => {}
            _ => return self.unexpected_in("grouping opts", "\"(\""),
        }
        Ok(())
    }

    fn fill_modifiers(&mut self, matching: &mut VectorMatching) -> Result<()> {
        match self.peek()?.kind {
            Kind::Keyword(Keyword::Fill) => {
                self.advance()?;
                matching.fill_left = Some(self.fill_value()?);
                matching.fill_right = matching.fill_left;
            }
            Kind::Keyword(Keyword::FillLeft) => {
                self.advance()?;
                matching.fill_left = Some(self.fill_value()?);
                if self.eat(Kind::Keyword(Keyword::FillRight))?.is_some() {
                    matching.fill_right = Some(self.fill_value()?);
                }
            }
            Kind::Keyword(Keyword::FillRight) => {
                self.advance()?;
                matching.fill_right = Some(self.fill_value()?);
                if self.eat(Kind::Keyword(Keyword::FillLeft))?.is_some() {
                    matching.fill_left = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fill_value(&mut self) -> Result<f64> {
        self.expect(Kind::LeftParen)?;
        let sign = self.eat_sign()?;
        let Some(number) = self.eat_number()? else { return self.unexpected() };
        self.expect(Kind::RightParen)?;
        match sign {
            Some((BinaryOp::Sub, _)) => Ok(-number.value),
            _ => Ok(number.value),
        }
    }

    /// Something without operators around it, but with the modifiers behind it.
    fn operand(&mut self) -> Result<Expr> {
        if let Some((op, sign)) = self.eat_sign()? {
            return Ok(signed(op, sign.start, self.expression(SIGN_OPERAND)?));
        }
        let primary = self.primary()?;
        self.modified(primary)
    }

    /// What recurses is in functions of its own, which keeps the stack small.
    fn primary(&mut self) -> Result<Expr> {
        match self.peek()?.kind {
            Kind::Number | Kind::Duration | Kind::String => self.literal(),
            Kind::LeftParen => self.paren(),
            Kind::LeftBrace => self.vector_selector().map(Expr::Vector),
            kind if kind.is_metric_name() => self.named(),
            _ => self.unexpected(),
        }
    }

    fn literal(&mut self) -> Result<Expr> {
        if let Some(number) = self.eat_number()? {
            return Ok(Expr::Number(number));
        }
        let token = self.expect(Kind::String)?;
        let value = unquote(token.text);
        Ok(Expr::String(StringLiteral { value, position: token.position() }))
    }

    fn paren(&mut self) -> Result<Expr> {
        let start = self.expect(Kind::LeftParen)?.start;
        let expr = Box::new(self.expression(0)?);
        let end = self.expect(Kind::RightParen)?.end();
        Ok(Expr::Paren(Paren { expr, position: Position { start, end } }))
    }

    /// A selector, call or aggregation: what follows the name tells.
    fn named(&mut self) -> Result<Expr> {
        let name = self.advance()?;
        match (name.kind, self.peek()?.kind) {
            (Kind::Identifier | Kind::TimeWord(_), Kind::LeftParen) => self.call(name),
            (Kind::Aggregate(op), Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without)) => {
                self.aggregate(op, name.start)
            }
            _ => self.named_selector(name).map(Expr::Vector),
        }
    }

    pub(super) fn eat_sign(&mut self) -> Result<Option<(BinaryOp, Position)>> {
        let token = self.peek()?;
        let Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) = token.kind else { return Ok(None) };
        self.advance()?;
        Ok(Some((op, token.position())))
    }

    pub(super) fn eat_number(&mut self) -> Result<Option<NumberLiteral>> {
        let token = self.peek()?;
        let position = token.position();
        let value = match token.kind {
            Kind::Number => literal::number(token.text),
            Kind::Duration => duration::parse_duration(token.text).map(seconds),
            _ => return Ok(None),
        };
        self.advance()?;
        match value {
            Ok(value) => Ok(Some(NumberLiteral { value, is_duration: token.kind == Kind::Duration, position })),
            Err(message) => self.fail(position, message),
        }
    }
}

/// Rounded as Go does it: whole seconds and the rest apart.
fn seconds(millis: i64) -> f64 {
    (millis / 1000) as f64 + (millis % 1000 * 1_000_000) as f64 / 1e9
}

/// A sign in front of a number belongs to the number.
fn signed(op: BinaryOp, start: usize, operand: Expr) -> Expr {
    let position = Position { start, end: operand.position().end };
    match operand {
        Expr::Number(mut number) => {
            if op == BinaryOp::Sub {
                number.value = -number.value;
            }
            Expr::Number(NumberLiteral { position, ..number })
        }
        operand => Expr::Unary(Unary { op, expr: Box::new(operand), position }),
    }
}
