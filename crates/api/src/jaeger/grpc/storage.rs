//! `jaeger.storage.v2`: what a Jaeger asks of a remote storage, so that Trefoil can stand behind one.

use axum::Router;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use tonic::Status;

use super::call::{asking, status, streaming, unary};
use super::chunks::chunks;
use super::messages::{
    Dependencies, DependenciesRequest, Empty, Operations, OperationsRequest, ServiceSummary, Services, Summed, Time,
    set,
};
use super::v2::trace_id;
use crate::ApiState;
use crate::jaeger::filter::{self, Call};
use crate::jaeger::search::{DEFAULT_LIMIT, MAX_LIMIT, TraceQuery};

const SUMMARIES_IN_CHUNK: usize = 100;

pub(super) fn routes() -> Router<ApiState> {
    let reader = |method: &str| format!("/jaeger.storage.v2.TraceReader/{method}");
    Router::new()
        .route(&reader("GetTraces"), streaming(traces))
        .route(&reader("GetServices"), unary(services))
        .route(&reader("GetOperations"), unary(operations))
        .route(&reader("FindTraces"), streaming(find))
        .route(&reader("FindTraceIDs"), unary(find_ids))
        .route(&reader("FindTraceSummaries"), streaming(summaries))
        .route("/jaeger.storage.v2.DependencyReader/GetDependencies", unary(dependencies))
        .route("/jaeger.storage.v2.Capabilities/GetCapabilities", unary(capabilities))
}

#[derive(Clone, PartialEq, Message)]
struct GetTraceParams {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    start_time: Option<Time>,
    #[prost(message, optional, tag = "3")]
    end_time: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct GetTracesRequest {
    #[prost(message, repeated, tag = "1")]
    query: Vec<GetTraceParams>,
}

#[derive(Clone, PartialEq, Message)]
struct FindRequest {
    #[prost(message, optional, tag = "1")]
    query: Option<TraceQueryParameters>,
}

#[derive(Clone, PartialEq, Message)]
struct TraceQueryParameters {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(string, tag = "2")]
    operation_name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "4")]
    start_time_min: Option<Time>,
    #[prost(message, optional, tag = "5")]
    start_time_max: Option<Time>,
    #[prost(message, optional, tag = "6")]
    duration_min: Option<Time>,
    #[prost(message, optional, tag = "7")]
    duration_max: Option<Time>,
    #[prost(int32, tag = "8")]
    search_depth: i32,
    #[prost(message, optional, tag = "9")]
    filter: Option<Call>,
}

