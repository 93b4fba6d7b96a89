//! The server around the answers: what it says it is, paths, tenants, compression.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use prost::Message;
use serde_json::{Value, json};
use tower::ServiceExt;
use trefoil_model::{Signal, Tenancy, Tenant};

use crate::fixture::metrics;
use crate::server::{Server, parsed, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_yet_is_empty() {
    let server = Server::new(Tenancy::Single).await;
    for (path, data) in [
        ("targets", json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} })),
        ("targets?state=active", json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": null })),
        ("targets/metadata", json!([])),
        ("scrape_pools", json!({ "scrapePools": [] })),
        ("rules", json!({ "groups": [] })),
        ("alerts", json!({ "alerts": [] })),
        ("alertmanagers", json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] })),
        ("notifications", json!([])),
        ("status/walreplay", json!({ "min": 0, "max": 0, "current": 0 })),
        ("status/tsdb/blocks", json!({ "blocks": [] })),
    ] {
        assert_eq!(server.data(&format!("/api/v1/{path}")).await, data, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_what_it_is() {
    let server = Server::with_metrics().await;
    let build = server.data("/api/v1/status/buildinfo").await;
    assert!(build["version"].as_str().unwrap().starts_with("3.") && build.get("features").is_none());
    let version: Value = serde_json::from_str(&text(server.get("/version").await).await).unwrap();
    assert_eq!(version, build);
    let runtime = server.data("/api/v1/status/runtimeinfo").await;
    assert!(runtime["startTime"].as_str().unwrap().ends_with('Z') && runtime["reloadConfigSuccess"] == true);
    let flags = server.data("/api/v1/status/flags").await;
    assert_eq!((&flags["query.timeout"], &flags["query.max-concurrency"]), (&json!("1m"), &json!("20")));
    assert!(server.data("/api/v1/status/config").await["yaml"].as_str().unwrap().starts_with("global:\n"));
    assert_eq!(server.data("/api/v1/features").await["promql_functions"]["histogram_quantile"], true);
    for (path, expected) in
        [("/-/healthy", "Prometheus Server is Healthy.\n"), ("/-/ready", "Prometheus Server is Ready.\n")]
    {
        assert_eq!(text(server.get(path).await).await, expected);
        let head = server.ask(Request::head(path).body(Body::empty()).unwrap()).await;
        assert_eq!(head.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_refused_as_by_prometheus() {
    let server = Server::new(Tenancy::Single).await;
    for path in ["/api/v1/nothing", "/api/v1", "/nothing", "/"] {
        let missing = server.get(path).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(text(missing).await, "404 page not found\n", "{path}");
    }
    let wrong = server.ask(Request::put("/api/v1/query").body(Body::empty()).unwrap()).await;
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    let post = server.ask(Request::post("/api/v1/metadata").body(Body::empty()).unwrap()).await;
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_listener_has_it_under_a_prefix() {
    let server = Server::new(Tenancy::Single).await;
    let get =
        async |path: &str| server.main.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let (status, body) = parsed(get("/prometheus/api/v1/query?query=1&time=0").await).await;
    assert_eq!((status, &body["data"]["result"]), (StatusCode::OK, &json!([0, "1"])));
    for path in ["/prometheus/api/v1/nothing", "/prometheus", "/prometheus/", "/prometheus/nothing"] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_needs_a_tenant_where_there_are_tenants() {
    let server = Server::new(Tenancy::Multi).await;
    for path in [
        "query?query=1",
        "query_range?query=1&start=0&end=1&step=1",
        "query_exemplars?query=up",
        "series?match[]=up",
        "labels",
        "label/job/values",
        "metadata",
        "rules",
        "alerts",
        "status/tsdb",
    ] {
        let (status, body) = server.json(&format!("/api/v1/{path}")).await;
        assert_eq!((status, &body["status"]), (StatusCode::UNAUTHORIZED, &json!("error")), "{path}");
        assert!(body["error"].as_str().unwrap().contains("X-Scope-OrgID"), "{body}");
    }
    assert_eq!(server.get("/federate?match[]=up").await.status(), StatusCode::UNAUTHORIZED);
    let asked = |tenant: &str| {
        Request::get("/api/v1/label/job/values").header("X-Scope-OrgID", tenant).body(Body::empty()).unwrap()
    };
    let body = metrics().encode_to_vec().into();
    let north = Tenant::new("north").unwrap();
    server.storage.append(&north, Signal::Metrics, body).await.unwrap();
    for (tenant, jobs) in [("north", json!(["shop/web"])), ("south", json!([]))] {
        let (_, body) = parsed(server.ask(asked(tenant)).await).await;
        assert_eq!(body["data"], jobs, "{tenant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed() {
    let server = Server::new(Tenancy::Single).await;
    for (accepted, coding) in [("gzip, deflate, br, zstd", Some("zstd")), ("gzip", Some("gzip")), ("br", None)] {
        let request = Request::get("/api/v1/features").header(header::ACCEPT_ENCODING, accepted);
        let response = server.ask(request.body(Body::empty()).unwrap()).await;
        let header = response.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
        assert_eq!(header, coding, "{accepted}");
    }
    // Larger than one piece.
    let query = "/api/v1/query_range?query=time()&start=0&end=11000&step=1";
    let request = Request::get(query).header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
    let body = to_bytes(server.ask(request).await.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_reader(flate2::read::GzDecoder::new(body.as_ref())).unwrap();
    assert_eq!(answer["data"]["result"][0]["values"].as_array().unwrap().len(), 11_001);
}
