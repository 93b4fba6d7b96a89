//! Scripts, styles, fonts, pictures. Text comes compressed: the build leaves `.br` and `.gz` beside each file.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use xxhash_rust::xxh3::xxh3_128;

use super::files::Files;

/// Content coding and the end of the file's name, the best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    /// The name changes with the content.
    Immutable,
    /// To be asked for each time, answered shortly if it is the same.
    Revalidated,
}

/// `None` if there is no such file. The compressed forms are not files of their own.
pub(super) fn file<F: Files>(path: &str, headers: &HeaderMap, caching: Caching) -> Option<Response> {
    if ENCODINGS.iter().any(|(_, suffix)| path.ends_with(suffix)) {
        return None;
    }
    let plain = F::get(path)?;
    let compressed = ENCODINGS
        .into_iter()
        .filter(|(coding, _)| accepts(headers, coding))
        .find_map(|(coding, suffix)| F::get(&format!("{path}{suffix}")).map(|content| (coding, content)));
    let (coding, content) = match compressed {
        Some((coding, content)) => (Some(coding), content),
        None => (None, plain),
    };
    let tag = format!("\"{:032x}\"", xxh3_128(&content));
    let mut response = match is_known(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, content_type(path))], body(content)).into_response(),
    };
    let cache_control = match caching {
        Caching::Immutable => "public, max-age=31536000, immutable",
        Caching::Revalidated => "no-cache",
    };
    let own = response.headers_mut();
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    own.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    own.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    own.extend(coding.map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding))));
    Some(response)
}

fn body(content: Cow<'static, [u8]>) -> Body {
    match content {
        Cow::Borrowed(embedded) => Bytes::from_static(embedded).into(),
        Cow::Owned(read) => read.into(),
    }
}

fn content_type(path: &str) -> String {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    match (mime.type_().as_str(), mime.subtype().as_str()) {
        ("text", _) | ("application", "json" | "javascript") => format!("{}; charset=utf-8", mime.essence_str()),
        _ => mime.essence_str().to_owned(),
    }
}

/// Whether `If-None-Match` has the tag (RFC 9110, 13.1.2: compared weakly).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    members(headers, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// Whether `Accept-Encoding` allows the coding (RFC 9110, 12.5.3).
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let weight_of = |wanted: &str| {
        members(headers, header::ACCEPT_ENCODING).find_map(|member| {
            let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
            name.trim().eq_ignore_ascii_case(wanted).then(|| weight.unwrap_or(0.0))
        })
    };
    weight_of(coding).or_else(|| weight_of("*")).is_some_and(|weight| weight > 0.0)
}

fn members(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_encodings_count() {
        let accepts = |line: &str, coding: &str| {
            accepts(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, line.parse().unwrap())]), coding)
        };
        assert!(accepts("gzip, deflate, br, zstd", "br"));
        assert!(accepts("BR", "br") && accepts("br;q=0.1", "br") && accepts("*", "br") && accepts("gzip; q=1", "gzip"));
        for line in ["", "gzip", "br;q=0", "br; q=0.0, *", "*;q=0", "br;q=x", "brotli"] {
            assert!(!accepts(line, "br"), "{line}");
        }
        assert!(!super::accepts(&HeaderMap::new(), "br"));
    }
}
