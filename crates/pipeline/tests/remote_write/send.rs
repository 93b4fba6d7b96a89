//! The exporter against receivers of all sorts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use parking_lot::Mutex;
use prost::Message;
use trefoil_model::{Signal, Tenancy, Tenant};
use trefoil_pipeline::component::{Component, Receiver};
use trefoil_pipeline::net::compression::{Encoding, decompress};
use trefoil_pipeline::receivers::prometheusremotewrite::RemoteWriteReceiver;
use trefoil_pipeline::{Accepted, Metrics, Payload, Refused, Telemetry};

use crate::configuration::parse;
use crate::support::{PATIENCE, Recorder, build_exporter, exporter, to_all};

const NO_QUEUE: &str = "remote_write_queue: {enabled: false}, retry_on_failure: {enabled: false}";
const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

fn telemetry(metrics: &str) -> Telemetry {
    let json = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},
            "scopeMetrics":[{{"metrics":[{metrics}]}}]}}]}}"#
    );
    let body = trefoil_model::json::to_protobuf(Signal::Metrics, &Bytes::from(json)).unwrap();
    Telemetry::new(Tenant::default(), Payload::from_bytes(Signal::Metrics, body.into()))
}

fn gauge(name: &str, second: u64) -> String {
    format!(r#"{{"name":"{name}","gauge":{{"dataPoints":[{{"timeUnixNano":"{second}000000000","asDouble":1.5}}]}}}}"#)
}

/// What a server was sent: content type, and the body without snappy.
type Requests = Arc<Mutex<Vec<(String, Bytes)>>>;

/// A server that answers as it is told, one answer after the other, then with 204 and counts of 1.
async fn server(answers: Vec<(StatusCode, Vec<(&'static str, &'static str)>)>) -> (String, Requests) {
    let requests = Requests::default();
    let seen = requests.clone();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let answer = move |headers: HeaderMap, body: Bytes| {
        let (seen, answers) = (seen.clone(), answers.clone());
        async move {
            assert_eq!(headers["content-encoding"], "snappy");
            let content_type = headers["content-type"].to_str().unwrap().to_owned();
            let expected = if content_type == V1 { "0.1.0" } else { "2.0.0" };
            assert_eq!(headers["x-prometheus-remote-write-version"], expected);
            seen.lock().push((content_type, decompress(Encoding::Snappy, body, 1 << 20).unwrap()));
            let (status, headers) = answers.lock().next().unwrap_or((StatusCode::NO_CONTENT, WRITTEN.to_vec()));
            let mut response: Response = (status, "because").into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/write", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/write"), requests)
}

const WRITTEN: &[(&str, &str)] = &[("x-prometheus-remote-write-samples-written", "1")];

fn types(requests: &Requests) -> Vec<String> {
    requests.lock().iter().map(|(content_type, _)| content_type.clone()).collect()
}

#[tokio::test]
async fn our_own_receiver_gets_what_was_sent_in_both_versions() {
    let directory = tempfile::tempdir().unwrap();
    for version in ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"] {
        let recorder = Recorder::new();
        let config = parse("{endpoint: '127.0.0.1:0'}").unwrap();
        let metrics = Metrics::default().receiver("prometheusremotewrite");
        let downstream = to_all(recorder.clone());
        let receiver = RemoteWriteReceiver::new(&config, Tenancy::Single, downstream, &metrics).unwrap();
        receiver.start().await.unwrap();
        let address = receiver.listening()[0].address;
        let yaml = format!("{{endpoint: 'http://{address}/api/v1/write', protobuf_message: {version}, {NO_QUEUE}}}");
        let exporter = exporter("prometheusremotewrite", &yaml, directory.path()).await;

        let native = r#"{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"5000000000",
            "count":"4","sum":1,"scale":0,"positive":{"offset":-1,"bucketCounts":["1","3"]}}]}}"#;
        let answer = exporter.consume(telemetry(&[gauge("queue.size", 5), native.to_owned()].join(","))).await;
        assert_eq!(answer, Ok(Accepted::all()), "{version}");
        let request = ExportMetricsServiceRequest::decode(recorder.last_bytes()).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["queue_size", "e"], "{version}");
        let Some(Data::Gauge(gauge)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert_eq!(gauge.data_points[0].attributes[0].key, "job");
        let Some(Data::ExponentialHistogram(histogram)) = &metrics[1].data else { panic!("{metrics:?}") };
        let point = &histogram.data_points[0];
        assert_eq!((point.scale, point.positive.as_ref().unwrap().offset), (0, -1));
        assert_eq!(point.positive.as_ref().unwrap().bucket_counts, [1, 3]);
        receiver.shutdown(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_know_the_second_version_gets_the_first() {
    let directory = tempfile::tempdir().unwrap();
    // One that says so, and one that does not even look.
    for first in [StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::NO_CONTENT] {
        let (url, requests) = server(vec![(first, vec![]), (StatusCode::NO_CONTENT, vec![])]).await;
        let exporter =
            exporter("prometheusremotewrite", &format!("{{endpoint: '{url}', {NO_QUEUE}}}"), directory.path()).await;
        assert_eq!(exporter.consume(telemetry(&gauge("g", 5))).await, Ok(Accepted::all()));
        assert_eq!(exporter.consume(telemetry(&gauge("g", 6))).await, Ok(Accepted::all()));
        assert_eq!(types(&requests), [V2, V1, V1]);
    }
}

#[tokio::test]
async fn what_was_not_written_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = vec![("x-prometheus-remote-write-samples-written", "0")];
    let answers = vec![
        (StatusCode::NO_CONTENT, nothing.clone()),
        (StatusCode::BAD_REQUEST, WRITTEN.to_vec()),
        (StatusCode::BAD_REQUEST, nothing),
        (StatusCode::FORBIDDEN, vec![]),
    ];
    let (url, _) = server(answers).await;
    let exporter =
        exporter("prometheusremotewrite", &format!("{{endpoint: '{url}', {NO_QUEUE}}}"), directory.path()).await;
    let two = [gauge("a", 5), gauge("b", 5)].join(",");
    let answers = [
        exporter.consume(telemetry(&gauge("a", 5))).await,
        exporter.consume(telemetry(&two)).await,
        exporter.consume(telemetry(&two)).await,
        exporter.consume(telemetry(&two)).await,
    ];
    assert!(matches!(&answers[0], Ok(Accepted { rejected: 1, message: Some(_) })), "{answers:?}");
    assert!(matches!(&answers[1], Ok(Accepted { rejected: 1, message: Some(reason) }) if reason == "because"));
    assert_eq!(answers[2], Err(Refused::Invalid("400 Bad Request: because".into())));
    assert_eq!(answers[3], Err(Refused::Invalid("403 Forbidden: because".into())));
}

#[tokio::test]
async fn what_may_succeed_later_is_tried_again_in_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let answers = vec![
        (StatusCode::INTERNAL_SERVER_ERROR, vec![]),
        (StatusCode::TOO_MANY_REQUESTS, vec![("retry-after", "0")]),
        (StatusCode::SERVICE_UNAVAILABLE, vec![]),
    ];
    let (url, requests) = server(answers).await;
    let yaml = format!("{{endpoint: '{url}', retry_on_failure: {{initial_interval: 5ms, max_interval: 20ms}}}}");
    let exporter = exporter("prometheusremotewrite", &yaml, directory.path()).await;
    for second in 1..=20 {
        assert_eq!(exporter.consume(telemetry(&gauge("g", second))).await, Ok(Accepted::all()));
    }
    exporter.shutdown(PATIENCE).await;
    assert_eq!(requests.lock().len(), 23);
    let bodies: Vec<Bytes> = requests.lock().iter().skip(3).map(|(_, body)| body.clone()).collect();
    let times: Vec<i64> = bodies.iter().map(|body| first_time(body)).collect();
    assert_eq!(times, (1..=20).map(|second| second * 1000).collect::<Vec<_>>());
}

