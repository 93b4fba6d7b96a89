use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message as _;
use reqwest::{Client, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::{Component, Downstream};
use trefoil_pipeline::net::compression::{Encoding, compress};
use trefoil_pipeline::receivers::otlp::{HttpLimits, http_router};
use trefoil_pipeline::{Accepted, Metrics, Refused};

use crate::support::*;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn post(url: String, content_type: &str, encoding: &str, body: impl Into<reqwest::Body>) -> Response {
    let mut request = Client::new().post(url).header("content-type", content_type).body(body);
    if !encoding.is_empty() {
        request = request.header("content-encoding", encoding);
    }
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// The status, content type and `google.rpc.Status` of a refusal in protobuf.
async fn refusal(response: Response) -> (u16, i32, String) {
    let http = response.status().as_u16();
    assert_eq!(header(&response, "content-type"), PROTOBUF);
    let status = tonic_types::pb::Status::decode(response.bytes().await.unwrap()).unwrap();
    (http, status.code, status.message)
}

#[tokio::test]
async fn every_signal_in_every_encoding_arrives_as_it_was_sent() {
    let recorder = Recorder::new();
    let running = start_http("", recorder.clone()).await;
    for signal in Signal::ALL {
        for encoding in Encoding::ALL {
            let body = compress(encoding, request(signal), None).unwrap();
            let response = post(running.url(&format!("/v1/{signal}")), PROTOBUF, encoding.as_str(), body).await;
            assert_eq!(response.status(), 200, "{signal} {encoding:?}");
            assert_eq!(header(&response, "content-type"), PROTOBUF);
            assert_eq!(response.bytes().await.unwrap(), Bytes::new());
            assert_eq!(recorder.last_bytes(), request(signal));
        }
    }
    assert_eq!(recorder.seen.lock().len(), 21);
}

#[tokio::test]
async fn json_arrives_as_protobuf_and_is_answered_in_json() {
    let recorder = Recorder::new();
    let running = start_http("", recorder.clone()).await;
    for signal in Signal::ALL {
        let json = trefoil_model::json::from_protobuf(signal, &request(signal)).unwrap();
        let gzipped = compress(Encoding::Gzip, json.clone().into(), None).unwrap();
        let url = running.url(&format!("/v1/{signal}"));
        for (encoding, body) in [("", json.into()), ("gzip", gzipped)] {
            let response = post(url.clone(), "application/json; charset=utf-8", encoding, body).await;
            assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, JSON));
            assert_eq!(response.text().await.unwrap(), "{}");
            assert_eq!(recorder.last_bytes(), request(signal));
        }
    }
}

#[tokio::test]
async fn partial_success_is_told_in_both_forms() {
    let partial = Accepted { rejected: 2, message: Some("two were bad".into()) };
    let running = start_http("", Recorder::answering([Ok(partial.clone()), Ok(partial)])).await;
    let response = post(running.url("/v1/traces"), PROTOBUF, "", request(Signal::Traces)).await;
    let expected = ExportTracePartialSuccess { rejected_spans: 2, error_message: "two were bad".into() };
    let answer = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.partial_success, Some(expected));

    let response = post(running.url("/v1/logs"), JSON, "", "{}").await;
    let expected = r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"two were bad"}}"#;
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&response.text().await.unwrap()), parse(expected));
}

