//! The exporter against receivers of all sorts.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use parking_lot::Mutex;
use prost::Message as _;
use trefoil_loki::{Format, Options, translate};
use trefoil_model::{Signal, Tenant};
use trefoil_pipeline::net::compression::{Encoding, decompress};
use trefoil_pipeline::receivers::loki::PUSH;
use trefoil_pipeline::{Accepted, Payload, Refused, Telemetry};

use crate::running::{last, push, start, stream, streams};
use crate::support::{NO_QUEUE, RETRY_FAST, Recorder, build_exporter, exporter};

fn telemetry(body: impl Into<Bytes>) -> Telemetry {
    Telemetry::new(Tenant::default(), Payload::from_bytes(Signal::Logs, body.into()))
}

/// As it comes by a push.
fn pushed() -> Telemetry {
    let options = Options::default();
    let body = trefoil_loki::to_protobuf(&streams());
    telemetry(translate(Format::Protobuf, &body, &options, 1_800_000_000_000_000_000).unwrap().request)
}

/// Logs of two tenants and of none.
fn hinted() -> Telemetry {
    let record = |tenant: &str| {
        format!(
            r#"{{"body": {{"stringValue": "of {tenant}"}}, "severityNumber": 9, "timeUnixNano": "5", "attributes": [
                {{"key": "loki.format", "value": {{"stringValue": "raw"}}}},
                {{"key": "loki.tenant", "value": {{"stringValue": "team"}}}},
                {{"key": "team", "value": {{"stringValue": "{tenant}"}}}}]}}"#
        )
    };
    let records = ["a", "b", "a"].map(record).join(",");
    let json = format!(r#"{{"resourceLogs": [{{"scopeLogs": [{{"logRecords": [{records}]}}]}}]}}"#);
    telemetry(trefoil_model::json::to_protobuf(Signal::Logs, json.as_bytes()).unwrap())
}

#[tokio::test]
async fn what_was_pushed_leaves_as_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start("", recorder.clone()).await;
    for encoding in ["proto", "json"] {
        let yaml = format!("{{endpoint: '{}', encoding: {encoding}, {NO_QUEUE}}}", running.url(PUSH));
        let exporter = exporter("loki", &yaml, directory.path()).await;
        assert_eq!(exporter.consume(pushed()).await, Ok(Accepted::all()), "{encoding}");
        let mut expected = streams();
        // Where it came in, services were looked for.
        expected[1].labels.set("service_name", "api");
        assert_eq!(last(&recorder), expected, "{encoding}");
    }
    // Through another receiver, once more.
    assert_eq!(push(&running, trefoil_loki::to_json(&last(&recorder)).unwrap()).await.0, 204);
}

/// A server that answers with the statuses, one after the other, then with 204. What it was sent.
async fn server(statuses: Vec<u16>) -> (String, Arc<Mutex<Vec<(HeaderMap, Bytes)>>>) {
    let requests = Arc::<Mutex<Vec<(HeaderMap, Bytes)>>>::default();
    let seen = requests.clone();
    let statuses = Arc::new(Mutex::new(statuses.into_iter()));
    let answer = move |headers: HeaderMap, body: Bytes| {
        seen.lock().push((headers, body));
        let status = statuses.lock().next();
        let answer = match status {
            Some(status) => (StatusCode::from_u16(status).unwrap(), "because").into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        };
        std::future::ready(answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PUSH}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (url, requests)
}

/// The tenant of each request, and the lines in it.
fn tenants(requests: &[(HeaderMap, Bytes)]) -> Vec<(String, Vec<String>)> {
    let of = |(headers, body): &(HeaderMap, Bytes)| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert!(!headers.contains_key("content-encoding"));
        let body = decompress(Encoding::Snappy, body.clone(), 1 << 20).unwrap();
        let request = translate(Format::Protobuf, &body, &Options::default(), i64::MAX as u64).unwrap().request;
        let request = ExportLogsServiceRequest::decode(&request[..]).unwrap();
        let streams = trefoil_loki::from_otlp(&request, Default::default(), 0).tenants.remove(0).streams;
        let lines = streams.into_iter().flat_map(|stream| stream.entries).map(|entry| entry.line).collect();
        (headers["x-scope-orgid"].to_str().unwrap().to_owned(), lines)
    };
    requests.iter().map(of).collect()
}

