//! Searches, in whichever of Jaeger's APIs they are asked.

use axum::http::HeaderMap;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use trefoil_model::Tenant;
use trefoil_query::traces::{Found, SearchRequest, TagRequest};
use trefoil_traceql::ast::{Attribute, CompareOp, Field, Intrinsic, Pipeline, Spanset, Stage};
use trefoil_traceql::value::Value;

use super::failure::Failure;
use super::prepared::prepared;
use super::tags::{intrinsic_is, service, tag};
use crate::ApiState;
use crate::conditions::{all, compared, service_attribute};

/// Traces where a search does not say how many.
pub(super) const DEFAULT_LIMIT: i64 = 100;
pub(super) const MAX_LIMIT: i64 = 10_000;
/// Services, operations and the like in one answer.
pub(super) const MAX_NAMES: usize = 100_000;

/// What is asked of one span of a trace; what is empty or 0 is not asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TraceQuery {
    pub service: String,
    pub operation: String,
    pub tags: Vec<(String, String)>,
    /// Nanoseconds.
    pub min_duration: i64,
    pub max_duration: i64,
    /// In place of the others.
    pub filter: Option<Field>,
    /// Traces under way within, inclusive, nanoseconds since the epoch.
    pub period: (i64, i64),
    pub limit: i64,
    /// As they are stored.
    pub is_raw: bool,
}

impl TraceQuery {
    fn request(&self) -> Result<SearchRequest, Failure> {
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(Failure::bad_request(format!("the number of traces must be between 1 and {MAX_LIMIT}")));
        }
        if self.filter.is_some() && self.has_conditions() {
            return Err(Failure::bad_request(
                "a filter stands alone: name the service, operation, attributes and durations in it",
            ));
        }
        let pipeline = Pipeline(vec![Stage::Spanset(Spanset::Filter(self.conditions()))]);
        Ok(SearchRequest {
            pipeline,
            period: self.period,
            limit: self.limit as usize,
            // The traces are wanted, not which of their spans.
            spans_per_spanset: 0,
            is_most_recent: true,
        })
    }

    /// Beside the filter.
    fn has_conditions(&self) -> bool {
        let is_named = !self.service.is_empty() || !self.operation.is_empty() || !self.tags.is_empty();
        is_named || self.min_duration != 0 || self.max_duration != 0
    }

    fn conditions(&self) -> Field {
        let mut conditions: Vec<Field> = self.filter.clone().into_iter().collect();
        if !self.service.is_empty() {
            conditions.push(service(&self.service));
        }
        if !self.operation.is_empty() {
            conditions.push(intrinsic_is(Intrinsic::Name, Value::string(&self.operation)));
        }
        let durations = [(CompareOp::GreaterEqual, self.min_duration), (CompareOp::LessEqual, self.max_duration)];
        for (op, nanos) in durations.into_iter().filter(|(_, nanos)| *nanos != 0) {
            conditions.push(compared(Attribute::Intrinsic(Intrinsic::Duration), op, Value::Duration(nanos)));
        }
        conditions.extend(self.tags.iter().map(|(key, value)| tag(key, value)));
        all(conditions)
    }
}

/// Jaeger's question, on behalf of a tenant.
pub(super) struct Asking<'a> {
    pub state: &'a ApiState,
    pub tenant: Tenant,
}

impl<'a> Asking<'a> {
    pub fn new(state: &'a ApiState, headers: &HeaderMap) -> Result<Self, Failure> {
        Ok(Self { state, tenant: state.tenant(headers)? })
    }

    /// What is known of the traces that match, the newest first.
    pub async fn search(&self, query: &TraceQuery) -> Result<Vec<Found>, Failure> {
        let request = query.request()?;
        let searched = self.state.engine.search_traces(&self.tenant, &request, self.state.limits()).await?;
        Ok(searched.traces)
    }

    /// The traces that match, whole, the newest first.
    pub async fn find(&self, query: &TraceQuery) -> Result<Vec<TracesData>, Failure> {
        let ids: Vec<[u8; 16]> = self.search(query).await?.iter().map(|found| found.trace_id).collect();
        self.traces(&ids, query.is_raw).await
    }

