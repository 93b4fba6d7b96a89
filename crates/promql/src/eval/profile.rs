//! What an evaluation takes: Prometheus' statistics of samples, always, and the time of each node of the expression, on demand.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::budget::size_of_value;
use crate::ast::Expr;
use crate::value::Value;

/// Characters of an expression that tell it from the others.
const MOST_TEXT: usize = 200;

/// Samples that selectors have looked at, by the steps of a grid; those of a range once for each step. Steps beyond those it
/// was made for count as the last: one step is enough for whoever asks for the total.
#[derive(Debug)]
pub(crate) struct Looked(Vec<Cell<u64>>);

impl Looked {
    pub fn on(steps: usize) -> Self {
        Self(vec![Cell::new(0); steps])
    }

    pub fn at(&self, step: usize, samples: u64) {
        if let Some(looked) = self.0.get(step).or(self.0.last()) {
            looked.set(looked.get().saturating_add(samples));
        }
    }

    /// For the same steps.
    pub fn like(other: &Self) -> Self {
        Self::on(other.0.len())
    }

    pub fn add(&self, other: &Self) {
        other.0.iter().enumerate().for_each(|(step, samples)| self.at(step, samples.get()));
    }

    /// A sample at each of the steps whose bit is set.
    pub fn at_each(&self, steps: &[u64]) {
        for (index, word) in steps.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                self.at(index * 64 + rest.trailing_zeros() as usize, 1);
                rest &= rest - 1;
            }
        }
    }

    pub fn by_step(&self) -> Vec<u64> {
        self.0.iter().map(Cell::get).collect()
    }

    pub fn total(&self) -> u64 {
        self.0.iter().map(Cell::get).fold(0, u64::saturating_add)
    }
}

/// One node of an expression and what its evaluation took, all below it included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpent {
    /// How far below the whole expression.
    pub depth: usize,
    /// The node as text, cut where it is long.
    pub text: String,
    pub time: Duration,
    /// Series and samples of its value.
    pub series: usize,
    pub samples: usize,
}

/// The nodes in the order in which their evaluation began.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    nodes: RefCell<Vec<NodeSpent>>,
    depth: Cell<usize>,
}

impl Profile {
    pub fn of<E>(&self, expr: &Expr, evaluate: impl FnOnce() -> Result<Value, E>) -> Result<Value, E> {
        let node = self.open(expr);
        let begin = Instant::now();
        let value = self.below(evaluate);
        if let Ok(value) = &value {
            let series = match value {
                Value::Vector(rows) => rows.len(),
                Value::Scalar(_) | Value::String(_) => 1,
            };
            self.add_rows(node, series, size_of_value(value));
            self.close(node, begin.elapsed());
        }
        value
    }

    /// Nodes that begin meanwhile are below the one that began last.
    pub fn below<T>(&self, evaluate: impl FnOnce() -> T) -> T {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        let value = evaluate();
        self.depth.set(depth);
        value
    }

    /// Begins a node; the place to name it by.
    pub fn open(&self, expr: &Expr) -> usize {
        let (time, series, samples) = (Duration::ZERO, 0, 0);
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(NodeSpent { depth: self.depth.get(), text: text(expr), time, series, samples });
        nodes.len() - 1
    }

    pub fn add_rows(&self, node: usize, series: usize, samples: usize) {
        if let Some(node) = self.nodes.borrow_mut().get_mut(node) {
            node.series += series;
            node.samples += samples;
        }
    }

    pub fn close(&self, node: usize, time: Duration) {
        if let Some(node) = self.nodes.borrow_mut().get_mut(node) {
            node.time = time;
        }
    }

    pub fn into_nodes(self) -> Vec<NodeSpent> {
        self.nodes.into_inner()
    }
}

fn text(expr: &Expr) -> String {
    let mut text = expr.to_string();
    if let Some((cut, _)) = text.char_indices().nth(MOST_TEXT) {
        text.truncate(cut);
        text.push('…');
    }
    text
}
