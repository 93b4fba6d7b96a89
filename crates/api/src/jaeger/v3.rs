//! Version 3 over HTTP: what Jaeger's newer UI asks. Names of parameters are protobuf's, in `camelCase` or, as before, in
//! `snake_case`; traces are OTLP.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use chrono::DateTime;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use serde_json::{Value as JsonValue, json};
use trefoil_model::Signal;
use trefoil_query::traces::Found;
use trefoil_traceql::ast::Field;

use super::failure::{Failure, V3};
use super::filter;
use super::parameters::{Parameters, integer, now, parse_bool, parse_duration, trace_id};
use super::search::{Asking, DEFAULT_LIMIT, TraceQuery};
use crate::ApiState;

const DEFAULT_LOOKBACK: i64 = 86_400_000_000_000;
const NO_TRACES: &str = "No traces found";

pub(super) async fn services(State(state): State<ApiState>, headers: HeaderMap) -> Result<Json<JsonValue>, V3> {
    let services = Asking::new(&state, &headers)?.services().await?;
    Ok(Json(json!({ "services": services })))
}

pub(super) async fn operations(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<JsonValue>, V3> {
    let (_, kind) = parameters.either(&["spanKind", "span_kind"]);
    let operations = Asking::new(&state, &headers)?.operations(parameters.get("service"), kind).await?;
    let operation = |of: super::search::Operation| {
        let kind = if of.kind.is_empty() { "internal" } else { of.kind };
        json!({ "name": of.name, "spanKind": kind })
    };
    Ok(Json(json!({ "operations": operations.into_iter().map(operation).collect::<Vec<_>>() })))
}

pub(super) async fn dependencies(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<JsonValue>, V3> {
    let asking = Asking::new(&state, &headers)?;
    let end = time(&parameters, &["endTime", "end_time"])?.unwrap_or_else(now);
    let start =
        time(&parameters, &["startTime", "start_time"])?.unwrap_or_else(|| end.saturating_sub(DEFAULT_LOOKBACK));
    let found = asking.dependencies((start, end)).await?;
    // Protobuf's JSON has 64-bit numbers as strings.
    let link = |of: &trefoil_query::traces::Dependency| json!({ "parent": of.parent.as_ref(), "child": of.child.as_ref(), "callCount": of.calls.to_string() });
    Ok(Json(json!({ "dependencies": found.iter().map(link).collect::<Vec<_>>() })))
}

pub(super) async fn trace(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, V3> {
    let asking = Asking::new(&state, &headers)?;
    let id = trace_id(&id).map_err(|error| malformed("trace_id", &error.message))?;
    let start = time(&parameters, &["startTime", "start_time"])?;
    let end = time(&parameters, &["endTime", "end_time"])?;
    let is_raw = flag(&parameters, &["rawTraces", "raw_traces"])?;
    let trace = asking.trace(id, start.zip(end).filter(|(start, end)| start <= end), is_raw).await?;
    result(&[trace.ok_or_else(|| Failure::not_found(NO_TRACES))?])
}

pub(super) async fn traces(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, V3> {
    let asking = Asking::new(&state, &headers)?;
    let found = asking.find(&trace_query(&parameters)?).await?;
    match found.is_empty() {
        true => Err(Failure::not_found(NO_TRACES).into()),
        false => result(&found),
    }
}

pub(super) async fn summaries(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<JsonValue>, V3> {
    let found = Asking::new(&state, &headers)?.search(&trace_query(&parameters)?).await?;
    Ok(Json(json!({ "summaries": found.iter().map(summary).collect::<Vec<_>>() })))
}

/// Protobuf's JSON: 64-bit numbers are strings, what is at its default is left out.
fn summary(found: &Found) -> JsonValue {
    let service = |(name, stats): (&std::sync::Arc<str>, &trefoil_query::traces::ServiceStats)| {
        let mut service = json!({ "name": name.as_ref(), "spanCount": stats.spans });
        put(&mut service, "errorSpanCount", stats.errors);
        service
    };
    let spans: u32 = found.services.values().map(|stats| stats.spans).sum();
    let mut summary = json!({
        "traceId": format!("{:032x}", u128::from_be_bytes(found.trace_id)),
        "minStartTimeUnixNano": found.start.max(0).to_string(),
        "maxEndTimeUnixNano": found.start.saturating_add(found.duration).max(0).to_string(),
        "spanCount": spans,
        "services": found.services.iter().map(service).collect::<Vec<_>>(),
    });
    if let Some((name, service)) = &found.root {
        summary["rootServiceName"] = service.as_ref().into();
        summary["rootOperationName"] = name.as_ref().into();
    }
    put(&mut summary, "errorSpanCount", found.services.values().map(|stats| stats.errors).sum());
    put(&mut summary, "orphanSpanCount", found.orphans);
    summary
}

fn put(object: &mut JsonValue, name: &str, number: u32) {
    if number > 0 {
        object[name] = number.into();
    }
}

/// All traces in one, in the envelope of a stream's message.
fn result(traces: &[TracesData]) -> Result<Response, V3> {
    let resource_spans = traces.iter().flat_map(|trace| trace.resource_spans.iter().cloned()).collect();
    let message = TracesData { resource_spans }.encode_to_vec();
    let json = trefoil_model::json::from_protobuf(Signal::Traces, &message)
        .map_err(|error| Failure { status: StatusCode::INTERNAL_SERVER_ERROR, message: error.to_string() })?;
    let body = [br#"{"result":"#.as_slice(), &json, b"}"].concat();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn malformed(name: &str, error: &str) -> Failure {
    Failure::bad_request(format!("malformed parameter {name}: {error}"))
}

/// RFC 3339, as nanoseconds since the epoch. A `+` that was not encoded has become a space.
fn time(parameters: &Parameters, names: &[&'static str]) -> Result<Option<i64>, Failure> {
    let (name, text) = parameters.either(names);
    if text.is_empty() {
        return Ok(None);
    }
    let time =
        DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map_err(|error| malformed(name, &error.to_string()))?;
    let nanos = time.timestamp_nanos_opt().ok_or_else(|| malformed(name, "is not a time between 1677 and 2262"))?;
    Ok(Some(nanos))
}

fn flag(parameters: &Parameters, names: &[&'static str]) -> Result<bool, Failure> {
    match parameters.either(names) {
        (_, "") => Ok(false),
        (name, text) => parse_bool(text).map_err(|error| malformed(name, &error)),
    }
}

fn duration(parameters: &Parameters, names: &[&'static str]) -> Result<i64, Failure> {
    match parameters.either(names) {
        (_, "") => Ok(0),
        (name, text) => parse_duration(text).map_err(|error| malformed(name, &error)),
    }
}

fn trace_query(parameters: &Parameters) -> Result<TraceQuery, Failure> {
    let start = time(parameters, &["query.startTimeMin", "query.start_time_min"])?;
    let end = time(parameters, &["query.startTimeMax", "query.start_time_max"])?;
    let (Some(start), Some(end)) = (start, end) else {
        return Err(Failure::bad_request("query.startTimeMin and query.startTimeMax are required"));
    };
    if start >= end {
        return Err(Failure::bad_request("query.startTimeMin must be before query.startTimeMax"));
    }
    let limit = match parameters.either(&["query.searchDepth", "query.search_depth", "query.num_traces"]) {
        (_, "") => DEFAULT_LIMIT,
        (name, text) => integer(text).map_err(|error| malformed(name, &error))?,
    };
    let tags: BTreeMap<String, String> = match parameters.get("query.attributes") {
        "" => BTreeMap::new(),
        text => serde_json::from_str(text).map_err(|error| malformed("query.attributes", &error.to_string()))?,
    };
    Ok(TraceQuery {
        service: parameters.either(&["query.serviceName", "query.service_name"]).1.to_owned(),
        operation: parameters.either(&["query.operationName", "query.operation_name"]).1.to_owned(),
        tags: tags.into_iter().collect(),
        min_duration: duration(parameters, &["query.durationMin", "query.duration_min"])?,
        max_duration: duration(parameters, &["query.durationMax", "query.duration_max"])?,
        filter: filter_of(parameters.get("query.filter"))?,
        period: (start, end),
        limit,
        is_raw: flag(parameters, &["query.rawTraces", "query.raw_traces"])?,
    })
}

fn filter_of(text: &str) -> Result<Option<Field>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let call = serde_json::from_str(text).map_err(|error| malformed("query.filter", &error.to_string()))?;
    filter::field(&call).map(Some).map_err(|error| malformed("query.filter", &error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use trefoil_query::traces::ServiceStats;

    use super::*;

    const PERIOD: &str = "query.startTimeMin=1970-01-01T00:00:01Z&query.startTimeMax=1970-01-01T01:00:02.5+01:00";

    fn asked(query: &str) -> Result<TraceQuery, String> {
        trace_query(&Parameters::parse(query)).map_err(|failure| failure.message)
    }

    #[test]
    fn both_generations_of_names_are_read() {
        let asked_of = |names: &str| asked(&format!("{PERIOD}&{names}")).unwrap();
        let expected = TraceQuery {
            service: "shop".into(),
            operation: "pay".into(),
            tags: vec![("a".into(), "b".into())],
            min_duration: 1_000_000,
            max_duration: 2_000_000_000,
            filter: None,
            period: (1_000_000_000, 2_500_000_000),
            limit: 7,
            is_raw: true,
        };
        let attributes = "query.attributes=%7B%22a%22%3A%22b%22%7D";
        assert_eq!(
            asked_of(&format!(
                "{attributes}&query.serviceName=shop&query.operationName=pay&query.durationMin=1ms&query.durationMax=2s&query.searchDepth=7&query.rawTraces=true"
            )),
            expected
        );
        assert_eq!(
            asked_of(&format!(
                "{attributes}&query.service_name=shop&query.operation_name=pay&query.duration_min=1ms&query.duration_max=2s&query.num_traces=7&query.raw_traces=1"
            )),
            expected
        );
        assert_eq!(asked_of("").limit, 100);
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (query, told) in [
            ("", "query.startTimeMin and query.startTimeMax are required"),
            ("query.startTimeMin=x", "malformed parameter query.startTimeMin: "),
            (&PERIOD.replace("Max=1970", "Max=1969"), "query.startTimeMin must be before query.startTimeMax"),
            (&format!("{PERIOD}&query.num_traces=x"), "malformed parameter query.num_traces: strconv.ParseInt"),
            (&format!("{PERIOD}&query.attributes=x"), "malformed parameter query.attributes: "),
            (
                &format!("{PERIOD}&query.filter=%7B%7D"),
                "malformed parameter query.filter: the operator \"\" is not supported",
            ),
            (&format!("{PERIOD}&query.durationMin=5"), "malformed parameter query.durationMin: time: invalid duration"),
        ] {
            assert!(asked(query).unwrap_err().starts_with(told), "{query}: {:?}", asked(query));
        }
    }

    #[test]
    fn summaries_leave_out_what_is_nothing() {
        let mut found = Found {
            trace_id: 1_u128.to_be_bytes(),
            root: Some(("HTTP GET /".into(), "frontend".into())),
            start: 1_000_000_000_000,
            duration: 1_000_000_000,
            spansets: Vec::new(),
            services: BTreeMap::from([(Arc::from("frontend"), ServiceStats { spans: 2, errors: 1 })]),
            orphans: 0,
        };
        insta::assert_snapshot!(summary(&found), @r#"{"errorSpanCount":1,"maxEndTimeUnixNano":"1001000000000","minStartTimeUnixNano":"1000000000000","rootOperationName":"HTTP GET /","rootServiceName":"frontend","services":[{"errorSpanCount":1,"name":"frontend","spanCount":2}],"spanCount":2,"traceId":"00000000000000000000000000000001"}"#);
        (found.root, found.orphans) = (None, 2);
        assert!(summary(&found).get("rootServiceName").is_none());
        assert_eq!(summary(&found)["orphanSpanCount"], 2);
    }
}
