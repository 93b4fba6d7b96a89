//! Expressions over one span.

use super::{Parser, Result};
use crate::ast::{ArithmeticOp, Attribute, CompareOp, Field, Intrinsic};
use crate::lexer::Kind;
use crate::value::{Kind as SpanKind, Status, Value};

/// An expression and how deep it is.
struct Deep {
    field: Field,
    depth: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Op {
    And,
    Or,
    Compare(CompareOp),
    Arithmetic(ArithmeticOp),
}

impl Op {
    fn of(symbol: &str) -> Option<Op> {
        Some(match symbol {
            "&&" => Op::And,
            "||" => Op::Or,
            _ => match (comparison(symbol), arithmetic(symbol)) {
                (Some(op), _) => Op::Compare(op),
                (_, Some(op)) => Op::Arithmetic(op),
                _ => return None,
            },
        })
    }

    fn level(self) -> u8 {
        match self {
            Op::And | Op::Or => 1,
            Op::Compare(_) => 2,
            Op::Arithmetic(op) => level(op),
        }
    }
}

pub(super) fn comparison(symbol: &str) -> Option<CompareOp> {
    Some(match symbol {
        "=" => CompareOp::Equal,
        "!=" => CompareOp::NotEqual,
        "<" => CompareOp::Less,
        "<=" => CompareOp::LessEqual,
        ">" => CompareOp::Greater,
        ">=" => CompareOp::GreaterEqual,
        "=~" => CompareOp::Regex,
        "!~" => CompareOp::NotRegex,
        _ => return None,
    })
}

pub(super) fn arithmetic(symbol: &str) -> Option<ArithmeticOp> {
    Some(match symbol {
        "+" => ArithmeticOp::Add,
        "-" => ArithmeticOp::Sub,
        "*" => ArithmeticOp::Mul,
        "/" => ArithmeticOp::Div,
        "%" => ArithmeticOp::Mod,
        "^" => ArithmeticOp::Pow,
        _ => return None,
    })
}

pub(super) fn level(op: ArithmeticOp) -> u8 {
    match op {
        ArithmeticOp::Add | ArithmeticOp::Sub => 3,
        ArithmeticOp::Mul | ArithmeticOp::Div | ArithmeticOp::Mod => PRODUCT,
        ArithmeticOp::Pow => 5,
    }
}

/// What a sign or a `!` stands in front of: products and powers, nothing that binds less.
const PRODUCT: u8 = 4;

impl Parser {
    pub(super) fn field(&mut self) -> Result<Field> {
        Ok(self.binary(1)?.field)
    }

