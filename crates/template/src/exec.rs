//! Executing a template: nodes, one after the other.

use std::cell::Cell;

use crate::ast::{Branch, Located, Node, Pipeline, Tree};
use crate::error::ExecuteError;
use crate::fields::Shape;
use crate::functions::Call;
use crate::limits::{DEEPEST_EXECUTION, LONGEST_CONTEXT};
use crate::print::{Printer, Spec, shown};
use crate::template::Template;
use crate::value::{Element, Text, Value};

pub(crate) type Done<T> = Result<T, Box<ExecuteError>>;

/// A value, and whether Go would have it in an `interface {}`, which shows in errors and makes a nothing of its own kind.
#[derive(Debug, Clone)]
pub(crate) struct Slot<'a> {
    pub value: Value<'a>,
    pub boxed: bool,
}

impl<'a> Slot<'a> {
    pub fn plain(value: Value<'a>) -> Slot<'a> {
        Slot { value, boxed: false }
    }

    fn element(value: Value<'a>, of: Element) -> Slot<'a> {
        Slot { value, boxed: of == Element::Any }
    }

    pub fn type_name(&self) -> &'static str {
        if self.boxed { "interface {}" } else { self.value.type_name() }
    }
}

/// How a list of nodes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

pub(crate) struct State<'a, 'o> {
    pub template: &'a Template,
    tree: &'a Tree,
    pub call: Call<'a>,
    output: &'o mut String,
    /// How long the output was before.
    start: usize,
    /// What is executed, for errors.
    at: Option<&'a dyn Located>,
    /// `$`: what the template is executed over.
    dollar: Slot<'a>,
    /// Names with their dollars; those before `frame` belong to the templates around.
    variables: Vec<(&'a str, Slot<'a>)>,
    frame: usize,
    templates: usize,
    depth: usize,
}

impl<'a, 'o> State<'a, 'o> {
    pub fn new(
        template: &'a Template,
        tree: &'a Tree,
        data: Value<'a>,
        now: i64,
        output: &'o mut String,
    ) -> State<'a, 'o> {
        let steps = Cell::new(0);
        let dollar = Slot::plain(data.clone());
        let call = Call { now, data, limits: template.limits, patterns: &template.patterns, steps };
        let start = output.len();
        State {
            template,
            tree,
            call,
            output,
            start,
            at: None,
            dollar,
            variables: Vec::new(),
            frame: 0,
            templates: 0,
            depth: 0,
        }
    }

    pub fn run(mut self) -> Done<()> {
        let dot = self.dollar.clone();
        self.nodes(&dot, &self.tree.root).map(|_| ())
    }

    pub fn at(&mut self, part: &'a dyn Located) {
        self.at = Some(part);
    }

    pub fn fail<T>(&self, message: impl Into<String>) -> Done<T> {
        let message = message.into();
        let Some(part) = self.at else { return Err(Box::new(ExecuteError::Whole(message))) };
        let source = &self.tree.source;
        let before = source.text.get(..part.at()).unwrap_or_default();
        Err(Box::new(ExecuteError::At {
            name: source.name.clone(),
            line: 1 + before.matches('\n').count(),
            column: before.rfind('\n').map_or(before.len(), |end| before.len() - end - 1),
            template: self.tree.name.clone(),
            context: shortened(part.to_string()),
            message,
        }))
    }

    pub fn or_fail<T>(&self, result: Result<T, String>) -> Done<T> {
        result.or_else(|message| self.fail(message))
    }

    pub fn step(&self, steps: u64) -> Done<()> {
        self.or_fail(self.call.step(steps))
    }

    /// To be taken back by [`State::up`], unless all fails.
    pub fn down(&mut self) -> Done<()> {
        self.depth += 1;
        match self.depth > DEEPEST_EXECUTION {
            true => self.fail(format!("nested more than {DEEPEST_EXECUTION} levels deep")),
            false => Ok(()),
        }
    }

