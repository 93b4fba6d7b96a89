//! Which spans of one trace match.

use std::collections::HashSet;

use trefoil_model::Tenant;
use trefoil_traceql::ast::Pipeline;
use trefoil_traceql::eval::Program;

use super::assemble::{Assembly, TraceId};
use super::source::Sources;
use crate::{Engine, Limits, QueryError};

impl Engine {
    /// The ids of the spans of a trace that are in a spanset of the query.
    pub async fn matching_spans(
        &self,
        tenant: &Tenant,
        trace_id: TraceId,
        pipeline: &Pipeline,
        limits: Limits,
    ) -> Result<HashSet<[u8; 8]>, QueryError> {
        let (tenant, pipeline) = (tenant.clone(), pipeline.clone());
        let matching = move |engine: Engine| async move {
            let snapshot = engine.snapshot(&tenant).await?;
            let sources = Sources::of_spans(&snapshot, &engine.span_columns);
            let program = Program::new(&pipeline);
            let memory = engine.memory();
            let assembly = Assembly::new(&sources, program.attributes(), limits.max_rows, &memory).await?;
            let mut found = HashSet::new();
            for assembled in assembly.first(&[trace_id]).await?.1 {
                let spansets =
                    program.evaluate(&assembled.trace).map_err(|error| QueryError::Invalid(error.to_string()))?;
                let places = spansets.iter().flat_map(|spanset| &spanset.spans);
                found.extend(places.filter_map(|place| assembled.spans.get(*place as usize)).map(|span| span.id));
            }
            Ok(found)
        };
        self.on_thread(limits, matching).await
    }
}
