//! Pipelines: what stands within an action.

use super::{Parsed, Parser};
use crate::ast::{Command, Number, Operand, OperandKind, Pipeline};
use crate::lexer::Kind;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipeline> {
        self.skip_space();
        let mut pipeline = Pipeline { at: self.peek().at, declared: Vec::new(), assigns: false, commands: Vec::new() };
        self.declarations(&mut pipeline, context)?;
        loop {
            let kind = self.kind_beyond_space();
            if kind == end {
                self.next += 1;
                return checked(pipeline, context);
            }
            match kind {
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::String
                | Kind::Variable
                | Kind::LeftParenthesis => pipeline.commands.push(self.command()?),
                _ => {
                    let token = self.take();
                    return self.unexpected(&token, context);
                }
            }
        }
    }

    /// `$x :=`, `$x =`, and in front of a loop `$i, $x :=`.
    fn declarations(&mut self, pipeline: &mut Pipeline, context: &str) -> Parsed<()> {
        while self.kind_beyond_space() == Kind::Variable {
            let variable = self.next;
            let name = self.take().text.into_owned();
            let kind = self.kind_beyond_space();
            match kind {
                Kind::Declare | Kind::Assign => {
                    self.next += 1;
                    pipeline.assigns = kind == Kind::Assign;
                    pipeline.declared.push(name.clone());
                    self.variables.push(name);
                    return Ok(());
                }
                Kind::Comma => {
                    self.next += 1;
                    pipeline.declared.push(name.clone());
                    self.variables.push(name);
                    if context != "range" || pipeline.declared.len() >= 2 {
                        return Err(format!("too many declarations in {context}"));
                    }
                    match self.kind_beyond_space() {
                        Kind::Variable | Kind::Close | Kind::RightParenthesis => {}
                        _ => return Err("range can only initialize variables".to_owned()),
                    }
                }
                _ => {
                    self.next = variable;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            match self.kind() {
                Kind::Space => {}
                Kind::Close | Kind::RightParenthesis => break,
                Kind::Pipe => {
                    self.next += 1;
                    break;
                }
                _ => {
                    let token = self.take();
                    return self.unexpected(&token, "operand");
                }
            }
        }
        if operands.is_empty() {
            return Err("empty command".to_owned());
        }
        Ok(Command { operands })
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(operand) = self.term()? else { return Ok(None) };
        if self.kind() != Kind::Field {
            return Ok(Some(operand));
        }
        let at = self.peek().at;
        let mut names = Vec::new();
        while self.kind() == Kind::Field {
            names.push(self.take().text[1..].to_owned());
        }
        let kind = match operand.kind {
            OperandKind::Field(mut first) => {
                first.append(&mut names);
                OperandKind::Field(first)
            }
            OperandKind::Variable(mut first) => {
                first.append(&mut names);
                OperandKind::Variable(first)
            }
            OperandKind::Function { .. } | OperandKind::Pipeline(_) | OperandKind::Chain { .. } => {
                OperandKind::Chain { of: Box::new(operand), names }
            }
            OperandKind::Bool(_)
            | OperandKind::String { .. }
            | OperandKind::Number(_)
            | OperandKind::Nil
            | OperandKind::Dot => {
                let shown = trefoil_go::quote::quote(&operand.to_string());
                return Err(format!("unexpected . after term {shown}"));
            }
        };
        Ok(Some(Operand { at, kind }))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        self.skip_space();
        let before = self.next;
        let token = self.take();
        let kind = match token.kind {
            Kind::Identifier => {
                let Some(function) = self.functions.find(&token.text) else {
                    return Err(format!("function {} not defined", trefoil_go::quote::quote(&token.text)));
                };
                OperandKind::Function { name: token.text.into_owned(), function }
            }
            Kind::Dot => OperandKind::Dot,
            Kind::Nil => OperandKind::Nil,
            Kind::Variable => {
                if !self.variables.iter().any(|name| *name == token.text) {
                    return Err(format!("undefined variable {}", trefoil_go::quote::quote(&token.text)));
                }
                OperandKind::Variable(vec![token.text.into_owned()])
            }
            Kind::Field => OperandKind::Field(vec![token.text[1..].to_owned()]),
            Kind::Bool => OperandKind::Bool(token.text == "true"),
            Kind::Number => OperandKind::Number(number(&token.text)?),
            Kind::Char => OperandKind::Number(character(&token.text)?),
            Kind::String => {
                let text = unquoted(&token.text)?;
                OperandKind::String { quoted: token.text.into_owned(), text }
            }
            Kind::LeftParenthesis => {
                self.deeper()?;
                let pipeline = self.pipeline("parenthesized pipeline", Kind::RightParenthesis)?;
                self.depth -= 1;
                OperandKind::Pipeline(pipeline)
            }
            _ => {
                self.next = before;
                return Ok(None);
            }
        };
        Ok(Some(Operand { at: token.at, kind }))
    }
}

/// Only the first command may be a value: the others are called with what comes from the one before.
fn checked(pipeline: Pipeline, context: &str) -> Parsed<Pipeline> {
    if pipeline.commands.is_empty() {
        return Err(format!("missing value for {context}"));
    }
    for (index, command) in pipeline.commands.iter().enumerate().skip(1) {
        match command.operands[0].kind {
            OperandKind::Bool(_)
            | OperandKind::Dot
            | OperandKind::Nil
            | OperandKind::Number(_)
            | OperandKind::String { .. } => {
                return Err(format!("non executable command in pipeline stage {}", index + 1));
            }
            _ => {}
        }
    }
    Ok(pipeline)
}

pub(super) fn unquoted(text: &str) -> Parsed<String> {
    trefoil_go::unquote_checked(text).ok_or_else(|| "invalid syntax".to_owned())
}

/// Integers that are written as floats are floats, and integers where those are asked for (`1e3`).
fn number(text: &str) -> Parsed<Number> {
    let quoted = || trefoil_go::quote::quote(text);
    if let Some(integer) = crate::number::integer(text) {
        return Ok(Number { text: text.to_owned(), integer: Some(integer), float: Some(integer as f64) });
    }
    let Some(float) = crate::number::float(text) else {
        return Err(format!("illegal number syntax: {}", quoted()));
    };
    if !text.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err(format!("integer overflow: {}", quoted()));
    }
    let whole = float.trunc() == float && float.abs() < 9_223_372_036_854_775_808.0;
    Ok(Number { text: text.to_owned(), integer: whole.then_some(float as i64), float: Some(float) })
}

fn character(text: &str) -> Parsed<Number> {
    let value = unquoted(text)?;
    let mut characters = value.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => {
            let code = i64::from(u32::from(character));
            Ok(Number { text: text.to_owned(), integer: Some(code), float: Some(code as f64) })
        }
        (None, _) => Err("invalid syntax".to_owned()),
        _ => Err(format!("malformed character constant: {text}")),
    }
}
