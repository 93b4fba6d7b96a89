//! What stands between operators outside of braces: spansets, numbers of spansets, constants and series. Which of them it is
//! shows only when it has been read, since all of them may stand in parentheses.

use super::field::{arithmetic, comparison, level};
use super::{Parser, Result};
use crate::ast::{
    ArithmeticOp, CompareOp, Metrics, Outcome, Pipeline, Relation, Scalar, SecondStage, Spanset, SpansetOp, Stage,
};
use crate::error::ParseError;
use crate::eval::arithmetic as calculated;
use crate::value::Value;

pub(super) enum Node {
    Spanset(Spanset),
    /// Stages with a `|` between them.
    Pipeline(Pipeline),
    Scalar(Scalar),
    Constant(Value),
    Metrics(Metrics),
}

/// A node and how deep it is.
pub(super) struct Deep {
    pub node: Node,
    pub depth: usize,
}

/// An operator that has been passed: its symbol and the place of its token.
#[derive(Clone, Copy)]
pub(super) struct Operator {
    pub symbol: &'static str,
    pub token: usize,
}

/// A pipeline of one stage.
pub(super) fn alone(spanset: Spanset) -> Pipeline {
    match spanset {
        Spanset::Pipeline(pipeline) => pipeline,
        spanset => Pipeline(vec![Stage::Spanset(spanset)]),
    }
}

/// How much an operator binds.
pub(super) fn binding(symbol: &str) -> Option<u8> {
    match symbol {
        "&&" | "||" => Some(1),
        _ if structure(symbol).is_some() || comparison(symbol).is_some() => Some(2),
        _ => arithmetic(symbol).map(level),
    }
}

fn structure(symbol: &str) -> Option<SpansetOp> {
    let (result, relation) = match symbol.as_bytes() {
        [b'!', ..] => (Outcome::Unrelated, &symbol[1..]),
        [b'&', ..] => (Outcome::Both, &symbol[1..]),
        _ => (Outcome::Related, symbol),
    };
    let relation = match relation {
        ">" => Relation::Child,
        "<" => Relation::Parent,
        ">>" => Relation::Descendant,
        "<<" => Relation::Ancestor,
        "~" => Relation::Sibling,
        _ => return None,
    };
    Some(SpansetOp::Structure { relation, result })
}

fn spanset_op(symbol: &str) -> Option<SpansetOp> {
    match symbol {
        "&&" => Some(SpansetOp::And),
        "||" => Some(SpansetOp::Or),
        _ => structure(symbol),
    }
}

impl Parser {
    /// `left operator right`, both sides of which are known now.
    pub(super) fn joined(&self, operator: Operator, left: Node, right: Node) -> Result<Node> {
        let symbol = operator.symbol;
        let cannot = || self.fail_at(operator.token, format!("syntax error: {symbol} cannot stand between these"));
        match (left, right) {
            (Node::Spanset(left), Node::Spanset(right)) => {
                let op = spanset_op(symbol).ok_or_else(cannot)?;
                Ok(Node::Spanset(Spanset::Operation { op, left: Box::new(left), right: Box::new(right) }))
            }
            (Node::Constant(left), Node::Constant(right)) => {
                let op = arithmetic(symbol).ok_or_else(cannot)?;
                self.folded(op, operator, &left, &right).map(Node::Constant)
            }
            (left @ Node::Metrics(_), right) | (left, right @ Node::Metrics(_)) => {
                self.of_metrics(operator, left, right).map(Node::Metrics)
            }
            (left, right) => {
                let (left, right) = (scalar(left).ok_or_else(cannot)?, scalar(right).ok_or_else(cannot)?);
                match (arithmetic(symbol), comparison(symbol)) {
                    (Some(op), _) => {
                        Ok(Node::Scalar(Scalar::Operation { op, left: Box::new(left), right: Box::new(right) }))
                    }
                    (_, Some(op)) if !matches!(op, CompareOp::Regex | CompareOp::NotRegex) => {
                        Ok(Node::Spanset(Spanset::Pipeline(Pipeline(vec![Stage::ScalarFilter { op, left, right }]))))
                    }
                    _ => Err(cannot()),
                }
            }
        }
    }

