//! Prometheus' API as a client sees it, over a real store.

#![allow(clippy::unwrap_used)]

mod fixture;
mod more;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use prost::Message;
use serde_json::{Value, json};
use tower::ServiceExt;
use trefoil_api::{ApiState, OtlpEndpoints, PrometheusApi, main_router, prometheus_router};
use trefoil_model::{Signal, Tenancy, Tenant};
use trefoil_query::{Engine, Limits};
use trefoil_storage::{Storage, StorageConfig};

use fixture::{NOW, attribute, metric, metrics};

struct Server {
    router: Router,
    main: Router,
    storage: Storage,
    state: ApiState,
    _directory: tempfile::TempDir,
}

impl Server {
    async fn new(tenancy: Tenancy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        let storage = Storage::open(config).await.unwrap();
        let state = ApiState {
            scraping: Default::default(),
            engine: Engine::new(storage.clone(), 64 << 20).unwrap(),
            tenancy,
            admin_api: true,
            otlp: Arc::new(OtlpEndpoints::default),
            prometheus: PrometheusApi::default(),
        };
        let (router, main) = (prometheus_router(state.clone()), main_router(state.clone()));
        Self { router, main, storage, state, _directory: directory }
    }

    /// The same with other options.
    fn with_api(&mut self, change: impl FnOnce(&mut PrometheusApi)) {
        change(&mut self.state.prometheus);
        self.router = prometheus_router(self.state.clone());
    }

