//! gRPC with bodies that are encoded already.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{Outcome, Target, read_response};
use crate::Signal;

pub struct GrpcConnection {
    endpoint: Endpoint,
    path: PathAndQuery,
    headers: http::HeaderMap,
    timeout: Duration,
    client: Option<tonic::client::Grpc<Channel>>,
}

impl GrpcConnection {
    pub fn otlp(target: &Target, signal: Signal) -> anyhow::Result<GrpcConnection> {
        let path = match signal {
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        };
        GrpcConnection::new(target, path)
    }

    /// Its empty answer reads as that of OTLP: everything was taken.
    pub fn jaeger(target: &Target) -> anyhow::Result<GrpcConnection> {
        GrpcConnection::new(target, "/jaeger.api_v2.CollectorService/PostSpans")
    }

    fn new(target: &Target, path: &'static str) -> anyhow::Result<GrpcConnection> {
        let path = PathAndQuery::from_static(path);
        let endpoint = Endpoint::from_shared(target.endpoint.clone())?.connect_timeout(target.timeout);
        let headers = target.headers.iter().cloned().collect();
        Ok(GrpcConnection { endpoint, path, headers, timeout: target.timeout, client: None })
    }

    pub async fn send(&mut self, body: Bytes) -> Outcome {
        let status = match tokio::time::timeout(self.timeout, self.exchange(body)).await {
            Ok(Ok(body)) => return read_response(&body),
            Ok(Err(status)) => status,
            Err(_) => Status::unknown(format!("no answer within {:?}", self.timeout)),
        };
        // A status that the server sent has no source; one that stands for a broken connection has.
        let from_server = std::error::Error::source(&status).is_none();
        match status.code() {
            Code::Unavailable | Code::ResourceExhausted if from_server => {
                Outcome::Retry { after: None, reason: format!("{}: {}", status.code(), status.message()) }
            }
            Code::InvalidArgument | Code::Unimplemented | Code::Unauthenticated | Code::PermissionDenied => {
                Outcome::Refused(format!("{}: {}", status.code(), status.message()))
            }
            _ => {
                self.client = None;
                Outcome::Unknown(format!("{}: {}", status.code(), status.message()))
            }
        }
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Bytes, Status> {
        let client = match &mut self.client {
            Some(client) => client,
            place => {
                let channel = self.endpoint.connect().await.map_err(|error| Status::from_error(error.into()))?;
                place.insert(tonic::client::Grpc::new(channel))
            }
        };
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let mut request = Request::new(body);
        *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(self.headers.clone());
        client.unary(request, self.path.clone(), Raw).await.map(tonic::Response::into_inner)
    }
}

/// Hands bytes through.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
