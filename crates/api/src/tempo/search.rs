//! `GET /api/search`: traces that match a TraceQL query, or tags as older clients send them.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value as Json_, json};
use trefoil_go::duration;
use trefoil_query::traces::{Found, FoundSpan, FoundSpanset, SearchRequest, Searched};
use trefoil_traceql::ast::{Attribute, CompareOp, Expr, Field, Hint, Intrinsic, Pipeline, Spanset, SpansetOp, Stage};
use trefoil_traceql::value::{Status, Value};

use super::json::{attribute, search_metrics, without_defaults};
use super::proto::{SearchMetrics, SearchResponse, ServiceStats, Span, SpanSet, TraceSearchMetadata};
use super::values::key_value;
use super::{TempoError, protobuf, wants_protobuf};
use crate::ApiState;

const LIMIT: usize = 20;
const MAX_LIMIT: usize = 10_000;
const SPANS_PER_SPANSET: usize = 3;
/// What Tempo says where the root of a trace is missing.
const NO_ROOT: &str = "<root span not yet received>";

pub(super) async fn search(
    State(state): State<ApiState>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    let request = request(&parameters).map_err(TempoError::bad_request)?;
    let searched = state.engine.search_traces(&tenant, &request, state.limits()).await?;
    let answer = response(searched);
    match wants_protobuf(&headers) {
        true => Ok(protobuf(&answer)),
        false => Ok(Json(json(&answer)).into_response()),
    }
}

/// The parameters of a search; the error says which of them is wrong.
pub(super) fn request(parameters: &[(String, String)]) -> Result<SearchRequest, String> {
    let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str| match get(name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse::<u32>().map(Some).map_err(|_| format!("invalid {name}: {text:?} is not a number")),
    };
    let (start, end) = (number("start")?.unwrap_or(0), number("end")?.unwrap_or(0));
    if (start, end) != (0, 0) && end <= start {
        return Err("invalid start: must be before end".to_owned());
    }
    let limit = match number("limit")? {
        Some(0) => return Err("invalid limit: must be a positive number".to_owned()),
        limit => limit.map_or(LIMIT, |limit| limit as usize),
    };
    if limit > MAX_LIMIT {
        return Err(format!("invalid limit: at most {MAX_LIMIT} traces can be asked for"));
    }
    let spans_per_spanset = number("spss")?.map_or(SPANS_PER_SPANSET, |spans| spans as usize);
    let (pipeline, hints) = match (get("q"), get("tags")) {
        (Some(_), Some(_)) => return Err("invalid request: can't specify tags and q in the same query".to_owned()),
        (Some(text), None) if !text.trim().is_empty() => traceql(text)?,
        (_, tags) => {
            let tags = match tags {
                Some(tags) => logfmt(tags)?,
                None if (start, end) == (0, 0) && get("q").is_none() => old_tags(parameters),
                None => BTreeMap::new(),
            };
            (of_tags(&tags, [get("minDuration"), get("maxDuration")])?, Vec::new())
        }
    };
    let period = match (start, end) {
        (0, 0) => (i64::MIN, i64::MAX),
        (start, end) => (i64::from(start) * 1_000_000_000, i64::from(end) * 1_000_000_000),
    };
    let most_recent = hints.iter().find(|hint| hint.name == "most_recent");
    Ok(SearchRequest {
        pipeline,
        period,
        limit,
        // Zero asks for all of them.
        spans_per_spanset: if spans_per_spanset == 0 { usize::MAX } else { spans_per_spanset },
        is_most_recent: most_recent.is_some_and(|hint| hint.value == Value::Bool(true)),
    })
}

fn traceql(text: &str) -> Result<(Pipeline, Vec<Hint>), String> {
    let query = trefoil_traceql::parse(text).map_err(|error| format!("invalid TraceQL query: {error}"))?;
    match query.expr {
        Expr::Search(pipeline) => Ok((pipeline, query.hints)),
        Expr::Metrics(_) => Err("invalid TraceQL query: metrics queries are for /api/metrics/query_range".to_owned()),
    }
}

/// Before there was `tags`, each tag was a parameter of its own.
fn old_tags(parameters: &[(String, String)]) -> BTreeMap<String, String> {
    let others = ["q", "tags", "minDuration", "maxDuration", "limit", "spss", "start", "end"];
    let tags = parameters.iter().filter(|(key, value)| !others.contains(&key.as_str()) && !value.is_empty());
    tags.cloned().collect()
}

/// `key=value key="another value"`
fn logfmt(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut tags = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        if key.is_empty() || key.contains('"') {
            return Err(format!("invalid tags: expected a key at {rest:?}"));
        }
        let (value, behind) = match behind.strip_prefix('=') {
            None => (String::new(), behind),
            Some(quoted) if quoted.starts_with('"') => {
                let end =
                    closing_quote(quoted).ok_or_else(|| format!("invalid tags: unterminated quotes at {quoted:?}"))?;
                (trefoil_go::unquote(&quoted[..=end]), &quoted[end + 1..])
            }
            Some(plain) => {
                let end = plain.find(char::is_whitespace).unwrap_or(plain.len());
                (plain[..end].to_owned(), &plain[end..])
            }
        };
        if tags.insert(key.to_owned(), value).is_some() {
            return Err(format!("invalid tags: tag {key} has been set twice"));
        }
        rest = behind.trim_start();
    }
    Ok(tags)
}

