//! POSTs over one kept-alive HTTP/1.1 connection: OTLP/HTTP, Jaeger's and Zipkin's spans, Loki's lines, and remote write.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Outcome, Target, read_response};
use crate::Signal;
use crate::remote_write::Version;

pub struct HttpConnection {
    address: String,
    path: Uri,
    headers: HeaderMap,
    timeout: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// What the body of an answer with success says.
    read: fn(&[u8]) -> Outcome,
}

impl HttpConnection {
    pub fn otlp(target: &Target, signal: Signal) -> anyhow::Result<HttpConnection> {
        let path = match signal {
            Signal::Traces => "/v1/traces",
            Signal::Logs => "/v1/logs",
            Signal::Metrics => "/v1/metrics",
        };
        HttpConnection::new(target, path, "application/x-protobuf", read_response)
    }

    /// Of receivers that answer with success or not, and no more.
    pub fn plain(target: &Target, path: &str, media_type: &'static str) -> anyhow::Result<HttpConnection> {
        HttpConnection::new(target, path, media_type, accepted)
    }

    /// The endpoint is the whole address; bodies are compressed with snappy's block format.
    pub fn remote_write(target: &Target, version: Version) -> anyhow::Result<HttpConnection> {
        let (media_type, number) = match version {
            Version::One => ("application/x-protobuf", "0.1.0"),
            Version::Two => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        };
        let mut connection = HttpConnection::new(target, "", media_type, accepted)?;
        let headers = &mut connection.headers;
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("snappy"));
        headers.insert("x-prometheus-remote-write-version", header::HeaderValue::from_static(number));
        Ok(connection)
    }

    fn new(
        target: &Target,
        path: &str,
        media_type: &'static str,
        read: fn(&[u8]) -> Outcome,
    ) -> anyhow::Result<HttpConnection> {
        let endpoint: Uri = target.endpoint.parse().with_context(|| format!("endpoint {:?}", target.endpoint))?;
        ensure!(endpoint.scheme_str() == Some("http"), "endpoint {:?} does not begin with http://", target.endpoint);
        let host = endpoint.host().context("the endpoint names no host")?;
        let address = format!("{host}:{}", endpoint.port_u16().unwrap_or(80));
        let path = format!("{}{path}", endpoint.path().trim_end_matches('/'));
        let path = if path.is_empty() { Uri::from_static("/") } else { path.parse()? };
        let mut headers: HeaderMap = target.headers.iter().cloned().collect();
        headers.insert(header::HOST, address.parse()?);
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
        Ok(HttpConnection { address, path, headers, timeout: target.timeout, sender: None, read })
    }

    pub async fn send(&mut self, body: Bytes) -> Outcome {
        match tokio::time::timeout(self.timeout, self.exchange(body)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                self.sender = None;
                Outcome::Unknown(format!("{error:#}"))
            }
            Err(_) => {
                self.sender = None;
                Outcome::Unknown(format!("no answer within {:?}", self.timeout))
            }
        }
    }

    async fn exchange(&mut self, body: Bytes) -> anyhow::Result<Outcome> {
        let sender = match &mut self.sender {
            Some(sender) if !sender.is_closed() => sender,
            place => {
                let stream = TcpStream::connect(&self.address).await.with_context(|| self.address.clone())?;
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                // Ends by itself when the sender is dropped; its error reaches the request under way as well.
                tokio::spawn(connection);
                place.insert(sender)
            }
        };
        sender.ready().await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(match head.status {
            StatusCode::OK | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => (self.read)(&body),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Retry {
                after: retry_after(&head.headers),
                reason: format!("{}: {}", head.status, String::from_utf8_lossy(&body)),
            },
            status => Outcome::Refused(format!("{status}: {}", String::from_utf8_lossy(&body))),
        })
    }
}

fn accepted(_: &[u8]) -> Outcome {
    Outcome::Accepted { rejected: 0, message: String::new() }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
