//! Stages with `|` between them, and the operators outside of braces.

use super::node::{Deep, Node, Operator, binding};
use super::{Parser, Result};
use crate::ast::{Aggregate, Field, Pipeline, Scalar, Spanset, Stage};
use crate::lexer::Kind;
use crate::value::Value;

impl Parser {
    /// Everything up to a closing parenthesis, `with` or the end.
    pub(super) fn pipeline(&mut self) -> Result<Deep> {
        let Deep { node, depth } = self.first_stage()?;
        let node = match node {
            Node::Metrics(metrics) => Node::Metrics(self.second_stages(metrics)?),
            node if !self.is_symbol("|") => node,
            node => self.later_stages(node)?,
        };
        Ok(Deep { node, depth: self.above([depth, 0])? })
    }

    fn first_stage(&mut self) -> Result<Deep> {
        if matches!(self.peek(), Kind::Word(word) if word == "coalesce") {
            return Err(self.fail("syntax error: a pipeline cannot begin with coalesce()"));
        }
        match self.named_stage()? {
            Some(stage) => Ok(Deep { node: Node::Pipeline(Pipeline(vec![stage])), depth: 0 }),
            None => self.operators(1),
        }
    }

    fn later_stages(&mut self, first: Node) -> Result<Node> {
        let mut stages = first.into_stages(|message| self.fail(message))?;
        while self.takes_symbol("|") {
            if let Some(function) = self.metrics_function()? {
                return Ok(Node::Metrics(self.metrics_of(Pipeline(stages), function)?));
            }
            match self.named_stage()? {
                Some(stage) => stages.push(stage),
                None => {
                    let node = self.operators(1)?.node;
                    stages.extend(node.into_stages(|message| self.fail(message))?);
                }
            }
        }
        Ok(Node::Pipeline(Pipeline(stages)))
    }

    /// `by(…)`, `coalesce()`, `select(…)`.
    fn named_stage(&mut self) -> Result<Option<Stage>> {
        if self.takes_word("by") {
            self.expect("(")?;
            let of = self.field()?;
            self.expect(")")?;
            return Ok(Some(Stage::By(of)));
        }
        if self.takes_word("coalesce") {
            self.expect("(")?;
            self.expect(")")?;
            return Ok(Some(Stage::Coalesce));
        }
        if self.takes_word("select") {
            return Ok(Some(Stage::Select(self.list(Parser::attribute)?)));
        }
        Ok(None)
    }

    /// Operators that bind at least so much.
    pub(super) fn operators(&mut self, least: u8) -> Result<Deep> {
        let mut left = self.operand()?;
        while let Kind::Symbol(symbol) = *self.peek()
            && let Some(level) = binding(symbol).filter(|level| *level >= least)
        {
            let operator = Operator { symbol, token: self.at };
            self.next();
            let next = level + u8::from(symbol != "^");
            let right = self.within(|parser| parser.operators(next))?;
            let depth = self.above([left.depth, right.depth])?;
            left = Deep { node: self.joined(operator, left.node, right.node)?, depth };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Deep> {
        if let Some(value) = self.constant() {
            return Ok(Deep { node: Node::Constant(value), depth: 0 });
        }
        if self.takes_symbol("{") {
            let filter = if self.is_symbol("}") { Field::Value(Value::Bool(true)) } else { self.field()? };
            self.expect("}")?;
            return Ok(Deep { node: Node::Spanset(Spanset::Filter(filter)), depth: 0 });
        }
        if self.takes_symbol("-") {
            let Deep { node, depth } = self.within(Parser::operand)?;
            return match node {
                Node::Constant(Value::Int(number)) => Ok(constant(Value::Int(number.wrapping_neg()), depth)),
                Node::Constant(Value::Float(number)) => Ok(constant(Value::Float(-number), depth)),
                Node::Constant(Value::Duration(nanos)) => Ok(constant(Value::Duration(nanos.wrapping_neg()), depth)),
                _ => Err(self.fail("syntax error: only constants have a sign here")),
            };
        }
        if self.takes_symbol("(") {
            let Deep { node, depth } = self.within(Parser::pipeline)?;
            self.expect(")")?;
            let node = match node {
                Node::Pipeline(pipeline) => Node::Spanset(Spanset::Pipeline(pipeline)),
                node => node,
            };
            return Ok(Deep { node, depth });
        }
        self.aggregate()
    }

    fn aggregate(&mut self) -> Result<Deep> {
        let expected = "expected {, ( or a function";
        let Kind::Word(word) = self.peek() else { return Err(self.unexpected(expected)) };
        let function = match word.as_str() {
            "count" => Aggregate::Count,
            "max" => Aggregate::Max,
            "min" => Aggregate::Min,
            "avg" => Aggregate::Avg,
            "sum" => Aggregate::Sum,
            _ => return Err(self.unexpected(expected)),
        };
        self.next();
        self.expect("(")?;
        let of = if function == Aggregate::Count { None } else { Some(self.field()?) };
        self.expect(")")?;
        Ok(Deep { node: Node::Scalar(Scalar::Aggregate { function, of }), depth: 0 })
    }

    /// The spans that `compare()` is about.
    pub(super) fn filter(&mut self) -> Result<Field> {
        match self.operand()?.node {
            Node::Spanset(Spanset::Filter(field)) => Ok(field),
            _ => Err(self.unexpected("expected a filter in braces")),
        }
    }
}

fn constant(value: Value, depth: usize) -> Deep {
    Deep { node: Node::Constant(value), depth }
}