#[derive(Clone, PartialEq, Message)]
struct FoundTraceId {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    start: Option<Time>,
    #[prost(message, optional, tag = "3")]
    end: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct FoundTraceIds {
    #[prost(message, repeated, tag = "1")]
    trace_ids: Vec<FoundTraceId>,
}

#[derive(Clone, PartialEq, Message)]
struct TraceSummary {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(string, tag = "2")]
    root_service_name: String,
    #[prost(string, tag = "3")]
    root_operation_name: String,
    #[prost(fixed64, tag = "4")]
    min_start_time_unix_nano: u64,
    #[prost(fixed64, tag = "5")]
    max_end_time_unix_nano: u64,
    #[prost(int32, tag = "6")]
    span_count: i32,
    #[prost(int32, tag = "7")]
    error_span_count: i32,
    #[prost(int32, tag = "8")]
    orphan_span_count: i32,
    #[prost(message, repeated, tag = "9")]
    services: Vec<ServiceSummary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summaries {
    #[prost(message, repeated, tag = "1")]
    summaries: Vec<TraceSummary>,
}

#[derive(Clone, PartialEq, Message)]
struct Capabilities {
    #[prost(message, optional, tag = "1")]
    search: Option<SearchCapabilities>,
}

#[derive(Clone, PartialEq, Message)]
struct SearchCapabilities {
    #[prost(bool, tag = "1")]
    without_service_name: bool,
    #[prost(bool, tag = "2")]
    same_span_conjunction: bool,
    #[prost(message, optional, tag = "3")]
    filter: Option<FilterCapabilities>,
}

#[derive(Clone, PartialEq, Message)]
struct FilterCapabilities {
    #[prost(string, repeated, tag = "1")]
    levels: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    operators: Vec<String>,
}

async fn traces(state: ApiState, headers: HeaderMap, request: GetTracesRequest) -> Result<Vec<TracesData>, Status> {
    let asking = asking(&state, &headers)?;
    if request.query.len() > MAX_LIMIT as usize {
        return Err(Status::invalid_argument(format!("at most {MAX_LIMIT} traces can be asked for at once")));
    }
    let ids = request.query.iter().map(|query| trace_id(&query.trace_id)).collect::<Result<Vec<_>, _>>()?;
    // The Jaeger in front prepares them for showing.
    let traces = asking.traces(&ids, true).await.map_err(status)?;
    Ok(traces.into_iter().flat_map(chunks).collect())
}

async fn find(state: ApiState, headers: HeaderMap, request: FindRequest) -> Result<Vec<TracesData>, Status> {
    let asking = asking(&state, &headers)?;
    let traces = asking.find(&trace_query(request)?).await.map_err(status)?;
    Ok(traces.into_iter().flat_map(chunks).collect())
}

async fn find_ids(state: ApiState, headers: HeaderMap, request: FindRequest) -> Result<FoundTraceIds, Status> {
    let asking = asking(&state, &headers)?;
    let found = asking.search(&trace_query(request)?).await.map_err(status)?;
    let trace_ids = found.iter().map(|found| FoundTraceId {
        trace_id: found.trace_id.to_vec(),
        start: Some(Time::of(found.start)),
        end: Some(Time::of(found.start.saturating_add(found.duration))),
    });
    Ok(FoundTraceIds { trace_ids: trace_ids.collect() })
}

async fn summaries(state: ApiState, headers: HeaderMap, request: FindRequest) -> Result<Vec<Summaries>, Status> {
    let asking = asking(&state, &headers)?;
    let found = asking.search(&trace_query(request)?).await.map_err(status)?;
    let summary = |found: &trefoil_query::traces::Found| {
        let of = Summed::from(found);
        TraceSummary {
            trace_id: found.trace_id.to_vec(),
            root_service_name: of.root_service_name,
            root_operation_name: of.root_operation_name,
            min_start_time_unix_nano: of.start,
            max_end_time_unix_nano: of.end,
            span_count: of.spans,
            error_span_count: of.errors,
            orphan_span_count: of.orphans,
            services: of.services,
        }
    };
    let chunk = |found: &[_]| Summaries { summaries: found.iter().map(summary).collect() };
    Ok(found.chunks(SUMMARIES_IN_CHUNK).map(chunk).collect())
}

fn trace_query(request: FindRequest) -> Result<TraceQuery, Status> {
    let of = request.query.ok_or_else(|| Status::invalid_argument("missing query"))?;
    let nanoseconds = |duration: Option<Time>| duration.map_or(0, Time::nanoseconds);
    Ok(TraceQuery {
        service: of.service_name,
        operation: of.operation_name,
        tags: of.attributes.iter().map(tag).collect::<Result<_, _>>()?,
        min_duration: nanoseconds(of.duration_min),
        max_duration: nanoseconds(of.duration_max),
        filter: of.filter.map(|call| filter::field(&call)).transpose().map_err(Status::invalid_argument)?,
        period: (set(of.start_time_min).unwrap_or(i64::MIN), set(of.start_time_max).unwrap_or(i64::MAX)),
        limit: if of.search_depth > 0 { of.search_depth.into() } else { DEFAULT_LIMIT },
        is_raw: true,
    })
}

/// Values are compared as text.
fn tag(attribute: &KeyValue) -> Result<(String, String), Status> {
    let text = match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        _ => return Err(Status::invalid_argument(format!("the attribute {:?} is not a single value", attribute.key))),
    };
    Ok((attribute.key.clone(), text))
}

async fn services(state: ApiState, headers: HeaderMap, _: Empty) -> Result<Services, Status> {
    Ok(Services { services: asking(&state, &headers)?.services().await.map_err(status)? })
}

async fn operations(state: ApiState, headers: HeaderMap, request: OperationsRequest) -> Result<Operations, Status> {
    let found = asking(&state, &headers)?.operations(&request.service, &request.span_kind).await.map_err(status)?;
    Ok(Operations { operations: found.into_iter().map(Into::into).collect() })
}

async fn dependencies(
    state: ApiState,
    headers: HeaderMap,
    request: DependenciesRequest,
) -> Result<Dependencies, Status> {
    let found = asking(&state, &headers)?.dependencies(request.period()?).await.map_err(status)?;
    Ok(Dependencies { dependencies: found.into_iter().map(Into::into).collect() })
}

async fn capabilities(_: ApiState, _: HeaderMap, _: Empty) -> Result<Capabilities, Status> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let filter = FilterCapabilities { levels: texts(&filter::LEVELS), operators: texts(&filter::OPERATORS) };
    let search = SearchCapabilities { without_service_name: true, same_span_conjunction: true, filter: Some(filter) };
    Ok(Capabilities { search: Some(search) })
}
