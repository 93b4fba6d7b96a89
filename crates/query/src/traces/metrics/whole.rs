//! Spans that count by what their traces say: the traces that may match are put together.

use std::sync::Arc;

use trefoil_model::versions;
use trefoil_traceql::ast::{Attribute, Pipeline, Stage};
use trefoil_traceql::eval::Program;
use trefoil_traceql::metrics::Aggregation;
use trefoil_traceql::value::Value;

use super::{Question, exemplar_labels, weight};
use crate::QueryError;
use crate::traces::assemble::{Assembled, Assembly, TraceId};
use crate::traces::candidates::Candidates;
use crate::traces::finder::Finder;

impl Question<'_> {
    pub(super) async fn whole(&mut self, aggregation: &mut Aggregation) -> Result<(), QueryError> {
        let counting = self.counting();
        self.each_trace(&counting.program, async |question: &mut Self, matched: &[Matched]| {
            question.count(&counting, matched, aggregation)?;
            question.tell(aggregation).await
        })
        .await
    }

    /// Of traces with spans that were written more than once ([`versions`]): what these spans are at last.
    pub(super) async fn last_versions(
        &mut self,
        ids: &[TraceId],
        aggregation: &mut Aggregation,
    ) -> Result<(), QueryError> {
        let counting = self.counting();
        let (program, held) = (&counting.program, self.memory.held);
        let assembly = Assembly::new(self.sources, program.attributes(), self.limits.max_rows, held).await?;
        self.each_of(program, &assembly, ids, &mut async |question: &mut Self, matched: &[Matched]| {
            let versioned: Vec<Matched> = matched.iter().map(Matched::versioned).collect();
            question.count(&counting, &versioned, aggregation)
        })
        .await
    }

    fn counting(&self) -> Counting {
        let (by, measured) = (self.leaf.by, self.leaf.measured());
        let program = self.program(by.iter().chain(measured).cloned().collect());
        let by = by.iter().filter_map(|attribute| program.slot(attribute)).collect();
        let measured = measured.and_then(|attribute| program.slot(attribute));
        Counting { program, by, measured, scale: 1.0 / self.share.unwrap_or(1.0) }
    }

    fn count(
        &mut self,
        counting: &Counting,
        matched: &[Matched],
        aggregation: &mut Aggregation,
    ) -> Result<(), QueryError> {
        for (of, span) in matched.iter().flat_map(Matched::each) {
            let start = of.spans[span].start;
            let Some(place) = self.grid.place(start) else { continue };
            let column = |slot: usize| &of.trace.columns[slot][span];
            let values: Vec<Value> = counting.by.iter().map(|slot| column(*slot).clone()).collect();
            let group = aggregation.group(&values);
            let value = counting.measured.map_or(&Value::Nil, column);
            let sampled = if self.is_extrapolated { weight(of.spans[span].trace_state.as_deref()) } else { 1.0 };
            aggregation.observe(group, place, value, counting.scale * sampled);
            if self.is_shown(&of.id, start) {
                let named = counting.program.attributes().iter().enumerate();
                let named = named.map(|(slot, attribute)| (attribute.to_string(), column(slot).clone()));
                aggregation.exemplar(group, start, value, exemplar_labels(&of.id, named));
                self.show(of.id, start);
            }
        }
        self.memory.to(aggregation.bytes())
    }

    /// The pipeline, made ready to tell `asked` of each span, too.
    pub(super) fn program(&self, asked: Vec<Attribute>) -> Program {
        let mut stages = self.leaf.spans.0.clone();
        stages.push(Stage::Select(asked));
        Program::new(&Pipeline(stages))
    }

    /// Calls `observe` with the traces that match, some at once.
    pub(super) async fn each_trace(
        &mut self,
        program: &Program,
        mut observe: impl AsyncFnMut(&mut Self, &[Matched]) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let candidates = Candidates::new(self.leaf.spans);
        let (sources, held) = (self.sources, self.memory.held);
        let window = self.grid.bounds();
        let list = candidates.among(sources, sources.within(window).await?);
        if list.is_empty() {
            return Ok(());
        }
        let mut finder = Finder::new(&candidates, Some(window), held);
        finder.reach_whole(sources, window).await?;
        let assembly = Assembly::new(sources, program.attributes(), self.limits.max_rows, held).await?;
        for source in list {
            let mut ids = finder.traces(sources, &source).await?;
            self.measured.inspected_spans += source.rows() as u64;
            if let Some(share) = self.share {
                ids.retain(|id| is_sampled(id, share));
            }
            self.each_of(program, &assembly, &ids, &mut observe).await?;
        }
        Ok(())
    }

    /// As [`Question::each_trace`], of the traces with these ids.
    async fn each_of(
        &mut self,
        program: &Program,
        assembly: &Assembly<'_>,
        mut ids: &[TraceId],
        observe: &mut impl AsyncFnMut(&mut Self, &[Matched]) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let held = self.memory.held;
        while !ids.is_empty() {
            tokio::task::yield_now().await;
            let before = held.bytes();
            let (count, traces) = assembly.first(ids).await?;
            ids = &ids[count..];
            let mut matched = Vec::with_capacity(traces.len());
            for of in traces {
                self.measured.inspected_traces += 1;
                let spansets = program.evaluate(&of.trace).map_err(|error| QueryError::Invalid(error.to_string()))?;
                let spans = spansets.into_iter().flat_map(|spanset| spanset.spans).collect();
                matched.push(Matched { of: Arc::new(of), spans });
            }
            let of_traces = held.bytes() - before;
            observe(self, &matched).await?;
            drop(matched);
            // The traces are gone; what was made of them stays.
            held.shrink(of_traces);
        }
        Ok(())
    }
}

/// How the spans of whole traces are counted.
struct Counting {
    program: Program,
    /// Where the program has what is grouped by, and what is measured.
    by: Vec<usize>,
    measured: Option<usize>,
    /// How many traces each stands for.
    scale: f64,
}

/// A trace, and those of its spans that the pipeline finds.
pub(super) struct Matched {
    of: Arc<Assembled>,
    spans: Vec<u32>,
}

impl Matched {
    /// Each of the spans, by its place in the trace.
    pub fn each(&self) -> impl Iterator<Item = (&Assembled, usize)> {
        self.spans.iter().map(|span| (&*self.of, *span as usize))
    }

    /// Only spans that were written more than once.
    fn versioned(&self) -> Matched {
        let version = |span: &&u32| versions::version(self.of.spans[**span as usize].trace_state.as_deref()?);
        let spans = self.spans.iter().filter(|span| version(span).is_some()).copied().collect();
        Matched { of: self.of.clone(), spans }
    }
}

/// Ids are random: the same share of them lies below a share of all numbers.
fn is_sampled(id: &TraceId, share: f64) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *id;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (number as f64) < share * u64::MAX as f64
}
