use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use reqwest::{Client, Response};
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::{Component, Downstream, Receiver};
use trefoil_pipeline::net::compression::{Encoding, compress};
use trefoil_pipeline::receivers::prometheusremotewrite::{PATH, RemoteWriteReceiver, WriteLimits, http_router};
use trefoil_pipeline::{Accepted, Metrics, Refused};

use crate::configuration::parse;
use crate::self_signed::SelfSigned;
use crate::support::{Recorder, to_all};

const V1: &str = "application/x-protobuf;proto=prometheus.WriteRequest";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// 2023-11-14T22:13:20Z
const NOW_MS: i64 = 1_700_000_000_000;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    v1: Vec<SeriesV1>,
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    v2: Vec<SeriesV2>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesV1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

fn samples() -> Vec<Sample> {
    vec![Sample { value: 1.5, timestamp: NOW_MS }]
}

fn v1(names: &[&str]) -> Bytes {
    let series = |name: &&str| SeriesV1 {
        labels: vec![Label { name: "__name__".into(), value: (*name).into() }],
        samples: samples(),
    };
    packed(&Request { v1: names.iter().map(series).collect(), ..Request::default() })
}

/// One series for each list of references to "", "__name__", "m".
fn v2(all: &[&[u32]]) -> Bytes {
    let symbols = ["", "__name__", "m"].map(String::from).to_vec();
    let series = |refs: &&[u32]| SeriesV2 { labels_refs: refs.to_vec(), samples: samples() };
    packed(&Request { symbols, v2: all.iter().map(series).collect(), ..Request::default() })
}

fn packed(request: &Request) -> Bytes {
    compress(Encoding::Snappy, request.encode_to_vec().into(), None).unwrap()
}

struct Running {
    receiver: RemoteWriteReceiver,
    metrics: Metrics,
}

impl Running {
    fn url(&self) -> String {
        format!("http://{}{PATH}", self.receiver.address().unwrap())
    }

