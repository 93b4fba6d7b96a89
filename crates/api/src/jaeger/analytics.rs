//! `/analytics/v1/dependencies`: the ways that requests take through a service, for the UI's graph of deep dependencies.
//!
//! Jaeger computes these in a job of its own; here they are those of the newest traces.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use serde::Serialize;
use trefoil_jaeger::json::{Span, Trace};

use super::answer::json;
use super::failure::{Failure, Legacy};
use super::legacy::shown;
use super::parameters::{MICROSECOND, Parameters, now};
use super::search::{Asking, TraceQuery};
use crate::ApiState;

/// Traces that are looked at.
const TRACES: i64 = 100;
const MAX_PATHS: usize = 1000;
/// Longer paths end there; circles, too.
const MAX_DEPTH: usize = 1000;
const DEFAULT_LOOKBACK: i64 = 2 * 86_400_000_000_000;

#[derive(Debug, Serialize)]
struct Payload {
    dependencies: Vec<Path>,
}

#[derive(Debug, Serialize)]
struct Path {
    path: Vec<Step>,
    attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Step {
    service: String,
    operation: String,
}

#[derive(Debug, Serialize)]
struct Attribute {
    key: &'static str,
    value: String,
}

pub(super) async fn dependencies(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let asking = Asking::new(&state, &headers)?;
    let service = parameters.get("service");
    if service.is_empty() {
        return Err(Failure::bad_request("parameter 'service' is required").into());
    }
    let end = parameters.number_of("end", MICROSECOND)?.filter(|end| *end > 0).unwrap_or_else(now);
    let start = parameters.number_of("start", MICROSECOND)?.unwrap_or_else(|| end.saturating_sub(DEFAULT_LOOKBACK));
    let operation = parameters.get("operation");
    let query = TraceQuery {
        service: service.to_owned(),
        operation: operation.to_owned(),
        period: (start, end),
        limit: TRACES,
        ..TraceQuery::default()
    };
    let focus = |step: &Step| step.service == service && (operation.is_empty() || step.operation == operation);
    json(&parameters, &Payload { dependencies: paths(&asking.find(&query).await?, focus) })
}

/// The different paths that lead through the focus, each with a trace that took it.
fn paths(traces: &[TracesData], focus: impl Fn(&Step) -> bool) -> Vec<Path> {
    let mut found: BTreeMap<Vec<Step>, String> = BTreeMap::new();
    for trace in &shown(traces) {
        for path in of_trace(trace).into_iter().filter(|path| path.iter().any(&focus)) {
            if found.len() == MAX_PATHS {
                break;
            }
            found.entry(path).or_insert_with(|| trace.trace_id.clone());
        }
    }
    let attributes = |trace_id| vec![Attribute { key: "exemplar_trace_id", value: trace_id }];
    found.into_iter().map(|(path, trace_id)| Path { path, attributes: attributes(trace_id) }).collect()
}

/// From a root to each of the ends: of spans of the same service that follow each other, the first.
fn of_trace(trace: &Trace) -> Vec<Vec<Step>> {
    let spans: HashMap<&str, &Span> = trace.spans.iter().map(|span| (span.span_id.as_str(), span)).collect();
    let parent = |span: &Span| {
        let reference = span.references.first().filter(|reference| reference.trace_id == trace.trace_id)?;
        spans.get(reference.span_id.as_str()).copied()
    };
    let parents: Vec<&str> = trace.spans.iter().filter_map(|span| Some(parent(span)?.span_id.as_str())).collect();
    let ends = trace.spans.iter().filter(|span| !parents.contains(&span.span_id.as_str()));
    let service = |span: &Span| trace.processes.get(&span.process_id).map(|process| process.service_name.clone());
    let path = |end: &Span| {
        let mut path: Vec<Step> = Vec::new();
        let mut next = spans.get(end.span_id.as_str()).copied();
        for _ in 0..MAX_DEPTH {
            let Some(span) = next else { break };
            let step = Step { service: service(span).unwrap_or_default(), operation: span.operation_name.clone() };
            match path.last_mut().filter(|last| last.service == step.service) {
                Some(last) => *last = step,
                None => path.push(step),
            }
            next = parent(span);
        }
        path.reverse();
        path
    };
    ends.map(path).collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    fn of_service(name: &str, spans: &[(u8, u8, &str)]) -> ResourceSpans {
        let value = Some(AnyValue { value: Some(Value::StringValue(name.to_owned())) });
        let attributes = vec![KeyValue { key: "service.name".to_owned(), value, ..KeyValue::default() }];
        let spans = spans.iter().map(|(id, parent, name)| Span {
            trace_id: vec![1; 16],
            span_id: vec![*id; 8],
            parent_span_id: if *parent == 0 { Vec::new() } else { vec![*parent; 8] },
            name: (*name).to_owned(),
            ..Span::default()
        });
        ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    }

    #[test]
    fn paths_lead_from_service_to_service() {
        let web = of_service("web", &[(1, 0, "GET /"), (2, 1, "call")]);
        let cart = of_service("cart", &[(3, 2, "load"), (4, 3, "query")]);
        let stock = of_service("stock", &[(5, 1, "count")]);
        let traces = [TracesData { resource_spans: vec![web, cart, stock] }];
        let names = |service: &'static str| {
            let paths = paths(&traces, |step| step.service == service);
            let step = |step: &Step| format!("{}:{}", step.service, step.operation);
            paths.iter().map(|path| path.path.iter().map(step).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(names("cart"), ["web:GET / cart:load"]);
        assert_eq!(names("web"), ["web:GET / cart:load", "web:GET / stock:count"]);
        assert!(names("nobody").is_empty());
    }

    #[test]
    fn circles_end() {
        let circle = of_service("a", &[(1, 2, "x"), (2, 1, "y"), (3, 1, "z")]);
        assert_eq!(paths(&[TracesData { resource_spans: vec![circle] }], |_| true).len(), 1);
    }
}
