//! Stages of a pipeline.

use super::field::{Field, compare};
use super::scalar::Scalar;
use super::structure::related;
use super::{EvalError, Slots, Spanset, Trace};
use crate::ast::{self, CompareOp, SpansetOp};
use crate::value::Value;

#[derive(Debug)]
pub struct Pipeline(Vec<Stage>);

#[derive(Debug)]
enum Stage {
    Spanset(Source),
    ScalarFilter { op: CompareOp, left: Scalar, right: Scalar },
    By { field: Field, name: String },
    Coalesce,
}

#[derive(Debug)]
enum Source {
    Filter(Field),
    Pipeline(Pipeline),
    Operation { op: SpansetOp, left: Box<Source>, right: Box<Source> },
}

impl Pipeline {
    pub fn new(source: &ast::Pipeline, slots: &mut Slots) -> Pipeline {
        Pipeline(source.0.iter().filter_map(|stage| Stage::new(stage, slots)).collect())
    }

    pub fn evaluate(&self, trace: &Trace, input: Vec<Spanset>) -> Result<Vec<Spanset>, EvalError> {
        let mut spansets = input;
        for stage in &self.0 {
            spansets = stage.evaluate(trace, spansets)?;
            if spansets.is_empty() {
                break;
            }
        }
        Ok(spansets)
    }
}

impl Stage {
    /// `None` of `select`, which changes nothing but what is shown.
    fn new(source: &ast::Stage, slots: &mut Slots) -> Option<Stage> {
        Some(match source {
            ast::Stage::Spanset(spanset) => Stage::Spanset(Source::new(spanset, slots)),
            ast::Stage::ScalarFilter { op, left, right } => {
                Stage::ScalarFilter { op: *op, left: Scalar::new(left, slots), right: Scalar::new(right, slots) }
            }
            ast::Stage::By(field) => Stage::By { field: Field::new(field, slots), name: source.to_string() },
            ast::Stage::Coalesce => Stage::Coalesce,
            ast::Stage::Select(attributes) => {
                attributes.iter().for_each(|attribute| {
                    slots.of(attribute);
                });
                return None;
            }
        })
    }

    fn evaluate(&self, trace: &Trace, spansets: Vec<Spanset>) -> Result<Vec<Spanset>, EvalError> {
        match self {
            Stage::Spanset(source) => {
                let each = spansets.into_iter().map(|spanset| source.evaluate(trace, spanset));
                Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
            Stage::ScalarFilter { op, left, right } => {
                let holds = |mut spanset: Spanset| {
                    let left = left.value(trace, &spanset.spans, &mut spanset.attributes);
                    let right = right.value(trace, &spanset.spans, &mut spanset.attributes);
                    compare(*op, &left, &right).then_some(spanset)
                };
                Ok(spansets.into_iter().filter_map(holds).collect())
            }
            Stage::By { field, name } => {
                Ok(spansets.into_iter().flat_map(|spanset| groups(trace, &spanset, field, name)).collect())
            }
            Stage::Coalesce => {
                let mut spans: Vec<u32> = spansets.into_iter().flat_map(|spanset| spanset.spans).collect();
                spans.sort_unstable();
                spans.dedup();
                Ok(vec![Spanset { spans, attributes: Vec::new() }])
            }
        }
    }
}

/// One spanset for each value, in the order in which they turn up.
fn groups(trace: &Trace, spanset: &Spanset, field: &Field, name: &str) -> Vec<Spanset> {
    let mut values: Vec<(Value, u32)> =
        spanset.spans.iter().map(|span| (field.value(trace, *span).into_owned(), *span)).collect();
    values.sort_by(|(a, first), (b, second)| {
        (a.of_type() as u8).cmp(&(b.of_type() as u8)).then_with(|| a.order(b)).then(first.cmp(second))
    });
    let mut groups: Vec<Spanset> = values
        .chunk_by(|(a, _), (b, _)| a.is_same(b))
        .map(|group| {
            let mut attributes = spanset.attributes.clone();
            attributes.push((name.to_owned(), group[0].0.clone()));
            Spanset { spans: group.iter().map(|(_, span)| *span).collect(), attributes }
        })
        .collect();
    groups.sort_by_key(|group| group.spans[0]);
    groups
}

impl Source {
    fn new(source: &ast::Spanset, slots: &mut Slots) -> Source {
        match source {
            ast::Spanset::Filter(field) => Source::Filter(Field::new(field, slots)),
            ast::Spanset::Pipeline(pipeline) => Source::Pipeline(Pipeline::new(pipeline, slots)),
            ast::Spanset::Operation { op, left, right } => Source::Operation {
                op: *op,
                left: Box::new(Source::new(left, slots)),
                right: Box::new(Source::new(right, slots)),
            },
        }
    }

    /// Spansets that have spans.
    fn evaluate(&self, trace: &Trace, input: Spanset) -> Result<Vec<Spanset>, EvalError> {
        match self {
            Source::Filter(field) => {
                let Spanset { mut spans, attributes } = input;
                spans.retain(|span| field.holds(trace, *span));
                Ok(some(spans, attributes))
            }
            Source::Pipeline(pipeline) => pipeline.evaluate(trace, vec![input]),
            Source::Operation { op, left, right } => {
                let left = left.evaluate(trace, input.clone())?;
                let right =
                    right.evaluate(trace, Spanset { spans: input.spans, attributes: input.attributes.clone() })?;
                let spans = match op {
                    SpansetOp::And if left.is_empty() || right.is_empty() => Vec::new(),
                    SpansetOp::And | SpansetOp::Or => {
                        let mut spans: Vec<u32> = left.into_iter().chain(right).flat_map(|each| each.spans).collect();
                        spans.sort_unstable();
                        spans.dedup();
                        spans
                    }
                    SpansetOp::Structure { relation, result } => {
                        related(&trace.links, *relation, *result, &only(left)?, &only(right)?)
                    }
                };
                Ok(some(spans, input.attributes))
            }
        }
    }
}

fn some(spans: Vec<u32>, attributes: Vec<(String, Value)>) -> Vec<Spanset> {
    if spans.is_empty() { Vec::new() } else { vec![Spanset { spans, attributes }] }
}

/// The spans of the only spanset.
fn only(mut spansets: Vec<Spanset>) -> Result<Vec<u32>, EvalError> {
    match spansets.len() {
        0 => Ok(Vec::new()),
        1 => Ok(spansets.remove(0).spans),
        _ => Err(EvalError::SeveralSpansets),
    }
}
