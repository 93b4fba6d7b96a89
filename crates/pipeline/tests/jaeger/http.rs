use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Response};
use trefoil_jaeger::thrift::{Protocol, write_batch};
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::{Component, Downstream};
use trefoil_pipeline::net::compression::{Encoding, compress};
use trefoil_pipeline::{Accepted, Consumer, Refused};

use crate::running::{Running, batch, check, start, start_with};
use crate::self_signed::SelfSigned;
use crate::support::Recorder;

const THRIFT: &str = "application/x-thrift";

fn body() -> Vec<u8> {
    write_batch(Protocol::Binary, &batch()).unwrap()
}

async fn post(running: &Running, path: &str, content_type: &str, body: Vec<u8>) -> Response {
    let url = format!("http://{}{path}", running.address("thrift_http"));
    Client::new().post(url).header("content-type", content_type).body(body).send().await.unwrap()
}

#[tokio::test]
async fn batches_are_taken() {
    let recorder = Recorder::new();
    let running = start("thrift_http", "", recorder.clone()).await;
    let compact = write_batch(Protocol::Compact, &batch()).unwrap();
    let requests = [
        ("/api/traces?format=jaeger.thrift", THRIFT, body()),
        ("/api/traces", "application/vnd.apache.thrift.binary; charset=x", body()),
        ("/api/traces", "application/vnd.apache.thrift.compact", compact),
    ];
    for (path, content_type, body) in requests {
        let response = post(&running, path, content_type, body).await;
        assert_eq!(response.status(), 202, "{path} {content_type}");
        check(recorder.seen.lock().last().unwrap());
    }
    let packed = compress(Encoding::Gzip, body().into(), None).unwrap();
    let url = format!("http://{}/api/traces", running.address("thrift_http"));
    let request = Client::new().post(url).header("content-type", THRIFT).header("content-encoding", "gzip");
    assert_eq!(request.body(packed).send().await.unwrap().status(), 202);
    assert_eq!(
        running.metric(r#"otelcol_receiver_accepted_spans_total{receiver="jaeger",transport="collector_http"}"#),
        4
    );
}

#[tokio::test]
async fn mistakes_are_answered() {
    let recorder = Recorder::new();
    let running = start("thrift_http", "max_request_body_size: 1000", recorder.clone()).await;
    let cases: [(&str, &str, Vec<u8>, u16, &str); 6] = [
        ("/api/traces?format=zipkin.thrift", THRIFT, body(), 400, "unsupported format \"zipkin.thrift\""),
        ("/api/traces", "application/json", body(), 400, "unsupported content type \"application/json\""),
        ("/api/traces", THRIFT, b"nonsense".to_vec(), 400, "malformed Thrift at byte"),
        ("/api/traces", THRIFT, Vec::new(), 400, "malformed Thrift at byte 0: it ends within a value"),
        ("/api/traces", THRIFT, vec![0; 2000], 413, "larger than the limit of 1000 bytes"),
        ("/api/spans", THRIFT, body(), 404, ""),
    ];
    for (path, content_type, body, status, expected) in cases {
        let response = post(&running, path, content_type, body).await;
        assert_eq!(response.status(), status, "{path} {content_type}");
        let text = response.text().await.unwrap();
        assert!(text.contains(expected), "{text}");
    }
    let url = format!("http://{}/api/traces", running.address("thrift_http"));
    assert_eq!(Client::new().get(url).send().await.unwrap().status(), 405);
    assert!(recorder.seen.lock().is_empty());
}

#[tokio::test]
async fn answers_of_the_pipeline_become_http_answers() {
    let recorder = Recorder::answering([
        Ok(Accepted { rejected: 1, message: Some("one was bad".into()) }),
        Err(Refused::unavailable("disk full")),
        Err(Refused::overloaded("too much", Duration::from_millis(2500))),
    ]);
    let running = start("thrift_http", "", recorder).await;
    for (status, retry_after) in [(202, None), (503, Some("1")), (429, Some("3"))] {
        let response = post(&running, "/api/traces", THRIFT, body()).await;
        let told = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((response.status().as_u16(), told.as_deref()), (status, retry_after));
    }
    let refused = r#"otelcol_receiver_refused_spans_total{receiver="jaeger",transport="collector_http"}"#;
    assert_eq!(running.metric(refused), 3);
}

#[tokio::test]
async fn tenants_come_from_the_header() {
    let recorder = Recorder::new();
    let yaml = "protocols: {thrift_http: {endpoint: '127.0.0.1:0'}}";
    let consumer: Arc<dyn Consumer> = recorder.clone();
    let running = start_with(yaml, Tenancy::Multi, Downstream::new([(Signal::Traces, consumer)])).await;
    assert_eq!(post(&running, "/api/traces", THRIFT, body()).await.status(), 401);
    let url = format!("http://{}/api/traces", running.address("thrift_http"));
    let request = Client::new().post(url).header("content-type", THRIFT).header("x-scope-orgid", "acme");
    assert_eq!(request.body(body()).send().await.unwrap().status(), 202);
    assert_eq!(recorder.seen.lock()[0].tenant.as_str(), "acme");
}

#[tokio::test]
async fn a_shutdown_answers_what_is_under_way_and_frees_the_port() {
    let recorder = Recorder::closed();
    let running = start("thrift_http", "", recorder.clone()).await;
    let address = running.address("thrift_http");
    let (response, ()) = tokio::join!(post(&running, "/api/traces", THRIFT, body()), async {
        recorder.wait_for(1).await;
        running.receiver.shutdown(Duration::from_millis(10)).await;
    });
    assert_eq!(response.status(), 503);
    std::net::TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn it_speaks_tls() {
    let certificate = SelfSigned::new();
    let recorder = Recorder::new();
    let running = start("thrift_http", &certificate.option, recorder.clone()).await;
    let url = format!("https://localhost:{}/api/traces", running.address("thrift_http").port());
    let request = certificate.client().post(url).header("content-type", THRIFT).body(body());
    assert_eq!(request.send().await.unwrap().status(), 202);
    check(recorder.seen.lock().last().unwrap());
    let plain = format!("http://{}/api/traces", running.address("thrift_http"));
    assert!(Client::new().post(plain).header("content-type", THRIFT).body(body()).send().await.is_err());
}
