//! `jaeger.api_v2.QueryService`: spans are Jaeger's own, ten in a message.

use std::collections::{BTreeSet, HashMap};

use axum::Router;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use tonic::Status;
use trefoil_jaeger::proto::Span;

use super::call::{asking, status, streaming, unary};
use super::chunks::CHUNK;
use super::messages::{
    Dependencies, DependenciesRequest, Empty, Operation, OperationsRequest, Services, Time, hint, set,
};
use crate::ApiState;
use crate::jaeger::failure::TRACE_NOT_FOUND;
use crate::jaeger::legacy::NO_ARCHIVE;
use crate::jaeger::search::{DEFAULT_LIMIT, TraceQuery};

const SPANS_IN_CHUNK: usize = 10;

pub(super) fn routes() -> Router<ApiState> {
    let path = |method: &str| format!("/jaeger.api_v2.QueryService/{method}");
    Router::new()
        .route(&path("GetTrace"), streaming(trace))
        .route(&path("ArchiveTrace"), unary(archive))
        .route(&path("FindTraces"), streaming(find))
        .route(&path("GetServices"), unary(services))
        .route(&path("GetOperations"), unary(operations))
        .route(&path("GetDependencies"), unary(dependencies))
}

#[derive(Clone, PartialEq, Message)]
struct GetTraceRequest {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    start_time: Option<Time>,
    #[prost(message, optional, tag = "3")]
    end_time: Option<Time>,
    #[prost(bool, tag = "4")]
    raw_traces: bool,
}

#[derive(Clone, PartialEq, Message)]
struct SpansResponseChunk {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct FindTracesRequest {
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
    tags: HashMap<String, String>,
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
}

#[derive(Clone, PartialEq, Message)]
struct GetOperationsResponse {
    /// For older clients.
    #[prost(string, repeated, tag = "1")]
    operation_names: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    operations: Vec<Operation>,
}

async fn trace(
    state: ApiState,
    headers: HeaderMap,
    request: GetTraceRequest,
) -> Result<Vec<SpansResponseChunk>, Status> {
    let asking = asking(&state, &headers)?;
    let id = trace_id(&request.trace_id)?;
    let trace =
        asking.trace(id, hint(request.start_time, request.end_time), request.raw_traces).await.map_err(status)?;
    Ok(chunks(&trace.ok_or_else(|| Status::not_found(TRACE_NOT_FOUND))?))
}

async fn archive(state: ApiState, headers: HeaderMap, request: GetTraceRequest) -> Result<Empty, Status> {
    asking(&state, &headers)?;
    trace_id(&request.trace_id)?;
    Err(Status::internal(format!("failed to archive trace: {NO_ARCHIVE}")))
}

async fn find(
    state: ApiState,
    headers: HeaderMap,
    request: FindTracesRequest,
) -> Result<Vec<SpansResponseChunk>, Status> {
    let asking = asking(&state, &headers)?;
    let query = request.query.ok_or_else(|| Status::invalid_argument("missing query"))?;
    let traces = asking.find(&trace_query(query)).await.map_err(status)?;
    Ok(traces.iter().flat_map(chunks).collect())
}

fn trace_query(of: TraceQueryParameters) -> TraceQuery {
    let nanoseconds = |duration: Option<Time>| duration.map_or(0, Time::nanoseconds);
    TraceQuery {
        service: of.service_name,
        operation: of.operation_name,
        tags: of.tags.into_iter().collect(),
        min_duration: nanoseconds(of.duration_min),
        max_duration: nanoseconds(of.duration_max),
        filter: None,
        period: (set(of.start_time_min).unwrap_or(i64::MIN), set(of.start_time_max).unwrap_or(i64::MAX)),
        limit: if of.search_depth > 0 { of.search_depth.into() } else { DEFAULT_LIMIT },
        is_raw: of.raw_traces,
    }
}

async fn services(state: ApiState, headers: HeaderMap, _: Empty) -> Result<Services, Status> {
    Ok(Services { services: asking(&state, &headers)?.services().await.map_err(status)? })
}

async fn operations(
    state: ApiState,
    headers: HeaderMap,
    request: OperationsRequest,
) -> Result<GetOperationsResponse, Status> {
    let found = asking(&state, &headers)?.operations(&request.service, &request.span_kind).await.map_err(status)?;
    let names: BTreeSet<String> = found.iter().map(|operation| operation.name.clone()).collect();
    let operations = found.into_iter().map(Into::into).collect();
    Ok(GetOperationsResponse { operation_names: names.into_iter().collect(), operations })
}

async fn dependencies(
    state: ApiState,
    headers: HeaderMap,
    request: DependenciesRequest,
) -> Result<Dependencies, Status> {
    let found = asking(&state, &headers)?.dependencies(request.period()?).await.map_err(status)?;
    Ok(Dependencies { dependencies: found.into_iter().map(Into::into).collect() })
}

pub(super) fn trace_id(bytes: &[u8]) -> Result<[u8; 16], Status> {
    let mut id = [0; 16];
    match bytes.len() {
        0 => {}
        8 | 16 => id[16 - bytes.len()..].copy_from_slice(bytes),
        other => return Err(Status::invalid_argument(format!("invalid length for TraceID: {other}"))),
    }
    match id == [0; 16] {
        true => Err(Status::invalid_argument("uninitialized TraceID is not allowed")),
        false => Ok(id),
    }
}

fn chunks(trace: &TracesData) -> Vec<SpansResponseChunk> {
    let mut spans: Vec<Span> = Vec::new();
    for batch in trefoil_jaeger::otlp::from_otlp(&trace.resource_spans) {
        let process = batch.process;
        spans.extend(batch.spans.into_iter().map(|mut span| {
            span.process = span.process.or_else(|| process.clone());
            Span::from(&span)
        }));
    }
    let (mut chunks, mut chunk, mut bytes) = (Vec::new(), SpansResponseChunk::default(), 0);
    for span in spans {
        bytes += span.encoded_len();
        chunk.spans.push(span);
        if chunk.spans.len() == SPANS_IN_CHUNK || bytes >= CHUNK {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
    }
    chunks.extend(Some(chunk).filter(|chunk| !chunk.spans.is_empty()));
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_either_width() {
        assert_eq!(trace_id(&[1; 8]).unwrap(), 0x0101_0101_0101_0101_u128.to_be_bytes());
        assert_eq!(trace_id(&[1; 16]).unwrap(), [1; 16]);
        for wrong in [vec![], vec![0; 16], vec![1; 5]] {
            assert_eq!(trace_id(&wrong).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }
}
