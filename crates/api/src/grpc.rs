//! Calls over gRPC on the listeners of HTTP: tonic's framing around handlers of messages.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, post};
use futures::stream::{self, Stream};
use prost::Message;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::codec::CompressionEncoding;
use tonic::server::Grpc;
use tonic::{Request as Call, Response as Answer, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;
use trefoil_query::QueryError;

use crate::ApiState;

/// Messages of an answer, as they come.
pub(crate) type Messages<A> = Pin<Box<dyn Stream<Item = Result<A, Status>> + Send>>;

/// A method that answers with several messages. The handler is given the call's metadata and its message.
pub(crate) fn streaming<Q, A, O>(handle: fn(ApiState, HeaderMap, Q) -> O) -> MethodRouter<ApiState>
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
    O: Future<Output = Result<Messages<A>, Status>> + Send + 'static,
{
    post(async move |State(state): State<ApiState>, request: Request| {
        if !is_grpc(&request) {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
        }
        let deadline = deadline(request.headers());
        let service = service_fn(move |call: Call<Q>| {
            let state = state.clone();
            async move {
                let (metadata, _, message) = call.into_parts();
                let messages = handle(state, metadata.into_headers(), message).await?;
                Ok::<_, Status>(Answer::new(until(deadline, messages)))
            }
        });
        grpc::<A, Q>().server_streaming(service, request).await.map(Body::new)
    })
}

pub(crate) fn grpc<A: Message + Send + 'static, Q: Message + Default + Send + 'static>() -> Grpc<ProstCodec<A, Q>> {
    Grpc::new(ProstCodec::default())
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
}

pub(crate) fn is_grpc(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// How long the caller waits: up to eight digits and a unit.
pub(crate) fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// The messages that come in time, and an error where others do not.
fn until<A: Send + 'static>(deadline: Option<Duration>, messages: Messages<A>) -> Messages<A> {
    let Some(deadline) = deadline else { return messages };
    let end = tokio::time::Instant::now() + deadline;
    Box::pin(stream::unfold(Some(messages), move |messages| async move {
        let mut messages = messages?;
        match tokio::time::timeout_at(end, futures::StreamExt::next(&mut messages)).await {
            Ok(message) => message.map(|message| (message, Some(messages))),
            Err(_) => Some((Err(Status::deadline_exceeded("the call took longer than its grpc-timeout")), None)),
        }
    }))
}

/// What a question tells on its way, then its answer. Dropping the stream ends the question.
pub(crate) fn progressive<T, F>(ask: impl FnOnce(Sender<T>) -> F) -> impl Stream<Item = Result<T, QueryError>> + Send
where
    T: Send + 'static,
    F: Future<Output = Result<T, QueryError>> + Send + 'static,
{
    /// So much may wait for whoever reads it.
    const WAITING: usize = 4;
    let (sender, receiver) = channel(WAITING);
    let asked = Asked { progress: receiver, answer: Some(Box::pin(ask(sender))), last: None };
    stream::unfold(asked, async |mut asked| {
        let next = asked.next().await?;
        Some((next, asked))
    })
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, QueryError>> + Send>>;

struct Asked<T> {
    progress: Receiver<T>,
    /// `None` once it is there.
    answer: Option<Pending<T>>,
    /// The answer, until all that was told before it is out.
    last: Option<Result<T, QueryError>>,
}

impl<T> Asked<T> {
    async fn next(&mut self) -> Option<Result<T, QueryError>> {
        while let Some(answer) = self.answer.as_mut() {
            tokio::select! {
                biased;
                Some(told) = self.progress.recv() => return Some(Ok(told)),
                answer = answer => {
                    self.last = Some(answer);
                    self.answer = None;
                }
            }
        }
        match self.progress.recv().await {
            Some(told) => Some(Ok(told)),
            None => self.last.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn the_answer_comes_behind_all_that_was_told() {
        let told = progressive(|sender| async move {
            for number in 0..3 {
                sender.send(number).await.unwrap();
            }
            Ok(3)
        });
        let told: Vec<_> = told.map(Result::unwrap).collect().await;
        assert_eq!(told, [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn messages_that_come_too_late_are_an_error() {
        let stuck = stream::iter([Ok(1), Ok(2)]).chain(stream::pending());
        let messages: Vec<Result<i32, Status>> =
            until(Some(Duration::from_millis(50)), Box::pin(stuck)).collect().await;
        assert_eq!(messages.len(), 3);
        assert!(messages[1].is_ok());
        assert_eq!(messages[2].as_ref().unwrap_err().code(), tonic::Code::DeadlineExceeded);
    }
}
