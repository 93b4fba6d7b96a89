//! What a trace must have to match: spans for which filters of the query hold, a root of some name, a duration.

use std::slice;

use trefoil_traceql::ast::{
    Attribute, CompareOp, Field, Intrinsic, Outcome, Pipeline, Scope, Spanset, SpansetOp, Stage,
};
use trefoil_traceql::eval::{Filter, Trace};
use trefoil_traceql::value::Value;

use super::filter::Narrowing;
use super::source::{Source, Sources};

/// Filters that are asked for each row of a source at most, and filters on the durations of traces.
const MAX_FILTERS: usize = 32;

/// A condition over filters, each of which some span of the trace has to fulfil.
#[derive(Debug)]
enum Need {
    Filter(usize),
    /// A filter on the duration of the trace.
    Duration(usize),
    All(Vec<Need>),
    Any(Vec<Need>),
}

#[derive(Debug)]
pub struct Candidates {
    pub filters: Vec<Narrowing>,
    pub durations: Vec<Filter>,
    /// What holds for a trace's duration holds for all longer ones.
    pub is_of_long_traces: bool,
    need: Need,
}

impl Candidates {
    pub fn new(pipeline: &Pipeline) -> Candidates {
        let need = Need::All(Vec::new());
        let mut candidates = Candidates { filters: Vec::new(), durations: Vec::new(), is_of_long_traces: true, need };
        candidates.need = candidates.of_pipeline(pipeline);
        if candidates.filters.len() <= MAX_FILTERS && candidates.durations.len() <= MAX_FILTERS {
            return candidates;
        }
        // Any trace may match, which is slow and right.
        Candidates { filters: vec![Narrowing::Everything], durations: Vec::new(), need: Need::Filter(0), ..candidates }
    }

    /// Whether a trace may match that has a span for each filter whose bit is set, and a duration for which those of `durations`
    /// hold.
    pub fn is_met(&self, filters: u32, durations: u32) -> bool {
        self.need.is_met(filters, durations)
    }

    /// Those of the sources that may have spans of traces that match, by what is known of them without reading them.
    pub fn among(&self, sources: &Sources<'_>, list: Vec<Source>) -> Vec<Source> {
        let possible: Vec<u32> = list.iter().map(|source| self.possible_in(sources, source)).collect();
        let anywhere = possible.iter().fold(0, |all, filters| all | filters);
        if !self.is_met(anywhere, u32::MAX) {
            return Vec::new();
        }
        let possible = list.into_iter().zip(possible).filter(|(_, filters)| *filters != 0);
        possible.map(|(source, _)| source).collect()
    }

    /// A bit for each filter that may hold for a span in a source.
    fn possible_in(&self, sources: &Sources<'_>, source: &Source) -> u32 {
        let bit = |(place, filter): (usize, &Narrowing)| u32::from(filter.may_hold(sources, source)) << place;
        self.filters.iter().enumerate().map(bit).sum()
    }

    /// Whether a trace of such a duration may match, whatever its spans are.
    pub fn is_possible(&self, durations: u32) -> bool {
        self.durations.is_empty() || self.is_met(u32::MAX, durations)
    }

    /// The first stage decides: the others only take spans away.
    fn of_pipeline(&mut self, pipeline: &Pipeline) -> Need {
        match pipeline.0.first() {
            Some(Stage::Spanset(spanset)) => self.of_spanset(spanset),
            _ => self.filter(Narrowing::Everything),
        }
    }

    fn of_spanset(&mut self, spanset: &Spanset) -> Need {
        match spanset {
            Spanset::Filter(field) => self.of_field(field),
            Spanset::Pipeline(pipeline) => self.of_pipeline(pipeline),
            // What the left side finds is not needed.
            Spanset::Operation { op: SpansetOp::Structure { result: Outcome::Unrelated, .. }, right, .. } => {
                self.of_spanset(right)
            }
            Spanset::Operation { op: SpansetOp::Or, left, right } => {
                Need::Any(vec![self.of_spanset(left), self.of_spanset(right)])
            }
            Spanset::Operation { left, right, .. } => Need::All(vec![self.of_spanset(left), self.of_spanset(right)]),
        }
    }

    /// What is said of the trace's duration or root is looked at by itself.
    fn of_field(&mut self, field: &Field) -> Need {
        let parts = match field {
            Field::And(list) => list.as_slice(),
            one => slice::from_ref(one),
        };
        let mut of_trace = Vec::new();
        let mut of_spans = Vec::new();
        for part in parts {
            match about(part) {
                About::Duration => {
                    self.durations.push(Filter::new(part));
                    self.is_of_long_traces &= is_of_longer(part);
                    of_trace.push(Need::Duration(self.durations.len() - 1));
                }
                About::Root => {
                    let of_root = Narrowing::new(&of_root(part));
                    of_trace.push(self.filter(Narrowing::All(vec![Narrowing::Roots, of_root])));
                }
                About::Span => of_spans.push(part.clone()),
            }
        }
        if of_trace.is_empty() {
            return self.filter(Narrowing::new(field));
        }
        of_trace.push(self.filter(Narrowing::new(&Field::And(of_spans))));
        Need::All(of_trace)
    }

    fn filter(&mut self, narrowing: Narrowing) -> Need {
        self.filters.push(narrowing);
        Need::Filter(self.filters.len() - 1)
    }
}

impl Need {
    fn is_met(&self, filters: u32, durations: u32) -> bool {
        match self {
            Need::Filter(place) => filters >> place & 1 == 1,
            Need::Duration(place) => durations >> place & 1 == 1,
            Need::All(parts) => parts.iter().all(|part| part.is_met(filters, durations)),
            Need::Any(parts) => parts.iter().any(|part| part.is_met(filters, durations)),
        }
    }
}

enum About {
    Span,
    /// Of the trace's duration and nothing else.
    Duration,
    /// Of the root's name or service and nothing else, and never of a trace without a root.
    Root,
}

fn about(field: &Field) -> About {
    let mut attributes = Vec::new();
    field.attributes(&mut |attribute| attributes.push(attribute));
    let all = |of: &[Intrinsic]| {
        let is_of =
            |attribute: &&Attribute| matches!(attribute, Attribute::Intrinsic(intrinsic) if of.contains(intrinsic));
        !attributes.is_empty() && attributes.iter().all(is_of)
    };
    if all(&[Intrinsic::TraceDuration]) {
        return About::Duration;
    }
    match all(&[Intrinsic::RootName, Intrinsic::RootService]) && !holds_without_root(field) {
        true => About::Root,
        false => About::Span,
    }
}

/// Whether what holds for a duration holds for all longer ones.
fn is_of_longer(field: &Field) -> bool {
    let Field::Compare { op: CompareOp::Greater | CompareOp::GreaterEqual, left, right } = field else { return false };
    matches!(**left, Field::Attribute(_)) && matches!(**right, Field::Value(_))
}

fn holds_without_root(field: &Field) -> bool {
    let filter = Filter::new(field);
    let columns = filter.attributes().iter().map(|_| vec![Value::string("")]).collect();
    filter.holds(&Trace { columns, ..Trace::default() }, 0)
}

/// The same of the root itself.
fn of_root(field: &Field) -> Field {
    field.with_attributes(&|attribute| match attribute {
        Attribute::Intrinsic(Intrinsic::RootName) => Attribute::Intrinsic(Intrinsic::Name),
        Attribute::Intrinsic(Intrinsic::RootService) => {
            Attribute::Named { scope: Some(Scope::Resource), name: "service.name".to_owned() }
        }
        other => other.clone(),
    })
}