#[tokio::test]
async fn refusals_have_their_status_and_say_when_to_come_back() {
    let running = start_http(
        "",
        Recorder::answering([
            Err(Refused::Invalid("bad".into())),
            Err(Refused::unavailable("disk full")),
            Err(Refused::overloaded("too much", Duration::from_millis(2500))),
            Err(Refused::overloaded("too much", Duration::from_millis(2500))),
        ]),
    )
    .await;
    let send = |form: &'static str| post(running.url("/v1/traces"), form, "", if form == JSON { "{}" } else { "" });
    let response = send(PROTOBUF).await;
    assert_eq!(header(&response, "retry-after"), "");
    assert_eq!(refusal(response).await, (400, 3, "bad".into()));
    let response = send(PROTOBUF).await;
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(refusal(response).await, (503, 14, "disk full".into()));
    let response = send(PROTOBUF).await;
    assert_eq!(header(&response, "retry-after"), "3");
    assert_eq!(refusal(response).await, (429, 8, "too much".into()));
    let response = send(JSON).await;
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (429, JSON));
    assert!(response.text().await.unwrap().contains(r#""retryDelay":"2.5s""#));
}

#[tokio::test]
async fn malformed_bodies_are_a_client_error() {
    let directory = tempfile::tempdir().unwrap();
    let debug = exporter("debug", "{}", directory.path()).await;
    let running = start_http("", debug).await;
    let url = running.url("/v1/traces");

    let (status, code, message) = refusal(post(url.clone(), PROTOBUF, "", "\x0a\x7f no span").await).await;
    assert_eq!((status, code), (400, 3));
    assert!(message.starts_with("the body is not an OTLP traces export request"), "{message}");
    for encoding in ["gzip", "zstd", "deflate", "snappy", "lz4"] {
        let (status, code, message) = refusal(post(url.clone(), PROTOBUF, encoding, "plain text").await).await;
        assert_eq!((status, code), (400, 3), "{encoding}: {message}");
    }
    let response = post(url, JSON, "", r#"{"resourceSpans":[{"scopeSpans":7}]}"#).await;
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (400, JSON));
    let answer = response.text().await.unwrap();
    assert!(answer.contains("malformed OTLP/JSON") && answer.contains("line 1 column"), "{answer}");
}

#[tokio::test]
async fn oversize_bodies_and_bombs_are_refused() {
    let recorder = Recorder::new();
    let running = start_http("max_request_body_size: 1000", recorder.clone()).await;
    let url = running.url("/v1/traces");
    let zeros = Bytes::from(vec![0; 100_000]);
    for encoding in Encoding::ALL {
        let bomb = compress(encoding, zeros.clone(), None).unwrap();
        let (status, code, message) = refusal(post(url.clone(), PROTOBUF, encoding.as_str(), bomb).await).await;
        assert_eq!((status, code), (413, 8), "{encoding:?}: {message}");
        assert!(message.contains("1000 bytes"), "{message}");
    }
    // Without a content-length, too.
    let stream = futures::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![0; 100]))));
    assert_eq!(post(url.clone(), PROTOBUF, "", reqwest::Body::wrap_stream(stream)).await.status(), 413);
    assert_eq!(post(url, PROTOBUF, "", vec![0; 1000]).await.status(), 200);
    assert_eq!(recorder.seen.lock().len(), 1);
}

#[tokio::test]
async fn what_is_not_otlp_is_told_so() {
    let recorder = Recorder::new();
    let options = "compression_algorithms: ['', gzip], traces_url_path: /in/spans";
    let running = start_http(options, recorder.clone()).await;
    let response = post(running.url("/v1/logs"), "text/plain", "", "x").await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(response.text().await.unwrap().contains("application/x-protobuf"));
    assert_eq!(Client::new().post(running.url("/v1/logs")).send().await.unwrap().status(), 415);
    for encoding in ["br", "zstd", "gzip, gzip"] {
        let response = post(running.url("/v1/logs"), PROTOBUF, encoding, "x").await;
        assert!(!header(&response, "accept-encoding").is_empty());
        assert_eq!(refusal(response).await.0, 415, "{encoding}");
    }
    let response = Client::new().get(running.url("/v1/logs")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "POST"));
    assert_eq!(post(running.url("/v1/traces"), PROTOBUF, "", "").await.status(), 404);
    assert_eq!(post(running.url("/in/spans"), PROTOBUF, "", "").await.status(), 200);
}

#[tokio::test]
async fn a_signal_without_a_pipeline_is_not_found() {
    let downstream = Downstream::new([(Signal::Logs, Recorder::new() as _)]);
    let running = start("protocols: {http: {endpoint: '127.0.0.1:0'}}", Tenancy::Single, downstream).await;
    assert_eq!(post(running.url("/v1/logs"), PROTOBUF, "", "").await.status(), 200);
    let (status, _, message) = refusal(post(running.url("/v1/traces"), PROTOBUF, "", "").await).await;
    assert_eq!((status, message.as_str()), (404, "no pipeline takes traces from this receiver"));
}

