use std::borrow::Cow;
use std::collections::HashSet;

use axum::body::to_bytes;
use axum::http::{HeaderName, header};

use super::*;

struct Built;

impl Files for Built {
    fn get(path: &str) -> Option<Cow<'static, [u8]>> {
        let content: &'static str = match path {
            "index.html" => "<!doctype html><meta nonce=\"__CSP_NONCE__\"><style nonce=\"__CSP_NONCE__\"></style>",
            "assets/app-1a2b.js" => "plain script",
            "assets/app-1a2b.js.br" => "script by brotli",
            "assets/app-1a2b.js.gz" => "script by gzip",
            "assets/inter-3c.woff2" => "font",
            "favicon.svg" => "<svg/>",
            _ => return None,
        };
        Some(Cow::Borrowed(content.as_bytes()))
    }
}

struct NotBuilt;

impl Files for NotBuilt {
    fn get(_: &str) -> Option<Cow<'static, [u8]>> {
        None
    }
}

fn get(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
    answer::<Built>(&Method::GET, path, &headers)
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn every_path_of_the_application_is_the_page() {
    for path in ["/", "/traces", "/traces/", "/traces/4bf92f3577b34da6a3ce929d0e0e4736", "/a%20b/%2e%2e", "/index.html"]
    {
        let page = get(path, &[]);
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        assert!(text(page).await.starts_with("<!doctype html>"), "{path}");
    }
}

#[tokio::test]
async fn a_page_is_confined_and_its_nonce_is_its_own() {
    let mut nonces = HashSet::new();
    for _ in 0..20 {
        let page = get("/", &[]);
        let policy = header(&page, "content-security-policy").to_owned();
        let (_, rest) = policy.split_once("style-src 'self' 'nonce-").unwrap();
        let (nonce, _) = rest.split_once('\'').unwrap();
        assert!(nonce.len() == 32 && nonces.insert(nonce.to_owned()), "{nonce}");
        for directive in ["default-src 'none'; ", "script-src 'self'; ", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "cross-origin-opener-policy"), "same-origin");
        let html = text(page).await;
        assert_eq!(html.matches(nonce).count(), 2, "{html}");
        assert!(!html.contains("__CSP_NONCE__"));
    }
}

#[tokio::test]
async fn assets_come_compressed_and_are_kept_for_ever() {
    for (accepted, coding, content) in [
        ("gzip, deflate, br, zstd", "br", "script by brotli"),
        ("gzip, br;q=0", "gzip", "script by gzip"),
        ("zstd", "", "plain script"),
    ] {
        let asset = get("/assets/app-1a2b.js", &[(header::ACCEPT_ENCODING, accepted)]);
        assert_eq!(asset.status(), StatusCode::OK);
        assert_eq!(header(&asset, "content-encoding"), coding, "{accepted}");
        assert_eq!(header(&asset, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(&asset, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&asset, "vary"), "Accept-Encoding");
        assert_eq!(header(&asset, "x-content-type-options"), "nosniff");
        assert_eq!(text(asset).await, content);
    }
    let font = get("/assets/inter-3c.woff2", &[(header::ACCEPT_ENCODING, "br")]);
    assert_eq!((header(&font, "content-encoding"), header(&font, "content-type")), ("", "font/woff2"));
}

#[tokio::test]
async fn other_files_are_asked_for_again_and_answered_shortly() {
    let first = get("/favicon.svg", &[]);
    assert_eq!((first.status(), header(&first, "content-type")), (StatusCode::OK, "image/svg+xml"));
    assert_eq!(header(&first, "cache-control"), "no-cache");
    let tag = header(&first, "etag").to_owned();
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = get("/favicon.svg", &[(header::IF_NONE_MATCH, &known)]);
        assert_eq!((again.status(), header(&again, "etag")), (StatusCode::NOT_MODIFIED, tag.as_str()));
        assert_eq!(text(again).await, "");
    }
    assert_eq!(get("/favicon.svg", &[(header::IF_NONE_MATCH, "\"x\"")]).status(), StatusCode::OK);
    let [plain, compressed] = ["identity", "br"]
        .map(|accepted| header(&get("/assets/app-1a2b.js", &[(header::ACCEPT_ENCODING, accepted)]), "etag").to_owned());
    assert_ne!(plain, compressed, "two representations have two tags");
}

#[test]
fn what_is_not_there_is_not_the_page() {
    for path in [
        "/assets/missing.js",
        "/assets/",
        "/assets",
        "/assets/app-1a2b.js.br",
        "/assets/app-1a2b.js.gz",
        "/assets/../index.html",
        "/assets/../../Cargo.toml",
        "/assets/%2e%2e/index.html",
        "/assets//app-1a2b.js",
        "/assets/./app-1a2b.js",
        "/assets/..\\index.html",
        "/favicon.ico",
        "/../favicon.svg",
        "/.vite/manifest.json",
        "/..",
        "//etc/pass.wd",
        "/api",
        "/api/v1/traces",
        "/tempo/api/nothing",
        "/otlp/v1/traces",
    ] {
        let response = get(path, &[]);
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, "cache-control"), "no-store", "{path}");
    }
}

#[test]
fn only_reading_is_answered() {
    for path in ["/", "/favicon.svg", "/assets/app-1a2b.js"] {
        assert_eq!(answer::<Built>(&Method::HEAD, path, &HeaderMap::new()).status(), StatusCode::OK, "{path}");
        let posted = answer::<Built>(&Method::POST, path, &HeaderMap::new());
        assert_eq!(
            (posted.status(), header(&posted, "allow")),
            (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"),
            "{path}"
        );
    }
    let posted = answer::<Built>(&Method::POST, "/otlp/v1/traces", &HeaderMap::new());
    assert_eq!(posted.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_build_without_the_ui_says_so() {
    let page = answer::<NotBuilt>(&Method::GET, "/traces", &HeaderMap::new());
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(text(page).await.contains("npm run build"));
}
