//! A query over one trace after the other.

mod field;
mod links;
mod scalar;
mod spanset;
mod structure;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ast::{Attribute, Pipeline};
use crate::value::Value;

pub use field::arithmetic;
pub use links::{Links, NestedSet};

/// What a query asks and this trace has no answer to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvalError {
    #[error("spanset operators are not supported for multiple spansets per trace. consider using coalesce()")]
    SeveralSpansets,
}

/// One trace as a query sees it.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    pub links: Links,
    /// For each of [`Program::attributes`] the value of each span.
    pub columns: Vec<Vec<Value>>,
}

/// Some spans of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanset {
    /// Places in the trace, ascending.
    pub spans: Vec<u32>,
    /// What `by` and aggregates said of it: `by(span.foo)`, `count()`.
    pub attributes: Vec<(String, Value)>,
}

/// A pipeline made ready: attributes are places, patterns are compiled.
#[derive(Debug)]
pub struct Program {
    attributes: Vec<Attribute>,
    pipeline: spanset::Pipeline,
}

impl Program {
    pub fn new(pipeline: &Pipeline) -> Program {
        let mut slots = Slots::default();
        let pipeline = spanset::Pipeline::new(pipeline, &mut slots);
        Program { attributes: slots.attributes(), pipeline }
    }

    /// Where an attribute that the query names is among [`Program::attributes`].
    pub fn slot(&self, attribute: &Attribute) -> Option<usize> {
        self.attributes.iter().position(|known| known == attribute)
    }

    /// What it needs to know of each span, in the order of [`Trace::columns`].
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The spansets of a trace; none if it does not match.
    pub fn evaluate(&self, trace: &Trace) -> Result<Vec<Spanset>, EvalError> {
        let all = Spanset { spans: (0..trace.links.len() as u32).collect(), attributes: Vec::new() };
        self.pipeline.evaluate(trace, vec![all])
    }
}

/// An expression over one span made ready, by itself.
#[derive(Debug)]
pub struct Filter {
    attributes: Vec<Attribute>,
    field: field::Field,
}

impl Filter {
    pub fn new(field: &crate::ast::Field) -> Filter {
        let mut slots = Slots::default();
        let field = field::Field::new(field, &mut slots);
        Filter { attributes: slots.attributes(), field }
    }

    /// What it needs to know of a span.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Whether it holds for a span of which these are the values, a column for each of [`Filter::attributes`].
    pub fn holds(&self, trace: &Trace, span: u32) -> bool {
        self.field.holds(trace, span)
    }
}

/// Places of attributes in a trace's columns.
#[derive(Debug, Default)]
struct Slots(BTreeMap<Attribute, usize>);

impl Slots {
    fn of(&mut self, attribute: &Attribute) -> usize {
        let next = self.0.len();
        *self.0.entry(attribute.clone()).or_insert(next)
    }

    fn attributes(self) -> Vec<Attribute> {
        let mut by_place: Vec<_> = self.0.into_iter().map(|(attribute, place)| (place, attribute)).collect();
        by_place.sort_unstable_by_key(|(place, _)| *place);
        by_place.into_iter().map(|(_, attribute)| attribute).collect()
    }
}

#[cfg(test)]
mod tests;
