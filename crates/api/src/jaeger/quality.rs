//! `/api/quality-metrics`: how good the traces of a service are, for the UI's page of that name.
//!
//! Jaeger has made-up numbers there; these are of the newest traces of the service.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use trefoil_jaeger::json::{Span, Trace};

use super::answer::json;
use super::failure::{Failure, Legacy};
use super::legacy::shown;
use super::parameters::{Parameters, now};
use super::search::{Asking, TraceQuery};
use crate::ApiState;

/// Traces that are looked at.
const TRACES: i64 = 100;
const MAX_EXAMPLES: usize = 10;
const HOUR: i64 = 3_600_000_000_000;
const DOCUMENTATION: &str = "https://opentelemetry.io/docs/specs/otel/trace/api/";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Quality {
    trace_quality_documentation_link: &'static str,
    scores: Vec<Score>,
    metrics: Vec<Metric>,
}

#[derive(Debug, Serialize)]
struct Score {
    key: &'static str,
    label: &'static str,
    max: u32,
    value: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    name: &'static str,
    category: &'static str,
    description: &'static str,
    metric_documentation_link: &'static str,
    metric_weight: f64,
    pass_count: usize,
    pass_examples: Vec<Example>,
    failure_count: usize,
    failure_examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    #[serde(rename = "spanIDs")]
    span_ids: Vec<String>,
    #[serde(rename = "traceID")]
    trace_id: String,
}

pub(super) async fn metrics(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let asking = Asking::new(&state, &headers)?;
    let service = parameters.get("service");
    if service.is_empty() {
        return Err(Failure::bad_request("parameter 'service' is required").into());
    }
    let (end, hours) = (now(), parameters.number_of("lookback", HOUR)?);
    let start = end.saturating_sub(hours.filter(|hours| *hours > 0).unwrap_or(HOUR));
    let (service, period) = (service.to_owned(), (start, end));
    let query = TraceQuery { service: service.clone(), period, limit: TRACES, ..TraceQuery::default() };
    json(&parameters, &quality(&shown(&asking.find(&query).await?), &service))
}

fn quality(traces: &[Trace], service: &str) -> Quality {
    let parents = Metric::of(
        traces,
        service,
        ("Parents", "completeness", "Spans whose parent is in the trace, or that have none"),
        |trace, span| {
            let mut of_trace = span.references.iter().filter(|reference| reference.trace_id == trace.trace_id);
            of_trace.next().is_none_or(|parent| trace.spans.iter().any(|span| span.span_id == parent.span_id))
        },
    );
    let kinds = Metric::of(traces, service, ("Kinds", "detail", "Spans that say of which kind they are"), |_, span| {
        span.tags.iter().any(|tag| tag.key == "span.kind")
    });
    let score = |key, label, metric: &Metric| Score { key, label, max: 100, value: metric.score() };
    let scores = vec![score("completeness", "Trace Completeness", &parents), score("detail", "Span Detail", &kinds)];
    Quality { trace_quality_documentation_link: DOCUMENTATION, scores, metrics: vec![parents, kinds] }
}

impl Metric {
    fn of(
        traces: &[Trace],
        service: &str,
        (name, category, description): (&'static str, &'static str, &'static str),
        passes: impl Fn(&Trace, &Span) -> bool,
    ) -> Metric {
        let mut metric = Metric {
            name,
            category,
            description,
            metric_documentation_link: DOCUMENTATION,
            metric_weight: 1.0,
            pass_count: 0,
            pass_examples: Vec::new(),
            failure_count: 0,
            failure_examples: Vec::new(),
        };
        for trace in traces {
            let is_of_service =
                |span: &&Span| trace.processes.get(&span.process_id).is_some_and(|of| of.service_name == service);
            let (passed, failed): (Vec<&Span>, Vec<&Span>) =
                trace.spans.iter().filter(is_of_service).partition(|span| passes(trace, span));
            metric.pass_count += passed.len();
            metric.failure_count += failed.len();
            add(&mut metric.pass_examples, trace, &passed);
            add(&mut metric.failure_examples, trace, &failed);
        }
        metric
    }

    /// Of a hundred; all of nothing is right.
    fn score(&self) -> u32 {
        let all = self.pass_count + self.failure_count;
        (self.pass_count * 100).checked_div(all).unwrap_or(100) as u32
    }
}

fn add(examples: &mut Vec<Example>, trace: &Trace, spans: &[&Span]) {
    if examples.len() < MAX_EXAMPLES && !spans.is_empty() {
        let span_ids = spans.iter().take(MAX_EXAMPLES).map(|span| span.span_id.clone()).collect();
        examples.push(Example { span_ids, trace_id: trace.trace_id.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_the_service_are_judged() {
        let traces: Vec<Trace> = serde_json::from_str(
            r#"[{"traceID": "1", "processes": {"p1": {"serviceName": "shop"}, "p2": {"serviceName": "other"}}, "spans": [
                {"traceID": "1", "spanID": "a", "startTime": 1, "processID": "p1",
                 "tags": [{"key": "span.kind", "type": "string", "value": "server"}]},
                {"traceID": "1", "spanID": "b", "startTime": 1, "processID": "p1",
                 "references": [{"refType": "CHILD_OF", "traceID": "1", "spanID": "c"}]},
                {"traceID": "1", "spanID": "d", "startTime": 1, "processID": "p2"}]}]"#,
        )
        .unwrap();
        let quality = quality(&traces, "shop");
        let scores: Vec<_> = quality.scores.iter().map(|score| (score.key, score.value)).collect();
        assert_eq!(scores, [("completeness", 50), ("detail", 50)]);
        assert_eq!(quality.metrics[0].failure_examples[0].span_ids, ["b"]);
    }
}
