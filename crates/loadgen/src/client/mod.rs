//! One connection to a receiver of OTLP, of Jaeger's or Zipkin's spans, of Loki's lines or of remote write, with one request under way at a
//! time, as SDK exporters have.

mod forms;
mod grpc;
mod http;

use std::num::NonZeroU32;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use anyhow::ensure;
use bytes::Bytes;

use crate::Signal;
use crate::remote_write::Version;
pub use forms::bodies;
use grpc::GrpcConnection;
use http::HttpConnection;

/// What the receiver speaks. Those of Jaeger and Zipkin are for traces, that of Loki is for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// OTLP/HTTP with protobuf.
    Http,
    /// OTLP/gRPC.
    Grpc,
    /// Jaeger's Thrift (binary) over HTTP.
    JaegerThrift,
    /// `jaeger.api_v2.CollectorService`.
    JaegerGrpc,
    /// Zipkin's version 2.
    ZipkinJson,
    ZipkinProtobuf,
    /// `/loki/api/v1/push`, protobuf and snappy.
    Loki,
}

impl Protocol {
    /// Whether a signal can be sent so.
    fn carries(self, signal: Signal) -> bool {
        match self {
            Protocol::Http | Protocol::Grpc => true,
            Protocol::Loki => signal == Signal::Logs,
            Protocol::JaegerThrift | Protocol::JaegerGrpc | Protocol::ZipkinJson | Protocol::ZipkinProtobuf => {
                signal == Signal::Traces
            }
        }
    }
}

/// Where to send and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// `http://host:port`; protocols over HTTP add their own path.
    pub endpoint: String,
    pub protocol: Protocol,
    /// Sent with every request (a tenant, for example).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long one request may take.
    pub timeout: Duration,
}

impl Target {
    /// The same for each of so many tenants, `tenant-1` the first.
    pub fn of(&self, tenants: NonZeroU32) -> anyhow::Result<Vec<Target>> {
        let target = |number: u32| {
            let mut target = self.clone();
            let tenant = HeaderValue::try_from(format!("tenant-{number}"))?;
            target.headers.push((HeaderName::from_static("x-scope-orgid"), tenant));
            Ok(target)
        };
        (1..=tenants.get()).map(target).collect()
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Durable, as the server says; `rejected` items were not kept.
    Accepted { rejected: u64, message: String },
    /// The server took nothing and asks to come again.
    Retry { after: Option<Duration>, reason: String },
    /// The server will never take this request.
    Refused(String),
    /// The connection broke or timed out: the request may have been taken or not.
    Unknown(String),
}

pub enum Connection {
    Http(Box<HttpConnection>),
    Grpc(Box<GrpcConnection>),
}

impl Connection {
    /// Nothing is connected yet: that happens with the first request, and again after a failure.
    pub fn new(target: &Target, signal: Signal) -> anyhow::Result<Connection> {
        ensure!(target.protocol.carries(signal), "{:?} does not carry {}", target.protocol, signal.item());
        let http = |connection: HttpConnection| Connection::Http(Box::new(connection));
        let grpc = |connection: GrpcConnection| Connection::Grpc(Box::new(connection));
        let spans = |path, media_type| HttpConnection::plain(target, path, media_type);
        Ok(match target.protocol {
            Protocol::Http => http(HttpConnection::otlp(target, signal)?),
            Protocol::Grpc => grpc(GrpcConnection::otlp(target, signal)?),
            Protocol::JaegerThrift => http(spans("/api/traces?format=jaeger.thrift", "application/x-thrift")?),
            Protocol::JaegerGrpc => grpc(GrpcConnection::jaeger(target)?),
            Protocol::ZipkinJson => http(spans("/api/v2/spans", "application/json")?),
            Protocol::ZipkinProtobuf => http(spans("/api/v2/spans", "application/x-protobuf")?),
            Protocol::Loki => http(HttpConnection::plain(target, "/loki/api/v1/push", "application/x-protobuf")?),
        })
    }

    /// Of remote write, over HTTP whatever the target says.
    pub fn remote_write(target: &Target, version: Version) -> anyhow::Result<Connection> {
        Ok(Connection::Http(Box::new(HttpConnection::remote_write(target, version)?)))
    }

    /// Sends one encoded request: an `Export…ServiceRequest`, one of [`bodies`], or a compressed remote-write request.
    pub async fn send(&mut self, body: Bytes) -> Outcome {
        match self {
            Connection::Http(connection) => connection.send(body).await,
            Connection::Grpc(connection) => connection.send(body).await,
        }
    }
}

/// Reads `Export…ServiceResponse`, which is the same on the wire for every signal.
fn read_response(body: &[u8]) -> Outcome {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
    use prost::Message;

    match ExportTraceServiceResponse::decode(body) {
        Err(error) => Outcome::Refused(format!("the answer is not an OTLP response: {error}")),
        Ok(response) => {
            let partial = response.partial_success.unwrap_or_default();
            Outcome::Accepted { rejected: partial.rejected_spans.max(0) as u64, message: partial.error_message }
        }
    }
}
