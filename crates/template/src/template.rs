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
    pub fn fields(&self) -> Option<BTreeSet<&str>> {
        let mut names = BTreeSet::new();
        let all = self.trees.values().all(|tree| collect_nodes(&tree.root, &mut names));
        all.then_some(names)
    }
}

/// `false`: the data is looked at as a whole.
fn collect_nodes<'t>(nodes: &'t [Node], names: &mut BTreeSet<&'t str>) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text { .. } | Node::Break(_) | Node::Continue(_) => true,
        Node::Action(pipeline) => collect_pipeline(pipeline, names),
        Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
            collect_pipeline(&branch.pipeline, names)
                && collect_nodes(&branch.nodes, names)
                && branch.otherwise.as_deref().is_none_or(|nodes| collect_nodes(nodes, names))
        }
        Node::Template { pipeline, .. } => pipeline.as_ref().is_none_or(|pipeline| collect_pipeline(pipeline, names)),
    })
}

fn collect_pipeline<'t>(pipeline: &'t Pipeline, names: &mut BTreeSet<&'t str>) -> bool {
    let mut operands = pipeline.commands.iter().flat_map(|command| &command.operands);
    operands.all(|operand| collect_operand(operand, names))
}

/// Within a loop or a `with` the dot is something else than the data; names that are taken from it are named all the same.
fn collect_operand<'t>(operand: &'t Operand, names: &mut BTreeSet<&'t str>) -> bool {
    match &operand.kind {
        OperandKind::Dot => false,
        OperandKind::Field(fields) => {
            names.extend(fields.first().map(String::as_str));
            true
        }
        OperandKind::Variable(fields) => match &**fields {
            [name] => name != "$",
            [name, field, ..] if name == "$" => {
                names.insert(field);
                true
            }
            _ => true,
        },
        OperandKind::Chain { of, .. } => collect_operand(of, names),
        OperandKind::Pipeline(pipeline) => collect_pipeline(pipeline, names),
        _ => true,
    }
}