fn closing_quote(quoted: &str) -> Option<usize> {
    let mut is_escaped = false;
    quoted.char_indices().skip(1).find_map(|(at, character)| {
        let closes = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        closes.then_some(at)
    })
}

/// Each tag on some span of the trace, which takes between the two durations.
fn of_tags(tags: &BTreeMap<String, String>, [least, most]: [Option<&str>; 2]) -> Result<Pipeline, String> {
    let mut filters: Vec<Field> = tags.iter().map(|(key, value)| tag(key, value)).collect();
    for (name, op, text) in
        [("minDuration", CompareOp::GreaterEqual, least), ("maxDuration", CompareOp::LessEqual, most)]
    {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let nanos = duration::parse(text).ok_or_else(|| format!("invalid {name}: {text:?} is not a duration"))?;
            filters.push(compared(Attribute::Intrinsic(Intrinsic::TraceDuration), op, Value::Duration(nanos)));
        }
    }
    let spansets = filters.into_iter().map(Spanset::Filter);
    let both = |left, right| Spanset::Operation { op: SpansetOp::And, left: Box::new(left), right: Box::new(right) };
    let all = spansets.reduce(both).unwrap_or(Spanset::Filter(Field::Value(Value::Bool(true))));
    Ok(Pipeline(vec![Stage::Spanset(all)]))
}

fn tag(key: &str, value: &str) -> Field {
    let text = || Value::string(value);
    let intrinsic = |intrinsic, value| compared(Attribute::Intrinsic(intrinsic), CompareOp::Equal, value);
    match key {
        "name" => intrinsic(Intrinsic::Name, text()),
        "root.name" => intrinsic(Intrinsic::RootName, text()),
        "root.service.name" => intrinsic(Intrinsic::RootService, text()),
        "status.code" if Status::named(value).is_some() => {
            intrinsic(Intrinsic::Status, Value::Status(Status::named(value).unwrap_or(Status::Unset)))
        }
        "error" if value == "true" => intrinsic(Intrinsic::Status, Value::Status(Status::Error)),
        key => {
            // A tag is text, whatever the attribute is.
            let typed = [
                Some(text()),
                value.parse().ok().map(Value::Int),
                value.parse().ok().map(Value::Bool),
                value.parse().ok().filter(|_| value.contains('.')).map(Value::Float),
            ];
            let named = || Attribute::Named { scope: None, name: key.to_owned() };
            let mut either: Vec<Field> =
                typed.into_iter().flatten().map(|value| compared(named(), CompareOp::Equal, value)).collect();
            if either.len() == 1 { either.remove(0) } else { Field::Or(either) }
        }
    }
}

fn compared(attribute: Attribute, op: CompareOp, value: Value) -> Field {
    Field::Compare { op, left: Box::new(Field::Attribute(attribute)), right: Box::new(Field::Value(value)) }
}

pub(super) fn response(searched: Searched) -> SearchResponse {
    SearchResponse {
        traces: searched.traces.iter().map(trace).collect(),
        metrics: Some(SearchMetrics::of(searched.inspected_traces, searched.inspected_spans, searched.inspected_bytes)),
    }
}

fn trace(found: &Found) -> TraceSearchMetadata {
    let span_sets: Vec<SpanSet> = found.spansets.iter().map(span_set).collect();
    let (name, service) = match &found.root {
        Some((name, service)) => (name.to_string(), service.to_string()),
        None => (String::new(), NO_ROOT.to_owned()),
    };
    let stats = found.services.iter().map(|(service, stats)| {
        (service.to_string(), ServiceStats { span_count: stats.spans, error_count: stats.errors })
    });
    TraceSearchMetadata {
        trace_id: short(&found.trace_id),
        root_service_name: service,
        root_trace_name: name,
        start_time_unix_nano: found.start.max(0) as u64,
        duration_ms: u32::try_from(found.duration / 1_000_000).unwrap_or(u32::MAX),
        span_set: span_sets.first().cloned(),
        span_sets,
        service_stats: stats.collect(),
    }
}

/// As Tempo writes a trace's id: without zeros in front.
fn short(id: &[u8; 16]) -> String {
    format!("{:x}", u128::from_be_bytes(*id))
}

fn span_set(found: &FoundSpanset) -> SpanSet {
    SpanSet {
        spans: found.spans.iter().map(span).collect(),
        matched: u32::try_from(found.matched).unwrap_or(u32::MAX),
        attributes: found.attributes.iter().map(|(name, value)| key_value(name, value)).collect(),
    }
}