#[tokio::test]
async fn tenants_are_named_when_there_are_many() {
    let recorder = Recorder::new();
    let yaml = "protocols: {http: {endpoint: '127.0.0.1:0'}}";
    let running = start(yaml, Tenancy::Multi, to_all(recorder.clone())).await;
    let send = |tenant: Option<&'static str>| {
        let mut request = Client::new().post(running.url("/v1/logs")).header("content-type", PROTOBUF);
        if let Some(tenant) = tenant {
            request = request.header("X-Scope-OrgID", tenant);
        }
        request.send()
    };
    assert_eq!(refusal(send(None).await.unwrap()).await.0, 401);
    let (status, code, message) = refusal(send(Some("a/b")).await.unwrap()).await;
    assert_eq!((status, code), (401, 16), "{message}");
    assert_eq!(send(Some("acme")).await.unwrap().status(), 200);
    assert_eq!(recorder.seen.lock()[0].tenant.as_str(), "acme");
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_send() {
    let cors = "cors: {allowed_origins: ['https://*.example.com'], allowed_headers: [X-Custom], max_age: 600}";
    let options = format!("{cors}, response_headers: {{X-Served-By: trefoil}}");
    let running = start_http(&options, Recorder::new()).await;
    let preflight = |origin: &'static str| {
        Client::new()
            .request(reqwest::Method::OPTIONS, running.url("/v1/traces"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-custom")
            .send()
    };
    let response = preflight("https://shop.example.com").await.unwrap();
    assert!(response.status().is_success());
    assert_eq!(header(&response, "access-control-allow-origin"), "https://shop.example.com");
    assert_eq!(header(&response, "access-control-allow-methods"), "POST");
    assert!(header(&response, "access-control-allow-headers").contains("x-custom"));
    assert_eq!(header(&response, "access-control-max-age"), "600");
    let response = preflight("https://example.org").await.unwrap();
    assert_eq!(header(&response, "access-control-allow-origin"), "");

    let request = Client::new().post(running.url("/v1/traces")).header("origin", "https://shop.example.com");
    let response = request.header("content-type", PROTOBUF).send().await.unwrap();
    assert_eq!(header(&response, "access-control-allow-origin"), "https://shop.example.com");
    assert_eq!(header(&response, "x-served-by"), "trefoil");

    let plain = start_http("", Recorder::new()).await;
    let response = Client::new().request(reqwest::Method::OPTIONS, plain.url("/v1/traces")).send().await.unwrap();
    assert_eq!(response.status(), 405);
}

#[tokio::test]
async fn http2_without_tls_is_spoken_too() {
    let recorder = Recorder::new();
    let running = start_http("", recorder.clone()).await;
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let request =
        client.post(running.url("/v1/traces")).header("content-type", PROTOBUF).body(traces(5000).encode_to_vec());
    let response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_2));
    assert_eq!(recorder.last_bytes(), traces(5000).encode_to_vec());
}

#[tokio::test]
async fn the_origin_is_kept_on_request() {
    for (options, kept) in [("", false), ("include_metadata: true", true)] {
        let recorder = Recorder::new();
        let running = start_http(options, recorder.clone()).await;
        let request = Client::new().post(running.url("/v1/logs")).header("content-type", PROTOBUF);
        request.header("X-Region", "eu").send().await.unwrap();
        let origin = recorder.seen.lock()[0].origin.clone();
        assert!(origin.address.unwrap().ip().is_loopback());
        assert_eq!(origin.values("x-region").eq(["eu"]), kept);
    }
}