#[tokio::test]
async fn tenants_have_requests_of_their_own_that_are_not_sent_twice() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![204, 503]).await;
    let yaml = format!("{{endpoint: '{url}', {NO_QUEUE}, {RETRY_FAST}, headers: {{X-Scope-OrgID: nobody}}}}");
    let exporter = exporter("loki", &yaml, directory.path()).await;
    assert_eq!(exporter.consume(hinted()).await, Ok(Accepted::all()));
    let of = |tenant: &str, lines: &[&str]| (tenant.to_owned(), lines.iter().map(|&line| line.to_owned()).collect());
    let expected = [of("a", &["of a", "of a"]), of("b", &["of b"]), of("b", &["of b"])];
    assert_eq!(tenants(&requests.lock()), expected);
    // Without a hint it is the configuration's.
    exporter.consume(pushed()).await.unwrap();
    assert_eq!(tenants(&requests.lock())[3], of("nobody", &["b", "a", "", "c"]));
}

#[tokio::test]
async fn what_is_refused_for_good_costs_its_tenant_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![400]).await;
    let exporter = exporter("loki", &format!("{{endpoint: '{url}', {NO_QUEUE}}}"), directory.path()).await;
    let answer = exporter.consume(hinted()).await.unwrap();
    assert_eq!((answer.rejected, answer.message.as_deref()), (2, Some("400 Bad Request: because")));
    assert_eq!(requests.lock().len(), 2);
}

#[tokio::test]
async fn failures_of_the_server_are_tried_again_and_refusals_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![500, 429, 503, 204, 400]).await;
    let exporter =
        exporter("loki", &format!("{{endpoint: '{url}', {NO_QUEUE}, {RETRY_FAST}}}"), directory.path()).await;
    assert_eq!(exporter.consume(pushed()).await, Ok(Accepted::all()));
    assert_eq!(requests.lock().len(), 4);
    assert_eq!(exporter.consume(pushed()).await, Err(Refused::Invalid("400 Bad Request: because".into())));
    assert_eq!(requests.lock().len(), 5);
}

#[tokio::test]
async fn records_without_labels_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![]).await;
    let labels = "default_labels_enabled: {exporter: false, job: false, instance: false, level: false}";
    let exporter = exporter("loki", &format!("{{endpoint: '{url}', {NO_QUEUE}, {labels}}}"), directory.path()).await;
    let json = r#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}"#;
    let body = trefoil_model::json::to_protobuf(Signal::Logs, json.as_bytes()).unwrap();
    let answer = exporter.consume(telemetry(body)).await.unwrap();
    assert_eq!((answer.rejected, requests.lock().len()), (1, 0));
    assert_eq!(answer.message.as_deref(), Some("the record would be in a stream without labels"));
}

#[tokio::test]
async fn json_is_sent_compressed() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![]).await;
    let yaml = format!("{{endpoint: '{url}', {NO_QUEUE}, encoding: json}}");
    exporter("loki", &yaml, directory.path()).await.consume(pushed()).await.unwrap();
    let (headers, body) = requests.lock()[0].clone();
    assert_eq!(
        (&headers["content-type"], &headers["content-encoding"]),
        (&"application/json".parse().unwrap(), &"gzip".parse().unwrap())
    );
    let body = decompress(Encoding::Gzip, body, 1 << 20).unwrap();
    let mut expected = stream(r#"{app="api", service_name="api"}"#, &["c"]);
    expected.entries[0].metadata.clear();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["streams"][1]["stream"], serde_json::to_value(&expected.labels).unwrap());
    assert_eq!(body["streams"][1]["values"][0][1], "c");
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("{}", "endpoint: is missing"),
        ("{endpoint: 'localhost:3100'}", "must begin with http:// or https://"),
        ("{endpoint: 'http://a', encoding: thrift}", "encoding"),
        ("{endpoint: 'http://a', compression: gzip}", "it belongs to the form"),
        ("{endpoint: 'http://a', headers: {Content-Type: x}}", "Content-Type is set by the exporter itself"),
        ("{endpoint: 'http://a', auth: {authenticator: x}}", "set `headers`"),
        ("{endpoint: 'http://a', labels: {}}", "`loki.attribute.labels`"),
        ("{endpoint: 'http://a', default_labels_enabled: {jobs: false}}", "did you mean `job`?"),
        ("{endpoint: 'http://a', sending_queue: {batch: {}}}", "use the processor `batch`"),
    ];
    for (yaml, expected) in cases {
        let error = build_exporter("loki", yaml, directory.path()).err().unwrap();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
