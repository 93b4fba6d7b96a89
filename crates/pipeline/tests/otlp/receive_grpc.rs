use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message as _;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt;
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::{Component, Downstream};
use trefoil_pipeline::net::compression::{Encoding, compress};
use trefoil_pipeline::net::grpc;
use trefoil_pipeline::{Accepted, Refused};

use crate::support::*;

async fn channel(running: &Running) -> Channel {
    Channel::from_shared(running.url("")).unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn stock_clients_are_served_in_every_compression() {
    let recorder = Recorder::new();
    let running = start_grpc("", recorder.clone()).await;
    let channel = channel(&running).await;
    let encodings = [CompressionEncoding::Gzip, CompressionEncoding::Zstd, CompressionEncoding::Deflate];
    for encoding in [None].into_iter().chain(encodings.map(Some)) {
        let mut spans = TraceServiceClient::new(channel.clone());
        let mut points = MetricsServiceClient::new(channel.clone());
        let mut records = LogsServiceClient::new(channel.clone());
        if let Some(encoding) = encoding {
            spans = spans.send_compressed(encoding).accept_compressed(encoding);
            points = points.send_compressed(encoding).accept_compressed(encoding);
            records = records.send_compressed(encoding).accept_compressed(encoding);
        }
        assert_eq!(spans.export(traces(3000)).await.unwrap().into_inner().partial_success, None);
        assert_eq!(recorder.last_bytes(), traces(3000).encode_to_vec());
        points.export(metrics()).await.unwrap();
        assert_eq!(recorder.last_bytes(), request(Signal::Metrics));
        records.export(logs()).await.unwrap();
        assert_eq!(recorder.last_bytes(), request(Signal::Logs));
    }
    assert!(recorder.seen.lock()[0].origin.address.unwrap().ip().is_loopback());
}

#[tokio::test]
async fn answers_of_the_pipeline_become_grpc_answers() {
    let running = start_grpc(
        "",
        Recorder::answering([
            Ok(Accepted { rejected: 1, message: Some("one was bad".into()) }),
            Err(Refused::Invalid("bad".into())),
            Err(Refused::unavailable("disk full")),
            Err(Refused::overloaded("too much", Duration::from_millis(2500))),
        ]),
    )
    .await;
    let mut client = TraceServiceClient::new(channel(&running).await);
    let partial = client.export(traces(1)).await.unwrap().into_inner().partial_success.unwrap();
    assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (1, "one was bad"));

    let status = client.export(traces(1)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "bad"));
    assert!(status.get_details_retry_info().is_none());
    let status = client.export(traces(1)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "disk full"));
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    let status = client.export(traces(1)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "too much"));
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_millis(2500)));
    client.export(traces(1)).await.unwrap();
}

#[tokio::test]
async fn tenants_come_from_metadata() {
    let recorder = Recorder::new();
    let yaml = "protocols: {grpc: {endpoint: '127.0.0.1:0', include_metadata: true}}";
    let running = start(yaml, Tenancy::Multi, to_all(recorder.clone())).await;
    let mut client = TraceServiceClient::new(channel(&running).await);
    assert_eq!(client.export(traces(1)).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = Request::new(traces(1));
    request.metadata_mut().insert("x-scope-orgid", "acme".parse().unwrap());
    client.export(request).await.unwrap();
    let seen = recorder.seen.lock()[0].clone();
    assert_eq!(seen.tenant.as_str(), "acme");
    assert!(seen.origin.values("X-Scope-OrgID").eq(["acme"]));
}

#[tokio::test]
async fn oversize_messages_and_bombs_are_refused() {
    let recorder = Recorder::new();
    let running = start_grpc("max_recv_msg_size_mib: 1", recorder.clone()).await;
    let channel = channel(&running).await;
    let large = traces(30_000);
    assert!(large.encoded_len() > 1 << 20);
    let mut client = TraceServiceClient::new(channel.clone());
    let status = client.export(large.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("1048576 bytes") && status.get_details_retry_info().is_none());
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = TraceServiceClient::new(channel.clone()).send_compressed(encoding);
        assert_eq!(client.export(large.clone()).await.unwrap_err().code(), Code::ResourceExhausted);
    }
    assert!(recorder.seen.lock().is_empty());
    client.export(traces(1)).await.unwrap();
}

