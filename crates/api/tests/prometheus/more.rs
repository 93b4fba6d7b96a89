//! Searches, statistics, what the server tells of itself, and what it does at its listener's request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures::FutureExt;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use trefoil_api::prometheus::Lifecycle;
use trefoil_model::Tenancy;

use crate::fixture::NOW;
use crate::server::{Server, text};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Server {
    async fn lines(&self, path: &str) -> Vec<Value> {
        let response = self.get(path).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/x-ndjson; charset=utf-8");
        lines(&text(response).await)
    }

    async fn send(&self, method: &str, path: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = self.ask(request).await;
        (response.status().as_u16(), text(response).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_searched_in_batches() {
    let server = Server::with_metrics().await;
    let around = format!("start={}&end={NOW}", NOW - 60);
    let found =
        server.lines(&format!("/api/v1/search/metric_names?{around}&search[]=http_server&batch_size=2&limit=3")).await;
    assert_eq!(
        json!(found),
        json!([
            { "results": [
                { "name": "http_server_request_duration_seconds_bucket" },
                { "name": "http_server_request_duration_seconds_count" },
            ] },
            { "results": [{ "name": "http_server_request_duration_seconds_sum" }] },
            { "status": "success", "has_more": true },
        ])
    );
    let told = "search[]=queue&search[]=rpc&include_metadata=true&include_score=true&sort_by=score";
    let found = server.lines(&format!("/api/v1/search/metric_names?{around}&{told}")).await;
    let first = &found[0]["results"][0];
    assert_eq!(
        first,
        &json!({ "name": "queue_size", "score": 1.0, "type": "gauge", "help": "Things that wait" }),
        "{found:?}"
    );
    assert_eq!(found[0]["results"][1]["unit"], "milliseconds");
    let nothing = server.lines(&format!("/api/v1/search/label_names?{around}&search[]=xyz")).await;
    assert_eq!(json!(nothing), json!([{ "results": [] }, { "status": "success", "has_more": false }]));
    let names = server
        .lines(&format!("/api/v1/search/label_names?{around}&sort_by=alpha&sort_dir=dsc&match[]=queue_size"))
        .await;
    let names: Vec<_> = names[0]["results"].as_array().unwrap().iter().map(|found| found["name"].clone()).collect();
    assert_eq!(json!(names), json!(["job", "instance", "http_route", "__name__"]));
    let values = format!("/api/v1/search/label_values?{around}&label=http_route&search[]=B&case_sensitive=false");
    assert_eq!(server.lines(&values).await[0]["results"], json!([{ "name": "/b" }]));
    let missing = "missing required parameter \"label\"";
    server.refused("/api/v1/search/label_values?search[]=a", 400, "bad_data", missing).await;
    server.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_tells_what_it_took() {
    let server = Server::with_metrics().await;
    server.storage.flush().await.unwrap();
    let range = format!("start={}&end={NOW}&step=20", NOW - 40);
    let query = "query=sum(rate(http_server_requests_total[30s]))";
    let answer = server.data(&format!("/api/v1/query_range?{query}&{range}&stats=all")).await;
    let steps = json!([[NOW as f64 - 40.0, 4], [NOW as f64 - 20.0, 6], [NOW as f64, 6]]);
    assert_eq!(answer["stats"]["samples"]["totalQueryableSamplesPerStep"], steps, "{}", answer["stats"]);
    assert_eq!(answer["stats"]["samples"]["totalQueryableSamples"], 16);
    assert!(answer["stats"]["timings"]["innerEvalTime"].as_f64().unwrap() > 0.0);
    assert_eq!(answer.get("explain"), None);

    let answer = server.data(&format!("/api/v1/query_range?{query}&{range}&explain=true")).await;
    let explain = &answer["explain"];
    let nodes: Vec<_> = explain["nodes"].as_array().unwrap().iter().map(|node| node["expr"].clone()).collect();
    let expected = json!(["sum(rate(http_server_requests_total[30s]))", "rate(http_server_requests_total[30s])"]);
    assert_eq!(json!(nodes), expected);
    let selector = &explain["selectors"][0];
    assert_eq!(
        (&selector["metrics"], &selector["storedSeries"], &selector["series"], &selector["samples"]),
        (&json!(1), &json!(2), &json!(2), &json!(12)),
        "{explain}"
    );
    // The query before has read them.
    let table = &selector["tables"]["samples"];
    assert!(table["files"].as_u64().unwrap() > 0 && table["keptRows"].as_u64().unwrap() > 0, "{explain}");
    assert_eq!((&table["rows"], &table["bytes"]), (&json!(0), &json!(0)), "{explain}");
    let other = "query=http_server_request_duration_seconds_count";
    let answer = server.data(&format!("/api/v1/query_range?{other}&{range}&explain=true")).await;
    let table = &answer["explain"]["selectors"][0]["tables"]["samples"];
    assert!(table["bytes"].as_u64().unwrap() > 0 && table["rows"].as_u64().unwrap() > 0, "{answer}");
    server.refused("/api/v1/query?query=1&explain=x", 400, "bad_data", "invalid explain \"x\": must be boolean").await;
    server.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_may_ask_from_where_it_is_allowed() {
    let mut server = Server::new(Tenancy::Single).await;
    let ask = async |server: &Server, method: &str, origin: &str| {
        let request = Request::builder().method(method).uri("/api/v1/labels").header(header::ORIGIN, origin);
        let response = server.ask(request.body(Body::empty()).unwrap()).await;
        let allowed = response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned();
        assert!(response.headers().get_all(header::VARY).iter().any(|vary| vary == "Origin"));
        (response.status().as_u16(), allowed.map(|value| value.to_str().unwrap().to_owned()))
    };
    assert_eq!(ask(&server, "GET", "http://a").await, (200, Some("*".into())));
    assert_eq!(ask(&server, "OPTIONS", "http://a").await, (204, Some("*".into())));
    server.with_api(|api| api.cors_origin = Some(regex::Regex::new("^(?:https?://a)$").unwrap()));
    assert_eq!(ask(&server, "GET", "http://a").await, (200, Some("http://a".into())));
    assert_eq!(ask(&server, "GET", "http://b").await, (200, None));
    server.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_reloaded_and_stopped_only_where_that_is_enabled() {
    let mut server = Server::new(Tenancy::Single).await;
    for path in ["/-/reload", "/-/quit"] {
        assert_eq!(server.send("POST", path).await, (403, "Lifecycle API is not enabled.".into()));
        assert_eq!(server.send("GET", path).await, (405, "Only POST or PUT requests allowed".into()));
    }
    let (reloads, quits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (reloading, quitting) = (reloads.clone(), quits.clone());
    let lifecycle = Lifecycle {
        reload: Arc::new(move || {
            let first = reloading.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if first { Ok(()) } else { Err("line 1".to_owned()) } }.boxed()
        }),
        quit: Arc::new(move || {
            quitting.fetch_add(1, Ordering::Relaxed);
        }),
    };
    server.with_api(|api| api.lifecycle = Some(lifecycle.clone()));
    assert_eq!(server.send("PUT", "/-/reload").await, (200, String::new()));
    assert_eq!(server.send("POST", "/-/reload").await, (500, "failed to reload config: line 1\n".into()));
    assert_eq!(server.send("POST", "/-/quit").await, (200, "Requesting termination... Goodbye!".into()));
    assert_eq!((reloads.load(Ordering::Relaxed), quits.load(Ordering::Relaxed)), (2, 1));
    assert_eq!(server.data("/api/v1/features").await["api"]["lifecycle"], true);
    assert_eq!(server.data("/api/v1/status/flags").await["web.enable-lifecycle"], "true");
    server.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_of_itself_where_no_users_are() {
    let mut server = Server::new(Tenancy::Single).await;
    assert_eq!(server.get("/metrics").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/api/v1/status/self_metrics").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let mut registry = Registry::default();
    let counter: Counter = Counter::default();
    counter.inc();
    registry.register("things", "Things", counter);
    let registry = Arc::new(registry);
    server.with_api(|api| api.registry = Some(registry.clone()));
    assert!(text(server.get("/metrics").await).await.contains("things_total 1\n"));
    let things = json!([{
        "name": "things_total", "help": "Things.", "type": "COUNTER", "metric": [{ "label": [], "counter": { "value": 1.0 } }],
    }]);
    assert_eq!(server.data("/api/v1/status/self_metrics?metric_name_pattern=thing.*").await, things);
    assert_eq!(server.data("/api/v1/status/self_metrics?metric_name_pattern=thing").await, json!([]));
    let (status, body) = server.json("/api/v1/status/self_metrics?metric_name_pattern=(").await;
    assert_eq!((status.as_u16(), &body["errorType"]), (400, &json!("bad_data")));
    server.storage.close().await.unwrap();
}

/// Every path that the description names is there, by every method that it names.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_true() {
    let server = Server::new(Tenancy::Single).await;
    let response = server.get("/api/v1/openapi.yaml?openapi_version=3.2").await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/yaml; charset=utf-8");
    let description: Value = serde_json::from_str(&text(response).await).unwrap();
    let mut asked = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        // Those that the pipelines serve.
        if ["/write", "/otlp/v1/metrics"].contains(&path.as_str()) {
            continue;
        }
        for method in methods.as_object().unwrap().keys() {
            let uri = format!("/api/v1{}", path.replace("{name}", "job"));
            let request =
                Request::builder().method(method.to_uppercase().as_str()).uri(uri).body(Body::empty()).unwrap();
            let status = server.ask(request).await.status();
            assert!(![404, 405].contains(&status.as_u16()), "{method} {path}: {status}");
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
    server.storage.close().await.unwrap();
}
