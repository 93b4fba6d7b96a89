//! What the answers of all APIs have in common on their way out.

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use tower_http::CompressionLevel;
use tower_http::compression::{CompressionLayer, DefaultPredicate, Predicate, predicate::SizeAbove};
use trefoil_query::QueryError;

/// How HTTP says what became of a question.
pub(crate) fn status_of(error: &QueryError) -> StatusCode {
    match error {
        QueryError::Invalid(_) => StatusCode::BAD_REQUEST,
        QueryError::LimitExceeded(_) => StatusCode::UNPROCESSABLE_ENTITY,
        QueryError::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        QueryError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Below it, the encoding's own bytes and the time for it are not worth while.
const MIN_COMPRESSED_BYTES: u64 = 1024;

/// Compresses answers as their clients accept it (zstd or gzip) and keeps them out of caches: the next answer to the same
/// question is another. Streamed answers, whose size nobody knows yet, are compressed always, and as they flow.
pub(crate) fn prepared(router: Router) -> Router {
    let worth_while = DefaultPredicate::new().and(SizeAbove::new(MIN_COMPRESSED_BYTES));
    // An answer is read once, mostly nearby: time counts more than size.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth_while);
    router.layer(compression).layer(map_response(uncached))
}

async fn uncached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::io::{self, Read};
    use std::sync::{Arc, Mutex};

    use axum::body::{Body, Bytes};
    use axum::extract::Request;
    use axum::routing::get;
    use flate2::bufread::GzDecoder;
    use futures::StreamExt;
    use futures::channel::mpsc;
    use tower::ServiceExt;

    use super::*;

    async fn answer_with(body: Body) -> Response {
        let body = Arc::new(Mutex::new(Some(body)));
        let handler = get(move || ready(body.lock().unwrap().take().unwrap()));
        let request = Request::get("/").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
        prepared(Router::new().route("/", handler)).oneshot(request).await.unwrap()
    }

    fn encoding(response: &Response) -> Option<&HeaderValue> {
        response.headers().get(header::CONTENT_ENCODING)
    }

    #[tokio::test]
    async fn only_what_is_worth_while_is_compressed_and_nothing_is_kept() {
        for (size, compressed) in [(100, None), (10_000, Some(HeaderValue::from_static("gzip")))] {
            let response = answer_with("x".repeat(size).into()).await;
            assert_eq!(encoding(&response), compressed.as_ref(), "{size}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn rows_leave_as_they_come_also_compressed() {
        let (mut rows, body) = mpsc::channel::<io::Result<Bytes>>(1);
        let response = answer_with(Body::from_stream(body)).await;
        assert!(encoding(&response).is_some());
        let mut chunks = response.into_body().into_data_stream();
        let mut received = Vec::new();
        for row in ["the first row\n", "the second row\n"] {
            rows.try_send(Ok(Bytes::from_static(row.as_bytes()))).unwrap();
            let arrived = |received: &[u8]| {
                let mut text = Vec::new();
                // The end is missing, which is an error after all that has come.
                let _ = GzDecoder::new(received).read_to_end(&mut text);
                String::from_utf8_lossy(&text).ends_with(row)
            };
            while !arrived(&received) {
                received.extend(chunks.next().await.unwrap().unwrap());
            }
        }
        drop(chunks);
        assert!(rows.is_closed(), "a client that leaves ends the query");
    }
}
