use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;
use reqwest::Client;
use trefoil_loki::{to_json, to_protobuf};
use trefoil_model::logs::PUSH_SCOPE;
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::{Component, Downstream, Receiver};
use trefoil_pipeline::net::compression::{Encoding, compress};
use trefoil_pipeline::receivers::loki::{LimitsSection, PUSH, http_routers};
use trefoil_pipeline::receivers::otlp::HttpLimits;
use trefoil_pipeline::{Accepted, Consumer, Metrics, Refused};

use crate::running::{answer, last, post, push, start, start_with, stream, streams};
use crate::self_signed::SelfSigned;
use crate::support::{PATIENCE, Recorder, request, to_all};

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn snappy() -> Vec<u8> {
    compress(Encoding::Snappy, to_protobuf(&streams()).into(), None).unwrap().to_vec()
}

fn deflated(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn every_form_arrives_on_both_paths() {
    let recorder = Recorder::new();
    let running = start("", recorder.clone()).await;
    let json = to_json(&streams()).unwrap();
    let gzip = compress(Encoding::Gzip, json.clone().into(), None).unwrap().to_vec();
    let gzip_protobuf = compress(Encoding::Gzip, to_protobuf(&streams()).into(), None).unwrap().to_vec();
    let cases = [
        (vec![PROTOBUF], snappy()),
        (vec![], snappy()),
        (vec![("content-type", "text/plain")], snappy()),
        (vec![PROTOBUF, ("content-encoding", "snappy")], snappy()),
        (vec![PROTOBUF, ("content-encoding", "gzip")], gzip_protobuf),
        (vec![JSON], json.clone()),
        (vec![JSON, ("content-encoding", "gzip")], gzip),
        // As Loki has it: without the header of zlib.
        (vec![JSON, ("content-encoding", "deflate")], deflated(&json)),
    ];
    let mut number = 0;
    for (headers, body) in cases {
        for path in [PUSH, "/api/prom/push"] {
            let response = post(running.url(path), &headers, body.clone()).await;
            assert_eq!(answer(response).await, (204, String::new()), "{path} {headers:?}");
            number += 1;
            assert_eq!((last(&recorder), recorder.seen.lock().len()), (streams(), number), "{path} {headers:?}");
        }
    }
    let accepted = r#"otelcol_receiver_accepted_log_records_total{receiver="loki",transport="http"}"#;
    assert_eq!(running.metric(accepted), number as u64 * 4);
    let arrived = ExportLogsServiceRequest::decode(recorder.last_bytes()).unwrap();
    assert_eq!(arrived.resource_logs[0].scope_logs[0].scope.as_ref().unwrap().name, PUSH_SCOPE);
}

#[tokio::test]
async fn otlp_is_taken_as_in_loki() {
    let recorder = Recorder::answering([
        Ok(Accepted::all()),
        Ok(Accepted::all()),
        Ok(Accepted { rejected: 1, message: Some("too old".into()) }),
        Err(Refused::unavailable("disk full")),
    ]);
    let running = start("", recorder.clone()).await;
    let json = trefoil_model::json::from_protobuf(Signal::Logs, &request(Signal::Logs)).unwrap();
    for (headers, body) in [([PROTOBUF], request(Signal::Logs)), ([JSON], json.into())] {
        let response = post(running.url("/otlp/v1/logs"), &headers, body).await;
        assert_eq!(answer(response).await, (204, String::new()), "{headers:?}");
        assert_eq!(recorder.last_bytes(), request(Signal::Logs));
    }
    let response = post(running.url("/otlp/v1/logs"), &[PROTOBUF], request(Signal::Logs)).await;
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("too old"));
    let response = post(running.url("/otlp/v1/logs"), &[PROTOBUF], request(Signal::Logs)).await;
    assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (503, true));
    assert_eq!(post(running.url("/otlp/v1/traces"), &[PROTOBUF], "").await.status(), 404);
}

