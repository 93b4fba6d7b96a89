use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use trefoil_loki::to_protobuf;
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::Downstream;
use trefoil_pipeline::receivers::loki::GRPC_PUSH;
use trefoil_pipeline::{Accepted, Consumer, Refused};

use crate::running::{Running, last, start_with, stream, streams};
use crate::support::{Recorder, to_all};

/// Messages that are bytes already.
#[derive(Default)]
struct Raw;

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = message.remaining();
        Ok(Some(message.copy_to_bytes(length).to_vec()))
    }
}

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

async fn call(
    running: &Running,
    method: &'static str,
    request: Request<Vec<u8>>,
    encoding: Option<CompressionEncoding>,
) -> Result<Vec<u8>, Status> {
    let url = format!("http://{}", running.receiver.address("grpc").unwrap());
    let channel = tonic::transport::Channel::from_shared(url).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    if let Some(encoding) = encoding {
        client = client.send_compressed(encoding);
    }
    client.ready().await.unwrap();
    let response = client.unary(request, http::uri::PathAndQuery::from_static(method), Raw).await?;
    Ok(response.into_inner())
}

async fn push(running: &Running, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    call(running, GRPC_PUSH, Request::new(message), None).await
}

const YAML: &str = "{protocols: {grpc: {endpoint: '127.0.0.1:0', max_recv_msg_size_mib: 1}}, use_incoming_timestamp: true, \
                    limits: {discover_service_name: [], max_line_size: 3}}";

async fn start(consumer: Arc<dyn Consumer>) -> Running {
    start_with(YAML, Tenancy::Single, to_all(consumer)).await
}

#[tokio::test]
async fn pushes_are_taken() {
    let recorder = Recorder::new();
    let running = start(recorder.clone()).await;
    for encoding in [None, Some(CompressionEncoding::Gzip)] {
        let request = Request::new(to_protobuf(&streams()));
        assert_eq!(call(&running, GRPC_PUSH, request, encoding).await.unwrap(), b"");
        assert_eq!(last(&recorder), streams());
    }
    let accepted = r#"otelcol_receiver_accepted_log_records_total{receiver="loki",transport="grpc"}"#;
    assert_eq!(running.metric(accepted), 8);
}

#[tokio::test]
async fn mistakes_are_answered() {
    let recorder = Recorder::new();
    let running = start(recorder.clone()).await;
    let code = |status: Result<Vec<u8>, Status>| status.unwrap_err().code();
    assert_eq!(code(push(&running, b"\x0a\x09nonsense".to_vec()).await), Code::InvalidArgument);
    assert_eq!(code(push(&running, vec![0; 2 << 20]).await), Code::ResourceExhausted);
    let unknown = "/logproto.Pusher/Pull";
    assert_eq!(code(call(&running, unknown, Request::new(Vec::new()), None).await), Code::Unimplemented);
    assert!(recorder.seen.lock().is_empty());

    let status = push(&running, to_protobuf(&[stream(r#"{a="b"}"#, &["abc", "abcd"])])).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("Max entry size '3' bytes exceeded"), "{}", status.message());
    assert_eq!(last(&recorder), [stream(r#"{a="b"}"#, &["abc"])]);
}

#[tokio::test]
async fn answers_of_the_pipeline_become_grpc_answers() {
    let answers = [
        Ok(Accepted::all()),
        Err(Refused::unavailable("disk full")),
        Err(Refused::overloaded("too much", Duration::from_secs(2))),
    ];
    let running = start(Recorder::answering(answers)).await;
    push(&running, to_protobuf(&streams())).await.unwrap();
    let status = push(&running, to_protobuf(&streams())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "disk full"));
    let status = push(&running, to_protobuf(&streams())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "too much"));
}

#[tokio::test]
async fn tenants_come_from_metadata() {
    let recorder = Recorder::new();
    let consumer: Arc<dyn Consumer> = recorder.clone();
    let running = start_with(YAML, Tenancy::Multi, Downstream::new([(Signal::Logs, consumer)])).await;
    assert_eq!(push(&running, to_protobuf(&streams())).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = Request::new(to_protobuf(&streams()));
    request.metadata_mut().insert("x-scope-orgid", "acme".parse().unwrap());
    call(&running, GRPC_PUSH, request, None).await.unwrap();
    assert_eq!(recorder.seen.lock()[0].tenant.as_str(), "acme");
}
