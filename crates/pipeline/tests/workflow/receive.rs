use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use prost::Message as _;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use trefoil_model::{Tenancy, versions};
use trefoil_pipeline::component::{Component, Downstream};
use trefoil_pipeline::receivers::workflow::WorkflowReceiver;
use trefoil_pipeline::receivers::workflow::config::Config;
use trefoil_pipeline::{Accepted, Metrics, Refused};

use crate::configuration::parse;
use crate::self_signed::SelfSigned;
use crate::support::{Recorder, to_all};

pub const STRUCTURED: &str = "application/cloudevents+json";
pub const BATCH: &str = "application/cloudevents-batch+json; charset=utf-8";

pub struct Running {
    pub receiver: WorkflowReceiver,
    metrics: Metrics,
}

impl Running {
    pub fn url(&self) -> String {
        format!("http://{}/", self.receiver.address().unwrap())
    }

    pub async fn post(&self, content_type: &str, body: &Value) -> (u16, Value) {
        let request = Client::new().post(self.url()).header("content-type", content_type).body(body.to_string());
        answer(request.send().await.unwrap()).await
    }

    pub fn exposed(&self) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        self.metrics.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        text
    }

    /// Waits for a line of the metrics.
    pub async fn tells(&self, line: &str) {
        let told = async {
            while !self.exposed().lines().any(|own| own == line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let told = tokio::time::timeout(crate::support::PATIENCE, told).await;
        assert!(told.is_ok(), "{line}\n{}", self.exposed());
    }
}

pub async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

pub async fn start_in(directory: &Path, options: &str, tenancy: Tenancy, downstream: Downstream) -> Running {
    let config = parse(&format!("{{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}, {options}}}")).unwrap();
    start_with(directory, &config, tenancy, downstream).await
}

pub async fn start_with(directory: &Path, config: &Config, tenancy: Tenancy, downstream: Downstream) -> Running {
    let metrics = Metrics::default();
    let own = (&metrics.receiver("workflow"), metrics.workflows("workflow"));
    let receiver = WorkflowReceiver::new(config, directory.to_path_buf(), tenancy, downstream, own).unwrap();
    receiver.start().await.unwrap();
    Running { receiver, metrics }
}

pub async fn start(directory: &Path, options: &str, consumer: &Arc<Recorder>) -> Running {
    start_in(directory, options, Tenancy::Single, to_all(consumer.clone())).await
}

pub fn event(id: &str, subject: &str, state: &str, second: u32) -> Value {
    let time = format!("2024-07-22T10:00:{second:02}Z");
    json!({"specversion": "1.0", "id": id, "source": "/orders", "type": format!("order.{state}"), "subject": subject, "time": time})
}

/// Of all that was sent, what readers see: name, seconds that it took (0 while it runs), and whether it is running.
pub fn seen(recorder: &Recorder) -> Vec<(String, u64, bool)> {
    let mut traces = TracesData::default();
    for telemetry in recorder.seen.lock().iter() {
        let request = ExportTraceServiceRequest::decode(telemetry.payload.clone().into_bytes()).unwrap();
        traces.resource_spans.extend(request.resource_spans);
    }
    versions::keep_last(&mut traces);
    let spans = traces.resource_spans.into_iter().flat_map(|group| group.scope_spans).flat_map(|scope| scope.spans);
    let mut spans: Vec<Span> = spans.collect();
    spans.sort_by_key(|span| (span.start_time_unix_nano, !span.parent_span_id.is_empty()));
    let told = |span: Span| {
        let is_running = span.attributes.iter().any(|pair| pair.key == "workflow.running");
        let seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000_000;
        // The events are of 2024.
        assert!(!is_running || seconds > 60_000_000);
        (span.name, if is_running { 0 } else { seconds }, is_running)
    };
    spans.into_iter().map(told).collect()
}

pub fn span(name: &str, seconds: u64, is_running: bool) -> (String, u64, bool) {
    (name.to_owned(), seconds, is_running)
}

#[tokio::test]
async fn every_mode_leads_to_one_trace() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start(directory.path(), "", &recorder).await;
    let (status, body) = running.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await;
    assert_eq!((status, &body["accepted"], &body["duplicates"]), (200, &json!(1), &json!(0)));
    let trace_id = body["traces"][0]["trace_id"].clone();
    assert_eq!(trace_id.as_str().unwrap().len(), 32);
    assert_eq!(seen(&recorder), [span("order", 0, true), span("Submitted", 0, true)]);

    let binary = Client::new().post(running.url()).header("content-type", "application/json").body("{\"amount\": 5}");
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/orders"),
        ("ce-type", "order.Paid"),
        ("ce-subject", "a"),
        ("ce-time", "2024-07-22T10:00:10Z"),
    ];
    let binary = headers.into_iter().fold(binary, |request, (name, value)| request.header(name, value));
    let (status, body) = answer(binary.send().await.unwrap()).await;
    assert_eq!((status, &body["traces"][0]["trace_id"]), (200, &trace_id));
    assert_eq!(seen(&recorder), [span("order", 0, true), span("Submitted", 10, false), span("Paid", 0, true)]);

    // Again what is known, and the end before what precedes it.
    let batch =
        json!([event("1", "a", "Submitted", 0), event("4", "a", "Completed", 30), event("3", "a", "Shipped", 20)]);
    let (status, body) = running.post(BATCH, &batch).await;
    assert_eq!((status, &body["accepted"], &body["duplicates"]), (200, &json!(2), &json!(1)));
    assert_eq!(body["traces"].as_array().unwrap().len(), 1);
    let whole = [
        span("order", 30, false),
        span("Submitted", 10, false),
        span("Paid", 10, false),
        span("Shipped", 10, false),
        span("Completed", 0, false),
    ];
    assert_eq!(seen(&recorder), whole);
    let requests = recorder.seen.lock().len();
    assert_eq!(running.post(BATCH, &batch).await.1["duplicates"], 3);
    assert_eq!(recorder.seen.lock().len(), requests, "there is nothing new to send");
    for (mode, spans) in [("structured", 2), ("binary", 3), ("batched", 4)] {
        let labels = format!("receiver=\"workflow\",transport=\"http_{mode}\"");
        running.tells(&format!("otelcol_receiver_accepted_spans_total{{{labels}}} {spans}")).await;
    }
    running.tells("otelcol_receiver_workflow_events_total{receiver=\"workflow\",outcome=\"duplicate\"} 4").await;
    running.tells("otelcol_receiver_workflow_instances{receiver=\"workflow\",state=\"finished\"} 1").await;
}