fn span(found: &FoundSpan) -> Span {
    let attribute = |(attribute, value): &(Attribute, Value)| match attribute {
        Attribute::Named { name, .. } => key_value(name, value),
        other => key_value(&other.to_string(), value),
    };
    Span {
        span_id: format!("{:016x}", u64::from_be_bytes(found.span_id)),
        name: found.name.to_string(),
        start_time_unix_nano: found.start.max(0) as u64,
        duration_nanos: found.duration.max(0) as u64,
        attributes: found.attributes.iter().map(attribute).collect(),
    }
}

/// Protobuf's JSON mapping: 64-bit numbers are strings, what is at its default is left out. Grafana's decoder refuses
/// members that it does not know.
fn json(answer: &SearchResponse) -> Json_ {
    json!({
        "traces": answer.traces.iter().map(trace_json).collect::<Vec<_>>(),
        "metrics": search_metrics(answer.metrics.as_ref()),
    })
}

fn trace_json(trace: &TraceSearchMetadata) -> Json_ {
    let stats = trace.service_stats.iter().map(|(service, stats)| {
        let stats = json!({ "spanCount": stats.span_count, "errorCount": stats.error_count });
        (service.clone(), without_defaults(stats))
    });
    without_defaults(json!({
        "traceID": trace.trace_id,
        "rootServiceName": trace.root_service_name,
        "rootTraceName": trace.root_trace_name,
        "startTimeUnixNano": trace.start_time_unix_nano.to_string(),
        "durationMs": trace.duration_ms,
        "spanSet": trace.span_set.as_ref().map(span_set_json),
        "spanSets": trace.span_sets.iter().map(span_set_json).collect::<Vec<_>>(),
        "serviceStats": stats.collect::<serde_json::Map<_, _>>(),
    }))
}

fn span_set_json(set: &SpanSet) -> Json_ {
    let span = |span: &Span| {
        without_defaults(json!({
            "spanID": span.span_id,
            "name": span.name,
            "startTimeUnixNano": span.start_time_unix_nano.to_string(),
            "durationNanos": span.duration_nanos.to_string(),
            "attributes": span.attributes.iter().map(attribute).collect::<Vec<_>>(),
        }))
    };
    without_defaults(json!({
        "spans": set.spans.iter().map(span).collect::<Vec<_>>(),
        "matched": set.matched,
        "attributes": set.attributes.iter().map(attribute).collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(parameters: &str) -> Result<SearchRequest, String> {
        let uri = format!("/api/search?{parameters}").parse().unwrap();
        request(&Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap())
    }

    fn query(parameters: &str) -> Result<String, String> {
        asked(parameters).map(|request| request.pipeline.to_string())
    }

    #[test]
    fn tags_become_a_query() {
        for (parameters, expected) in [
            ("", "{ true }"),
            ("q=", "{ true }"),
            ("q=%7B%20status%20%3D%20error%20%7D", "{ status = error }"),
            ("tags=service.name%3Dweb", "{ .service.name = `web` }"),
            ("tags=name%3D%22GET%20%2Fbooks%22%20error%3Dtrue", "{ status = error } && { name = `GET /books` }"),
            ("tags=http.status_code%3D500", "{ (.http.status_code = `500`) || (.http.status_code = 500) }"),
            ("service.name=web&limit=5", "{ .service.name = `web` }"),
            ("start=1&end=2&service.name=web", "{ true }"),
            (
                "tags=a%3Db&minDuration=1.5s&maxDuration=2m",
                "({ .a = `b` } && { traceDuration >= 1.5s }) && { traceDuration <= 2m0s }",
            ),
            ("tags=root.name%3Dx%20status.code%3Derror", "{ rootName = `x` } && { status = error }"),
        ] {
            assert_eq!(query(parameters).as_deref(), Ok(expected), "{parameters}");
        }
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (parameters, told) in [
            ("q=%7B%7D&tags=a%3Db", "can't specify tags and q"),
            ("q=%7B", "invalid TraceQL query: parse error at line 1, col 2"),
            ("q=%7B%7D%7Crate()", "metrics queries are for"),
            ("limit=0", "invalid limit: must be a positive number"),
            ("limit=x", "invalid limit"),
            ("limit=100000", "at most 10000"),
            ("start=5&end=5", "invalid start: must be before end"),
            ("start=-1", "invalid start"),
            ("spss=x", "invalid spss"),
            ("tags=a%3D%22b", "unterminated quotes"),
            ("tags=a%3Db%20a%3Dc", "tag a has been set twice"),
            ("tags=a%3Db&minDuration=soon", "invalid minDuration"),
        ] {
            assert!(query(parameters).unwrap_err().contains(told), "{parameters}: {:?}", query(parameters));
        }
    }

    #[test]
    fn hints_and_numbers_are_heeded() {
        let request = asked("q=%7B%7D%20with(most_recent%3Dtrue)&limit=7&spss=0&start=10&end=20").unwrap();
        assert!(request.is_most_recent);
        assert_eq!((request.limit, request.spans_per_spanset), (7, usize::MAX));
        assert_eq!(request.period, (10_000_000_000, 20_000_000_000));
    }
}
