//! A running receiver and what to send to it.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use prost::Message as _;
use reqwest::{Client, Response};
use trefoil_loki::{DefaultLabels, Entry, Labels, Stream, from_otlp};
use trefoil_model::Tenancy;
use trefoil_pipeline::component::{Component, Downstream};
use trefoil_pipeline::receivers::loki::{LokiReceiver, PUSH};
use trefoil_pipeline::{Consumer, Metrics};

use crate::configuration::parse;
use crate::support::{Recorder, to_all};

pub struct Running {
    pub receiver: Arc<LokiReceiver>,
    metrics: Registry,
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.receiver.address("http").unwrap())
    }

    /// The value of a series, as `/metrics` shows it.
    pub fn metric(&self, series: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.metrics).unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{series}\n{text}"));
        line.trim().parse().unwrap()
    }
}

pub async fn start_with(yaml: &str, tenancy: Tenancy, downstream: Downstream) -> Running {
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let config = parse(yaml).unwrap();
    let receiver = Arc::new(LokiReceiver::new(&config, tenancy, downstream, &metrics.receiver("loki")).unwrap());
    receiver.start().await.unwrap();
    Running { receiver, metrics: registry }
}

/// With HTTP and options of it in flow style. Times are those of the entries, services those that they name.
pub async fn start(options: &str, consumer: Arc<dyn Consumer>) -> Running {
    let http = format!("protocols: {{http: {{endpoint: '127.0.0.1:0', {options}}}}}");
    let yaml = format!("{{{http}, use_incoming_timestamp: true, limits: {{discover_service_name: []}}}}");
    start_with(&yaml, Tenancy::Single, to_all(consumer)).await
}

pub async fn post(url: String, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
    let request = Client::new().post(url).body(body);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

/// Status and text.
pub async fn answer(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Pushes JSON.
pub async fn push(running: &Running, body: impl Into<reqwest::Body>) -> (u16, String) {
    answer(post(running.url(PUSH), &[("content-type", "application/json")], body).await).await
}

pub fn stream(labels: &str, lines: &[&str]) -> Stream {
    let entry = |line: &&str| Entry {
        time: 1_700_000_000_000_000_001,
        line: (*line).to_owned(),
        metadata: vec![("user.id".to_owned(), "7".to_owned())],
    };
    Stream { labels: Labels::parse(labels).unwrap().into_owned(), entries: lines.iter().map(entry).collect() }
}

/// Labels that are sorted as they are written.
pub fn streams() -> Vec<Stream> {
    vec![stream(r#"{app="shop", service_name="web"}"#, &["b", "a", ""]), stream(r#"{app="api"}"#, &["c"])]
}

/// What arrived last.
pub fn last(recorder: &Recorder) -> Vec<Stream> {
    let request = ExportLogsServiceRequest::decode(recorder.last_bytes()).unwrap();
    from_otlp(&request, DefaultLabels::default(), 0).tenants.remove(0).streams
}
