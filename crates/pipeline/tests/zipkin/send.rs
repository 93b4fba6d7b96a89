//! The exporter against receivers of all sorts.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use parking_lot::Mutex;
use prost::Message as _;
use trefoil_model::{Signal, Tenant};
use trefoil_pipeline::net::compression::Encoding;
use trefoil_pipeline::{Accepted, Payload, Refused, Telemetry};

use crate::receive::start;
use crate::support::{NO_QUEUE, RETRY_FAST, Recorder, build_exporter, exporter, traces};

/// Spans that mean the same in both models, so that they come back as they were.
fn request(spans: usize) -> ExportTraceServiceRequest {
    let mut request = traces(spans);
    let group = &mut request.resource_spans[0];
    let resource = r#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]}}]}"#;
    let resource = trefoil_model::json::to_protobuf(Signal::Traces, resource.as_bytes()).unwrap();
    group.resource = ExportTraceServiceRequest::decode(&resource[..]).unwrap().resource_spans.remove(0).resource;
    for span in &mut group.scope_spans[0].spans {
        span.start_time_unix_nano = 5000;
        span.end_time_unix_nano = 9000;
    }
    request
}

fn telemetry(request: &ExportTraceServiceRequest) -> Telemetry {
    Telemetry::new(Tenant::default(), Payload::from_bytes(Signal::Traces, request.encode_to_vec().into()))
}

#[tokio::test]
async fn every_format_and_compression_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start("", recorder.clone()).await;
    for format in ["json", "proto"] {
        for compression in Encoding::ALL {
            let compression = if compression == Encoding::Identity { "none" } else { compression.as_str() };
            let url = running.url("/api/v2/spans");
            let yaml = format!("{{endpoint: '{url}', format: {format}, compression: {compression}, {NO_QUEUE}}}");
            let exporter = exporter("zipkin", &yaml, directory.path()).await;
            let answer = exporter.consume(telemetry(&request(3))).await;
            assert_eq!(answer, Ok(Accepted::all()), "{format} {compression}");
            assert_eq!(ExportTraceServiceRequest::decode(recorder.last_bytes()).unwrap(), request(3));
        }
    }
}

/// A server that answers with the statuses, one after the other, then with 202. What it was sent.
async fn server(statuses: Vec<u16>) -> (String, Arc<Mutex<Vec<(HeaderMap, Bytes)>>>) {
    let requests = Arc::<Mutex<Vec<(HeaderMap, Bytes)>>>::default();
    let seen = requests.clone();
    let statuses = Arc::new(Mutex::new(statuses.into_iter()));
    let answer = move |headers: HeaderMap, body: Bytes| {
        seen.lock().push((headers, body));
        let status = statuses.lock().next();
        let answer = match status {
            Some(status) => (StatusCode::from_u16(status).unwrap(), "because").into_response(),
            None => StatusCode::ACCEPTED.into_response(),
        };
        std::future::ready(answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v2/spans", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (url, requests)
}

#[tokio::test]
async fn failures_of_the_server_are_tried_again_and_refusals_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![500, 429, 503, 202, 400]).await;
    let exporter =
        exporter("zipkin", &format!("{{endpoint: '{url}', {NO_QUEUE}, {RETRY_FAST}}}"), directory.path()).await;
    let taken = exporter.consume(telemetry(&request(1))).await.unwrap();
    // A text in the answer to what was taken is worth telling.
    assert_eq!((taken.rejected, taken.message.as_deref(), requests.lock().len()), (0, Some("because"), 4));
    let refused = exporter.consume(telemetry(&request(1))).await;
    assert_eq!(refused, Err(Refused::Invalid("400 Bad Request: because".into())));
    assert_eq!(requests.lock().len(), 5);
}

#[tokio::test]
async fn headers_and_the_default_name_are_sent() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![]).await;
    let yaml =
        format!("{{endpoint: '{url}', {NO_QUEUE}, headers: {{X-Scope-OrgID: acme}}, default_service_name: nobody}}");
    let exporter = exporter("zipkin", &yaml, directory.path()).await;
    exporter.consume(telemetry(&traces(1))).await.unwrap();
    let (headers, body) = requests.lock()[0].clone();
    assert_eq!(
        (&headers["content-type"], &headers["x-scope-orgid"]),
        (&"application/json".parse().unwrap(), &"acme".parse().unwrap())
    );
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body[0]["localEndpoint"]["serviceName"], "nobody");
}

#[tokio::test]
async fn spans_without_ids_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![]).await;
    let exporter = exporter("zipkin", &format!("{{endpoint: '{url}', {NO_QUEUE}}}"), directory.path()).await;
    let mut broken = request(2);
    broken.resource_spans[0].scope_spans[0].spans[0].span_id = vec![0; 8];
    let answer = exporter.consume(telemetry(&broken)).await.unwrap();
    assert_eq!((answer.rejected, requests.lock().len()), (1, 1));
    assert!(answer.message.unwrap().contains("resource_spans[0].scope_spans[0].spans[0].span_id: is zero"));
    broken.resource_spans[0].scope_spans[0].spans.pop();
    assert_eq!(exporter.consume(telemetry(&broken)).await.unwrap().rejected, 1);
    assert_eq!(requests.lock().len(), 1, "there was nothing to send");
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("{}", "endpoint: is missing"),
        ("{endpoint: 'localhost:9411'}", "must begin with http:// or https://"),
        ("{endpoint: 'http://a', format: thrift}", "format"),
        ("{endpoint: 'http://a', compression: br}", "compression: \"br\" is not a compression"),
        ("{endpoint: 'http://a', compression: gzip, compression_params: {level: 10}}", "10 is not a level of gzip"),
        ("{endpoint: 'http://a', headers: {Content-Type: x}}", "Content-Type is set by the exporter itself"),
        ("{endpoint: 'http://a', auth: {authenticator: x}}", "set `headers`"),
        ("{endpoint: 'http://a', sending_queue: {batch: {}}}", "use the processor `batch`"),
        ("{endpoint: 'http://a', encoding: json}", "encoding"),
    ];
    for (yaml, expected) in cases {
        let error = build_exporter("zipkin", yaml, directory.path()).err().unwrap();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