    pub fn up(&mut self) {
        self.depth -= 1;
    }

    fn write(&mut self, text: &str) -> Done<()> {
        let most = self.call.limits.output;
        if self.output.len() - self.start + text.len() > most {
            return self.fail(format!("the output is longer than {most} bytes"));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn nodes(&mut self, dot: &Slot<'a>, nodes: &'a [Node]) -> Done<Flow> {
        self.down()?;
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                self.up();
                return Ok(flow);
            }
        }
        self.up();
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Slot<'a>, node: &'a Node) -> Done<Flow> {
        self.at(node);
        self.step(1)?;
        match node {
            Node::Text { text, .. } => self.write(text)?,
            Node::Action(pipeline) => self.action(dot, pipeline)?,
            Node::If(branch) => {
                let known = self.variables.len();
                let value = self.pipeline(dot, &branch.pipeline)?;
                let flow = self.either(value.value.is_true(), dot, dot, branch)?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::With(branch) => {
                let known = self.variables.len();
                let value = self.pipeline(dot, &branch.pipeline)?;
                let flow = self.either(value.value.is_true(), &value, dot, branch)?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { name, pipeline, .. } => self.call_template(dot, name, pipeline.as_ref())?,
            Node::Break(_) => return Ok(Flow::Break),
            Node::Continue(_) => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn action(&mut self, dot: &Slot<'a>, pipeline: &'a Pipeline) -> Done<()> {
        // Most of what is written are labels as they are.
        if let (Value::Fields(fields), Some(name)) = (&dot.value, pipeline.plain_field())
            && fields.shape() == Shape::Texts
            && let Some(Value::String(text)) = fields.get(name)
        {
            return self.write(&text);
        }
        let value = self.pipeline(dot, pipeline)?.value;
        if !pipeline.declared.is_empty() {
            return Ok(());
        }
        match value {
            Value::String(text) => self.write(&text),
            Value::Nil => self.write("<no value>"),
            value => {
                let mut printer = Printer::new(self.call.limits.output);
                self.or_fail(printer.value(&value, 'v', &Spec::default(), 0))?;
                self.write(&printer.text)
            }
        }
    }

    /// One side or the other; `within` is the dot of the first one.
    fn either(&mut self, truth: bool, within: &Slot<'a>, dot: &Slot<'a>, branch: &'a Branch) -> Done<Flow> {
        match (truth, &branch.otherwise) {
            (true, _) => self.nodes(within, &branch.nodes),
            (false, Some(otherwise)) => self.nodes(dot, otherwise),
            (false, None) => Ok(Flow::Next),
        }
    }

    fn range(&mut self, dot: &Slot<'a>, branch: &'a Branch) -> Done<Flow> {
        let known = self.variables.len();
        let value = self.pipeline(dot, &branch.pipeline)?.value;
        let empty = match value {
            Value::Int(count) | Value::Duration(count) => {
                if branch.pipeline.declared.len() > 1 {
                    return self.fail(format!("can't use {count} to iterate over more than one variable"));
                }
                let is_duration = matches!(value, Value::Duration(_));
                let element = |index| if is_duration { Value::Duration(index) } else { Value::Int(index) };
                let turns = (0..count).map(|index| (Slot::plain(Value::Nil), Slot::plain(element(index))));
                self.turns(branch, turns)?
            }
            Value::List(list) => {
                let numbered = (0_i64..).zip(list.items.iter());
                let turns =
                    numbered.map(|(index, item)| (Slot::plain(index.into()), Slot::element(item.clone(), list.of)));
                self.turns(branch, turns)?
            }
            Value::Map(map) => {
                let turns = map.entries.iter().map(|(name, value)| turn(name.clone(), value.clone(), map.of));
                self.turns(branch, turns)?
            }
            Value::Fields(fields) if !matches!(fields.shape(), Shape::Structure(_)) => {
                let of = if fields.shape() == Shape::Texts { Element::Text } else { Element::Any };
                let entries = fields.entries();
                self.turns(branch, entries.into_iter().map(|(name, value)| turn(name, value, of)))?
            }
            Value::Nil => true,
            other => return self.fail(format!("range can't iterate over {}", shown(&other))),
        };
        let flow = match (empty, &branch.otherwise) {
            (true, Some(otherwise)) => match self.nodes(dot, otherwise)? {
                Flow::Break => Flow::Next,
                // That is the business of the loop around.
                flow => flow,
            },
            _ => Flow::Next,
        };
        self.variables.truncate(known);
        Ok(flow)
    }

    /// Goes through all; whether there was none. First come the indexes, then what is there.
    fn turns(&mut self, branch: &'a Branch, turns: impl Iterator<Item = (Slot<'a>, Slot<'a>)>) -> Done<bool> {
        let mark = self.variables.len();
        let pipeline = &branch.pipeline;
        let mut empty = true;
        for (index, element) in turns {
            empty = false;
            self.step(1)?;
            match (&*pipeline.declared, pipeline.assigns) {
                ([], _) => {}
                ([one], true) => self.assign(one, element.clone())?,
                ([first, second, ..], true) => {
                    self.assign(first, index)?;
                    self.assign(second, element.clone())?;
                }
                ([_], false) => self.variables[mark - 1].1 = element.clone(),
                (_, false) => {
                    self.variables[mark - 1].1 = element.clone();
                    self.variables[mark - 2].1 = index;
                }
            }
            let flow = self.nodes(&element, &branch.nodes)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(empty)
    }

    fn call_template(&mut self, dot: &Slot<'a>, name: &str, pipeline: Option<&'a Pipeline>) -> Done<()> {
        let Some(tree) = self.template.trees.get(name) else {
            return self.fail(format!("template {} not defined", trefoil_go::quote::quote(name)));
        };
        let deepest = self.call.limits.depth;
        if self.templates >= deepest {
            return self.fail(format!("exceeded maximum template depth ({deepest})"));
        }
        let dot = match pipeline {
            Some(pipeline) => self.pipeline(dot, pipeline)?,
            None => Slot::plain(Value::Nil),
        };
        let known = self.variables.len();
        let around = (self.tree, self.frame, std::mem::replace(&mut self.dollar, dot.clone()));
        (self.tree, self.frame) = (tree, known);
        self.templates += 1;
        self.nodes(&dot, &tree.root)?;
        self.templates -= 1;
        (self.tree, self.frame, self.dollar) = around;
        self.variables.truncate(known);
        Ok(())
    }

    pub fn declare(&mut self, name: &'a str, value: Slot<'a>) {
        self.variables.push((name, value));
    }

    pub fn assign(&mut self, name: &str, value: Slot<'a>) -> Done<()> {
        let known = self.variables[self.frame..].iter_mut().rev().find(|(known, _)| *known == name);
        match known {
            Some((_, slot)) => *slot = value,
            None if name == "$" => self.dollar = value,
            None => return self.fail(format!("undefined variable: {name}")),
        }
        Ok(())
    }

    pub fn variable(&self, name: &str) -> Done<Slot<'a>> {
        let known = self.variables[self.frame..].iter().rev().find(|(known, _)| *known == name);
        match known {
            Some((_, slot)) => Ok(slot.clone()),
            None if name == "$" => Ok(self.dollar.clone()),
            None => self.fail(format!("undefined variable: {name}")),
        }
    }
}

fn shortened(mut context: String) -> String {
    if let Some((end, _)) = context.char_indices().nth(LONGEST_CONTEXT) {
        context.truncate(end);
        context.push('…');
    }
    context
}

fn turn<'a>(name: Text<'a>, value: Value<'a>, of: Element) -> (Slot<'a>, Slot<'a>) {
    (Slot::plain(Value::String(name)), Slot::element(value, of))
}
