//! `jaeger.api_v3.QueryService`: spans are OTLP.

use std::collections::HashMap;

use axum::Router;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use tonic::Status;

use super::call::{asking, status, streaming, unary};
use super::chunks::chunks;
use super::messages::{
    Dependencies, DependenciesRequest, Empty, Operations, OperationsRequest, ServiceSummary, Services, Summed, Time,
    hint, set,
};
use crate::ApiState;
use crate::jaeger::failure::TRACE_NOT_FOUND;
use crate::jaeger::filter::{self, Call};
use crate::jaeger::parameters::trace_id;
use crate::jaeger::search::{DEFAULT_LIMIT, TraceQuery};

const SUMMARIES_IN_CHUNK: usize = 100;

pub(super) fn routes() -> Router<ApiState> {
    let path = |method: &str| format!("/jaeger.api_v3.QueryService/{method}");
    Router::new()
        .route(&path("GetTrace"), streaming(trace))
        .route(&path("FindTraces"), streaming(find))
        .route(&path("FindTraceSummaries"), streaming(summaries))
        .route(&path("GetServices"), unary(services))
        .route(&path("GetOperations"), unary(operations))
        .route(&path("GetDependencies"), unary(dependencies))
}

#[derive(Clone, PartialEq, Message)]
struct GetTraceRequest {
    #[prost(string, tag = "1")]
    trace_id: String,
    #[prost(message, optional, tag = "2")]
    start_time: Option<Time>,
    #[prost(message, optional, tag = "3")]
    end_time: Option<Time>,
    #[prost(bool, tag = "4")]
    raw_traces: bool,
}

/// Of traces and of summaries.
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
    #[prost(map = "string, string", tag = "3")]
    attributes: HashMap<String, String>,
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
    #[prost(bool, tag = "9")]
    raw_traces: bool,
    #[prost(message, optional, tag = "10")]
    filter: Option<Call>,
}

#[derive(Clone, PartialEq, Message)]
struct TraceSummary {
    #[prost(string, tag = "1")]
    trace_id: String,
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

async fn trace(state: ApiState, headers: HeaderMap, request: GetTraceRequest) -> Result<Vec<TracesData>, Status> {
    let asking = asking(&state, &headers)?;
    let id = trace_id(&request.trace_id)
        .map_err(|error| Status::invalid_argument(format!("malformed trace ID: {}", error.message)))?;
    let trace =
        asking.trace(id, hint(request.start_time, request.end_time), request.raw_traces).await.map_err(status)?;
    Ok(chunks(trace.ok_or_else(|| Status::not_found(TRACE_NOT_FOUND))?))
}

async fn find(state: ApiState, headers: HeaderMap, request: FindRequest) -> Result<Vec<TracesData>, Status> {
    let asking = asking(&state, &headers)?;
    let traces = asking.find(&trace_query(request)?).await.map_err(status)?;
    Ok(traces.into_iter().flat_map(chunks).collect())
}

async fn summaries(state: ApiState, headers: HeaderMap, request: FindRequest) -> Result<Vec<Summaries>, Status> {
    let asking = asking(&state, &headers)?;
    let found = asking.search(&trace_query(request)?).await.map_err(status)?;
    let summary = |found: &trefoil_query::traces::Found| {
        let of = Summed::from(found);
        TraceSummary {
            trace_id: format!("{:032x}", u128::from_be_bytes(found.trace_id)),
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
    let (Some(start), Some(end)) = (set(of.start_time_min), set(of.start_time_max)) else {
        return Err(Status::invalid_argument("start time min and max are required parameters"));
    };
    let nanoseconds = |duration: Option<Time>| duration.map_or(0, Time::nanoseconds);
    Ok(TraceQuery {
        service: of.service_name,
        operation: of.operation_name,
        tags: of.attributes.into_iter().collect(),
        min_duration: nanoseconds(of.duration_min),
        max_duration: nanoseconds(of.duration_max),
        filter: of.filter.map(|call| filter::field(&call)).transpose().map_err(Status::invalid_argument)?,
        period: (start, end),
        limit: if of.search_depth > 0 { of.search_depth.into() } else { DEFAULT_LIMIT },
        is_raw: of.raw_traces,
    })
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
