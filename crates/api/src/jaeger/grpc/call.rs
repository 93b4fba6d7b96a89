//! How a call is answered: tonic's framing around handlers of messages.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use futures::stream::{self, Iter};
use prost::Message;
use tonic::{Request as Call, Response as Answer, Status};
use tower::service_fn;

use crate::ApiState;
use crate::grpc::{deadline, grpc, is_grpc};
use crate::jaeger::failure::Failure;
use crate::jaeger::search::Asking;

/// Bytes of a request; empty messages in it take much more in memory.
const MAX_REQUEST: usize = 512 << 10;

pub(super) type Stream<M> = Iter<std::vec::IntoIter<Result<M, Status>>>;

/// A method that answers with one message.
pub(super) fn unary<Q, A, H>(handle: H) -> MethodRouter<ApiState>
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
    H: AsyncHandler<Q, A>,
{
    post(move |State(state): State<ApiState>, request: Request| async move {
        if !is_grpc(&request) {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
        }
        let deadline = deadline(request.headers());
        let service = service_fn(move |call: Call<Q>| {
            let state = state.clone();
            async move { within(deadline, answer(handle, state, call)).await.map(Answer::new) }
        });
        grpc::<A, Q>().max_decoding_message_size(MAX_REQUEST).unary(service, request).await.map(Body::new)
    })
}

/// A method that answers with several messages; the handler gives all of them.
pub(super) fn streaming<Q, A, H>(handle: H) -> MethodRouter<ApiState>
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
    H: AsyncHandler<Q, Vec<A>>,
{
    post(move |State(state): State<ApiState>, request: Request| async move {
        if !is_grpc(&request) {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
        }
        let deadline = deadline(request.headers());
        let service = service_fn(move |call: Call<Q>| {
            let state = state.clone();
            async move {
                let messages = within(deadline, answer(handle, state, call)).await?;
                let messages: Vec<Result<A, Status>> = messages.into_iter().map(Ok).collect();
                Ok::<_, Status>(Answer::new(stream::iter(messages) as Stream<A>))
            }
        });
        grpc::<A, Q>().max_decoding_message_size(MAX_REQUEST).server_streaming(service, request).await.map(Body::new)
    })
}

/// What a method does, on behalf of a tenant.
pub(super) trait AsyncHandler<Q, A>: Copy + Send + Sync + 'static {
    fn call(self, state: ApiState, headers: HeaderMap, message: Q) -> impl Future<Output = Result<A, Status>> + Send;
}

impl<Q: Send, A, F, O> AsyncHandler<Q, A> for F
where
    F: Fn(ApiState, HeaderMap, Q) -> O + Copy + Send + Sync + 'static,
    O: Future<Output = Result<A, Status>> + Send,
{
    fn call(self, state: ApiState, headers: HeaderMap, message: Q) -> impl Future<Output = Result<A, Status>> + Send {
        self(state, headers, message)
    }
}

async fn answer<Q, A>(handle: impl AsyncHandler<Q, A>, state: ApiState, call: Call<Q>) -> Result<A, Status> {
    let (metadata, _, message) = call.into_parts();
    handle.call(state, metadata.into_headers(), message).await
}

pub(super) async fn unknown(request: Request) -> Response {
    Status::unimplemented(format!("unknown method {}", request.uri().path())).into_http()
}

/// Whoever asks may see what is of their tenant.
pub(super) fn asking<'a>(state: &'a ApiState, headers: &HeaderMap) -> Result<Asking<'a>, Status> {
    Asking::new(state, headers).map_err(status)
}

pub(super) fn status(failure: Failure) -> Status {
    let message = failure.message;
    match failure.status {
        StatusCode::BAD_REQUEST => Status::invalid_argument(message),
        StatusCode::UNAUTHORIZED => Status::unauthenticated(message),
        StatusCode::NOT_FOUND => Status::not_found(message),
        StatusCode::UNPROCESSABLE_ENTITY => Status::resource_exhausted(message),
        StatusCode::GATEWAY_TIMEOUT => Status::deadline_exceeded(message),
        _ => Status::internal(message),
    }
}

async fn within<T>(deadline: Option<Duration>, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match deadline {
        None => answer.await,
        Some(deadline) => {
            let expired = |_| Err(Status::deadline_exceeded("the call took longer than its grpc-timeout"));
            tokio::time::timeout(deadline, answer).await.unwrap_or_else(expired)
        }
    }
}
