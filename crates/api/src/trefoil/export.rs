//! `GET /api/v1/traces/{trace_id}` and `GET /api/v1/traces`: traces as other systems write them, to take them there.

use std::ops::Range;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use serde::Deserialize;
use trefoil_query::QueryError;
use trefoil_query::traces::{Found, SearchRequest};
use trefoil_traceql::ast::Expr;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorAnswer};
use super::forms::Form;
use crate::ApiState;
use crate::ids::parse_trace_id;
use crate::prometheus::parse_time;

const DEFAULT_LIMIT: usize = 1000;
const MAX_LIMIT: usize = 100_000;
/// Traces that are read side by side.
const AT_ONCE: usize = 4;
const NANOS_PER_MILLI: i64 = 1_000_000;
/// Around what the search knows of a trace: spans that have come since then are wanted, too.
const SLACK_NANOS: i64 = 3_600_000_000_000;

/// How many traces the answer holds.
const COUNT_HEADER: &str = "trefoil-traces";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ById {
    /// How the trace is written.
    #[serde(default)]
    #[param(inline)]
    format: Form,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ByQuery {
    /// TraceQL; all traces without it.
    #[param(example = "{ status = error }")]
    q: Option<String>,
    /// Traces that begin, end or are under way from here on: seconds since 1970 or RFC 3339.
    start: Option<String>,
    /// … to here.
    end: Option<String>,
    /// Traces in the answer: those that are found first, with `most_recent` in the query the newest.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100_000, default = 1000)]
    limit: usize,
    /// How traces are written.
    #[serde(default)]
    #[param(inline)]
    format: Form,
}

fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// A trace, all of it.
// For the description only.
#[derive(ToSchema)]
#[schema(value_type = Object)]
#[allow(dead_code)]
pub(super) struct WrittenTraces(String);

/// One trace in the JSON of a system
///
/// `otlp`: `{"resourceSpans"}`; `tempo`: what Tempo's `/api/v2/traces/{trace_id}` answers; `jaeger`: `{"data": […]}` as Jaeger's API
/// answers and its UI downloads; `zipkin`: the list of spans that Zipkin's `/api/v2/spans` takes.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}",
    operation_id = "export_trace",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        ById,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "The trace", body = WrittenTraces),
        (status = 400, description = "The id is none, or there is no such format", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant has no such trace", body = ErrorAnswer),
        (status = 422, description = "The trace has more spans than an answer may have rows", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn by_id(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ById>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (Path(text), Query(ById { format })) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let trace_id = parse_trace_id(&text).map_err(ApiError::bad_request)?;
    let trace = state.engine.trace(&tenant, trace_id, None, state.limits()).await?;
    if trace.resource_spans.is_empty() {
        return Err(ApiError::not_found(format!("there is no trace {text}")));
    }
    let traces = stream::once(async { Ok(trace) });
    // The id is hexadecimal digits.
    Ok(response(Writing::new(format, traces), format.of_one(), &format!("trace-{text}.json")))
}

/// Traces that match, in the JSON of a system
///
/// As for one trace; `otlp` and `tempo` have a line for each. The answer is streamed. Traces that cannot be read are left out, and the
/// answer is cut off at its very end.
#[utoipa::path(
    get,
    path = "/api/v1/traces",
    operation_id = "export_traces",
    tag = "traces",
    params(ByQuery, ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled")),
    responses(
        (
            status = 200,
            description = "The traces",
            headers(("trefoil-traces" = u64, description = "How many match, at most `limit`")),
            content((WrittenTraces = "application/json"), (String = "application/x-ndjson"))
        ),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 422, description = "A trace has more spans than an answer may have rows", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "The search took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn by_query(
    State(state): State<ApiState>,
    query: Result<Query<ByQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(asked) = query?;
    let tenant = state.tenant(&headers)?;
    let request = search(&asked).map_err(ApiError::bad_request)?;
    let found = state.engine.search_traces(&tenant, &request, state.limits()).await?.traces;
    let count = found.len();
    let read = move |found: Found| {
        let (state, tenant) = (state.clone(), tenant.clone());
        async move { state.engine.trace(&tenant, found.trace_id, Some(starts(&found)), state.limits()).await }
    };
    let traces = stream::iter(found).map(read).buffered(AT_ONCE);
    let mut response = response(Writing::new(asked.format, traces), asked.format.of_many(), "traces.json");
    response.headers_mut().insert(COUNT_HEADER, count.into());
    Ok(response)
}

fn search(asked: &ByQuery) -> Result<SearchRequest, String> {
    if !(1..=MAX_LIMIT).contains(&asked.limit) {
        return Err(format!("limit: {} is not between 1 and {MAX_LIMIT}", asked.limit));
    }
    let time = |text: &Option<String>, name, open| match text.as_deref() {
        None => Ok(open),
        Some(text) => match parse_time(text) {
            Ok(millis) => Ok(millis.saturating_mul(NANOS_PER_MILLI)),
            Err(error) => Err(format!("{name}: {error}")),
        },
    };
    let period = (time(&asked.start, "start", i64::MIN)?, time(&asked.end, "end", i64::MAX)?);
    if period.0 > period.1 {
        return Err("start: it is after the end".to_owned());
    }
    let text = asked.q.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or("{}");
    let query = trefoil_traceql::parse(text).map_err(|error| format!("q: {error}"))?;
    let Expr::Search(pipeline) = query.expr else {
        return Err("q: it asks for a metric, and traces are wanted".to_owned());
    };
    let is_most_recent = query
        .hints
        .iter()
        .any(|hint| hint.name == "most_recent" && hint.value == trefoil_traceql::value::Value::Bool(true));
    Ok(SearchRequest { pipeline, period, limit: asked.limit, spans_per_spanset: 1, is_most_recent })
}

/// When its spans may start.
fn starts(found: &Found) -> Range<i64> {
    let end = found.start.saturating_add(found.duration);
    found.start.saturating_sub(SLACK_NANOS)..end.saturating_add(SLACK_NANOS)
}

fn response(writing: Writing, content_type: &'static str, file: &str) -> Response {
    let mut response = Response::new(Body::from_stream(writing.chunks()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{file}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// An answer on its way.
struct Writing {
    form: Form,
    traces: BoxStream<'static, Result<TracesData, QueryError>>,
    next: Next,
    written: usize,
    failed: usize,
}

enum Next {
    Opening,
    Trace,
    End,
    Done,
}

impl Writing {
    fn new(form: Form, traces: impl Stream<Item = Result<TracesData, QueryError>> + Send + 'static) -> Self {
        Self { form, traces: traces.boxed(), next: Next::Opening, written: 0, failed: 0 }
    }

    fn chunks(self) -> impl Stream<Item = std::io::Result<Vec<u8>>> {
        let next = |mut writing: Self| async { writing.chunk().await.map(|chunk| (chunk, writing)) };
        // Compression asks again behind the end.
        stream::unfold(self, next).fuse()
    }

    async fn chunk(&mut self) -> Option<std::io::Result<Vec<u8>>> {
        loop {
            match self.next {
                Next::Opening => {
                    self.next = Next::Trace;
                    return Some(Ok(self.form.opening().into()));
                }
                Next::Trace => match self.traces.next().await {
                    None => {
                        self.next = Next::End;
                        return Some(Ok(self.form.closing().into()));
                    }
                    // Deleted since it was found.
                    Some(Ok(trace)) if trace.resource_spans.is_empty() => {}
                    Some(Ok(trace)) => match self.form.write(&trace, self.written == 0) {
                        Ok(text) => {
                            self.written += 1;
                            return Some(Ok(text));
                        }
                        Err(error) => self.fail(&error),
                    },
                    Some(Err(error)) => self.fail(&error.to_string()),
                },
                Next::End => {
                    self.next = Next::Done;
                    if self.failed > 0 {
                        return Some(Err(std::io::Error::other(format!("{} traces cannot be read", self.failed))));
                    }
                }
                Next::Done => return None,
            }
        }
    }

    fn fail(&mut self, error: &str) {
        self.failed += 1;
        tracing::warn!(error, "a trace is left out of an export");
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    fn trace(id: u8) -> TracesData {
        let span = Span {
            trace_id: vec![id; 16],
            span_id: vec![id; 8],
            name: "a \"b\"".into(),
            start_time_unix_nano: 1_700_000_000_000_000_000,
            end_time_unix_nano: 1_700_000_000_000_001_000,
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        TracesData { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
    }

    async fn written(form: Form, traces: Vec<Result<TracesData, QueryError>>) -> (String, Option<String>) {
        let (mut text, mut error) = (String::new(), None);
        let mut chunks = std::pin::pin!(Writing::new(form, stream::iter(traces)).chunks());
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
                Err(failed) => error = Some(failed.to_string()),
            }
        }
        (text, error)
    }

    #[tokio::test]
    async fn each_form_is_a_document_or_a_line_for_each_trace() {
        for (name, form) in
            [("otlp", Form::Otlp), ("tempo", Form::Tempo), ("jaeger", Form::Jaeger), ("zipkin", Form::Zipkin)]
        {
            let (text, error) = written(form, vec![Ok(trace(1)), Ok(TracesData::default()), Ok(trace(2))]).await;
            assert_eq!(error, None);
            insta::assert_snapshot!(name, text);
            let (text, _) = written(form, vec![]).await;
            insta::assert_snapshot!(format!("{name}-none"), text);
        }
    }

    #[tokio::test]
    async fn a_trace_that_cannot_be_read_costs_only_itself_and_is_told() {
        let failure = Err(QueryError::Internal("no file".into()));
        let (text, error) = written(Form::Zipkin, vec![Ok(trace(1)), failure, Ok(trace(2))]).await;
        assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len(), 2);
        assert_eq!(error.as_deref(), Some("1 traces cannot be read"));
    }

    #[test]
    fn questions_are_checked() {
        let ask = |query: &str| {
            let uri: http::Uri = format!("http://x/?{query}").parse().unwrap();
            let asked = Query::<ByQuery>::try_from_uri(&uri).map_err(|error| error.body_text())?.0;
            search(&asked)
        };
        let request = ask("q=%7B%7D%20with(most_recent=true)&start=10&end=20&limit=5&format=zipkin").unwrap();
        assert_eq!(
            (request.period, request.limit, request.is_most_recent),
            ((10_000_000_000, 20_000_000_000), 5, true)
        );
        assert_eq!(ask("").unwrap().limit, DEFAULT_LIMIT);
        for (query, expected) in [
            ("limit=0", "limit: 0 is not between"),
            ("q=%7B", "q: "),
            ("q=%7B%7D%7Crate()", "q: it asks for a metric"),
            ("start=20&end=10", "start: it is after the end"),
            ("start=x", "start: "),
            ("format=csv", "unknown variant `csv`"),
            ("query=%7B%7D", "unknown field `query`"),
        ] {
            let error = ask(query).unwrap_err();
            assert!(error.contains(expected), "{query}: {error}");
        }
    }
}