/// The status of a call whose body is not made by a gRPC library; it stands in the headers of a refusal.
async fn raw(running: &Running, path: &str, headers: &[(&str, &str)], body: Bytes) -> (u16, String) {
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let mut request = client.post(running.url(path)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.headers().get("grpc-status").map(|value| value.to_str().unwrap().to_string());
    (response.status().as_u16(), status.unwrap_or_default())
}

#[tokio::test]
async fn malformed_calls_have_their_status() {
    let directory = tempfile::tempdir().unwrap();
    let debug = exporter("debug", "{}", directory.path()).await;
    let downstream = Downstream::new([(Signal::Traces, debug as _)]);
    let running = start("protocols: {grpc: {endpoint: '127.0.0.1:0'}}", Tenancy::Single, downstream).await;
    let grpc_type = ("content-type", "application/grpc");
    let status = |code: Code| (200, (code as i32).to_string());

    let malformed = grpc::frame(b"\x0a\x7f no span", false);
    assert_eq!(raw(&running, grpc::TRACES_EXPORT, &[grpc_type], malformed).await, status(Code::InvalidArgument));
    let cut = Bytes::from_static(b"\0\0\0\0\x50abc");
    assert_eq!(raw(&running, grpc::TRACES_EXPORT, &[grpc_type], cut).await, status(Code::Internal));
    let message = grpc::frame(&compress(Encoding::SnappyFramed, request(Signal::Traces), None).unwrap(), true);
    let snappy = [grpc_type, ("grpc-encoding", "snappy")];
    assert_eq!(raw(&running, grpc::TRACES_EXPORT, &snappy, message.clone()).await.0, 200);
    let unknown = [grpc_type, ("grpc-encoding", "br")];
    assert_eq!(raw(&running, grpc::TRACES_EXPORT, &unknown, message.clone()).await, status(Code::Unimplemented));
    let rubbish = grpc::frame(b"not gzip", true);
    let gzip = [grpc_type, ("grpc-encoding", "gzip")];
    assert_eq!(raw(&running, grpc::TRACES_EXPORT, &gzip, rubbish).await, status(Code::InvalidArgument));

    assert_eq!(raw(&running, grpc::LOGS_EXPORT, &[grpc_type], message.clone()).await, status(Code::Unimplemented));
    assert_eq!(raw(&running, "/no.Service/Method", &[grpc_type], message.clone()).await, status(Code::Unimplemented));
    let json = [("content-type", "application/json")];
    assert_eq!(raw(&running, grpc::TRACES_EXPORT, &json, message).await.0, 415);
}

#[tokio::test]
async fn a_deadline_ends_the_call() {
    let recorder = Recorder::closed();
    let running = start_grpc("", recorder.clone()).await;
    let headers = [("content-type", "application/grpc"), ("grpc-timeout", "20m")];
    let body = grpc::frame(&request(Signal::Traces), false);
    let (_, status) = raw(&running, grpc::TRACES_EXPORT, &headers, body).await;
    assert_eq!(status, (Code::DeadlineExceeded as i32).to_string());
}

#[tokio::test]
async fn connections_grow_old_without_losing_a_call() {
    let recorder = Recorder::new();
    let keepalive =
        "keepalive: {server_parameters: {max_connection_age: 50ms, max_connection_age_grace: 10s, time: 1s}}";
    let running =
        start_grpc(&format!("{keepalive}, max_concurrent_streams: 10, read_buffer_size: 65536"), recorder.clone())
            .await;
    let channel = channel(&running).await;
    let mut ports = std::collections::HashSet::new();
    let mut answered = 0;
    let start = std::time::Instant::now();
    while ports.len() < 3 && start.elapsed() < PATIENCE {
        // A call that the client was about to send when the connection closed fails there; none that was received does.
        let Ok(_) = TraceServiceClient::new(channel.clone()).export(traces(1)).await else { continue };
        answered += 1;
        ports.insert(recorder.seen.lock().last().unwrap().origin.address.unwrap().port());
    }
    assert_eq!(ports.len(), 3, "the client never had to reconnect");
    assert_eq!(recorder.seen.lock().len(), answered);
}

#[tokio::test]
async fn shutdown_finishes_the_calls_under_way() {
    let recorder = Recorder::closed();
    let running = start_grpc("", recorder.clone()).await;
    let mut client = TraceServiceClient::new(channel(&running).await);
    let calling = tokio::spawn(async move { client.export(traces(1)).await });
    recorder.wait_for(1).await;
    let receiver = running.receiver.clone();
    let shutdown = tokio::spawn(async move { receiver.shutdown(PATIENCE).await });
    recorder.open();
    calling.await.unwrap().unwrap();
    tokio::time::timeout(PATIENCE, shutdown).await.unwrap().unwrap();
}