    async fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = Client::new().post(self.url()).header("content-type", content_type);
        request.header("content-encoding", "snappy").body(body).send().await.unwrap()
    }

    fn exposed(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

async fn start(options: &str, tenancy: Tenancy, downstream: Downstream) -> Running {
    let config = parse(&format!("{{endpoint: '127.0.0.1:0', {options}}}")).unwrap();
    let metrics = Metrics::default();
    let of_receiver = metrics.receiver("prometheusremotewrite");
    let receiver = RemoteWriteReceiver::new(&config, tenancy, downstream, &of_receiver).unwrap();
    receiver.start().await.unwrap();
    Running { receiver, metrics }
}

async fn answering(answers: impl IntoIterator<Item = Result<Accepted, Refused>>) -> Running {
    start("", Tenancy::Single, to_all(Recorder::answering(answers))).await
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// Samples, histograms and exemplars that the answer says were written; empty where it does not.
fn written(response: &Response) -> [&str; 3] {
    ["samples", "histograms", "exemplars"]
        .map(|what| header(response, &format!("x-prometheus-remote-write-{what}-written")))
}

fn last(recorder: &Recorder) -> Vec<String> {
    let request = ExportMetricsServiceRequest::decode(recorder.last_bytes()).unwrap();
    let metrics = request.resource_metrics.into_iter().flat_map(|r| r.scope_metrics).flat_map(|scope| scope.metrics);
    metrics.map(|metric| metric.name).collect()
}

#[tokio::test]
async fn both_versions_arrive_and_are_answered_without_content() {
    let recorder = Recorder::new();
    let running = start("", Tenancy::Single, to_all(recorder.clone())).await;
    for content_type in [V1, "application/x-protobuf"] {
        let response = running.post(content_type, v1(&["a", "b"])).await;
        assert_eq!((response.status().as_u16(), written(&response)), (204, ["", "", ""]));
        assert_eq!(last(&recorder), ["a", "b"]);
    }
    let response = running.post(V2, v2(&[&[1, 2]])).await;
    assert_eq!((response.status().as_u16(), written(&response)), (204, ["1", "0", "0"]));
    assert_eq!(last(&recorder), ["m"]);
    // Clients from before the specification say nothing.
    assert_eq!(Client::new().post(running.url()).body(v1(&["c"])).send().await.unwrap().status(), 204);
    assert_eq!(recorder.seen.lock().len(), 4);
    // Nothing to store is no reason to bother anybody.
    assert_eq!(running.post(V1, v1(&[])).await.status(), 204);
    assert_eq!(recorder.seen.lock().len(), 4);
    let listening = running.receiver.listening();
    assert_eq!((listening.len(), listening[0].protocol), (1, "http"));
    running.receiver.shutdown(Duration::ZERO).await;
    assert!(running.receiver.listening().is_empty());
}

#[tokio::test]
async fn the_good_part_is_stored_and_the_rest_is_a_final_error() {
    let recorder = Recorder::new();
    let running = start("", Tenancy::Single, to_all(recorder.clone())).await;
    let response = running.post(V1, v1(&["a", "", "b"])).await;
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (400, ""));
    let message = response.text().await.unwrap();
    assert_eq!(message, "1 of 3 samples are not stored: series {}: it has no label __name__\n");
    assert_eq!(last(&recorder), ["a", "b"]);
    let response = running.post(V2, v2(&[&[1, 2], &[1, 9], &[1, 2]])).await;
    assert_eq!((response.status().as_u16(), written(&response)), (400, ["2", "0", "0"]));
    assert!(response.text().await.unwrap().contains("reference 9 points beyond the 3 symbols"));
    let metrics = running.exposed();
    let labels = r#"{receiver="prometheusremotewrite",transport="http"}"#;
    assert!(metrics.contains(&format!("otelcol_receiver_accepted_metric_points_total{labels} 4\n")), "{metrics}");
    assert!(metrics.contains(&format!("otelcol_receiver_refused_metric_points_total{labels} 2\n")), "{metrics}");
    // Nothing good: nobody is asked to store it.
    let response = running.post(V2, v2(&[&[1, 9]])).await;
    assert_eq!((response.status().as_u16(), written(&response)), (400, ["0", "0", "0"]));
    assert_eq!(recorder.seen.lock().len(), 2);
}

#[tokio::test]
async fn what_the_pipelines_refuse_is_told_as_retryable_or_not() {
    let partial = Accepted { rejected: 1, message: Some("too old".into()) };
    let running = answering([
        Ok(partial),
        Ok(Accepted { rejected: 0, message: Some("a warning".into()) }),
        Err(Refused::Invalid("bad".into())),
        Err(Refused::unavailable("disk full")),
        Err(Refused::overloaded("too much", Duration::from_millis(2500))),
    ])
    .await;
    let response = running.post(V2, v2(&[&[1, 2], &[1, 2]])).await;
    assert_eq!((response.status().as_u16(), written(&response)), (400, ["1", "0", "0"]));
    assert_eq!(response.text().await.unwrap(), "1 samples are not stored: too old\n");
    let response = running.post(V2, v2(&[&[1, 2], &[1, 2]])).await;
    assert_eq!((response.status().as_u16(), written(&response)), (204, ["2", "0", "0"]));
    for (status, retry_after, text) in [(400, "", "bad\n"), (503, "1", "disk full\n"), (503, "3", "too much\n")] {
        let response = running.post(V2, v2(&[&[1, 2]])).await;
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (status, retry_after));
        assert_eq!(written(&response), ["0", "0", "0"]);
        assert_eq!(response.text().await.unwrap(), text);
    }
}