    /// Whole numbers stay whole; there is no arithmetic of durations, as it would be hard to say what `1s * 1s` is.
    fn folded(&self, op: ArithmeticOp, operator: Operator, left: &Value, right: &Value) -> Result<Value> {
        let is_folded = matches!(op, ArithmeticOp::Add | ArithmeticOp::Sub | ArithmeticOp::Mul | ArithmeticOp::Div);
        if !is_folded || [left, right].iter().any(|value| matches!(value, Value::Duration(_))) {
            return Err(self.fail_at(
                operator.token,
                "syntax error: constants are added, subtracted, multiplied and divided, durations are not",
            ));
        }
        match calculated(op, left, right) {
            Value::Nil => Err(self.fail_at(operator.token, "division by zero")),
            value => Ok(value),
        }
    }

    fn of_metrics(&self, operator: Operator, left: Node, right: Node) -> Result<Metrics> {
        let symbol = operator.symbol;
        let fail = |message: String| self.fail_at(operator.token, message);
        if let Some(op) = comparison(symbol) {
            let (Node::Metrics(of), Node::Constant(value)) = (left, right) else {
                return Err(fail("syntax error: series are compared with a constant on the right".to_owned()));
            };
            return Ok(Metrics::Then { of: Box::new(of), stage: self.series_filter(op, value)? });
        }
        let op = arithmetic(symbol).filter(|op| !matches!(op, ArithmeticOp::Mod | ArithmeticOp::Pow));
        let op = op.ok_or_else(|| fail(format!("syntax error: {symbol} cannot stand between series")))?;
        match (left, right) {
            (Node::Metrics(left), Node::Metrics(right)) => {
                Ok(Metrics::Operation { op, left: Box::new(left), right: Box::new(right) })
            }
            (Node::Metrics(metrics), Node::Constant(value)) => {
                Ok(Metrics::WithScalar { op, metrics: Box::new(metrics), scalar: self.number(&value)?, is_left: false })
            }
            (Node::Constant(value), Node::Metrics(metrics)) => {
                Ok(Metrics::WithScalar { op, metrics: Box::new(metrics), scalar: self.number(&value)?, is_left: true })
            }
            _ => Err(fail(format!("syntax error: {symbol} cannot stand between series and spansets"))),
        }
    }

    pub(super) fn series_filter(&self, op: CompareOp, value: Value) -> Result<SecondStage> {
        match op {
            CompareOp::Regex | CompareOp::NotRegex => Err(self.fail("syntax error: series are not text")),
            op => Ok(SecondStage::Filter { op, value }),
        }
    }

    fn number(&self, value: &Value) -> Result<f64> {
        match value {
            Value::Duration(_) => Err(self.fail("durations cannot be added to series or multiply them")),
            value => Ok(value.as_float().unwrap_or(f64::NAN)),
        }
    }
}

fn scalar(node: Node) -> Option<Scalar> {
    match node {
        Node::Scalar(scalar) => Some(scalar),
        Node::Constant(value) => Some(Scalar::Constant(value)),
        _ => None,
    }
}

impl Node {
    /// As a stage of a pipeline.
    pub(super) fn into_stages(self, fail: impl FnOnce(&str) -> ParseError) -> Result<Vec<Stage>> {
        match self {
            Node::Spanset(Spanset::Pipeline(Pipeline(stages))) if stages.len() == 1 => Ok(stages),
            Node::Spanset(spanset) => Ok(vec![Stage::Spanset(spanset)]),
            Node::Pipeline(Pipeline(stages)) => Ok(stages),
            Node::Scalar(_) | Node::Constant(_) => {
                Err(fail("syntax error: a number of a spanset has to be compared, as in count() > 1"))
            }
            Node::Metrics(_) => Err(fail("syntax error: series cannot be a stage of a pipeline")),
        }
    }
}
