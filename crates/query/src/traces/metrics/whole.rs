//! Spans that count by what their traces say: the traces that may match are put together.

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
        let (by, measured) = (self.leaf.by, self.leaf.measured());
        let asked: Vec<Attribute> = by.iter().chain(measured).cloned().collect();
        let program = self.program(asked);
        let by: Vec<usize> = by.iter().filter_map(|attribute| program.slot(attribute)).collect();
        let measured = measured.and_then(|attribute| program.slot(attribute));
        let scale = 1.0 / self.share.unwrap_or(1.0);
        self.each_trace(&program, async |question: &mut Self, matched: &[Matched]| {
            for (of, span) in matched.iter().flat_map(Matched::each) {
                let start = of.spans[span].start;
                let Some(place) = question.grid.place(start) else { continue };
                let column = |slot: usize| &of.trace.columns[slot][span];
                let values: Vec<Value> = by.iter().map(|slot| column(*slot).clone()).collect();
                let group = aggregation.group(&values);
                let value = measured.map_or(&Value::Nil, column);
                let sampled =
                    if question.is_extrapolated { weight(of.spans[span].trace_state.as_deref()) } else { 1.0 };
                aggregation.observe(group, place, value, scale * sampled);
                if question.is_shown(&of.id, start) {
                    let named = program.attributes().iter().enumerate();
                    let named = named.map(|(slot, attribute)| (attribute.to_string(), column(slot).clone()));
                    aggregation.exemplar(group, start, value, exemplar_labels(&of.id, named));
                    question.show(of.id, start);
                }
            }
            question.memory.to(aggregation.bytes())?;
            question.tell(aggregation).await
        })
        .await
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
        let mut finder = Finder::new(&candidates, sources, window, Some(window), held).await?;
        let assembly = Assembly::new(sources, program.attributes(), self.limits.max_rows, held).await?;
        for source in sources.within(window).await? {
            let mut ids = finder.traces(sources, &source).await?;
            self.measured.inspected_spans += source.rows() as u64;
            if let Some(share) = self.share {
                ids.retain(|id| is_sampled(id, share));
            }
            let mut ids = ids.as_slice();
            while !ids.is_empty() {
                tokio::task::yield_now().await;
                let before = held.bytes();
                let (count, traces) = assembly.first(ids).await?;
                ids = &ids[count..];
                let mut matched = Vec::with_capacity(traces.len());
                for of in traces {
                    self.measured.inspected_traces += 1;
                    let spansets =
                        program.evaluate(&of.trace).map_err(|error| QueryError::Invalid(error.to_string()))?;
                    let spans = spansets.into_iter().flat_map(|spanset| spanset.spans).collect();
                    matched.push(Matched { of, spans });
                }
                let of_traces = held.bytes() - before;
                observe(self, &matched).await?;
                drop(matched);
                // The traces are gone; what was made of them stays.
                held.shrink(of_traces);
            }
        }
        Ok(())
    }
}

/// A trace, and those of its spans that the pipeline finds.
pub(super) struct Matched {
    pub of: Assembled,
    spans: Vec<u32>,
}

impl Matched {
    /// Each of the spans, by its place in the trace.
    pub fn each(&self) -> impl Iterator<Item = (&Assembled, usize)> {
        self.spans.iter().map(|span| (&self.of, *span as usize))
    }
}

/// Ids are random: the same share of them lies below a share of all numbers.
fn is_sampled(id: &TraceId, share: f64) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *id;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (number as f64) < share * u64::MAX as f64
}
