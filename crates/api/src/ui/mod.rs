//! The UI: pages and assets of one single-page application, from the binary itself.
//!
//! Only the main listener has it. It makes no difference by `Host`: behind an ingress, a tunnel or a container's port the
//! server cannot know its names. Pages of other origins cannot read answers (there are no CORS headers); against one that
//! rebinds its own name to this address, and for anything that not everybody may see, an authenticating proxy helps.

mod assets;
mod files;
mod page;
#[cfg(test)]
mod tests;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use self::assets::Caching;
use self::files::{Dist, Files};

/// First segments that belong to APIs, switched on or not: nothing below them is a page.
const API_PREFIXES: [&str; 4] = ["api", "tempo", "prometheus", "otlp"];

/// Answers whatever no API does: the fallback of the main listener.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    answer::<Dist>(&method, uri.path(), &headers)
}

fn answer<F: Files>(method: &Method, path: &str, headers: &HeaderMap) -> Response {
    let mut response = match Target::of(path) {
        Target::Nothing => not_found(),
        // The body of an answer to HEAD is left out by the router.
        _ if !matches!(*method, Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response()
        }
        Target::Page => page::page::<F>(),
        Target::Asset(path) => assets::file::<F>(path, headers, Caching::Immutable).unwrap_or_else(not_found),
        Target::File(path) => assets::file::<F>(path, headers, Caching::Revalidated).unwrap_or_else(not_found),
    };
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], "not found\n").into_response()
}

/// What a path is about.
#[derive(Debug, PartialEq, Eq)]
enum Target<'p> {
    /// A place inside the application, which reads the path itself.
    Page,
    /// A file with a hash of its content in its name.
    Asset(&'p str),
    /// A file whose content may change under its name.
    File(&'p str),
    Nothing,
}

impl<'p> Target<'p> {
    /// Paths are taken as they are written: files of the UI need no percent-encoding.
    fn of(path: &'p str) -> Self {
        let relative = path.strip_prefix('/').unwrap_or(path);
        let first = relative.split('/').next().unwrap_or_default();
        let last = relative.rsplit('/').next().unwrap_or_default();
        match first {
            _ if API_PREFIXES.contains(&first) => Target::Nothing,
            "assets" if is_plain(relative) => Target::Asset(relative),
            "assets" => Target::Nothing,
            _ if relative == page::INDEX || !last.contains('.') => Target::Page,
            _ if is_plain(relative) => Target::File(relative),
            _ => Target::Nothing,
        }
    }
}

/// Neither leaves the folder nor names anything hidden in it.
fn is_plain(path: &str) -> bool {
    let is_plain = |segment: &str| {
        !segment.starts_with('.')
            && !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~@+".contains(&byte))
    };
    path.split('/').all(is_plain)
}
