//! The page: `index.html` with a nonce of its own in every answer, and the policy that confines it.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::files::Files;

pub(super) const INDEX: &str = "index.html";

/// Stands in `index.html` wherever the build put a nonce.
const PLACEHOLDER: &str = "__CSP_NONCE__";

const NO_UI: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Trefoil</title>
<h1>Trefoil runs</h1>
<p>This build has no screens. <code>make ui</code> makes them (<code>npm ci &amp;&amp; npm run build</code> in
<code>ui/</code>), <code>make release</code> a binary that has them; a development build finds them by itself.
<p>The API is here: <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.
";

pub(super) fn page<F: Files>() -> Response {
    let Ok(nonce) = nonce() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the system gives no random numbers\n").into_response();
    };
    let (status, html) = match F::get(INDEX) {
        Some(index) => (StatusCode::OK, String::from_utf8_lossy(&index).replace(PLACEHOLDER, &nonce)),
        None => (StatusCode::NOT_FOUND, NO_UI.to_owned()),
    };
    let headers: [(HeaderName, &str); 6] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // The names of the assets in it change with every build.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, &policy(&nonce)),
        // What stands in a URL here (trace ids, queries) is nobody else's business.
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (status, headers, html).into_response()
}

/// Nothing but our own origin, and nothing in line but styles that carry the nonce.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// 128 random bits in hexadecimal.
fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
