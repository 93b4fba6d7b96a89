use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use trefoil_jaeger::proto::{POST_SPANS, write_post_spans};
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::Downstream;
use trefoil_pipeline::{Accepted, Consumer, Refused};

use crate::running::{Running, batch, check, start, start_with};
use crate::self_signed::SelfSigned;
use crate::support::Recorder;

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
    let url = format!("http://{}", running.address("grpc"));
    let channel = tonic::transport::Channel::from_shared(url).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    if let Some(encoding) = encoding {
        client = client.send_compressed(encoding);
    }
    client.ready().await.unwrap();
    let response = client.unary(request, http::uri::PathAndQuery::from_static(method), Raw).await?;
    Ok(response.into_inner())
}

async fn post(running: &Running, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    call(running, POST_SPANS, Request::new(message), None).await
}

#[tokio::test]
async fn batches_are_taken() {
    let recorder = Recorder::new();
    let running = start("grpc", "", recorder.clone()).await;
    for encoding in [None, Some(CompressionEncoding::Gzip)] {
        let request = Request::new(write_post_spans(&batch()));
        assert_eq!(call(&running, POST_SPANS, request, encoding).await.unwrap(), b"");
        check(recorder.seen.lock().last().unwrap());
    }
    assert_eq!(running.metric(r#"otelcol_receiver_accepted_spans_total{receiver="jaeger",transport="grpc"}"#), 2);
}

#[tokio::test]
async fn mistakes_are_answered() {
    let recorder = Recorder::new();
    let running = start("grpc", "max_recv_msg_size_mib: 1", recorder.clone()).await;
    let code = |status: Result<Vec<u8>, Status>| status.unwrap_err().code();
    assert_eq!(code(post(&running, b"\x0a\x09nonsense".to_vec()).await), Code::InvalidArgument);
    assert_eq!(code(post(&running, vec![0; 2 << 20]).await), Code::ResourceExhausted);
    let unknown = "/jaeger.api_v2.CollectorService/Post";
    assert_eq!(code(call(&running, unknown, Request::new(Vec::new()), None).await), Code::Unimplemented);
    assert!(recorder.seen.lock().is_empty());
}

#[tokio::test]
async fn answers_of_the_pipeline_become_grpc_answers() {
    let answers = [
        Ok(Accepted::all()),
        Err(Refused::unavailable("disk full")),
        Err(Refused::overloaded("too much", Duration::from_secs(2))),
    ];
    let running = start("grpc", "", Recorder::answering(answers)).await;
    post(&running, write_post_spans(&batch())).await.unwrap();
    let status = post(&running, write_post_spans(&batch())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "disk full"));
    let status = post(&running, write_post_spans(&batch())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "too much"));
}

#[tokio::test]
async fn tenants_come_from_metadata() {
    let recorder = Recorder::new();
    let consumer: Arc<dyn Consumer> = recorder.clone();
    let yaml = "protocols: {grpc: {endpoint: '127.0.0.1:0'}}";
    let running = start_with(yaml, Tenancy::Multi, Downstream::new([(Signal::Traces, consumer)])).await;
    let message = write_post_spans(&batch());
    assert_eq!(post(&running, message.clone()).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-scope-orgid", "acme".parse().unwrap());
    call(&running, POST_SPANS, request, None).await.unwrap();
    assert_eq!(recorder.seen.lock()[0].tenant.as_str(), "acme");
}

#[tokio::test]
async fn it_speaks_tls() {
    let certificate = SelfSigned::new();
    let recorder = Recorder::new();
    let running = start("grpc", &certificate.option, recorder.clone()).await;
    let root = tonic::transport::Certificate::from_pem(&certificate.pem);
    let tls = tonic::transport::ClientTlsConfig::new().ca_certificate(root);
    let url = format!("https://localhost:{}", running.address("grpc").port());
    let channel =
        tonic::transport::Channel::from_shared(url).unwrap().tls_config(tls).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let request = Request::new(write_post_spans(&batch()));
    client.unary(request, http::uri::PathAndQuery::from_static(POST_SPANS), Raw).await.unwrap();
    check(recorder.seen.lock().last().unwrap());
}
