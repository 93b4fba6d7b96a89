//! Templates that have been parsed.

use std::collections::{BTreeSet, HashMap};

use crate::ast::{Node, Operand, OperandKind, Pipeline, Tree};
use crate::error::{ExecuteError, ParseError};
use crate::exec::State;
use crate::functions::Functions;
use crate::limits::Limits;
use crate::parser;
use crate::pattern::Patterns;
use crate::value::Value;

/// What a name is that a map does not have (Go's option `missingkey`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// Nothing, which is written as `<no value>`.
    #[default]
    Invalid,
    /// The zero of what the map holds: an empty text in a map of texts, nothing in others.
    Zero,
    /// An error.
    Error,
}

/// A template, and those that it knows by name. It can be executed by many at once.
#[derive(Debug)]
pub struct Template {
    name: String,
    pub(crate) trees: HashMap<String, Tree>,
    functions: Functions,
    pub(crate) missing: MissingKey,
    pub(crate) limits: Limits,
    pub(crate) patterns: Patterns,
}

impl Template {
    /// Parses a text. Errors name the template by this name.
    pub fn parse(name: &str, text: &str, functions: &Functions) -> Result<Template, ParseError> {
        let mut template = Template {
            name: name.to_owned(),
            trees: HashMap::new(),
            functions: functions.clone(),
            missing: MissingKey::default(),
            limits: Limits::default(),
            patterns: Patterns::default(),
        };
        template.add(name, text)?;
        Ok(template)
    }

    /// Parses another text, and what it defines. What is known already is replaced, unless by nothing.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), ParseError> {
        for tree in parser::parse(name, text, &self.functions)? {
            if parser::is_empty(&tree.root) && self.trees.contains_key(&tree.name) {
                continue;
            }
            self.trees.insert(tree.name.clone(), tree);
        }
        Ok(())
    }

    pub fn with_missing_key(mut self, missing: MissingKey) -> Template {
        self.missing = missing;
        self
    }

    pub fn with_limits(mut self, limits: Limits) -> Template {
        self.limits = limits;
        self
    }

    /// Whether there is a template of this name.
    pub fn defines(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    /// Appends what the template makes of the data. `now` is in nanoseconds since 1970. After an error nothing has been appended.
    pub fn execute<'a>(&'a self, data: Value<'a>, now: i64, output: &mut String) -> Result<(), ExecuteError> {
        self.execute_named(&self.name, data, now, output)
    }

    /// As [`Template::execute`], of a template that is known by this name.
    pub fn execute_named<'a>(
        &'a self,
        name: &str,
        data: Value<'a>,
        now: i64,
        output: &mut String,
    ) -> Result<(), ExecuteError> {
        let Some(tree) = self.trees.get(name) else {
            let [name, among] = [name, &self.name].map(trefoil_go::quote::quote);
            return Err(ExecuteError::Whole(format!("no template {name} associated with template {among}")));
        };
        let before = output.len();
        let executed = State::new(self, tree, data, now, output).run();
        if executed.is_err() {
            output.truncate(before);
        }
        executed.map_err(|error| *error)
    }

    /// The names of the data's parts that the template may ask for. `None`: it may ask for any, as it looks at the data as a whole.
    ///
    /// Within a loop or a `with` the dot is something else than the data; names that are taken from it are among these all the same.
    pub fn fields(&self) -> Option<BTreeSet<&str>> {
        let mut names = BTreeSet::new();
        let mut whole = false;
        self.each_operand(&mut |operand| match &operand.kind {
            OperandKind::Dot => whole = true,
            OperandKind::Field(fields) => names.extend(fields.first().map(String::as_str)),
            OperandKind::Variable(fields) if fields[0] == "$" => match fields.get(1) {
                Some(field) => _ = names.insert(field),
                None => whole = true,
            },
            _ => {}
        });
        (!whole).then_some(names)
    }

    /// Whether the function of this name may be called.
    pub fn calls(&self, function: &str) -> bool {
        let mut found = false;
        self.each_operand(&mut |operand| {
            found |= matches!(&operand.kind, OperandKind::Function { name, .. } if name == function);
        });
        found
    }

    fn each_operand<'t>(&'t self, visit: &mut dyn FnMut(&'t Operand)) {
        for tree in self.trees.values() {
            visit_nodes(&tree.root, visit);
        }
    }
}

fn visit_nodes<'t>(nodes: &'t [Node], visit: &mut dyn FnMut(&'t Operand)) {
    for node in nodes {
        match node {
            Node::Text { .. } | Node::Break(_) | Node::Continue(_) => {}
            Node::Action(pipeline) => visit_pipeline(pipeline, visit),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                visit_pipeline(&branch.pipeline, visit);
                visit_nodes(&branch.nodes, visit);
                visit_nodes(branch.otherwise.as_deref().unwrap_or_default(), visit);
            }
            Node::Template { pipeline, .. } => {
                if let Some(pipeline) = pipeline {
                    visit_pipeline(pipeline, visit);
                }
            }
        }
    }
}

fn visit_pipeline<'t>(pipeline: &'t Pipeline, visit: &mut dyn FnMut(&'t Operand)) {
    for operand in pipeline.commands.iter().flat_map(|command| &command.operands) {
        visit_operand(operand, visit);
    }
}

fn visit_operand<'t>(operand: &'t Operand, visit: &mut dyn FnMut(&'t Operand)) {
    visit(operand);
    match &operand.kind {
        OperandKind::Chain { of, .. } => visit_operand(of, visit),
        OperandKind::Pipeline(pipeline) => visit_pipeline(pipeline, visit),
        _ => {}
    }
}
