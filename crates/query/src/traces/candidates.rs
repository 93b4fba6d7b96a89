//! What a trace must have to match: spans for which filters of the query hold.

use trefoil_traceql::ast::{Field, Outcome, Pipeline, Spanset, SpansetOp, Stage};

use super::filter::Narrowing;

/// Filters that are asked for each row of a source at most.
const MAX_FILTERS: usize = 32;

/// A condition over filters, each of which some span of the trace has to fulfil.
#[derive(Debug)]
enum Need {
    Filter(usize),
    All(Vec<Need>),
    Any(Vec<Need>),
}

#[derive(Debug)]
pub struct Candidates {
    pub filters: Vec<Narrowing>,
    need: Need,
}

impl Candidates {
    pub fn new(pipeline: &Pipeline) -> Candidates {
        let mut fields = Vec::new();
        let need = of_pipeline(pipeline, &mut fields);
        match fields.len() > MAX_FILTERS {
            // Any trace may match, which is slow and right.
            true => Candidates { filters: vec![Narrowing::Everything], need: Need::Filter(0) },
            false => Candidates {
                filters: fields.iter().map(|field| field.map_or(Narrowing::Everything, Narrowing::new)).collect(),
                need,
            },
        }
    }

    /// Whether a trace may match that has a span for each filter whose bit is set.
    pub fn is_met(&self, filters: u32) -> bool {
        self.need.is_met(filters)
    }
}

impl Need {
    fn is_met(&self, filters: u32) -> bool {
        match self {
            Need::Filter(place) => filters >> place & 1 == 1,
            Need::All(parts) => parts.iter().all(|part| part.is_met(filters)),
            Need::Any(parts) => parts.iter().any(|part| part.is_met(filters)),
        }
    }
}

/// The first stage decides: the others only take spans away.
fn of_pipeline<'p>(pipeline: &'p Pipeline, fields: &mut Vec<Option<&'p Field>>) -> Need {
    match pipeline.0.first() {
        Some(Stage::Spanset(spanset)) => of_spanset(spanset, fields),
        _ => filter(None, fields),
    }
}

fn filter<'p>(field: Option<&'p Field>, fields: &mut Vec<Option<&'p Field>>) -> Need {
    fields.push(field);
    Need::Filter(fields.len() - 1)
}

fn of_spanset<'p>(spanset: &'p Spanset, fields: &mut Vec<Option<&'p Field>>) -> Need {
    match spanset {
        Spanset::Filter(field) => filter(Some(field), fields),
        Spanset::Pipeline(pipeline) => of_pipeline(pipeline, fields),
        // What the left side finds is not needed.
        Spanset::Operation { op: SpansetOp::Structure { result: Outcome::Unrelated, .. }, right, .. } => {
            of_spanset(right, fields)
        }
        Spanset::Operation { op: SpansetOp::Or, left, right } => {
            Need::Any(vec![of_spanset(left, fields), of_spanset(right, fields)])
        }
        Spanset::Operation { left, right, .. } => Need::All(vec![of_spanset(left, fields), of_spanset(right, fields)]),
    }
}
