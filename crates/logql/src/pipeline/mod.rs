//! What a query does to one line after the other.
//!
//! Labels of the stream come first, then structured metadata, then what parsers find. A label that is found under a name that is
//! taken already is called `<name>_extracted`. What goes wrong with a line stands in its label `__error__`; the line passes.

mod filters;
mod formats;
mod known;
mod labels;
mod lines;
mod names;
mod needs;
mod parsers;
mod sample;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use known::{Fields, Known};
pub use labels::{Category, ERROR, ERROR_DETAILS, Labels, PRESERVE_ERROR};
pub use sample::Unwrapping;

use crate::ast::{NamedLabel, Stage};
use crate::decolorize::decolorized;
use crate::error::ParseError;
use filters::LabelTest;
use formats::Formats;
use labels::Lists;
use lines::LineTest;
use needs::Needs;
use parsers::{Parser, Scratch};

/// The stages of a query, made ready. Many can run it at once, each with a [`Runner`] of its own.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Those in front of everything else.
    first: Vec<LineTest>,
    ops: Vec<Op>,
    needs: Needs,
}

/// Which labels whoever takes the lines looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    All,
    /// Others may be missing, if that makes it faster: `sum by (level) (…)` wants `level`.
    Labels(Vec<String>),
}

/// A line, and what came with it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'e> {
    /// Nanoseconds since 1970.
    pub timestamp: i64,
    pub line: &'e str,
    /// Names and values of the stream's labels; no value is empty.
    pub stream: &'e [(&'e str, &'e str)],
    /// Names and values of the structured metadata.
    pub metadata: &'e [(&'e str, &'e str)],
}

#[derive(Debug, Clone)]
enum Op {
    Lines(Vec<LineTest>),
    Parse(Parser),
    Labels(LabelTest),
    Format(Formats),
    Decolorize,
    Drop(Vec<NamedLabel>),
    Keep(Vec<NamedLabel>),
}

impl Pipeline {
    /// Fails with the stage that makes no sense.
    pub fn new(stages: &[Stage], wants: &Wants) -> Result<Pipeline, ParseError> {
        let mut ops: Vec<Op> = vec![Op::Lines(Vec::new())];
        // Line filters go to the front, as they are cheap: behind the last stage that changes the line.
        let mut lines = 0;
        for stage in stages {
            let op = Op::new(stage).map_err(|message| ParseError::of_stage(stage, &message))?;
            match op {
                Op::Lines(tests) => match &mut ops[lines] {
                    Op::Lines(before) => before.extend(tests),
                    _ => ops.push(Op::Lines(tests)),
                },
                op if op.changes_line() => {
                    ops.push(op);
                    lines = ops.len();
                    ops.push(Op::Lines(Vec::new()));
                }
                op => ops.push(op),
            }
        }
        for op in &mut ops {
            if let Op::Lines(tests) = op {
                tests.sort_by_key(LineTest::cost);
            }
        }
        ops.retain(|op| !matches!(op, Op::Lines(tests) if tests.is_empty()));
        let first = match ops.first_mut() {
            Some(Op::Lines(tests)) => std::mem::take(tests),
            _ => Vec::new(),
        };
        ops.retain(|op| !matches!(op, Op::Lines(tests) if tests.is_empty()));
        let needs = Needs::new(wants, &ops);
        Ok(Pipeline { first, ops, needs })
    }

    /// Whether all lines pass unchanged, with their labels.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.ops.is_empty()
    }

    /// Whether no stage looks at labels or changes them.
    pub fn leaves_labels(&self) -> bool {
        self.ops.iter().all(|op| matches!(op, Op::Lines(_) | Op::Decolorize))
    }

    /// Whether anybody looks at a label of this name, be it given or found. Structured metadata of other names can be left out.
    pub fn needs(&self, label: &str) -> bool {
        matches!(label, ERROR | ERROR_DETAILS) || self.needs.has(label)
    }

    /// Whether anybody looks at any label but errors.
    pub fn needs_labels(&self) -> bool {
        !self.needs.are_none()
    }

    /// Whether a line passes the filters that stand in front of everything else. Asking them needs no labels.
    pub fn may_pass(&self, line: &str) -> bool {
        self.first.iter().all(|test| test.holds(line))
    }
}

impl Op {
    fn new(stage: &Stage) -> Result<Op, String> {
        if let Some(parser) = Parser::new(stage)? {
            return Ok(Op::Parse(parser));
        }
        Ok(match stage {
            Stage::LineFilter(filter) => Op::Lines(vec![LineTest::new(filter)?]),
            Stage::LabelFilter(filter) => Op::Labels(LabelTest::new(filter)?),
            Stage::LineFormat(template) => Op::Format(Formats::line(template)?),
            Stage::LabelFormat(formats) => Op::Format(Formats::labels(formats)?),
            Stage::Drop(labels) => Op::Drop(labels.clone()),
            Stage::Keep(labels) => Op::Keep(labels.clone()),
            // Parsers are told above.
            _ => Op::Decolorize,
        })
    }