    /// Operators of this level and those that bind more.
    fn binary(&mut self, least: u8) -> Result<Deep> {
        let mut left = self.unary()?;
        while let Kind::Symbol(symbol) = self.peek()
            && let Some(op) = Op::of(symbol).filter(|op| op.level() >= least)
        {
            self.next();
            // Powers are the only ones that are taken from the right.
            let next = op.level() + u8::from(op != Op::Arithmetic(ArithmeticOp::Pow));
            let right = self.within(|parser| parser.binary(next))?;
            let depth = match &left.field {
                Field::And(_) if op == Op::And => left.depth.max(self.above([right.depth, 0])?),
                Field::Or(_) if op == Op::Or => left.depth.max(self.above([right.depth, 0])?),
                _ => self.above([left.depth, right.depth])?,
            };
            left = Deep { field: combined(op, left.field, right.field), depth };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Deep> {
        if self.takes_symbol("-") {
            let of = self.within(|parser| parser.binary(PRODUCT))?;
            return Ok(Deep { depth: self.above([of.depth, 0])?, field: negative(of.field) });
        }
        if self.takes_symbol("!") {
            let of = self.within(|parser| parser.binary(PRODUCT))?;
            return Ok(Deep { depth: self.above([of.depth, 0])?, field: Field::Not(Box::new(of.field)) });
        }
        if self.takes_symbol("(") {
            let within = self.within(|parser| parser.binary(1))?;
            self.expect(")")?;
            return Ok(within);
        }
        if let Some(value) = self.value()? {
            return Ok(Deep { field: Field::Value(value), depth: 0 });
        }
        Ok(Deep { field: Field::Attribute(self.attribute()?), depth: 0 })
    }

    /// A constant, `nil` among them; `None` if there is none.
    pub(super) fn value(&mut self) -> Result<Option<Value>> {
        let value = match self.peek() {
            Kind::Text(text) => Value::string(text),
            Kind::Word(word) => match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "nil" => Value::Nil,
                "minInt" => Value::Int(i64::MIN),
                "maxInt" => Value::Int(i64::MAX),
                word => match (Status::named(word), SpanKind::named(word)) {
                    (Some(status), _) => Value::Status(status),
                    (_, Some(kind)) => Value::Kind(kind),
                    _ => return Ok(None),
                },
            },
            _ => return Ok(self.constant()),
        };
        self.next();
        Ok(Some(value))
    }

    pub(super) fn attribute(&mut self) -> Result<Attribute> {
        let attribute = match self.peek() {
            Kind::Attribute(attribute) => attribute.clone(),
            Kind::Scope(scope) => {
                let scope = *scope;
                self.next();
                let Kind::Word(name) = self.peek() else { return Err(self.unexpected("expected an intrinsic's name")) };
                match Intrinsic::scoped(scope, name) {
                    Some(intrinsic) => Attribute::Intrinsic(intrinsic),
                    None => return Err(self.fail(format!("syntax error: {scope}:{name} is not an intrinsic"))),
                }
            }
            Kind::Word(word) if word == "parent" => Attribute::OfParent { scope: None, name: String::new() },
            Kind::Word(word) => match Intrinsic::named(word) {
                Some(intrinsic) => Attribute::Intrinsic(intrinsic),
                None => return Err(self.fail(format!("unknown identifier: {word}"))),
            },
            _ => return Err(self.unexpected("expected a value or an attribute")),
        };
        self.next();
        Ok(attribute)
    }
}

fn combined(op: Op, left: Field, right: Field) -> Field {
    match (op, left, right) {
        (Op::And, Field::And(mut list), right) => {
            list.push(right);
            Field::And(list)
        }
        (Op::Or, Field::Or(mut list), right) => {
            list.push(right);
            Field::Or(list)
        }
        (Op::And, left, right) => Field::And(vec![left, right]),
        (Op::Or, left, right) => Field::Or(vec![left, right]),
        (Op::Compare(CompareOp::Equal | CompareOp::NotEqual), Field::Value(Value::Nil), Field::Value(Value::Nil)) => {
            Field::Value(Value::Bool(false))
        }
        (Op::Compare(CompareOp::NotEqual), Field::Value(Value::Nil), of)
        | (Op::Compare(CompareOp::NotEqual), of, Field::Value(Value::Nil)) => Field::Exists(Box::new(of)),
        (Op::Compare(CompareOp::Equal), Field::Value(Value::Nil), of)
        | (Op::Compare(CompareOp::Equal), of, Field::Value(Value::Nil)) => Field::IsNil(Box::new(of)),
        (Op::Compare(op), left, right) => {
            let (left, right) = (like_trace_id(left, &right), right);
            let right = like_trace_id(right, &left);
            Field::Compare { op, left: Box::new(left), right: Box::new(right) }
        }
        (Op::Arithmetic(op), left, right) => Field::Arithmetic { op, left: Box::new(left), right: Box::new(right) },
    }
}

/// Trace ids have no zeros in front, whichever way they are written.
fn like_trace_id(field: Field, other: &Field) -> Field {
    let is_id = |other: &Field| {
        matches!(other, Field::Attribute(Attribute::Intrinsic(Intrinsic::TraceId | Intrinsic::LinkTraceId)))
    };
    match field {
        Field::Value(Value::String(text)) if is_id(other) => Field::Value(Value::string(text.trim_start_matches('0'))),
        field => field,
    }
}

fn negative(of: Field) -> Field {
    match of {
        Field::Value(Value::Int(number)) => Field::Value(Value::Int(number.wrapping_neg())),
        Field::Value(Value::Float(number)) => Field::Value(Value::Float(-number)),
        Field::Value(Value::Duration(nanos)) => Field::Value(Value::Duration(nanos.wrapping_neg())),
        of => Field::Negative(Box::new(of)),
    }
}
