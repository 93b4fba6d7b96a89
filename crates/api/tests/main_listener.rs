//! The main listener as a client sees it, over a real store.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Kind};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use serde_json::{Value, json};
use tower::ServiceExt;
use trefoil_api::{ApiState, OtlpEndpoints, PrometheusApi, loki_router, main_router};
use trefoil_model::{Signal, Tenancy, Tenant};
use trefoil_query::Engine;
use trefoil_storage::{Storage, StorageConfig};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

struct Server {
    router: Router,
    /// On its own listener.
    loki: Router,
    storage: Storage,
    _directory: tempfile::TempDir,
}

impl Server {
    async fn new(tenancy: Tenancy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        let storage = Storage::open(config).await.unwrap();
        let otlp = OtlpEndpoints { grpc: Some("127.0.0.1:4317".into()), http: None, main: true };
        let state = ApiState {
            scraping: Default::default(),
            overrides: Default::default(),
            engine: Engine::new(storage.clone(), 64 << 20).unwrap(),
            tenancy,
            admin_api: true,
            delete_logs: false,
            otlp: Arc::new(move || otlp.clone()),
            max_clock_skew_adjustment: std::time::Duration::ZERO,
            tails: Default::default(),
            prometheus: PrometheusApi::default(),
        };
        Self { loki: loki_router(state.clone()), router: main_router(state), storage, _directory: directory }
    }

    /// One trace of `count` spans.
    async fn send(&self, count: u64) {
        let body = request(count).encode_to_vec().into();
        self.storage.append(&Tenant::default(), Signal::Traces, body).await.unwrap();
    }

    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        parsed(self.get(path).await).await
    }
}