    async fn with_metrics() -> Self {
        let server = Self::new(Tenancy::Single).await;
        let body = metrics().encode_to_vec().into();
        server.storage.append(&Tenant::default(), Signal::Metrics, body).await.unwrap();
        server
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

    /// What a successful answer holds; it has no warnings.
    async fn data(&self, path: &str) -> Value {
        let (status, mut body) = self.json(path).await;
        assert_eq!(
            (status, &body["status"], body.get("warnings")),
            (StatusCode::OK, &json!("success"), None),
            "{body}"
        );
        body["data"].take()
    }

    async fn refused(&self, path: &str, status: u16, kind: &str, error: &str) {
        let (code, body) = self.json(path).await;
        assert_eq!(
            (code.as_u16(), body),
            (status, json!({ "status": "error", "errorType": kind, "error": error })),
            "{path}"
        );
    }
}

async fn parsed(response: Response<Body>) -> (StatusCode, Value) {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let status = response.status();
    (status, serde_json::from_str(&text(response).await).unwrap())
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_query_has_four_kinds_of_answers() {
    let server = Server::with_metrics().await;
    let labels = json!({ "__name__": "queue_size", "http_route": "/a", "instance": "1", "job": "shop/web" });
    for flushed in [false, true] {
        if flushed {
            server.storage.flush().await.unwrap();
        }
        assert_eq!(
            server.data(&format!("/api/v1/query?query=queue_size&time={NOW}.25")).await,
            json!({
                "resultType": "vector",
                "result": [{ "metric": labels, "value": [NOW as f64 + 0.25, "15"] }],
            })
        );
    }
    let matrix = server.data("/api/v1/query?query=queue_size[20s]&time=2026-01-01T00:00:00Z").await;
    assert_eq!(
        matrix,
        json!({
            "resultType": "matrix",
            "result": [{ "metric": labels, "values": [[NOW - 10, "12.5"], [NOW, "15"]] }],
        })
    );
    let scalar = server.data(&format!("/api/v1/query?query=1/0&time={NOW}")).await;
    assert_eq!(scalar, json!({ "resultType": "scalar", "result": [NOW, "+Inf"] }));
    let string = server.data(&format!("/api/v1/query?query=%27a%22%27&time={NOW}")).await;
    assert_eq!(string, json!({ "resultType": "string", "result": [NOW, "a\""] }));
    let nothing = server.data("/api/v1/query?query=nothing").await;
    assert_eq!(nothing, json!({ "resultType": "vector", "result": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_histogram_shows_its_buckets() {
    let server = Server::with_metrics().await;
    let answer = server.data(&format!("/api/v1/query?query=rpc_duration_milliseconds&time={NOW}")).await;
    let point = json!([
        NOW,
        { "count": "180", "sum": "60", "buckets": [[3, "0", "0", "60"], [0, "1", "2", "60"], [0, "2", "4", "60"]] },
    ]);
    assert_eq!(answer["result"][0].get("value"), None);
    let mut histogram = answer["result"][0]["histogram"].clone();
    // How wide the zero bucket is says the store.
    for bound in [1, 2] {
        histogram[1]["buckets"][0][bound] = "0".into();
    }
    assert_eq!(histogram, point);
    let (start, end) = (NOW - 20, NOW);
    let path = format!("/api/v1/query_range?query=rpc_duration_milliseconds&start={start}&end={end}&step=10");
    let answer = server.data(&path).await;
    assert_eq!(answer["result"][0]["histograms"].as_array().unwrap().len(), 3);
    assert_eq!(answer["result"][0].get("values"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_query_answers_steps() {
    let server = Server::with_metrics().await;
    let answer = server
        .data(&format!(
            "/api/v1/query_range?query=sum(http_server_requests_total)&start={}&end={NOW}&step=30s",
            NOW - 60
        ))
        .await;
    let values = json!([[NOW - 30, "60"], [NOW, "120"]]);
    assert_eq!(answer, json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": values }] }));
    let quantile = "histogram_quantile(0.5,rate(http_server_request_duration_seconds_bucket[1m]))";
    let answer = server.data(&format!("/api/v1/query?query={quantile}&time={NOW}")).await;
    assert_eq!(answer["result"][0]["value"], json!([NOW, "0.30000000000000004"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_come_as_a_form_too() {
    let server = Server::with_metrics().await;
    let post = |path: &str, body: &str| {
        let form = "application/x-www-form-urlencoded";
        Request::post(path).header(header::CONTENT_TYPE, form).body(Body::from(body.to_owned())).unwrap()
    };
    let (status, body) = parsed(server.ask(post(&format!("/api/v1/query?time={NOW}"), "query=queue_size")).await).await;
    assert_eq!((status, &body["data"]["result"][0]["value"][1]), (StatusCode::OK, &json!("15")));
    for (path, form, found) in [
        ("/api/v1/series", "match[]=queue_size&match[]=nothing", json!(["queue_size"])),
        ("/api/v1/labels", "match[]=queue_size", json!(["__name__", "http_route", "instance", "job"])),
    ] {
        let (_, body) = parsed(server.ask(post(path, form)).await).await;
        let items = body["data"].as_array().unwrap().iter();
        let items: Vec<_> = items.map(|item| item.get("__name__").unwrap_or(item)).collect();
        assert_eq!(json!(items), found, "{path}");
    }
    let (_, body) = parsed(server.ask(post("/api/v1/format_query", "query=a%2Bb")).await).await;
    assert_eq!(body["data"], "a + b");
    let long = post("/api/v1/query", &format!("query={}", "x".repeat(3 << 20)));
    let (status, body) = parsed(server.ask(long).await).await;
    assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_question_is_said_as_prometheus_says_it() {
    let server = Server::with_metrics().await;
    let steps = "query=up&start=0&end=100000&step=1";
    let resolution =
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    let step = "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer";
    for (path, error) in [
        ("query?query=1+%2B", "invalid parameter \"query\": 1:4: parse error: unexpected end of input"),
        ("query", "invalid parameter \"query\": unknown position: parse error: no expression found in input"),
        (
            "query?query=1&time=x",
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp",
        ),
        ("query?query=1&timeout=x", "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration"),
        (
            "query?query=1&lookback_delta=x",
            "error parsing lookback delta duration: cannot parse \"x\" to a valid duration",
        ),
        ("query?query=1&limit=-1", "invalid parameter \"limit\": limit must be non-negative"),
        (&format!("query_range?{steps}"), resolution),
        ("query_range?query=up&start=0&end=1&step=0", step),
        (
            "query_range?query=up[1m]&start=0&end=1&step=1",
            "invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
        ),
        (
            "query_range?query=up&start=2&end=1&step=1",
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        ("query_exemplars?query=up&start=2&end=1", "end timestamp must not be before start timestamp"),
        ("series", "no match[] parameter provided"),
        (
            "series?match[]=%7Ba=~%22.*%22%7D",
            "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher",
        ),
        ("labels?match[]=%7Ba=%22%22%7D", "match[] must contain at least one non-empty matcher"),
        ("label/U__/values", "invalid label name: \"\""),
        (
            "labels?start=x",
            "invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp",
        ),
        ("metadata?limit=x", "limit must be a number"),
        ("metadata?limit_per_metric=x", "limit_per_metric must be a number"),
        ("status/tsdb?limit=0", "limit must be a positive number"),
        ("rules?type=x", "invalid parameter \"type\": not supported value \"x\""),
        ("scrape_pools/config", "no scrapePool parameter provided"),
        ("scrape_pools/config?scrapePool=x", "error retrieving scrape config: scrape pool \"x\" not found"),
        ("targets/relabel_steps?scrapePool=x", "no labels parameter provided"),
        ("targets/metadata?limit=x", "limit must be a number"),
    ] {
        server.refused(&format!("/api/v1/{path}"), 400, "bad_data", error).await;
    }
    let many = "queue_size%20*%20on(job)%20http_server_requests_total";
    let (status, body) = server.json(&format!("/api/v1/query?query={many}&time={NOW}")).await;
    assert_eq!((status.as_u16(), &body["errorType"]), (422, &json!("execution")), "{body}");
    let (status, body) = server.json("/api/v1/query?query=sum(queue_size)&timeout=0").await;
    assert_eq!((status.as_u16(), &body["errorType"]), (503, &json!("timeout")), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_limits_and_notes() {
    let server = Server::with_metrics().await;
    let truncated = json!(["results truncated due to limit"]);
    for path in [
        "query?query=http_server_requests_total&limit=1&time=1767225600",
        "series?match[]=http_server_requests_total&limit=1",
        "labels?limit=1",
        "label/__name__/values?limit=1",
    ] {
        let (status, body) = server.json(&format!("/api/v1/{path}")).await;
        assert_eq!((status, &body["warnings"]), (StatusCode::OK, &truncated), "{path}: {body}");
        let list = body["data"].get("result").unwrap_or(&body["data"]);
        assert_eq!(list.as_array().unwrap().len(), 1, "{path}");
    }
    let (_, body) = server.json(&format!("/api/v1/query?query=rate(queue_size[1m])&time={NOW}")).await;
    let info = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"queue_size\" (1:6)";
    assert_eq!(body["infos"], json!([info]));
    for (stats, warned) in [("true", false), ("all", false), ("yes", true)] {
        let (_, body) = server.json(&format!("/api/v1/query?query=queue_size&time={NOW}&stats={stats}")).await;
        let samples = &body["data"]["stats"]["samples"];
        assert_eq!(samples["totalQueryableSamples"], 1, "{body}");
        assert!(samples["peakSamples"].as_u64().unwrap() >= 1);
        assert!(body["data"]["stats"]["timings"]["evalTotalTime"].as_f64().unwrap() > 0.0);
        assert_eq!(body.get("warnings").is_some(), warned, "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_can_be_listed() {
    let server = Server::with_metrics().await;
    let series =
        server.data(&format!("/api/v1/series?match[]=http_server_requests_total&start={}&end={NOW}", NOW - 60)).await;
    let labels = |route| json!({ "__name__": "http_server_requests_total", "http_route": route, "instance": "1", "job": "shop/web" });
    assert_eq!(series, json!([labels("/a"), labels("/b")]));
    let names = server.data("/api/v1/labels").await;
    assert_eq!(names, json!(["__name__", "http_route", "instance", "job", "le"]));
    assert_eq!(server.data("/api/v1/label/http_route/values").await, json!(["/a", "/b"]));
    assert_eq!(server.data("/api/v1/label/U__http_5f_route/values?match[]=queue_size").await, json!(["/a"]));
    assert_eq!(server.data("/api/v1/label/nothing/values").await, json!([]));
    let metadata = server.data("/api/v1/metadata").await;
    assert_eq!(metadata["queue_size"], json!([{ "type": "gauge", "help": "Things that wait", "unit": "" }]));
    assert_eq!(metadata["http_server_requests_total"][0]["type"], "counter");
    let histogram = json!([{ "type": "histogram", "help": "Their time", "unit": "seconds" }]);
    assert_eq!(metadata["http_server_request_duration_seconds"], histogram);
    assert_eq!(server.data("/api/v1/metadata?limit=0").await, json!({}));
    let one = server.data("/api/v1/metadata?metric=queue_size").await;
    assert_eq!(one.as_object().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_lead_to_traces() {
    let server = Server::with_metrics().await;
    let query = "http_server_request_duration_seconds_bucket";
    let found = server.data(&format!("/api/v1/query_exemplars?query={query}&start={}&end={NOW}", NOW - 60)).await;
    let exemplars = &found[0]["exemplars"];
    assert_eq!(exemplars[0]["labels"]["trace_id"], "ab".repeat(16));
    assert_eq!((&exemplars[0]["value"], &exemplars[0]["timestamp"]), (&json!("0.3"), &json!(NOW)));
    assert_eq!(found[0]["seriesLabels"]["__name__"], query);
    // Grafana asks whether there are exemplars at all.
    assert_eq!(server.data("/api/v1/query_exemplars?query=test").await, json!([]));
    assert_eq!(server.data("/api/v1/query_exemplars?query=1").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_shown_as_a_tree() {
    let server = Server::new(Tenancy::Multi).await;
    let tree = server.data("/api/v1/parse_query?query=-a").await;
    assert_eq!((&tree["type"], &tree["expr"]["name"]), (&json!("unaryExpr"), &json!("a")));
    server
        .refused(
            "/api/v1/parse_query?query=a%20b",
            400,
            "bad_data",
            "invalid parameter \"query\": 1:3: parse error: unexpected identifier \"b\"",
        )
        .await;
}

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
async fn the_store_is_counted_and_federated() {
    let server = Server::new(Tenancy::Single).await;
    let mut body = metrics();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let gauge = Gauge {
        data_points: vec![NumberDataPoint {
            time_unix_nano: now,
            value: Some(Number::AsInt(7)),
            ..NumberDataPoint::default()
        }],
    };
    body.resource_metrics[0].scope_metrics[0].metrics = vec![metric("live", "", "", Data::Gauge(gauge))];
    server.storage.append(&Tenant::default(), Signal::Metrics, body.encode_to_vec().into()).await.unwrap();
    let federated = server.get("/federate?match[]=live&match[]=nothing").await;
    let content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert_eq!(federated.headers()[header::CONTENT_TYPE], content_type);
    let millis = now / 1_000_000;
    let expected = format!("# TYPE live untyped\nlive{{instance=\"1\",job=\"shop/web\"}} 7 {millis}\n");
    assert_eq!(text(federated).await, expected);
    assert_eq!(server.get("/federate?match[]=live%5B5m%5D").await.status(), StatusCode::BAD_REQUEST);
    let counts = server.data("/api/v1/status/tsdb").await;
    assert!(counts["headStats"]["numSeries"].as_u64().unwrap() >= 1, "{counts}");
    let metrics = counts["seriesCountByMetricName"].as_array().unwrap();
    assert!(metrics.contains(&json!({ "name": "live", "value": 1 })), "{counts}");
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

#[tokio::test]
async fn limits_hold_from_the_next_question_on() {
    let server = Server::with_metrics().await;
    let limits = Limits {
        timeout: Duration::from_secs(120),
        max_samples: 1,
        max_points: 10,
        max_concurrency: 3,
        lookback_delta: Duration::from_secs(60),
        ..Limits::default()
    };
    let range = |points: u64| format!("/api/v1/query_range?query=1&start={NOW}&end={}&step=1", NOW + points);
    assert_eq!(server.json(&range(11)).await.0, StatusCode::OK);
    server.state.engine.set_limits(limits);
    let flags = server.data("/api/v1/status/flags").await;
    for (flag, value) in [
        ("query.lookback-delta", "1m"),
        ("query.max-concurrency", "3"),
        ("query.max-samples", "1"),
        ("query.timeout", "2m"),
    ] {
        assert_eq!(flags[flag], value, "{flag}");
    }
    let too_fine =
        "exceeded maximum resolution of 10 points per timeseries. Try decreasing the query resolution (?step=XX)";
    server.refused(&range(11), 400, "bad_data", too_fine).await;
    let all = format!("/api/v1/query?query=%7B__name__%3D~%22.%2B%22%7D&time={NOW}");
    let too_many = "query processing would load too many samples into memory in query execution";
    server.refused(&all, 422, "execution", too_many).await;
    server.storage.close().await.unwrap();
}

#[tokio::test]
async fn active_series_are_listed_as_mimir_does() {
    let server = Server::new(Tenancy::Single).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let point = |seconds_ago: u64, job: &str| NumberDataPoint {
        attributes: vec![attribute("job", job)],
        time_unix_nano: u64::try_from((now - Duration::from_secs(seconds_ago)).as_nanos()).unwrap(),
        value: Some(Number::AsInt(1)),
        ..NumberDataPoint::default()
    };
    // The name stands among the labels, and what is old is not active.
    let points = vec![point(60, "b"), point(120, "a\"\\"), point(3600, "old")];
    let up = metric("up", "", "", Data::Gauge(Gauge { data_points: points }));
    let scope_metrics = vec![ScopeMetrics { metrics: vec![up], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into();
    server.storage.append(&Tenant::default(), Signal::Metrics, body).await.unwrap();
    let path = "/api/v1/cardinality/active_series";
    let (status, body) = server.json(&format!("{path}?selector=up")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, json!({ "data": [{ "__name__": "up", "job": "a\"\\" }, { "__name__": "up", "job": "b" }] }));
    let (_, body) = server.json(&format!("{path}?selector=%7Bjob%3D%22old%22%7D")).await;
    assert_eq!(body, json!({ "data": [] }));
    let form = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let posted = server.ask(form.body(Body::from("selector=%7Bjob%3D%22b%22%7D")).unwrap()).await;
    assert_eq!(parsed(posted).await.1["data"].as_array().map(Vec::len), Some(1));
    server.refused(path, 400, "bad_data", "'selector' param is required").await;
    assert_eq!(server.json(&format!("{path}?selector=up%7B")).await.0, StatusCode::BAD_REQUEST);
    server.storage.close().await.unwrap();
}
