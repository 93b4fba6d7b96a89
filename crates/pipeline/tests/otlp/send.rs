use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use parking_lot::Mutex;
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::net::compression::Encoding;
use trefoil_pipeline::{Accepted, Refused};

use crate::support::*;

#[tokio::test]
async fn otlphttp_speaks_every_encoding_and_compression() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start_http("", recorder.clone()).await;
    for encoding in ["proto", "json"] {
        for compression in Encoding::ALL {
            let compression = if compression == Encoding::Identity { "none" } else { compression.as_str() };
            let yaml = format!(
                "{{endpoint: '{}', encoding: {encoding}, compression: {compression}, {NO_QUEUE}}}",
                running.url("")
            );
            let exporter = exporter("otlphttp", &yaml, directory.path()).await;
            for signal in Signal::ALL {
                assert_eq!(exporter.consume(telemetry(signal)).await, Ok(Accepted::all()), "{encoding} {compression}");
                assert_eq!(recorder.last_bytes(), request(signal));
            }
        }
    }
}

#[tokio::test]
async fn otlp_speaks_every_compression() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let running = start_grpc("", recorder.clone()).await;
    for compression in ["none", "gzip", "zstd", "snappy", "deflate"] {
        let yaml = format!(
            "{{endpoint: '{}', tls: {{insecure: true}}, compression: {compression}, {NO_QUEUE}, \
             keepalive: {{time: 10s}}, write_buffer_size: 1024}}",
            running.address()
        );
        let exporter = exporter("otlp", &yaml, directory.path()).await;
        for signal in Signal::ALL {
            assert_eq!(exporter.consume(telemetry(signal)).await, Ok(Accepted::all()), "{compression}");
            assert_eq!(recorder.last_bytes(), request(signal));
        }
    }
}

/// Both exporters, without a queue, against a receiver that answers `answers`.
async fn both(answers: Vec<Result<Accepted, Refused>>) -> Vec<(Result<Accepted, Refused>, usize)> {
    let directory = tempfile::tempdir().unwrap();
    let mut results = Vec::new();
    for kind in ["otlp", "otlphttp"] {
        let recorder = Recorder::answering(answers.clone());
        let running = if kind == "otlp" {
            start_grpc("", recorder.clone()).await
        } else {
            start_http("", recorder.clone()).await
        };
        let yaml = format!("{{endpoint: '{}', {RETRY_FAST}, {NO_QUEUE}}}", running.url(""));
        let exporter = exporter(kind, &yaml, directory.path()).await;
        let result = exporter.consume(telemetry(Signal::Traces)).await;
        results.push((result, recorder.seen.lock().len()));
    }
    results
}

