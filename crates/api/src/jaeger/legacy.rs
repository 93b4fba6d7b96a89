//! Services, operations and traces in the API that Jaeger's older UIs and Grafana's data source ask.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use serde::Serialize;
use trefoil_go::quote::quote;
use trefoil_jaeger::json::Trace;

use super::answer::{Envelope, TraceError, json};
use super::failure::{Failure, Legacy, TRACE_NOT_FOUND};
use super::parameters::{MICROSECOND, Parameters, integer, now, parse_duration, trace_id};
use super::search::{Asking, DEFAULT_LIMIT, TraceQuery};
use crate::ApiState;

/// How far a search looks back that does not say it: two days.
const DEFAULT_LOOKBACK: i64 = 2 * 86_400_000_000_000;

pub(super) async fn services(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let services = Asking::new(&state, &headers)?.services().await?;
    json(&parameters, &Envelope::counted(services))
}

pub(super) async fn operations_of_service(
    State(state): State<ApiState>,
    Path(service): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let operations = Asking::new(&state, &headers)?.operations(&service, "").await?;
    let names: BTreeSet<String> = operations.into_iter().map(|operation| operation.name).collect();
    json(&parameters, &Envelope::counted(names.into_iter().collect()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    name: String,
    span_kind: &'static str,
}

pub(super) async fn operations(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let asking = Asking::new(&state, &headers)?;
    let service = parameters.get("service");
    if service.is_empty() {
        return Err(Failure::bad_request("parameter 'service' is required").into());
    }
    let operations = asking.operations(service, parameters.get("spanKind")).await?;
    let operation = |of: super::search::Operation| Operation { name: of.name, span_kind: of.kind };
    json(&parameters, &Envelope::counted(operations.into_iter().map(operation).collect()))
}

pub(super) async fn search(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let asking = Asking::new(&state, &headers)?;
    let query = trace_query(&parameters, now())?;
    let ids = parameters.all("traceID").map(|text| {
        trace_id(text).map_err(|error| Failure::bad_request(format!("cannot parse traceID param: {}", error.message)))
    });
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        let traces = asking.find(&query).await?;
        return json(&parameters, &Envelope::of(shown(&traces)));
    }
    let traces = shown(&asking.traces(&ids, query.is_raw).await?);
    let missing: Vec<TraceError> = ids
        .iter()
        .map(|id| hex(*id))
        .filter(|id| !traces.iter().any(|trace| trace.trace_id == *id))
        .map(|trace_id| TraceError { msg: TRACE_NOT_FOUND.to_owned(), trace_id })
        .collect();
    let errors = Some(missing).filter(|missing| !missing.is_empty());
    json(&parameters, &Envelope { errors, ..Envelope::of(traces) })
}

pub(super) async fn trace(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let asking = Asking::new(&state, &headers)?;
    let id = trace_id(&id)?;
    let trace = asking.trace(id, parameters.hint()?, parameters.flag("raw")?).await?;
    let trace = trace.ok_or_else(|| Failure::not_found(TRACE_NOT_FOUND))?;
    json(&parameters, &Envelope::of(shown(&[trace])))
}

/// There is no second store, which is how long spans are kept for; a Jaeger without one says the same.
pub(super) async fn archive(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    Asking::new(&state, &headers)?;
    trace_id(&id)?;
    let message = NO_ARCHIVE.to_owned();
    Err(Failure { status: StatusCode::INTERNAL_SERVER_ERROR, message }.into())
}

pub(super) const NO_ARCHIVE: &str = "archive span storage was not configured";

/// Traces as the UI wants them.
pub(super) fn shown(traces: &[TracesData]) -> Vec<Trace> {
    let spans: Vec<ResourceSpans> = traces.iter().flat_map(|trace| trace.resource_spans.iter().cloned()).collect();
    trefoil_jaeger::json::traces(&spans)
}

fn hex(id: [u8; 16]) -> String {
    match u128::from_be_bytes(id) {
        short if short >> 64 == 0 => format!("{short:016x}"),
        long => format!("{long:032x}"),
    }
}

fn trace_query(parameters: &Parameters, now: i64) -> Result<TraceQuery, Failure> {
    let end = parameters.number_of("end", MICROSECOND)?.unwrap_or(now);
    let lookback = lookback(parameters.get("lookback"))?.unwrap_or(DEFAULT_LOOKBACK);
    let start = parameters.number_of("start", MICROSECOND)?.unwrap_or_else(|| end.saturating_sub(lookback));
    let limit = match parameters.get("limit") {
        "" => DEFAULT_LIMIT,
        text => integer(text).map_err(Failure::bad_request)?,
    };
    let query = TraceQuery {
        service: parameters.get("service").to_owned(),
        operation: parameters.get("operation").to_owned(),
        tags: tags(parameters)?,
        min_duration: parameters.duration("minDuration")?,
        max_duration: parameters.duration("maxDuration")?,
        filter: None,
        period: (start, end),
        limit,
        is_raw: parameters.flag("raw")?,
    };
    match query {
        TraceQuery { min_duration: least, max_duration: most, .. } if least != 0 && most != 0 && most < least => {
            Err(Failure::bad_request("'maxDuration' should be greater than 'minDuration'"))
        }
        query => Ok(query),
    }
}

/// The UI sends how far it looks back beside the times that it made of it: `1h`, `2d`, or `custom`.
fn lookback(text: &str) -> Result<Option<i64>, Failure> {
    match text {
        "" | "custom" => Ok(None),
        text => parse_duration(text).map(Some).map_err(|error| super::parameters::of("lookback", &error)),
    }
}

/// `tag=key:value`, any number of times, and `tags={"key":"value"}`.
fn tags(parameters: &Parameters) -> Result<Vec<(String, String)>, Failure> {
    let mut tags = BTreeMap::new();
    for tag in parameters.all("tag") {
        let (key, value) = tag.split_once(':').ok_or_else(|| {
            Failure::bad_request(format!("malformed 'tag' parameter, expecting key:value, received: {}", unquoted(tag)))
        })?;
        tags.insert(key.to_owned(), value.to_owned());
    }
    for json in parameters.all("tags") {
        let read: BTreeMap<String, String> = serde_json::from_str(json).map_err(|error| {
            Failure::bad_request(format!("malformed 'tags' parameter, cannot unmarshal JSON: {error}"))
        })?;
        tags.extend(read);
    }
    Ok(tags.into_iter().collect())
}

/// A text from outside on one line of an error.
fn unquoted(text: &str) -> String {
    quote(text).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<TraceQuery, String> {
        trace_query(&Parameters::parse(query), 10_000_000_000_000_000).map_err(|failure| failure.message)
    }

    #[test]
    fn everything_has_a_default() {
        let query = asked("service=shop").unwrap();
        let period = (10_000_000_000_000_000 - DEFAULT_LOOKBACK, 10_000_000_000_000_000);
        assert_eq!(query, TraceQuery { service: "shop".into(), period, limit: 100, ..TraceQuery::default() });
        assert_eq!(asked("lookback=1h").unwrap().period.0, period.1 - 3_600_000_000_000);
        assert_eq!(asked("lookback=2d").unwrap().period.0, period.0);
        assert_eq!(asked("lookback=custom&start=5&end=7").unwrap().period, (5000, 7000));
    }

    #[test]
    fn tags_come_in_two_ways() {
        let query =
            asked("tag=a:b:c&tag=d:&tags=%7B%22e%22%3A%22f%22%7D&limit=5&minDuration=1.5ms&maxDuration=2s&raw=true")
                .unwrap();
        let tags = [("a", "b:c"), ("d", ""), ("e", "f")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(query.tags, tags);
        assert_eq!(
            (query.limit, query.min_duration, query.max_duration, query.is_raw),
            (5, 1_500_000, 2_000_000_000, true)
        );
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (query, told) in [
            ("tag=a", "malformed 'tag' parameter, expecting key:value, received: a"),
            ("tags=%7B", "malformed 'tags' parameter, cannot unmarshal JSON: "),
            ("tags=%7B%22a%22%3A1%7D", "malformed 'tags' parameter, cannot unmarshal JSON: "),
            ("limit=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("start=x", "unable to parse param 'start'"),
            ("end=1.5", "unable to parse param 'end'"),
            ("minDuration=2s&maxDuration=1s", "'maxDuration' should be greater than 'minDuration'"),
            ("lookback=soon", "unable to parse param 'lookback'"),
            ("raw=x", "unable to parse param 'raw'"),
        ] {
            assert!(asked(query).unwrap_err().starts_with(told), "{query}: {:?}", asked(query));
        }
    }
}
