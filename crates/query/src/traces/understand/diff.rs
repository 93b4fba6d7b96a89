//! How two stored traces differ, and two spans.

use opentelemetry_proto::tonic::trace::v1::TracesData;
use trefoil_model::Tenant;
use trefoil_trace::diff::{Changed, Compared, Difference, SpanDiff, diff_spans, diff_traces, duration, spans};

use super::super::assemble::TraceId;
use super::trace::aside;
use crate::{Engine, Limits, QueryError};

/// Spans of each trace: they are compared as whole messages.
const MOST_SPANS: usize = 100_000;

/// A span that differs, or that only one of the traces has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferentSpan {
    pub span_id: Vec<u8>,
    pub service: String,
    pub name: String,
    /// Nanoseconds since the epoch.
    pub start: u64,
    pub duration: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDifference {
    /// `None`: the span was added.
    pub before: Option<DifferentSpan>,
    /// `None`: it was removed.
    pub after: Option<DifferentSpan>,
    /// Empty of one that only one of the traces has.
    pub diff: SpanDiff,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundDiff {
    /// Parents before their children.
    pub differences: Vec<FoundDifference>,
    /// Of all, also beyond the limit.
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
    pub unchanged: usize,
}

impl Engine {
    /// How the second trace differs from the first; at most `limit` differences. Spans whose durations differ by less than `least_change`
    /// nanoseconds are as long. `Err(id)`: there is no such trace.
    pub async fn diff_traces(
        &self,
        tenant: &Tenant,
        [before, after]: [TraceId; 2],
        least_change: i64,
        limit: usize,
        limits: Limits,
    ) -> Result<Result<FoundDiff, TraceId>, QueryError> {
        let each = Limits { max_rows: limits.max_rows.min(MOST_SPANS), ..limits };
        let mut traces = Vec::with_capacity(2);
        for id in [before, after] {
            let trace = self.trace(tenant, id, None, each).await?;
            if trace.resource_spans.is_empty() {
                return Ok(Err(id));
            }
            traces.push(trace);
        }
        Ok(Ok(aside(move || found(&traces[0], &traces[1], least_change, limit)).await?))
    }

    /// How the second span differs from the first, which may be of another operation. `Err(place)`: the first or the second is not there.
    pub async fn diff_spans(
        &self,
        tenant: &Tenant,
        ids: [(TraceId, [u8; 8]); 2],
        limits: Limits,
    ) -> Result<Result<FoundDifference, usize>, QueryError> {
        let mut found = Vec::with_capacity(2);
        for (place, (trace, span)) in ids.into_iter().enumerate() {
            let trace = self.span(tenant, trace, span, limits).await?;
            if trace.resource_spans.is_empty() {
                return Ok(Err(place));
            }
            found.push(trace);
        }
        let [before, after] = [0, 1].map(|place| spans(&found[place]).next());
        let (Some(before), Some(after)) = (before, after) else {
            return Err(QueryError::Internal("a resource without spans".to_owned()));
        };
        let diff = diff_spans(before, after, 0);
        Ok(Ok(FoundDifference { before: Some(different(&before)), after: Some(different(&after)), diff }))
    }
}

fn found(before: &TracesData, after: &TracesData, least_change: i64, limit: usize) -> FoundDiff {
    let diff = diff_traces(before, after, least_change);
    let mut found = FoundDiff { unchanged: diff.unchanged, ..FoundDiff::default() };
    for difference in diff.differences {
        let (before, after, diff) = match difference {
            Difference::Added(span) => {
                found.added += 1;
                (None, Some(span), SpanDiff::default())
            }
            Difference::Removed(span) => {
                found.removed += 1;
                (Some(span), None, SpanDiff::default())
            }
            Difference::Changed { before, after, diff } => {
                found.changed += 1;
                (Some(before), Some(after), diff)
            }
        };
        if found.differences.len() < limit {
            let [before, after] = [before, after].map(|span| span.as_ref().map(different));
            found.differences.push(FoundDifference { before, after, diff });
        }
    }
    found
}

fn different(compared: &Compared<'_>) -> DifferentSpan {
    DifferentSpan {
        span_id: compared.span.span_id.clone(),
        service: compared.service.to_owned(),
        name: compared.span.name.clone(),
        start: compared.span.start_time_unix_nano,
        duration: duration(compared.span),
    }
}

/// A value that is not the same in both.
pub type ChangedValue = Changed;
