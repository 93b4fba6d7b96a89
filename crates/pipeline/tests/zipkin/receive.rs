use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use prost::Message as _;
use reqwest::{Client, Response};
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::{Component, Downstream, Receiver};
use trefoil_pipeline::net::compression::{Encoding, compress};
use trefoil_pipeline::receivers::zipkin::ZipkinReceiver;
use trefoil_pipeline::{Accepted, Consumer, Metrics, Refused};

use crate::configuration::parse;
use crate::self_signed::SelfSigned;
use crate::support::{PATIENCE, Recorder, to_all};

const V2: &str = r#"[{"traceId": "1", "id": "2", "name": "get", "kind": "CLIENT", "timestamp": 5, "duration": 7,
    "localEndpoint": {"serviceName": "web"}, "tags": {"n": "7"}}]"#;
const V1: &str = r#"[{"traceId": "1", "id": "2", "name": "get",
    "annotations": [{"timestamp": 5, "value": "cs", "endpoint": {"serviceName": "web"}}]}]"#;
/// A span with trace id 1 and id 2.
const THRIFT: &[u8] = &[12, 0, 0, 0, 1, 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 10, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0];
const PROTOBUF: &[u8] = b"\x0a\x14\x0a\x08\0\0\0\0\0\0\0\x01\x1a\x08\0\0\0\0\0\0\0\x02";

pub struct Running {
    pub receiver: Arc<ZipkinReceiver>,
    metrics: Metrics,
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.receiver.address().unwrap())
    }

    fn exposed(&self) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        self.metrics.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        text
    }
}

pub async fn start_with(options: &str, tenancy: Tenancy, downstream: Downstream) -> Running {
    let config = parse(&format!("{{endpoint: '127.0.0.1:0', {options}}}")).unwrap();
    let metrics = Metrics::default();
    let receiver = ZipkinReceiver::new(&config, tenancy, downstream, &metrics.receiver("zipkin"), None).unwrap();
    receiver.start().await.unwrap();
    Running { receiver: Arc::new(receiver), metrics }
}

pub async fn start(options: &str, consumer: Arc<dyn Consumer>) -> Running {
    start_with(options, Tenancy::Single, to_all(consumer)).await
}