    /// Those of the traces that are there, in the order of `ids`.
    pub async fn traces(&self, ids: &[[u8; 16]], is_raw: bool) -> Result<Vec<TracesData>, Failure> {
        let traces = self.state.engine.traces(&self.tenant, ids, self.state.limits()).await?;
        Ok(traces.into_iter().map(|trace| self.prepared(trace, is_raw)).collect())
    }

    /// One trace, if it is there. The hint says when it ran, which spares files.
    pub async fn trace(
        &self,
        id: [u8; 16],
        hint: Option<(i64, i64)>,
        is_raw: bool,
    ) -> Result<Option<TracesData>, Failure> {
        let starts = hint.map(|(start, end)| start.saturating_sub(HINT_SLACK)..end.saturating_add(HINT_SLACK));
        let trace = self.state.engine.trace(&self.tenant, id, starts, self.state.limits()).await?;
        Ok(Some(trace).filter(|trace| !trace.resource_spans.is_empty()).map(|trace| self.prepared(trace, is_raw)))
    }

    fn prepared(&self, trace: TracesData, is_raw: bool) -> TracesData {
        if is_raw { trace } else { prepared(trace, self.state.max_clock_skew_adjustment) }
    }

    pub async fn services(&self) -> Result<Vec<String>, Failure> {
        let attribute = service_attribute();
        let request = TagRequest { filter: None, period: (i64::MIN, i64::MAX), limit: MAX_NAMES };
        let values = self.state.engine.span_tag_values(&self.tenant, &attribute, &request, self.state.limits()).await?;
        let name = |value: Value| match value {
            Value::String(name) if !name.is_empty() => Some(name.to_string()),
            _ => None,
        };
        Ok(values.into_iter().filter_map(name).collect())
    }

    /// Name and kind of the spans of a service, or of all; of one kind only where that is not empty. What has no kind has an empty
    /// one, as in Jaeger.
    pub async fn operations(&self, service: &str, kind: &str) -> Result<Vec<Operation>, Failure> {
        let service = service.to_owned();
        let is_of_service = move |name: &str| service.is_empty() || name == service;
        let engine = &self.state.engine;
        let found = engine.span_operations(&self.tenant, is_of_service, MAX_NAMES, self.state.limits()).await?;
        let named = found.into_iter().map(|operation| {
            let kind = operation.kind.name();
            Operation { name: operation.name, kind: if kind == "unspecified" { "" } else { kind } }
        });
        Ok(named.filter(|operation| kind.is_empty() || operation.kind == kind).collect())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub name: String,
    pub kind: &'static str,
}

/// The hint says roughly when; spans of the same trace just outside of it are still wanted.
const HINT_SLACK: i64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> TraceQuery {
        TraceQuery { period: (1, 2), limit: 20, ..TraceQuery::default() }
    }

    fn text(query: &TraceQuery) -> String {
        query.request().unwrap().pipeline.to_string()
    }

    #[test]
    fn all_conditions_are_of_one_span() {
        assert_eq!(text(&query()), "{ true }");
        let asked = TraceQuery {
            service: "shop".into(),
            operation: "GET /".into(),
            tags: vec![("error".into(), "true".into())],
            min_duration: 1_000_000,
            max_duration: 2_000_000_000,
            ..query()
        };
        insta::assert_snapshot!(text(&asked), @"{ (resource.service.name = `shop`) && (name = `GET /`) && (duration >= 1ms) && (duration <= 2s) && (status = error) }");
    }

    #[test]
    fn limits_have_limits() {
        for limit in [-1, 0, MAX_LIMIT + 1] {
            assert!(TraceQuery { limit, ..query() }.request().is_err());
        }
        let filter = Some(Field::Value(Value::Bool(true)));
        assert!(TraceQuery { filter: filter.clone(), ..query() }.request().is_ok());
        assert!(TraceQuery { filter, service: "shop".into(), ..query() }.request().is_err());
    }
}
