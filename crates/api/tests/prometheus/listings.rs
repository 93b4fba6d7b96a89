//! What there is: series, labels, metadata, exemplars, and how many of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use prost::Message;
use serde_json::json;
use trefoil_model::{Signal, Tenancy, Tenant};

use crate::fixture::{NOW, attribute, metric, metrics};
use crate::server::{Server, parsed, text};

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