async fn post(url: String, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
    let request = Client::new().post(url).body(body);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

async fn answer(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The only span of the last request.
fn last(recorder: &Recorder) -> Span {
    let mut request = ExportTraceServiceRequest::decode(recorder.last_bytes()).unwrap();
    request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0)
}

#[tokio::test]
async fn every_format_arrives_on_its_path() {
    let recorder = Recorder::new();
    let running = start("", recorder.clone()).await;
    let json = [("content-type", "application/json")];
    let protobuf = [("content-type", "application/x-protobuf; charset=x")];
    let thrift = [("content-type", "application/x-thrift")];
    let cases = [
        ("/api/v2/spans", &json[..], V2.as_bytes()),
        ("/api/v2/spans", &[], V2.as_bytes()),
        ("/", &json, V2.as_bytes()),
        ("/", &protobuf, PROTOBUF),
        ("/api/v2/spans", &protobuf, PROTOBUF),
        ("/api/v1/spans", &json, V1.as_bytes()),
        ("/api/v1/spans", &thrift, THRIFT),
    ];
    for (number, (path, headers, body)) in cases.into_iter().enumerate() {
        let response = post(running.url(path), headers, body).await;
        assert_eq!(answer(response).await, (202, String::new()), "{path} {headers:?}");
        let span = last(&recorder);
        assert_eq!((span.trace_id[15], span.span_id[7], recorder.seen.lock().len()), (1, 2, number + 1));
    }
    let exposed = running.exposed();
    for (transport, count) in [("http_v2_json", 3), ("http_v2_proto", 2), ("http_v1_json", 1), ("http_v1_thrift", 1)] {
        let line =
            format!("otelcol_receiver_accepted_spans_total{{receiver=\"zipkin\",transport=\"{transport}\"}} {count}\n");
        assert!(exposed.contains(&line), "{line}{exposed}");
    }
}

#[tokio::test]
async fn every_encoding_is_unpacked() {
    let recorder = Recorder::new();
    let running = start("", recorder.clone()).await;
    for encoding in Encoding::ALL {
        let body = compress(encoding, V2.into(), None).unwrap();
        let response = post(running.url("/api/v2/spans"), &[("content-encoding", encoding.as_str())], body).await;
        assert_eq!(answer(response).await, (202, String::new()), "{encoding:?}");
        assert_eq!(last(&recorder).name, "get");
    }
}

#[tokio::test]
async fn tags_are_parsed_where_it_is_configured() {
    let recorder = Recorder::new();
    for (options, expected) in [("", r#"{"stringValue":"7"}"#), ("parse_string_tags: true", r#"{"intValue":"7"}"#)] {
        let running = start(options, recorder.clone()).await;
        post(running.url("/api/v2/spans"), &[], V2).await;
        let json = trefoil_model::json::from_protobuf(Signal::Traces, &recorder.last_bytes()).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert!(json.contains(expected), "{json}");
    }
}

#[tokio::test]
async fn bad_spans_cost_only_themselves() {
    let recorder = Recorder::new();
    let running = start("", recorder.clone()).await;
    let body = r#"[{"traceId": "1", "id": "2"}, {"traceId": "x", "id": "3"}]"#;
    let response = post(running.url("/api/v2/spans"), &[], body).await;
    assert_eq!(answer(response).await, (202, "1 span cannot be taken: [1].traceId: \"x\" is not hexadecimal".into()));
    assert_eq!(recorder.seen.lock().len(), 1);

    let response = post(running.url("/api/v2/spans"), &[], r#"[{"traceId": "1"}]"#).await;
    assert_eq!(answer(response).await, (400, "1 span cannot be taken: [0].id: is missing or zero".into()));
    assert_eq!(answer(post(running.url("/api/v2/spans"), &[], "[]").await).await, (202, String::new()));
    assert_eq!(recorder.seen.lock().len(), 1);
    let exposed = running.exposed();
    let refused = "otelcol_receiver_refused_spans_total{receiver=\"zipkin\",transport=\"http_v2_json\"} 2\n";
    assert!(exposed.contains(refused), "{exposed}");
}

#[tokio::test]
async fn what_the_pipelines_say_is_answered() {
    let partial = |rejected| Ok(Accepted { rejected, message: Some("too old".into()) });
    let running = start(
        "",
        Recorder::answering([
            Err(Refused::Invalid("bad".into())),
            Err(Refused::unavailable("disk full")),
            Err(Refused::overloaded("too much", Duration::from_millis(2500))),
            partial(0),
            partial(1),
        ]),
    )
    .await;
    let send = async || {
        let response = post(running.url("/api/v2/spans"), &[], V2).await;
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let (status, text) = answer(response).await;
        (status, retry_after, text)
    };
    assert_eq!(send().await, (400, None, "bad".into()));
    assert_eq!(send().await, (503, Some("1".into()), "disk full".into()));
    assert_eq!(send().await, (429, Some("3".into()), "too much".into()));
    assert_eq!(send().await, (202, None, "too old".into()));
    // The only one.
    assert_eq!(send().await, (400, None, "too old".into()));
}

#[tokio::test]
async fn mistakes_are_answered_in_text() {
    let running = start("max_request_body_size: 1000, compression_algorithms: [gzip]", Recorder::new()).await;
    let url = |path| running.url(path);
    for (path, headers, body, status, expected) in [
        ("/api/v2/spans", &[][..], "", 400, "the body is not a list of spans in Zipkin's JSON (v2): EOF"),
        ("/api/v1/spans", &[], "{}", 400, "the body is not a list of spans in Zipkin's JSON (v1): invalid type: map"),
        (
            "/api/v1/spans",
            &[("content-type", "application/x-thrift")],
            "\x0c",
            400,
            "the body is not a list of spans in Zipkin's thrift: [0] breaks off at byte 1",
        ),
        ("/api/v2/spans", &[("content-encoding", "gzip")], "x", 400, "the body is not valid gzip"),
        (
            "/api/v2/spans",
            &[("content-encoding", "zstd")],
            "x",
            415,
            "unsupported Content-Encoding \"zstd\"; supported: gzip",
        ),
        ("/api/v3/spans", &[], "[]", 404, ""),
    ] {
        let (found, text) = answer(post(url(path), headers, body).await).await;
        assert!(found == status && text.starts_with(expected), "{path} {headers:?}: {found} {text}");
    }
    let long = format!("[{}]", " ".repeat(1000));
    let (status, text) = answer(post(url("/api/v2/spans"), &[], long.clone()).await).await;
    assert_eq!((status, text.as_str()), (413, "the body is larger than the limit of 1000 bytes"));
    let bomb = compress(Encoding::Gzip, long.into(), None).unwrap();
    let (status, text) = answer(post(url("/api/v2/spans"), &[("content-encoding", "gzip")], bomb).await).await;
    assert_eq!(status, 413, "{text}");
    let response = Client::new().get(url("/api/v2/spans")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().unwrap()));
}

#[tokio::test]
async fn requests_name_their_tenant() {
    let recorder = Recorder::new();
    let running = start_with("include_metadata: true", Tenancy::Multi, to_all(recorder.clone())).await;
    let (status, text) = answer(post(running.url("/api/v2/spans"), &[], V2).await).await;
    assert!(status == 401 && text.contains("X-Scope-OrgID"), "{status} {text}");
    let response = post(running.url("/api/v2/spans"), &[("X-Scope-OrgID", "acme")], V2).await;
    assert_eq!(response.status().as_u16(), 202);
    let seen = recorder.seen.lock();
    assert_eq!((seen[0].tenant.to_string().as_str(), seen[0].payload.items()), ("acme", 1));
    assert_eq!(seen[0].origin.values("x-scope-orgid").collect::<Vec<_>>(), ["acme"]);
}

#[tokio::test]
async fn without_a_pipeline_of_traces_there_is_nothing_here() {
    let logs = Downstream::new([(Signal::Logs, Recorder::new() as Arc<dyn Consumer>)]);
    let running = start_with("", Tenancy::Single, logs).await;
    let answered = answer(post(running.url("/api/v2/spans"), &[], V2).await).await;
    assert_eq!(answered, (404, "no pipeline takes traces from this receiver".into()));
}

#[tokio::test]
async fn a_shutdown_refuses_what_takes_too_long() {
    let recorder = Recorder::closed();
    let running = start("", recorder.clone()).await;
    assert_eq!(running.receiver.listening()[0].protocol, "http");
    let waiting = tokio::spawn(post(running.url("/api/v2/spans"), &[], V2));
    recorder.wait_for(1).await;
    running.receiver.shutdown(Duration::from_millis(10)).await;
    let response = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(answer(response).await, (503, "the receiver is shutting down".into()));
    assert!(running.receiver.address().is_none());
}

#[tokio::test]
async fn it_speaks_tls() {
    let certificate = SelfSigned::new();
    let recorder = Recorder::new();
    let running = start(&certificate.option, recorder.clone()).await;
    let url = format!("https://localhost:{}/api/v2/spans", running.receiver.address().unwrap().port());
    let request = certificate.client().post(url).header("content-type", "application/json");
    assert_eq!(request.body(V2).send().await.unwrap().status(), 202);
    assert_eq!(recorder.seen.lock().len(), 1);
    assert!(Client::new().post(running.url("/api/v2/spans")).body(V2).send().await.is_err());
}