    fn changes_line(&self) -> bool {
        matches!(self, Op::Parse(Parser::Unpack) | Op::Format(Formats::Line(_)) | Op::Decolorize)
    }
}

/// Runs a pipeline, and keeps memory from line to line.
#[derive(Debug)]
pub struct Runner<'p> {
    pipeline: &'p Pipeline,
    /// Nanoseconds since 1970, for templates.
    now: i64,
    lists: Lists,
    scratch: Scratch,
}

/// The line as it has become.
enum Line<'e> {
    Given(&'e str),
    Made(String),
}

impl Line<'_> {
    fn text(&self) -> &str {
        match self {
            Line::Given(text) => text,
            Line::Made(text) => text,
        }
    }
}

impl<'e> From<Cow<'e, str>> for Line<'e> {
    fn from(line: Cow<'e, str>) -> Line<'e> {
        match line {
            Cow::Borrowed(line) => Line::Given(line),
            Cow::Owned(line) => Line::Made(line),
        }
    }
}

impl<'p> Runner<'p> {
    /// `now`: nanoseconds since 1970, for templates that ask for it.
    pub fn new(pipeline: &'p Pipeline, now: i64) -> Runner<'p> {
        Runner { pipeline, now, lists: Lists::default(), scratch: Scratch::default() }
    }

    /// What `take` makes of the line and its labels. `None`: it does not pass.
    pub fn run<T>(&mut self, entry: &Entry<'_>, take: impl FnOnce(&str, &Labels<'_>) -> T) -> Option<T> {
        self.run_mut(entry, |line, labels| Some(take(line, labels)))
    }

    fn run_mut<T>(&mut self, entry: &Entry<'_>, take: impl FnOnce(&str, &mut Labels<'_>) -> Option<T>) -> Option<T> {
        if !self.pipeline.may_pass(entry.line) {
            return None;
        }
        let lists = std::mem::take(&mut self.lists);
        let mut labels = Labels::new(entry.stream, entry.metadata, lists, &mut self.scratch.names);
        let line = self.stages(entry, &mut labels);
        let taken = line.and_then(|line| take(line.text(), &mut labels));
        self.lists = labels.into_lists();
        taken
    }

    fn stages<'e>(&mut self, entry: &Entry<'e>, labels: &mut Labels<'e>) -> Option<Line<'e>> {
        let mut line = Line::Given(entry.line);
        for op in &self.pipeline.ops {
            match op {
                Op::Lines(tests) => {
                    if !tests.iter().all(|test| test.holds(line.text())) {
                        return None;
                    }
                }
                Op::Labels(test) => {
                    if !test.holds(labels) {
                        return None;
                    }
                }
                Op::Parse(parser) => {
                    if let Some(packed) = self.parse(parser, &line, labels) {
                        line = packed.into();
                    }
                }
                Op::Format(Formats::Line(format)) => {
                    let made = formats::line(format, line.text(), entry.timestamp, self.now, labels);
                    line = made.map_or(line, Line::from);
                }
                Op::Format(Formats::Labels(makers)) => {
                    formats::labels(makers, line.text(), entry.timestamp, self.now, labels);
                }
                Op::Decolorize => {
                    line = match line {
                        Line::Given(given) => decolorized(given).into(),
                        Line::Made(made) => Line::Made(decolorized(&made).into_owned()),
                    };
                }
                Op::Drop(dropped) => dropped.iter().for_each(|label| drop_label(label, labels)),
                Op::Keep(kept) => labels.retain(|name, value| kept.iter().any(|label| is_meant(label, name, value))),
            }
        }
        Some(line)
    }

    /// The line that was packed into this one, if so.
    fn parse<'e>(&mut self, parser: &Parser, line: &Line<'e>, labels: &mut Labels<'e>) -> Option<Cow<'e, str>> {
        let needs = &self.pipeline.needs;
        match line {
            Line::Given(given) => parser.run(given, |value| value, labels, needs, &mut self.scratch),
            Line::Made(made) => {
                let packed = parser.run(made, |value| Cow::Owned(value.into_owned()), labels, needs, &mut self.scratch);
                packed.map(|packed| Cow::Owned(packed.into_owned()))
            }
        }
    }
}

fn drop_label(label: &NamedLabel, labels: &mut Labels<'_>) {
    let is_dropped = match label {
        NamedLabel::Name(_) => true,
        NamedLabel::Matcher(matcher) => matcher.matches(labels.get(&matcher.name).unwrap_or_default()),
    };
    if is_dropped {
        labels.remove(label.name());
    }
}

fn is_meant(label: &NamedLabel, name: &str, value: &str) -> bool {
    label.name() == name
        && match label {
            NamedLabel::Name(_) => true,
            NamedLabel::Matcher(matcher) => matcher.matches(value),
        }
}