#[tokio::test]
async fn what_is_not_remote_write_is_told_so() {
    let recorder = Recorder::new();
    let running = start("max_request_body_size: 1000", Tenancy::Single, to_all(recorder.clone())).await;
    let send = async |content_type: &str, encoding: &str, body: Bytes| {
        let request = Client::new().post(running.url()).header("content-type", content_type);
        let response = request.header("content-encoding", encoding).body(body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let bomb = compress(Encoding::Snappy, vec![0; 100_000].into(), None).unwrap();
    let broken = compress(Encoding::Snappy, Bytes::from_static(b"\x0a\x7f no series"), None).unwrap();
    let cut = v1(&["a"]).slice(..5);
    let cases = [
        (V1, "snappy", Bytes::from_static(b"plain"), 400, "not valid snappy"),
        (V1, "snappy", cut, 400, "not valid snappy"),
        (V2, "snappy", Bytes::new(), 400, "not valid snappy"),
        (V1, "snappy", broken, 400, "malformed protobuf at byte 2"),
        (V1, "snappy", bomb, 413, "1000 bytes"),
        (V1, "snappy", vec![0; 1001].into(), 413, "1000 bytes"),
        (V1, "gzip", v1(&["a"]), 415, "supported: snappy"),
        (V1, "zstd", v1(&["a"]), 415, "supported: snappy"),
        ("application/json", "snappy", v1(&["a"]), 415, "io.prometheus.write.v2.Request"),
        ("application/x-protobuf;proto=other", "snappy", v1(&["a"]), 415, "io.prometheus.write.v2.Request"),
    ];
    for (content_type, encoding, body, status, text) in cases {
        let (found, message) = send(content_type, encoding, body).await;
        assert!(found == status && message.contains(text), "{content_type} {encoding}: {found} {message}");
    }
    let response = Client::new().get(running.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "POST"));
    assert_eq!(recorder.seen.lock().len(), 0);
}

#[tokio::test]
async fn tenants_are_named_when_there_are_many() {
    let recorder = Recorder::new();
    let running = start("", Tenancy::Multi, to_all(recorder.clone())).await;
    let response = running.post(V2, v2(&[&[1, 2]])).await;
    assert_eq!((response.status().as_u16(), written(&response)), (401, ["0", "0", "0"]));
    let request = Client::new().post(running.url()).header("X-Scope-OrgID", "acme");
    assert_eq!(request.body(v1(&["a"])).send().await.unwrap().status(), 204);
    assert_eq!(recorder.seen.lock()[0].tenant.as_str(), "acme");
}

#[tokio::test]
async fn it_can_be_mounted_elsewhere_and_leads_where_it_is_told() {
    let metrics = Metrics::default().receiver("listeners/main").over("http");
    let logs_only = Downstream::new([(Signal::Logs, Recorder::new() as _)]);
    let router = http_router(logs_only, Tenancy::Single, WriteLimits::default(), None, metrics.clone());
    let ask = async |router: axum::Router| {
        let request = http::Request::post(PATH).body(axum::body::Body::from(v1(&["a"]))).unwrap();
        tower::ServiceExt::oneshot(router, request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask(router).await, 404);
    let not_yet = Downstream::not_running();
    assert_eq!(ask(http_router(not_yet, Tenancy::Single, WriteLimits::default(), None, metrics.clone())).await, 503);
    let all = to_all(Recorder::new());
    assert_eq!(ask(http_router(all, Tenancy::Single, WriteLimits::default(), Some(10), metrics)).await, 503);
}

#[tokio::test]
async fn it_speaks_tls() {
    let certificate = SelfSigned::new();
    let running = start(&certificate.option, Tenancy::Single, to_all(Recorder::new())).await;
    let url = format!("https://localhost:{}{PATH}", running.receiver.address().unwrap().port());
    assert_eq!(certificate.client().post(url).body(v1(&["a"])).send().await.unwrap().status(), 204);
    assert!(Client::new().post(running.url()).body(v1(&["a"])).send().await.is_err());
}

#[tokio::test]
async fn requests_under_way_are_refused_at_the_end_of_the_grace() {
    let recorder = Arc::new(Recorder::closed());
    let running = start("", Tenancy::Single, to_all((*recorder).clone())).await;
    let sent = running.post(V1, v1(&["a"]));
    let stopped = async {
        recorder.wait_for(1).await;
        running.receiver.shutdown(Duration::from_millis(10)).await;
    };
    let (response, ()) = tokio::join!(sent, stopped);
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "1"));
}