#[tokio::test]
async fn what_the_pipelines_refuse_is_not_acknowledged_and_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let busy = || Err(Refused::overloaded("busy", Duration::from_secs(3)));
    let recorder = Recorder::answering([busy(), busy()]);
    let running = start(directory.path(), "", &recorder).await;
    let request = Client::new().post(running.url()).header("content-type", STRUCTURED);
    let response = request.body(event("1", "a", "Submitted", 0).to_string()).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(answer(response).await, (429, json!({"error": "busy"})));
    // The same event again is known, but its spans are not: it is not acknowledged either.
    assert_eq!(running.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await.0, 429);
    let (status, body) = running.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await;
    assert_eq!((status, &body["duplicates"]), (200, &json!(1)));
    let sent: Vec<_> = recorder.seen.lock().iter().map(|telemetry| telemetry.payload.items()).collect();
    assert_eq!(sent, [2, 2, 2]);
    // For good: not again.
    let refusing = Recorder::answering([Err(Refused::Invalid("never".into()))]);
    let other = tempfile::tempdir().unwrap();
    let running = start(other.path(), "", &refusing).await;
    assert_eq!(running.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await, (400, json!({"error": "never"})));
    assert_eq!(running.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await.0, 200);
    assert_eq!(refusing.seen.lock().len(), 1);
}

