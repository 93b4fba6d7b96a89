//! A template, parsed; written anew, as errors show its parts.

use std::fmt::{Display, Formatter, Result};
use std::sync::Arc;

use trefoil_go::quote::quote;

use crate::functions::Function;

/// The text that trees come from, for places in errors.
#[derive(Debug)]
pub(crate) struct Source {
    pub name: String,
    pub text: String,
}

/// One template of those that a text defines.
#[derive(Debug)]
pub(crate) struct Tree {
    pub name: String,
    pub source: Arc<Source>,
    pub root: Vec<Node>,
}

/// What errors point at.
pub(crate) trait Located: Display {
    /// In bytes of the source.
    fn at(&self) -> usize;
}

#[derive(Debug)]
pub(crate) enum Node {
    Text { at: usize, text: String },
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { at: usize, name: String, pipeline: Option<Pipeline> },
    Break(usize),
    Continue(usize),
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub pipeline: Pipeline,
    pub nodes: Vec<Node>,
    pub otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub at: usize,
    /// Names with their dollars.
    pub declared: Vec<String>,
    pub assigns: bool,
    pub commands: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub operands: Vec<Operand>,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub at: usize,
    pub kind: OperandKind,
}

#[derive(Debug)]
pub(crate) enum OperandKind {
    Bool(bool),
    Dot,
    Nil,
    Number(Number),
    String {
        quoted: String,
        text: String,
    },
    Field(Vec<String>),
    /// The first name is the variable's, with its dollar.
    Variable(Vec<String>),
    Function {
        name: String,
        function: Arc<Function>,
    },
    Chain {
        of: Box<Operand>,
        names: Vec<String>,
    },
    Pipeline(Pipeline),
}

/// A literal is of the type that it is used as.
#[derive(Debug)]
pub(crate) struct Number {
    pub text: String,
    pub integer: Option<i64>,
    /// Also of integers.
    pub float: Option<f64>,
}

impl Pipeline {
    /// The name, if all there is to it is a field: `{{.name}}`.
    pub fn plain_field(&self) -> Option<&str> {
        let ([command], []) = (&*self.commands, &*self.declared) else { return None };
        let [operand] = &*command.operands else { return None };
        match &operand.kind {
            OperandKind::Field(names) if names.len() == 1 => Some(&names[0]),
            _ => None,
        }
    }
}

impl Located for Node {
    fn at(&self) -> usize {
        match self {
            Node::Action(pipeline) => pipeline.at,
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => branch.pipeline.at,
            Node::Text { at, .. } | Node::Template { at, .. } | Node::Break(at) | Node::Continue(at) => *at,
        }
    }
}

impl Located for Pipeline {
    fn at(&self) -> usize {
        self.at
    }
}

impl Located for Operand {
    fn at(&self) -> usize {
        match &self.kind {
            OperandKind::Pipeline(pipeline) => pipeline.at,
            _ => self.at,
        }
    }
}

impl Located for Command {
    fn at(&self) -> usize {
        self.operands.first().map_or(0, |operand| operand.at)
    }
}

impl Display for Node {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Node::Text { text, .. } => formatter.write_str(text),
            Node::Action(pipeline) => write!(formatter, "{{{{{pipeline}}}}}"),
            Node::If(branch) => write_branch(formatter, "if", branch),
            Node::With(branch) => write_branch(formatter, "with", branch),
            Node::Range(branch) => write_branch(formatter, "range", branch),
            Node::Template { name, pipeline, .. } => {
                write!(formatter, "{{{{template {}", quote(name))?;
                if let Some(pipeline) = pipeline {
                    write!(formatter, " {pipeline}")?;
                }
                formatter.write_str("}}")
            }
            Node::Break(_) => formatter.write_str("{{break}}"),
            Node::Continue(_) => formatter.write_str("{{continue}}"),
        }
    }
}

fn write_branch(formatter: &mut Formatter<'_>, keyword: &str, branch: &Branch) -> Result {
    write!(formatter, "{{{{{keyword} {}}}}}", branch.pipeline)?;
    for node in &branch.nodes {
        write!(formatter, "{node}")?;
    }
    if let Some(otherwise) = &branch.otherwise {
        formatter.write_str("{{else}}")?;
        for node in otherwise {
            write!(formatter, "{node}")?;
        }
    }
    formatter.write_str("{{end}}")
}

impl Display for Pipeline {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        if !self.declared.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(formatter, "{} {sign} ", self.declared.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            let separator = if index > 0 { " | " } else { "" };
            write!(formatter, "{separator}{command}")?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        for (index, operand) in self.operands.iter().enumerate() {
            let separator = if index > 0 { " " } else { "" };
            formatter.write_str(separator)?;
            write_operand(formatter, operand)?;
        }
        Ok(())
    }
}

/// A pipeline in parentheses, as it stands within something else.
fn write_operand(formatter: &mut Formatter<'_>, operand: &Operand) -> Result {
    match &operand.kind {
        OperandKind::Pipeline(pipeline) => write!(formatter, "({pipeline})"),
        _ => write!(formatter, "{operand}"),
    }
}

impl Display for Operand {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match &self.kind {
            OperandKind::Bool(value) => write!(formatter, "{value}"),
            OperandKind::Dot => formatter.write_str("."),
            OperandKind::Nil => formatter.write_str("nil"),
            OperandKind::Number(number) => formatter.write_str(&number.text),
            OperandKind::String { quoted, .. } => formatter.write_str(quoted),
            OperandKind::Field(names) => write!(formatter, ".{}", names.join(".")),
            OperandKind::Variable(names) => formatter.write_str(&names.join(".")),
            OperandKind::Function { name, .. } => formatter.write_str(name),
            OperandKind::Chain { of, names } => {
                write_operand(formatter, of)?;
                write!(formatter, ".{}", names.join("."))
            }
            OperandKind::Pipeline(pipeline) => write!(formatter, "{pipeline}"),
        }
    }
}
