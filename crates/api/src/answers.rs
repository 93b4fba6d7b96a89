//! What the answers of all APIs have in common on their way out.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use tower_http::CompressionLevel;
use tower_http::compression::{CompressionLayer, DefaultPredicate, Predicate, predicate::SizeAbove};

/// Below it, the encoding's own bytes and the time for it are not worth while.
const MIN_COMPRESSED_BYTES: u64 = 1024;

/// Compresses answers as their clients accept it (zstd or gzip), streamed ones as they flow, and keeps them out of caches:
/// the next answer to the same question is another.
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