async fn parsed(response: Response<Body>) -> (StatusCode, Value) {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Kind::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

/// Spans 1 to `count`, one second after the other; the last one fails.
fn request(count: u64) -> ExportTraceServiceRequest {
    let trace_id = u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes().to_vec();
    let span = |number: u64| Span {
        trace_id: trace_id.clone(),
        span_id: number.to_be_bytes().to_vec(),
        name: format!("step {number}"),
        start_time_unix_nano: 1_767_225_600_000_000_000 + number * 1_000_000_000,
        end_time_unix_nano: 1_767_225_600_500_000_000 + number * 1_000_000_000,
        attributes: vec![attribute("http.route", &format!("/items/{number}")), attribute("note", "a \"quoted\" thing")],
        events: (number == count)
            .then(|| Event {
                name: "exception".into(),
                attributes: vec![attribute("exception.message", "Card Declined")],
                ..Event::default()
            })
            .into_iter()
            .collect(),
        status: (number == count).then(|| Status { message: "payment failed".into(), code: 2 }),
        ..Span::default()
    };
    let scope_spans = ScopeSpans { spans: (1..=count).map(span).collect(), ..ScopeSpans::default() };
    let resource = Some(Resource { attributes: vec![attribute("service.name", "orders")], ..Resource::default() });
    let resource_spans = ResourceSpans { resource, scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_like_a_loki_where_one_would_be() {
    let server = Server::new(Tenancy::Multi).await;
    // A data source for the main listener asks at the first, one for its prefix at the second.
    for path in ["/loki/api/v1/status/buildinfo", "/loki/loki/api/v1/status/buildinfo"] {
        let (code, build) = server.json(path).await;
        assert_eq!((code, build["version"].as_str()), (StatusCode::OK, Some("3.7.6")), "{path}");
    }
    let ready = server.get("/loki/ready").await;
    assert_eq!(to_bytes(ready.into_body(), usize::MAX).await.unwrap(), "ready\n");
    for (path, status) in [("/ready", 200), ("/loki/api/v1/status/buildinfo", 200), ("/loki/ready", 404)] {
        let answer = server.loki.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_told_to_everybody() {
    for (tenancy, enabled) in [(Tenancy::Single, false), (Tenancy::Multi, true)] {
        let (code, status) = Server::new(tenancy).await.json("/api/v1/status").await;
        assert_eq!(code, StatusCode::OK);
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(status["tenancy"], json!({ "enabled": enabled }));
        assert_eq!(status["otlp"], json!({ "grpc": "127.0.0.1:4317", "http": null, "main": true }));
        assert!(status["time_unix_nano"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000_000_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_span_comes_with_everything() {
    let server = Server::new(Tenancy::Single).await;
    server.send(3).await;
    let path = format!("/api/v1/traces/{TRACE}/spans/0000000000000003");
    let (status, buffered) = server.json(&path).await;
    assert_eq!(status, StatusCode::OK);
    let group = &buffered["resourceSpans"][0];
    assert_eq!(group["resource"]["attributes"][0]["value"]["stringValue"], "orders");
    let spans = group["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0]["name"], "step 3");
    assert_eq!(spans[0]["spanId"], "AAAAAAAAAAM=");
    assert_eq!(spans[0]["events"][0]["name"], "exception");

    server.storage.flush().await.unwrap();
    assert_eq!(server.json(&path).await, (StatusCode::OK, buffered), "from a file as from memory");
    server.send(3).await;
    let (_, twice) = server.json(&path).await;
    assert_eq!(twice["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_found_in_a_trace() {
    let server = Server::new(Tenancy::Single).await;
    server.send(30).await;
    let search = async |query: &str| {
        let (status, found) = server.json(&format!("/api/v1/traces/{TRACE}/search?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        (found["spans"].as_array().unwrap().clone(), found["truncated"].as_bool().unwrap())
    };
    let ids =
        |numbers: &[u64]| -> Vec<Value> { numbers.iter().map(|number| json!(format!("{number:016x}"))).collect() };
    for flushed in [false, true] {
        if flushed {
            server.storage.flush().await.unwrap();
        }
        assert_eq!(search("q=card%20declined").await, (ids(&[30]), false), "{flushed}");
        assert_eq!(search("q=PAYMENT").await, (ids(&[30]), false));
        assert_eq!(search("q=step+7").await, (ids(&[7]), false));
        assert_eq!(search("q=/items/1").await, (ids(&[1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]), false));
        assert_eq!(search("q=Orders&limit=3").await, (ids(&[1, 2, 3]), true), "the earliest");
        assert!(!search("q=orders&limit=30").await.1);
        assert_eq!(search("q=%22quoted%22").await.0.len(), 30);
        assert_eq!(search("q=%22:%22").await, (vec![], false), "JSON's own signs are no text");
        assert_eq!(search("q=nothing").await, (vec![], false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_the_same_shape() {
    let server = Server::new(Tenancy::Single).await;
    server.send(1).await;
    let spans = format!("/api/v1/traces/{TRACE}/spans");
    let search = format!("/api/v1/traces/{TRACE}/search");
    for (path, expected, code) in [
        ("/api", StatusCode::NOT_FOUND, "not_found"),
        ("/api/", StatusCode::NOT_FOUND, "not_found"),
        ("/api/v1/nothing.js", StatusCode::NOT_FOUND, "not_found"),
        (&format!("{spans}/00000000000000ff"), StatusCode::NOT_FOUND, "not_found"),
        (&format!("{spans}/xyz"), StatusCode::BAD_REQUEST, "bad_request"),
        (&format!("{spans}/%ff"), StatusCode::BAD_REQUEST, "bad_request"),
        ("/api/v1/traces/xyz/spans/01", StatusCode::BAD_REQUEST, "bad_request"),
        (&search, StatusCode::BAD_REQUEST, "bad_request"),
        (&format!("{search}?q="), StatusCode::BAD_REQUEST, "invalid_query"),
        (&format!("{search}?q={}", "x".repeat(1025)), StatusCode::BAD_REQUEST, "invalid_query"),
        (&format!("{search}?q=x&limit=0"), StatusCode::BAD_REQUEST, "bad_request"),
        (&format!("{search}?q=x&limit=10001"), StatusCode::BAD_REQUEST, "bad_request"),
        (&format!("{search}?q=x&limt=5"), StatusCode::BAD_REQUEST, "bad_request"),
        ("/api/v1/sql", StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
    ] {
        let (status, body) = server.json(path).await;
        assert_eq!((status, body["error"]["code"].as_str().unwrap()), (expected, code), "{path}: {body}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
    }
    let refused = server.get("/api/v1/sql").await;
    assert_eq!(refused.headers()[header::ALLOW], "POST");
    let long = Request::post("/api/v1/sql").body("x".repeat(3 << 20).into()).unwrap();
    let (status, body) = parsed(server.ask(long).await).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_status_and_the_description_need_no_tenant() {
    let server = Server::new(Tenancy::Multi).await;
    for path in ["/api/v1/status", "/api/v1/openapi.json"] {
        assert_eq!(server.json(path).await.0, StatusCode::OK);
    }
    for path in [format!("/api/v1/traces/{TRACE}/spans/1"), format!("/api/v1/traces/{TRACE}/search?q=x")] {
        let (status, body) = server.json(&path).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("no_tenant")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_covers_every_path() {
    let server = Server::new(Tenancy::Single).await;
    let (_, description) = server.json("/api/v1/openapi.json").await;
    for (path, operations) in description["paths"].as_object().unwrap() {
        let path = path.replace("{trace_id}", TRACE).replace("{span_id}", "1");
        let response = server.ask(Request::delete(&path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path} is a route");
        let allowed = response.headers()[header::ALLOW].to_str().unwrap().to_lowercase();
        let described: Vec<&str> = operations.as_object().unwrap().keys().map(String::as_str).collect();
        let allowed: Vec<&str> = allowed.split(',').filter(|method| *method != "head").collect();
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_and_not_kept() {
    let server = Server::new(Tenancy::Single).await;
    server.send(200).await;
    for path in [format!("/tempo/api/v2/traces/{TRACE}"), format!("/api/v1/traces/{TRACE}/search?q=orders")] {
        for (accepted, coding) in [("gzip, deflate, br, zstd", Some("zstd")), ("gzip", Some("gzip")), ("br", None)] {
            let request = Request::get(&path).header(header::ACCEPT_ENCODING, accepted).body(Body::empty()).unwrap();
            let response = server.ask(request).await;
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(header(header::CONTENT_ENCODING), coding, "{path} {accepted}");
            assert_eq!(header(header::CACHE_CONTROL), Some("no-store"));
            assert_eq!(header(header::VARY), Some("accept-encoding"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_rows_come_to_their_end() {
    let server = Server::new(Tenancy::Single).await;
    server.send(5).await;
    for (query, rows) in
        [("SELECT name FROM spans ORDER BY start_time_unix_nano", 5), ("SELECT name FROM spans LIMIT 0", 0)]
    {
        let request = Request::post("/api/v1/sql").header(header::ACCEPT_ENCODING, "gzip").body(query.into()).unwrap();
        let response = server.ask(request).await;
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_reader(flate2::read::GzDecoder::new(body.as_ref())).unwrap();
        assert_eq!(answer["rows"].as_array().unwrap().len(), rows, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_stand_beside_the_apis() {
    let server = Server::new(Tenancy::Single).await;
    // With or without a built UI.
    let page = server.get("/traces").await;
    assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(page.headers().contains_key(header::CONTENT_SECURITY_POLICY));
    let head = server.ask(Request::head("/").body(Body::empty()).unwrap()).await;
    assert_eq!(head.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(to_bytes(head.into_body(), usize::MAX).await.unwrap().is_empty());
    for path in ["/tempo/api/nothing", "/tempo/", "/otlp/v1/traces", "/assets/nothing.js"] {
        let missing = server.get(path).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!missing.headers().contains_key(header::CONTENT_SECURITY_POLICY), "{path}");
    }
}
