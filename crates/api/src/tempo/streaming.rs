//! `tempopb.StreamingQuerier`: what Grafana asks by gRPC, on the port of HTTP, to show results as they are found.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use futures::{Stream, StreamExt, stream};
use prost::Message;
use tonic::Status;
use trefoil_query::QueryError;
use trefoil_query::traces::{Measured, MetricsRequest};

use super::metrics::{self, Asked};
use super::proto::{
    QueryInstantRequest, QueryInstantResponse, QueryRangeRequest, QueryRangeResponse, SearchRequest, SearchResponse,
    SearchTagValuesRequest, SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsRequest, SearchTagsResponse,
    SearchTagsV2Response,
};
use super::{TempoError, search, tags};
use crate::ApiState;
use crate::grpc::{Messages, progressive, streaming};

/// Clients take messages of up to 4 MiB.
const MAX_MESSAGE_BYTES: usize = 2 << 20;

pub(super) fn routes() -> Router<ApiState> {
    let path = |method: &str| format!("/tempopb.StreamingQuerier/{method}");
    Router::new()
        .route(&path("Search"), streaming(find))
        .route(&path("SearchTags"), streaming(names_v1))
        .route(&path("SearchTagsV2"), streaming(names_v2))
        .route(&path("SearchTagValues"), streaming(values_v1))
        .route(&path("SearchTagValuesV2"), streaming(values_v2))
        .route(&path("MetricsQueryRange"), streaming(query_range))
        .route(&path("MetricsQueryInstant"), streaming(query_instant))
}

/// Each message has what was found since the one before.
async fn find(state: ApiState, headers: HeaderMap, asked: SearchRequest) -> Result<Messages<SearchResponse>, Status> {
    let tenant = state.tenant(&headers).map_err(TempoError::from)?;
    let request = search::request(&asked.parameters()).map_err(Status::invalid_argument)?;
    let (engine, limits) = (state.engine.clone(), state.limits());
    let found =
        progressive(
            move |progress| async move { engine.search_traces_as_found(&tenant, &request, limits, progress).await },
        );
    Ok(messages(found, |found| {
        let SearchResponse { traces, metrics } = search::response(found);
        let metrics = move || metrics.clone();
        parts(traces).into_iter().map(|traces| SearchResponse { traces, metrics: metrics() }).collect()
    }))
}

/// Each message has all that is known so far.
async fn query_range(
    state: ApiState,
    headers: HeaderMap,
    asked: QueryRangeRequest,
) -> Result<Messages<QueryRangeResponse>, Status> {
    let max_series = metrics::max_series(asked.max_series);
    let request = Asked::of_range(&asked).and_then(|asked| asked.range(metrics::now()));
    let request = request.map_err(Status::invalid_argument)?;
    let grid = request.grid;
    let measured = measure(&state, &headers, request)?;
    Ok(messages(measured, move |measured| {
        let answer = metrics::range_response(measured, &grid, max_series);
        let parts = parts(answer.series).into_iter();
        let of = |series| QueryRangeResponse {
            series,
            message: answer.message.clone(),
            ..answer_head(&answer.metrics, answer.status)
        };
        parts.map(of).collect()
    }))
}

fn answer_head(metrics: &Option<super::proto::SearchMetrics>, status: i32) -> QueryRangeResponse {
    QueryRangeResponse { metrics: metrics.clone(), status, ..QueryRangeResponse::default() }
}

async fn query_instant(
    state: ApiState,
    headers: HeaderMap,
    asked: QueryInstantRequest,
) -> Result<Messages<QueryInstantResponse>, Status> {
    let request = Asked::of_instant(&asked).and_then(|asked| asked.instant(metrics::now()));
    let request = request.map_err(Status::invalid_argument)?;
    let measured = measure(&state, &headers, request)?;
    Ok(messages(measured, |measured| {
        let QueryInstantResponse { series, metrics, status, message } =
            metrics::instant_response(measured, metrics::max_series(0));
        let of = |series| QueryInstantResponse { series, metrics: metrics.clone(), status, message: message.clone() };
        parts(series).into_iter().map(of).collect()
    }))
}

