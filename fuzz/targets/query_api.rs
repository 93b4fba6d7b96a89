//! Any bytes as what a client may ask: an SQL statement, a JSON request, a path and query of Tempo's API. No panic, no
//! endless work, no memory beyond the limits; trace by id never answers that the server is at fault.
//!
//! The first byte chooses the endpoint, the second the wanted format of the answer.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use trefoil_api::{ApiState, OtlpEndpoints, PrometheusApi, main_router};
use trefoil_fuzz::store::{filled_storage, forgive_libraries, runtime};
use trefoil_model::Tenancy;
use trefoil_query::{Engine, Limits};

struct Server {
    runtime: Runtime,
    router: Router,
    _directory: TempDir,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    forgive_libraries();
    let runtime = runtime();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let storage = runtime.block_on(filled_storage(directory.path()));
    let engine = Engine::new(storage, 64 << 20).expect("an engine");
    engine.set_limits(Limits { max_rows: 1000, timeout: Duration::from_secs(1), ..Limits::default() });
    let otlp = Arc::new(OtlpEndpoints::default);
    let prometheus = PrometheusApi::default();
    let router = main_router(ApiState {
        engine,
        tenancy: Tenancy::Single,
        admin_api: false,
        scraping: Default::default(),
        overrides: Default::default(),
        otlp,
        prometheus,
        max_clock_skew_adjustment: Duration::ZERO,
        tails: Default::default(),
    });
    Server { runtime, router, _directory: directory }
});

const FORMATS: [&str; 5] =
    ["*/*", "application/json", "text/csv", "application/vnd.apache.arrow.stream", "application/protobuf"];

fuzz_target!(|data: &[u8]| {
    let [endpoint, format, rest @ ..] = data else { return };
    let format = FORMATS[usize::from(*format) % FORMATS.len()];
    let Some(request) = request(*endpoint, rest) else { return };
    let is_trace = request.uri().path().starts_with("/tempo/api/");
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(header::ACCEPT, header::HeaderValue::from_static(format));
    let server = &*SERVER;
    server.runtime.block_on(async {
        let answer = server.router.clone().oneshot(Request::from_parts(parts, body)).await;
        let answer = answer.expect("a router has no errors");
        let status = answer.status();
        assert!(!(is_trace && status == StatusCode::INTERNAL_SERVER_ERROR), "trace by id answered {status}");
        // An answer may break off at a limit.
        let _ = answer.into_body().collect().await;
    });
});

fn request(endpoint: u8, rest: &[u8]) -> Option<Request<Body>> {
    let body = Body::from(rest.to_vec());
    let get = |path: &str| {
        let uri: Uri = format!("{path}{}", std::str::from_utf8(rest).ok()?).parse().ok()?;
        Request::get(uri).body(Body::empty()).ok()
    };
    match endpoint % 4 {
        0 => Request::post("/api/v1/sql").body(body).ok(),
        1 => Request::post("/api/v1/sql").header(header::CONTENT_TYPE, "application/json").body(body).ok(),
        2 => get("/tempo/api/traces/"),
        _ => get("/tempo/api/v2/traces/"),
    }
}