#[tokio::test]
async fn partial_success_comes_back() {
    let partial = Accepted { rejected: 2, message: Some("two were bad".into()) };
    assert_eq!(both(vec![Ok(partial.clone())]).await, [(Ok(partial.clone()), 1), (Ok(partial), 1)]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    for (result, attempts) in both(vec![Err(Refused::Invalid("bad".into()))]).await {
        assert!(matches!(&result, Err(Refused::Invalid(reason)) if reason.ends_with("bad")), "{result:?}");
        assert_eq!(attempts, 1);
    }
}

#[tokio::test]
async fn failures_are_tried_again_after_the_time_asked_for() {
    let ask = Duration::from_secs(1);
    let start = Instant::now();
    let answers = vec![
        Err(Refused::overloaded("full", ask)),
        Err(Refused::Unavailable { reason: "down".into(), retry_after: Some(ask) }),
    ];
    let results = both(answers).await;
    assert_eq!(results, [(Ok(Accepted::all()), 3), (Ok(Accepted::all()), 3)]);
    // Two waits of a second for each exporter; the configured intervals are milliseconds.
    assert!(start.elapsed() >= 4 * ask, "{:?}", start.elapsed());
}

/// A server that is no OTLP receiver: answers with these statuses, then 200.
async fn flaky(answers: Vec<(u16, &'static str)>) -> (String, Arc<Mutex<Vec<HeaderMap>>>) {
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let record = seen.clone();
    let handler = move |headers: HeaderMap| {
        let mut seen = record.lock();
        let (status, retry_after) = answers.get(seen.len()).copied().unwrap_or((200, ""));
        seen.push(headers);
        let mut response = (StatusCode::from_u16(status).unwrap(), "<html>of a proxy</html>").into_response();
        if !retry_after.is_empty() {
            response.headers_mut().insert("retry-after", retry_after.parse().unwrap());
        }
        std::future::ready(response)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
    (url, seen)
}

#[tokio::test]
async fn proxies_in_between_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let (url, seen) = flaky(vec![(502, ""), (503, "0"), (504, "Thu, 01 Jan 1970 00:00:00 GMT"), (429, "soon")]).await;
    let yaml = format!("{{endpoint: '{url}/base/', headers: {{X-Token: secret}}, {RETRY_FAST}, {NO_QUEUE}}}");
    let sending = exporter("otlphttp", &yaml, directory.path()).await;
    assert_eq!(sending.consume(telemetry(Signal::Logs)).await, Ok(Accepted::all()));
    {
        let seen = seen.lock();
        assert_eq!(seen.len(), 5);
        assert_eq!(seen[0]["x-token"], "secret");
        assert_eq!(seen[0]["content-encoding"], "gzip");
        assert!(seen[0]["user-agent"].to_str().unwrap().starts_with("Trefoil/"));
    }
    let (url, seen) = flaky(vec![(404, "")]).await;
    let sending = exporter("otlphttp", &format!("{{logs_endpoint: '{url}/x', {NO_QUEUE}}}"), directory.path()).await;
    let refused = sending.consume(telemetry(Signal::Logs)).await.unwrap_err();
    assert_eq!(refused, Refused::Invalid("404 Not Found: <html>of a proxy</html>".into()));
    let refused = sending.consume(telemetry(Signal::Traces)).await.unwrap_err();
    assert_eq!(refused, Refused::Invalid("the exporter has no endpoint for traces".into()));
    assert_eq!(seen.lock().len(), 1);

    let (url, _) = flaky(vec![(503, "")]).await;
    let yaml = format!("{{endpoint: '{url}', {NO_QUEUE}, retry_on_failure: {{enabled: false}}}}");
    let sending = exporter("otlp", &yaml, directory.path()).await;
    let refused = sending.consume(telemetry(Signal::Logs)).await.unwrap_err();
    assert!(matches!(&refused, Refused::Unavailable { .. }), "{refused:?}");
}

#[tokio::test]
async fn an_attempt_ends_with_its_timeout() {
    let directory = tempfile::tempdir().unwrap();
    for kind in ["otlp", "otlphttp"] {
        let recorder = Recorder::closed();
        let running = if kind == "otlp" {
            start_grpc("", recorder.clone()).await
        } else {
            start_http("", recorder.clone()).await
        };
        let yaml = format!(
            "{{endpoint: '{}', timeout: 50ms, {NO_QUEUE}, retry_on_failure: {{enabled: false}}}}",
            running.url("")
        );
        let exporter = exporter(kind, &yaml, directory.path()).await;
        let refused = exporter.consume(telemetry(Signal::Traces)).await.unwrap_err();
        assert!(matches!(refused, Refused::Unavailable { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_found_later() {
    let directory = tempfile::tempdir().unwrap();
    for kind in ["otlp", "otlphttp"] {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        let yaml = format!("{{endpoint: 'http://{address}', {NO_QUEUE}, retry_on_failure: {{enabled: false}}}}");
        let exporter = exporter(kind, &yaml, directory.path()).await;
        let refused = exporter.consume(telemetry(Signal::Traces)).await.unwrap_err();
        assert!(refused.is_retryable() && refused.to_string().contains("refused"), "{refused}");

        let protocol = if kind == "otlp" { "grpc" } else { "http" };
        let yaml = format!("protocols: {{{protocol}: {{endpoint: '{address}'}}}}");
        let _running = start(&yaml, Tenancy::Single, to_all(Recorder::new())).await;
        assert_eq!(exporter.consume(telemetry(Signal::Traces)).await, Ok(Accepted::all()), "{kind}");
    }
}

#[tokio::test]
async fn wait_for_ready_waits() {
    let directory = tempfile::tempdir().unwrap();
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    drop(probe);
    let yaml = format!("{{endpoint: 'http://{address}', {NO_QUEUE}, wait_for_ready: true, timeout: 30s}}");
    let exporter = exporter("otlp", &yaml, directory.path()).await;
    let sending = tokio::spawn(async move { exporter.consume(telemetry(Signal::Traces)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!sending.is_finished());
    let yaml = format!("protocols: {{grpc: {{endpoint: '{address}'}}}}");
    let _running = start(&yaml, Tenancy::Single, to_all(Recorder::new())).await;
    assert_eq!(sending.await.unwrap(), Ok(Accepted::all()));
}

#[tokio::test]
async fn headers_name_the_tenant_to_the_other_side() {
    let directory = tempfile::tempdir().unwrap();
    for (kind, protocol) in [("otlp", "grpc"), ("otlphttp", "http")] {
        let recorder = Recorder::new();
        let yaml = format!("protocols: {{{protocol}: {{endpoint: '127.0.0.1:0'}}}}");
        let running = start(&yaml, Tenancy::Multi, to_all(recorder.clone())).await;
        let yaml = format!("{{endpoint: '{}', headers: {{X-Scope-OrgID: acme}}, {NO_QUEUE}}}", running.url(""));
        exporter(kind, &yaml, directory.path()).await.consume(telemetry(Signal::Traces)).await.unwrap();
        assert_eq!(recorder.seen.lock()[0].tenant.as_str(), "acme");
    }
}

#[tokio::test]
async fn a_queue_takes_what_the_server_does_not_until_it_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::closed();
    let running = start_http("", recorder.clone()).await;
    let yaml = format!("{{endpoint: '{}', sending_queue: {{queue_size: 2, num_consumers: 1}}}}", running.url(""));
    let exporter = exporter("otlphttp", &yaml, directory.path()).await;
    exporter.consume(telemetry(Signal::Traces)).await.unwrap();
    exporter.consume(telemetry(Signal::Metrics)).await.unwrap();
    let refused = exporter.consume(telemetry(Signal::Logs)).await.unwrap_err();
    assert_eq!(refused, Refused::overloaded("the sending queue is full", Duration::from_secs(1)));
    recorder.open();
    let signals: Vec<Signal> = recorder.wait_for(2).await.iter().map(|seen| seen.signal()).collect();
    assert_eq!(signals, [Signal::Traces, Signal::Metrics]);
    exporter.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_queue_on_disk_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    drop(probe);
    let queue = "sending_queue: {storage: file_storage, num_consumers: 2}";
    let yaml = format!("{{endpoint: 'http://{address}', {queue}, retry_on_failure: {{initial_interval: 5ms}}}}");
    let first = exporter("otlphttp/later", &yaml, directory.path()).await;
    for signal in Signal::ALL {
        assert_eq!(first.consume(telemetry(signal)).await, Ok(Accepted::all()));
    }
    first.shutdown(Duration::from_millis(20)).await;
    drop(first);

    let recorder = Recorder::new();
    let server = format!("protocols: {{http: {{endpoint: '{address}'}}}}");
    let _running = start(&server, Tenancy::Single, to_all(recorder.clone())).await;
    let second = exporter("otlphttp/later", &yaml, directory.path()).await;
    let mut signals: Vec<Signal> = recorder.wait_for(3).await.iter().map(|seen| seen.signal()).collect();
    signals.sort();
    assert_eq!(signals, Signal::ALL);
    second.shutdown(PATIENCE).await;
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = |kind: &str, yaml: &str| build_exporter(kind, yaml, directory.path()).err().unwrap_or_default();
    let cases = [
        ("otlp", "{}", "endpoint"),
        ("otlp", "{endpoint: 'a:1', compression: br}", "compression"),
        ("otlp", "{endpoint: 'a:1', balancer_name: round_robin}", "pick_first"),
        ("otlp", "{endpoint: 'a:1', auth: {authenticator: x}}", "not supported by Trefoil"),
        ("otlp", "{endpoint: 'a:1', tls: {ca_file: /nonexistent}}", "/nonexistent"),
        ("otlphttp", "{endpoint: 'localhost:4318'}", "http://"),
        ("otlphttp", "{endpoint: 'http://a', compression: snappy, compression_params: {level: 3}}", "no levels"),
        ("otlphttp", "{endpoint: 'http://a', compression_params: {level: 11}}", "0 to 9"),
        ("otlphttp", "{endpoint: 'http://a', encoding: xml}", "xml"),
        ("otlphttp", "{endpoint: 'http://a', headers: {'a b': c}}", "not the name of a header"),
        ("otlphttp", "{endpoint: 'http://a', retry_on_failure: {multiplier: 0}}", "multiplier"),
        ("otlphttp", "{endpoint: 'http://a', sending_queue: {storage: redis}}", "file_storage"),
        ("otlphttp", "{endpoint: 'http://a', sending_queue: {batch: {}}}", "processor `batch`"),
        ("file", "{}", "path"),
        ("file", "{path: a, append: true, compression: zstd}", "append"),
        ("file", "{path: a, group_by: {enabled: true}}", "not supported by Trefoil"),
        ("debug", "{verbosity: loud}", "loud"),
        ("trefoil", "{endpoint: a}", "endpoint"),
    ];
    for (kind, yaml, expected) in cases {
        let found = error(kind, yaml);
        assert!(found.contains(expected), "{kind} {yaml}: {found:?}");
    }
}

#[tokio::test]
async fn trefoil_hands_everything_to_the_store_and_its_answer_back() {
    let directory = tempfile::tempdir().unwrap();
    let exporter = exporter("trefoil", "{}", directory.path()).await;
    let refused = exporter.consume(telemetry(Signal::Logs)).await.unwrap_err();
    let asked = format!("no store in this test: default, logs, {} bytes", request(Signal::Logs).len());
    assert_eq!(refused, Refused::unavailable(asked));
}
