//! OTLP/HTTP with protobuf bodies over one kept-alive HTTP/1.1 connection.

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

pub struct HttpConnection {
    address: String,
    path: Uri,
    headers: HeaderMap,
    timeout: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl HttpConnection {
    pub fn new(target: &Target, signal: Signal) -> anyhow::Result<HttpConnection> {
        let endpoint: Uri = target.endpoint.parse().with_context(|| format!("endpoint {:?}", target.endpoint))?;
        ensure!(endpoint.scheme_str() == Some("http"), "endpoint {:?} does not begin with http://", target.endpoint);
        let host = endpoint.host().context("the endpoint names no host")?;
        let address = format!("{host}:{}", endpoint.port_u16().unwrap_or(80));
        let path = match signal {
            Signal::Traces => "/v1/traces",
            Signal::Logs => "/v1/logs",
            Signal::Metrics => "/v1/metrics",
        };
        let path = format!("{}{path}", endpoint.path().trim_end_matches('/')).parse()?;
        let mut headers: HeaderMap = target.headers.iter().cloned().collect();
        headers.insert(header::HOST, address.parse()?);
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-protobuf"));
        Ok(HttpConnection { address, path, headers, timeout: target.timeout, sender: None })
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
            StatusCode::OK => read_response(&body),
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

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
