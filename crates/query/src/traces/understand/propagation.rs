//! Between which services the context of traces gets lost.

use std::sync::Arc;

use trefoil_model::Tenant;
use trefoil_trace::propagation::{Holes, Propagation, Reason, UNKNOWN};

use super::super::source::Sources;
use super::read::{Wanted, each_trace};
use super::trace::aside;
use crate::trace::bounded;
use crate::{Engine, Limits, QueryError};

/// Times are nanoseconds, since the epoch or long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PropagationRequest {
    /// Holes are looked for at spans that start within, inclusive.
    pub period: (i64, i64),
    /// How long a span's parent, and the call that may have led to it, are waited for after its start: younger spans than that say
    /// nothing yet. So long may messages be on their way, too.
    pub wait: i64,
    /// By how much earlier spans may have begun to be found as parents and calls of those in the period.
    pub lookback: i64,
    /// When it is asked.
    pub now: i64,
    /// Pairs of services in the answer.
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostContext {
    /// What was looked at in the end: spans that start within, inclusive.
    pub period: (i64, i64),
    pub inspected_spans: u64,
    /// Those that lose most first.
    pub pairs: Vec<ServicePair>,
    /// Pairs beyond the limit.
    pub further_pairs: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePair {
    pub client: Arc<str>,
    pub server: Arc<str>,
    /// Calls whose context arrived.
    pub kept: u64,
    pub holes: Vec<(Reason, Holes)>,
}

impl Engine {
    /// Between which services of `tenant` the context of traces gets lost, see [`trefoil_trace::propagation`].
    pub async fn lost_context(
        &self,
        tenant: &Tenant,
        request: PropagationRequest,
        limits: Limits,
    ) -> Result<LostContext, QueryError> {
        bounded(limits, self.read_lost_context(tenant, request)).await
    }

    async fn read_lost_context(&self, tenant: &Tenant, request: PropagationRequest) -> Result<LostContext, QueryError> {
        let PropagationRequest { period: (start, end), wait, lookback, now, limit } = request;
        // What has not been there for long may still get its parent.
        let end = end.min(now.saturating_sub(wait));
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let memory = self.memory();
        let wanted = Wanted::Window(start.saturating_sub(lookback), end.saturating_add(wait));
        let mut spans = wanted.spans(&sources, &memory).await?;
        let found = aside(move || {
            // It is counted until the work is done.
            let _held = memory;
            let inspected_spans = spans.list.len() as u64;
            let unknown = spans.names.add(UNKNOWN);
            let mut propagation = Propagation::new(start..end.saturating_add(1), wait, unknown);
            each_trace(spans.list, |trace| propagation.add(trace));
            let mut pairs = propagation.finish();
            let further_pairs = pairs.len().saturating_sub(limit);
            pairs.truncate(limit);
            let text = |name| spans.names.text(name).clone();
            let pair = |pair: trefoil_trace::propagation::Pair| ServicePair {
                client: text(pair.client),
                server: text(pair.server),
                kept: pair.kept,
                holes: pair.holes,
            };
            let pairs = pairs.into_iter().map(pair).collect();
            LostContext { period: (start, end), inspected_spans, pairs, further_pairs }
        });
        found.await
    }
}