#[tokio::test]
async fn bad_entries_cost_only_themselves() {
    let recorder = Recorder::new();
    let running = start("", recorder.clone()).await;
    let body = r#"{"streams": [{"stream": {"a": "b"}, "values": [["1", "x"], ["9223372036854775807", "y"]]}]}"#;
    let (status, text) = push(&running, body).await;
    let told =
        "entry for stream '{a=\"b\"}' has timestamp too new: 2262-04-11T23:47:16Z (1 of 2 entries are not stored)\n";
    assert_eq!((status, text.as_str()), (400, told));
    assert_eq!(last(&recorder)[0].entries[0].line, "x");

    let (status, text) = push(&running, r#"{"streams": [{"stream": {}, "values": [["1", "x"]]}]}"#).await;
    assert_eq!((status, text.as_str()), (400, "error at least one label pair is required per stream\n"));
    assert_eq!(push(&running, r#"{"streams": []}"#).await, (204, String::new()));
    assert_eq!(recorder.seen.lock().len(), 1);
    let refused = r#"otelcol_receiver_refused_log_records_total{receiver="loki",transport="http"}"#;
    assert_eq!(running.metric(refused), 2);
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
            partial(4),
        ]),
    )
    .await;
    let send = async || {
        let response = post(running.url(PUSH), &[PROTOBUF], snappy()).await;
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let (status, text) = answer(response).await;
        (status, retry_after, text)
    };
    assert_eq!(send().await, (400, None, "bad\n".into()));
    assert_eq!(send().await, (503, Some("1".into()), "disk full\n".into()));
    assert_eq!(send().await, (429, Some("3".into()), "too much\n".into()));
    assert_eq!(send().await, (204, None, String::new()));
    assert_eq!(send().await, (400, None, "too old (1 of 4 entries are not stored)\n".into()));
    assert_eq!(send().await, (400, None, "too old\n".into()));
}

#[tokio::test]
async fn mistakes_are_answered_in_text() {
    let running = start("max_request_body_size: 1000, compression_algorithms: [gzip]", Recorder::new()).await;
    for (headers, body, status, expected) in [
        (&[JSON][..], "[]", 400, "the body is not a push request in JSON: invalid type: sequence"),
        (&[PROTOBUF], "x", 400, "the body is not valid snappy"),
        // Snappy of one byte that begins a field which is not there.
        (&[PROTOBUF], "\x01\x00\x0a", 400, "the body is not a push request in protobuf: malformed protobuf at byte 1"),
        (&[JSON, ("content-encoding", "gzip")], "x", 400, "the body is not valid gzip"),
        (&[JSON, ("content-encoding", "br")], "{}", 415, "unsupported Content-Encoding \"br\"; supported: gzip"),
        (&[JSON, ("content-encoding", "zstd")], "{}", 415, "unsupported Content-Encoding \"zstd\"; supported: gzip"),
    ] {
        let response = post(running.url(PUSH), headers, body).await;
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
        let (found, text) = answer(response).await;
        assert!(found == status && text.starts_with(expected), "{headers:?}: {found} {text}");
    }
    let long = format!("{{{}}}", " ".repeat(1000));
    let (status, text) = push(&running, long.clone()).await;
    assert_eq!((status, text.as_str()), (413, "the body is larger than the limit of 1000 bytes\n"));
    for (encoding, headers) in [(Encoding::Gzip, vec![JSON, ("content-encoding", "gzip")]), (Encoding::Snappy, vec![])]
    {
        let bomb = compress(encoding, long.clone().into(), None).unwrap();
        let (status, text) = answer(post(running.url(PUSH), &headers, bomb).await).await;
        assert_eq!(status, 413, "{text}");
    }
    let response = Client::new().get(running.url(PUSH)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().unwrap()));
}

#[tokio::test]
async fn requests_name_their_tenant() {
    let recorder = Recorder::new();
    let yaml = "protocols: {http: {endpoint: '127.0.0.1:0', include_metadata: true}}";
    let running = start_with(yaml, Tenancy::Multi, to_all(recorder.clone())).await;
    let (status, text) = answer(post(running.url(PUSH), &[PROTOBUF], snappy()).await).await;
    assert!(status == 401 && text.contains("X-Scope-OrgID"), "{status} {text}");
    let response = post(running.url(PUSH), &[PROTOBUF, ("X-Scope-OrgID", "acme")], snappy()).await;
    assert_eq!(response.status().as_u16(), 204);
    let seen = recorder.seen.lock();
    assert_eq!((seen[0].tenant.to_string().as_str(), seen[0].payload.items()), ("acme", 4));
    assert_eq!(seen[0].origin.values("x-scope-orgid").collect::<Vec<_>>(), ["acme"]);
}