/// What a raw connection is answered until it is closed.
async fn talk(running: &Running, text: &str) -> String {
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

const HEADERS: &str = "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n";

#[tokio::test]
async fn slow_and_idle_clients_are_let_go() {
    let running = start_http("idle_timeout: 50ms", Recorder::new()).await;
    let answer = talk(&running, &format!("{HEADERS}content-length: 0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    let running = start_http("keep_alives_enabled: false", Recorder::new()).await;
    let answer = talk(&running, &format!("{HEADERS}content-length: 0\r\n\r\n")).await;
    assert!(answer.contains("connection: close"), "{answer}");

    let running = start_http("read_timeout: 50ms, idle_timeout: 50ms", Recorder::new()).await;
    let answer = talk(&running, &format!("{HEADERS}content-length: 10\r\n\r\nhalf")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");

    let running = start_http("read_header_timeout: 50ms", Recorder::new()).await;
    assert_eq!(talk(&running, "POST /v1/logs HTT").await, "");
}

#[tokio::test]
async fn a_connection_with_a_request_under_way_is_not_idle() {
    let recorder = Recorder::closed();
    let running = start_http("idle_timeout: 20ms", recorder.clone()).await;
    let sending = tokio::spawn(post(running.url("/v1/logs"), PROTOBUF, "", ""));
    recorder.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    recorder.open();
    assert_eq!(sending.await.unwrap().status(), 200);
}

#[tokio::test]
async fn shutdown_answers_what_is_under_way() {
    let recorder = Recorder::closed();
    let running = start_http("", recorder.clone()).await;
    let sending = tokio::spawn(post(running.url("/v1/logs"), PROTOBUF, "", ""));
    recorder.wait_for(1).await;
    let receiver = running.receiver.clone();
    let shutdown = tokio::spawn(async move { receiver.shutdown(PATIENCE).await });
    // Nothing new is taken while the old is finished.
    while TcpStream::connect(running.address()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    recorder.open();
    assert_eq!(sending.await.unwrap().status(), 200);
    tokio::time::timeout(PATIENCE, shutdown).await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_refuses_what_takes_too_long() {
    let recorder = Recorder::closed();
    let running = start_http("", recorder.clone()).await;
    let sending = tokio::spawn(post(running.url("/v1/logs"), PROTOBUF, "", ""));
    recorder.wait_for(1).await;
    tokio::time::timeout(PATIENCE, running.receiver.shutdown(Duration::from_millis(20))).await.unwrap();
    assert_eq!(refusal(sending.await.unwrap()).await, (503, 14, "the receiver is shutting down".into()));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let running = start_http("", Recorder::new()).await;
    let yaml = format!("protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}, http: {{endpoint: '{}'}}}}", running.address());
    let second = receiver(&yaml, Tenancy::Single, to_all(Recorder::new()));
    let error = second.start().await.unwrap_err().to_string();
    let address = running.address();
    assert!(
        error.starts_with(&format!("protocols.http: cannot listen on {address}: the address is in use")),
        "{error}"
    );
    assert!(second.addresses().is_empty());
}

/// The URL for traces on another listener, which has the routes below `/otlp`.
async fn nest(downstream: Downstream, in_flight_bytes: usize) -> String {
    let metrics = Metrics::default().receiver("main").over("http");
    let routes = http_router(downstream, Tenancy::Single, HttpLimits::default(), Some(in_flight_bytes), metrics);
    let router = axum::Router::new().nest("/otlp", routes);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/otlp/v1/traces", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn another_listener_can_serve_the_routes_within_its_limits() {
    let recorder = Recorder::closed();
    let url = nest(to_all(recorder.clone()), 100).await;

    let held = tokio::spawn(post(url.clone(), PROTOBUF, "", vec![0; 90]));
    recorder.wait_for(1).await;
    let response = post(url.clone(), PROTOBUF, "", vec![0; 90]).await;
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(refusal(response).await.0, 429);
    recorder.open();
    assert_eq!(held.await.unwrap().status(), 200);
    assert_eq!(post(url, PROTOBUF, "", vec![0; 90]).await.status(), 200);
}

#[tokio::test]
async fn another_listener_tells_what_will_never_be_taken_from_what_is_not_taken_yet() {
    let url = nest(Downstream::not_running(), 100).await;
    let response = post(url, PROTOBUF, "", "").await;
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(refusal(response).await, (503, 14, "the pipelines are not running (yet)".to_owned()));

    let url = nest(Downstream::default(), 100).await;
    let expected = (404, 12, "no pipeline takes traces from an `otlp` receiver".to_owned());
    assert_eq!(refusal(post(url, PROTOBUF, "", "").await).await, expected);
}