fn measure(
    state: &ApiState,
    headers: &HeaderMap,
    request: MetricsRequest,
) -> Result<impl Stream<Item = Result<Measured, QueryError>> + Send + use<>, Status> {
    let tenant = state.tenant(headers).map_err(TempoError::from)?;
    let (engine, limits) = (state.engine.clone(), state.limits());
    Ok(progressive(
        move |progress| async move { engine.trace_metrics_as_found(&tenant, &request, limits, progress).await },
    ))
}

async fn names_v1(
    state: ApiState,
    headers: HeaderMap,
    asked: SearchTagsRequest,
) -> Result<Messages<SearchTagsResponse>, Status> {
    let tag_names = tags::all_names(tags::scopes(&state, &asked.into(), &headers).await?);
    Ok(one(SearchTagsResponse { tag_names }))
}

async fn names_v2(
    state: ApiState,
    headers: HeaderMap,
    asked: SearchTagsRequest,
) -> Result<Messages<SearchTagsV2Response>, Status> {
    let scopes = tags::scopes(&state, &asked.into(), &headers).await?;
    Ok(one(SearchTagsV2Response::of(scopes)))
}

async fn values_v1(
    state: ApiState,
    headers: HeaderMap,
    asked: SearchTagValuesRequest,
) -> Result<Messages<SearchTagValuesResponse>, Status> {
    let attribute = tags::attribute_v1(&asked.tag_name);
    let values = tags::values(&state, &attribute, &asked.into(), &headers).await?;
    Ok(one(SearchTagValuesResponse { tag_values: values.iter().map(|value| tags::described(value).1).collect() }))
}

async fn values_v2(
    state: ApiState,
    headers: HeaderMap,
    asked: SearchTagValuesRequest,
) -> Result<Messages<SearchTagValuesV2Response>, Status> {
    let attribute = tags::attribute_v2(&asked.tag_name)?;
    let values = tags::values(&state, &attribute, &asked.into(), &headers).await?;
    Ok(one(SearchTagValuesV2Response::of(&values)))
}

fn one<A: Send + 'static>(message: A) -> Messages<A> {
    Box::pin(stream::iter([Ok(message)]))
}

/// Of each thing that is found one message or more.
fn messages<T, A: Send + 'static>(
    found: impl Stream<Item = Result<T, QueryError>> + Send + 'static,
    written: impl Fn(T) -> Vec<A> + Send + 'static,
) -> Messages<A> {
    let each = found.map(move |found| match found {
        Ok(found) => written(found).into_iter().map(Ok).collect(),
        Err(error) => vec![Err(Status::from(TempoError::from(error)))],
    });
    Box::pin(each.flat_map(stream::iter))
}

/// As many at once as fit into a message; one empty part where there are none.
fn parts<M: Message>(items: Vec<M>) -> Vec<Vec<M>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for item in items {
        let more = item.encoded_len();
        if bytes > 0 && bytes + more > MAX_MESSAGE_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    parts
}

impl From<TempoError> for Status {
    fn from(TempoError(status, message): TempoError) -> Status {
        match status {
            StatusCode::BAD_REQUEST => Status::invalid_argument(message),
            StatusCode::UNAUTHORIZED => Status::unauthenticated(message),
            StatusCode::NOT_FOUND => Status::not_found(message),
            StatusCode::UNPROCESSABLE_ENTITY => Status::resource_exhausted(message),
            StatusCode::GATEWAY_TIMEOUT => Status::deadline_exceeded(message),
            _ => Status::internal(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_answers_are_cut_into_messages() {
        let item = |size: usize| SearchTagsResponse { tag_names: vec!["x".repeat(size)] };
        let sizes = |items: Vec<usize>| -> Vec<usize> {
            parts(items.into_iter().map(item).collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(vec![]), [0]);
        assert_eq!(sizes(vec![10, 10]), [2]);
        assert_eq!(sizes(vec![1 << 20, 1 << 19, 1 << 20]), [2, 1]);
        assert_eq!(sizes(vec![3 << 20, 10, 10]), [1, 2]);
    }
}