/// The time of the first sample of a request of 2.0.
fn first_time(body: &[u8]) -> i64 {
    #[derive(Clone, PartialEq, Message)]
    struct Request {
        #[prost(message, repeated, tag = "5")]
        series: Vec<Series>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Series {
        #[prost(message, repeated, tag = "2")]
        samples: Vec<Sample>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Sample {
        #[prost(int64, tag = "2")]
        timestamp: i64,
    }
    Request::decode(body).unwrap().series[0].samples[0].timestamp
}

#[tokio::test]
async fn large_requests_are_sent_in_parts() {
    let directory = tempfile::tempdir().unwrap();
    let (url, requests) = server(vec![]).await;
    let yaml = format!("{{endpoint: '{url}', max_batch_size_bytes: 1, {NO_QUEUE}}}");
    let exporter = exporter("prometheusremotewrite", &yaml, directory.path()).await;
    let metrics: Vec<String> = (0..7).map(|index| gauge(&format!("g{index}"), 5)).collect();
    assert_eq!(exporter.consume(telemetry(&metrics.join(","))).await, Ok(Accepted::all()));
    assert_eq!(requests.lock().len(), 7);
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    let directory = tempfile::tempdir().unwrap();
    for (yaml, expected) in [
        ("{}", "endpoint: is missing"),
        ("{endpoint: 'localhost:9090'}", "must begin with http:// or https://"),
        ("{endpoint: 'http://x', max_batch_size_bytes: 0}", "max_batch_size_bytes: must be positive"),
        (
            "{endpoint: 'http://x', remote_write_queue: {num_consumers: 0}}",
            "remote_write_queue.num_consumers: must lie between",
        ),
        ("{endpoint: 'http://x', wal: {directory: x}}", "remote_write_queue.storage"),
        ("{endpoint: 'http://x', protobuf_message: v3}", "protobuf_message"),
        ("{endpoint: 'http://x', external_labels: {__name__: x}}", "external_labels"),
        ("{endpoint: 'http://x', headers: {Content-Type: x}}", "set by the exporter itself"),
    ] {
        let error = build_exporter("prometheusremotewrite", yaml, directory.path()).err().unwrap();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
    for (yaml, expected) in [
        ("{}", "endpoint: is missing"),
        ("{endpoint: 'x'}", "endpoint"),
        ("{endpoint: ':0', metric_expiration: 0s}", "metric_expiration: must be positive"),
        ("{endpoint: ':0', translation_strategy: Never}", "translation_strategy"),
        ("{endpoint: ':0', const_labels: {__name__: x}}", "const_labels"),
    ] {
        let error = build_exporter("prometheus", yaml, directory.path()).err().unwrap();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