#[tokio::test]
async fn what_a_process_left_is_handed_on_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let first = Recorder::answering([Err(Refused::unavailable("down"))]);
    let running = start(directory.path(), "", &first).await;
    assert_eq!(running.post(STRUCTURED, &event("1", "a", "Submitted", 0)).await.0, 503);
    running.receiver.shutdown(Duration::from_secs(5)).await;

    let second = Recorder::answering([Ok(Accepted { rejected: 0, message: Some("a word".into()) })]);
    let running = start(directory.path(), "", &second).await;
    second.wait_for(1).await;
    assert_eq!(seen(&second), [span("order", 0, true), span("Submitted", 0, true)]);
    assert_eq!(running.post(STRUCTURED, &event("2", "a", "Completed", 9)).await.0, 200);
    assert_eq!(seen(&second), [span("order", 9, false), span("Submitted", 9, false), span("Completed", 0, false)]);
    running.receiver.shutdown(Duration::from_secs(5)).await;
    assert!(running.receiver.address().is_none());
}

#[tokio::test]
async fn idle_instances_are_given_up_and_finished_ones_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start(directory.path(), "retire: {idle: 1ms, finished: 1ms}", &recorder).await;
    let batch = json!([event("1", "a", "Submitted", 0), event("2", "b", "Completed", 5)]);
    assert_eq!(running.post(BATCH, &batch).await.0, 200);
    running.tells("otelcol_receiver_workflow_retired_total{receiver=\"workflow\",state=\"idle\"} 1").await;
    running.tells("otelcol_receiver_workflow_retired_total{receiver=\"workflow\",state=\"finished\"} 1").await;
    running.tells("otelcol_receiver_workflow_instances{receiver=\"workflow\",state=\"running\"} 0").await;
    let expected =
        [span("order", 0, false), span("Submitted", 0, false), span("order", 0, false), span("Completed", 0, false)];
    assert_eq!(seen(&recorder), expected);
    let last = ExportTraceServiceRequest::decode(recorder.last_bytes()).unwrap();
    let root = &last.resource_spans[0].scope_spans[0].spans[0];
    assert!(root.attributes.iter().any(|pair| pair.key == "workflow.abandoned"));
}

#[tokio::test]
async fn time_goes_on_for_what_runs() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start(directory.path(), "refresh: 1ms", &recorder).await;
    let mut now = event("1", "a", "Submitted", 0);
    now["time"] = chrono::Utc::now().to_rfc3339().into();
    assert_eq!(running.post(STRUCTURED, &now).await.0, 200);
    // A look each second, and each longer than the one before.
    let sent = recorder.wait_for(3).await;
    let ends: Vec<u64> = sent
        .into_iter()
        .map(|telemetry| {
            let request = ExportTraceServiceRequest::decode(telemetry.payload.into_bytes()).unwrap();
            let spans = &request.resource_spans[0].scope_spans[0].spans;
            assert_eq!(spans.len(), 2);
            assert_eq!(spans[0].trace_state, "trefoil=v:1");
            assert_eq!(spans[0].end_time_unix_nano, spans[1].end_time_unix_nano);
            spans[0].end_time_unix_nano
        })
        .collect();
    assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
}

#[tokio::test]
async fn it_speaks_tls() {
    let certificate = SelfSigned::new();
    let (directory, recorder) = (tempfile::tempdir().unwrap(), Recorder::new());
    let yaml = format!("{{protocols: {{http: {{endpoint: '127.0.0.1:0', {}}}}}}}", certificate.option);
    let config = parse(&yaml).unwrap();
    let running = start_with(directory.path(), &config, Tenancy::Single, to_all(recorder.clone())).await;
    let url = format!("https://localhost:{}/", running.receiver.address().unwrap().port());
    let body = event("1", "order-1", "Submitted", 0).to_string();
    let request = certificate.client().post(url).header("content-type", STRUCTURED).body(body.clone());
    assert_eq!(answer(request.send().await.unwrap()).await.1["accepted"], 1);
    assert_eq!(seen(&recorder).len(), 2);
    assert!(Client::new().post(running.url()).body(body).send().await.is_err());
}