#[tokio::test]
async fn times_and_services_are_as_configured() {
    let recorder = Recorder::new();
    let yaml = "{protocols: {http: {endpoint: '127.0.0.1:0'}}, limits: {max_line_size: 1}}";
    let running = start_with(yaml, Tenancy::Single, to_all(recorder.clone())).await;
    let body = to_json(&[stream(r#"{app="shop"}"#, &["a", "bb"])]).unwrap();
    let (status, text) = push(&running, body).await;
    assert!(status == 400 && text.starts_with("Max entry size '1' bytes exceeded"), "{status} {text}");
    let arrived = last(&recorder);
    assert_eq!(arrived[0].labels.to_string(), r#"{app="shop", service_name="shop"}"#);
    // By default they are those of the arrival, as in the Collector.
    assert!(arrived[0].entries[0].time > 1_780_000_000_000_000_000, "{}", arrived[0].entries[0].time);
}

#[tokio::test]
async fn without_a_pipeline_of_logs_there_is_nothing_here() {
    let traces = Downstream::new([(Signal::Traces, Recorder::new() as Arc<dyn Consumer>)]);
    let running = start_with("protocols: {http: {endpoint: '127.0.0.1:0'}}", Tenancy::Single, traces).await;
    assert_eq!(push(&running, "{}").await, (404, "no pipeline takes logs from this receiver\n".into()));
}

#[tokio::test]
async fn other_listeners_have_the_paths_of_a_loki() {
    let recorder = Recorder::new();
    let metrics = Metrics::default().receiver("main").over("http");
    let limits = LimitsSection::default();
    let routers = http_routers(to_all(recorder.clone()), Tenancy::Single, HttpLimits::default(), &limits, metrics);
    let own = ["/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs"];
    let shared = ["/loki/api/v1/push", "/loki/loki/api/v1/push", "/loki/api/prom/push", "/loki/otlp/v1/logs"];
    for (router, paths, nowhere) in
        [(routers.own, &own[..], "/loki/ready"), (routers.shared, &shared[..], "/api/prom/push")]
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        for path in paths {
            let body = if path.ends_with("logs") { request(Signal::Logs).to_vec() } else { snappy() };
            let before = recorder.seen.lock().len();
            assert_eq!(post(format!("{url}{path}"), &[PROTOBUF], body).await.status(), 204, "{path}");
            assert_eq!(recorder.seen.lock().len(), before + 1, "{path}");
        }
        assert_eq!(post(format!("{url}{nowhere}"), &[PROTOBUF], snappy()).await.status(), 404, "{nowhere}");
    }
}

#[tokio::test]
async fn a_shutdown_refuses_what_takes_too_long() {
    let recorder = Recorder::closed();
    let running = start("", recorder.clone()).await;
    assert_eq!(running.receiver.listening()[0].protocol, "http");
    let url = running.url(PUSH);
    let waiting = tokio::spawn(async move { answer(post(url, &[PROTOBUF], snappy()).await).await });
    recorder.wait_for(1).await;
    running.receiver.shutdown(Duration::from_millis(10)).await;
    let answered = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(answered, (503, "the receiver is shutting down\n".into()));
    assert!(running.receiver.address("http").is_none());
}

#[tokio::test]
async fn it_speaks_tls() {
    let certificate = SelfSigned::new();
    let recorder = Recorder::new();
    let running = start(&certificate.option, recorder.clone()).await;
    let url = format!("https://localhost:{}{PUSH}", running.receiver.address("http").unwrap().port());
    assert_eq!(certificate.client().post(url).body(snappy()).send().await.unwrap().status(), 204);
    assert_eq!(recorder.seen.lock().len(), 1);
    assert!(Client::new().post(running.url(PUSH)).body(snappy()).send().await.is_err());
}
