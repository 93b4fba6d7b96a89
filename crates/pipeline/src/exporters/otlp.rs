//! The `otlp` exporter: OTLP over gRPC.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use trefoil_model::Signal;

use super::answer;
use super::headers;
use super::parcel::{Parcel, Sender};
use super::queue::QueueConfig;
use super::queued::{self, QueuedExporter};
use super::retry::RetryConfig;
use crate::component::{ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Problems, Secret, Section, duration};
use crate::net::compression::{Encoding, compress};
use crate::net::grpc;
use crate::net::tls::{ClientTls, client_config};
use crate::telemetry::{Accepted, Refused};

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "otlp", signals: &Signal::ALL, parse };

/// Nothing reads more of an answer than this.
const MAX_ANSWER: usize = 64 << 10;

/// How often `wait_for_ready` looks for the server.
const READY_POLL: Duration = Duration::from_millis(100);

const USER_AGENT: &str = concat!("Trefoil/", env!("CARGO_PKG_VERSION"));

const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", "there are no authentication extensions; set `headers`"),
    ("sending_queue.batch", "use the processor `batch`"),
    ("batcher", "use the processor `batch`"),
    ("middlewares", "there are no middleware extensions"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `host:port`, or a URL whose scheme (`http`, `https`) says whether it is TLS.
    pub endpoint: String,
    /// `gzip` (default), `zstd`, `snappy`, `deflate` or `none`.
    pub compression: String,
    /// For one attempt; 0 for ever.
    #[serde(with = "duration")]
    pub timeout: Duration,
    pub headers: BTreeMap<String, Secret>,
    pub tls: ClientTls,
    pub keepalive: Option<Keepalive>,
    /// Bytes; 0 reads and writes without a buffer of its own.
    pub read_buffer_size: usize,
    pub write_buffer_size: usize,
    /// While the server cannot be reached, wait for it (within `timeout`) instead of failing at once.
    pub wait_for_ready: bool,
    /// One connection to one of the endpoint's addresses: only `pick_first`.
    pub balancer_name: String,
    /// The `:authority` to send instead of the endpoint.
    pub authority: Option<String>,
    pub retry_on_failure: RetryConfig,
    pub sending_queue: QueueConfig,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    /// After how much silence the server is pinged; 0 for never.
    #[serde(with = "duration")]
    pub time: Duration,
    /// How long the answer may take; 0 is 20 seconds.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Ping also while no call is under way.
    pub permit_without_stream: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            compression: "gzip".to_string(),
            timeout: Duration::from_secs(5),
            headers: BTreeMap::new(),
            tls: ClientTls::default(),
            keepalive: None,
            read_buffer_size: 0,
            write_buffer_size: 0,
            wait_for_ready: false,
            balancer_name: "pick_first".to_string(),
            authority: None,
            retry_on_failure: RetryConfig::default(),
            sending_queue: QueueConfig::default(),
        }
    }
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ExporterConfig>, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    let mut problems = Problems::default();
    let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
    if let Err(reason) = config.target() {
        problem("endpoint", reason);
    }
    if let Err(status) = grpc::encoding(Some(&config.compression)) {
        problem("compression", status.message().to_string());
    }
    if config.balancer_name != "pick_first" {
        let reason = "is not supported: there is one connection; use pick_first, and a load balancer for many servers";
        problem("balancer_name", format!("{:?} {reason}", config.balancer_name));
    }
    queued::check(&config.headers, &config.retry_on_failure, &config.sending_queue, problem);
    problems.or(Box::new(config))
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// `host:port` as dialled.
    address: String,
    host: String,
    tls: bool,
    origin: Uri,
}

impl Config {
    fn target(&self) -> Result<Target, String> {
        if self.endpoint.is_empty() {
            return Err("is missing: give the server's host:port, such as localhost:4317".to_string());
        }
        let (scheme, rest) = self.endpoint.split_once("://").unwrap_or(("", &self.endpoint));
        let tls = match scheme {
            "http" => false,
            "https" => true,
            "" | "dns" => !self.tls.insecure,
            other => return Err(format!("the scheme {other:?} is not supported; use host:port")),
        };
        let address = rest.trim_start_matches('/').trim_end_matches('/');
        let uri: Uri = format!("http://{address}").parse().map_err(|_| format!("{address:?} is not host:port"))?;
        let (host, port) = (uri.host().unwrap_or_default().to_string(), uri.port_u16());
        if host.is_empty() || !matches!(uri.path(), "" | "/") {
            return Err(format!("{address:?} is not host:port"));
        }
        let port = match (port, scheme) {
            (Some(port), _) => port,
            (None, "http") => 80,
            (None, "https") => 443,
            (None, _) => return Err(format!("{address:?} has no port, such as {address}:4317")),
        };
        let address = format!("{host}:{port}");
        let authority = self.authority.as_ref().unwrap_or(&address);
        let origin = format!("{}://{authority}", if tls { "https" } else { "http" });
        let origin = origin.parse().map_err(|_| format!("authority {authority:?} is not one"))?;
        Ok(Target { address, host, tls, origin })
    }

    fn channel(&self) -> Result<Channel, ComponentError> {
        let target = self.target().map_err(|reason| ComponentError::new(format!("endpoint: {reason}")))?;
        let dialler = Dialler {
            address: target.address.clone(),
            tls: target.tls.then(|| self.tls_client(&target)).transpose()?,
            read_buffer_size: self.read_buffer_size,
            write_buffer_size: self.write_buffer_size,
        };
        // The dialler does TLS itself, so tonic must see a plain URI; `origin` puts the true one into requests.
        let uri: Uri = format!("http://{}", target.address).parse().map_err(ComponentError::new)?;
        let mut endpoint =
            Endpoint::from(uri).origin(target.origin).user_agent(USER_AGENT).map_err(ComponentError::new)?;
        if let Some(keepalive) = self.keepalive.as_ref().filter(|keepalive| !keepalive.time.is_zero()) {
            let timeout = Some(keepalive.timeout).filter(|timeout| !timeout.is_zero());
            endpoint = endpoint
                .http2_keep_alive_interval(keepalive.time)
                .keep_alive_timeout(timeout.unwrap_or(Duration::from_secs(20)))
                .keep_alive_while_idle(keepalive.permit_without_stream);
        }
        let connect = tower::service_fn(move |_: Uri| {
            let dialler = dialler.clone();
            async move { dialler.dial().await }
        });
        Ok(endpoint.connect_with_connector_lazy(connect))
    }

    fn tls_client(&self, target: &Target) -> Result<(TlsConnector, ServerName<'static>), ComponentError> {
        let config = client_config(&self.tls, &["h2"]).map_err(ComponentError::new)?;
        let host = target.host.trim_start_matches('[').trim_end_matches(']').to_string();
        let name = self.tls.server_name_override.clone().unwrap_or(host);
        let name = ServerName::try_from(name).map_err(|e| ComponentError::new(format!("tls: server name: {e}")))?;
        Ok((TlsConnector::from(Arc::new(config)), name))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[derive(Clone)]
struct Dialler {
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    read_buffer_size: usize,
    write_buffer_size: usize,
}

impl Dialler {
    async fn dial(self) -> io::Result<TokioIo<Box<dyn Stream>>> {
        let socket = TcpStream::connect(&self.address).await?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match self.tls {
            None => Box::new(socket),
            Some((connector, name)) => Box::new(connector.connect(name, socket).await?),
        };
        if self.read_buffer_size == 0 && self.write_buffer_size == 0 {
            return Ok(TokioIo::new(stream));
        }
        let (read, write) = (self.read_buffer_size.max(1), self.write_buffer_size.max(1));
        Ok(TokioIo::new(Box::new(BufStream::with_capacity(read, write, stream))))
    }
}

impl ExporterConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        let encoding = grpc::encoding(Some(&self.compression)).map_err(|s| ComponentError::new(s.message()))?;
        let mut headers = headers::parse(&self.headers).map_err(ComponentError::new)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if encoding != Encoding::Identity {
            // In gRPC the framing format has the short name.
            let name = if encoding == Encoding::SnappyFramed { "snappy" } else { encoding.as_str() };
            headers.insert("grpc-encoding", HeaderValue::from_static(name));
        }
        if !self.timeout.is_zero() {
            let timeout = format!("{}m", self.timeout.as_millis().clamp(1, 99_999_999));
            headers.insert("grpc-timeout", HeaderValue::from_str(&timeout).map_err(ComponentError::new)?);
        }
        let sender = GrpcSender {
            name: context.id.to_string(),
            channel: self.channel()?,
            headers,
            encoding,
            timeout: self.timeout,
            wait_for_ready: self.wait_for_ready,
        };
        let (retry, queue) = (self.retry_on_failure.clone(), self.sending_queue.clone());
        Ok(Arc::new(QueuedExporter::new(&context, Arc::new(sender), retry, queue)))
    }
}

struct GrpcSender {
    name: String,
    channel: Channel,
    headers: HeaderMap,
    encoding: Encoding,
    timeout: Duration,
    wait_for_ready: bool,
}

/// Why a call failed: before the server saw it, or with its answer.
enum Failure {
    Unreachable(String),
    Answered(Status),
}

#[async_trait]
impl Sender for GrpcSender {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        let compressed = self.encoding != Encoding::Identity;
        let message = compress(self.encoding, parcel.body.clone(), None)
            .map_err(|e| Refused::Invalid(format!("cannot be compressed: {e}")))?;
        let framed = grpc::frame(&message, compressed);
        let attempt = async {
            loop {
                match self.call(parcel.signal, framed.clone()).await {
                    Ok(accepted) => return Ok(accepted),
                    Err(Failure::Answered(status)) => return Err(answer::from_grpc(&status)),
                    Err(Failure::Unreachable(_)) if self.wait_for_ready => tokio::time::sleep(READY_POLL).await,
                    Err(Failure::Unreachable(reason)) => return Err(Refused::unavailable(reason)),
                }
            }
        };
        let expired = || Refused::unavailable(format!("no answer within the timeout of {:?}", self.timeout));
        let accepted = match self.timeout.is_zero() {
            true => attempt.await?,
            false => tokio::time::timeout(self.timeout, attempt).await.map_err(|_| expired())??,
        };
        answer::log_partial_success(&self.name, parcel, &accepted);
        Ok(accepted)
    }
}

impl GrpcSender {
    async fn call(&self, signal: Signal, framed: bytes::Bytes) -> Result<Accepted, Failure> {
        let path = match signal {
            Signal::Traces => grpc::TRACES_EXPORT,
            Signal::Metrics => grpc::METRICS_EXPORT,
            Signal::Logs => grpc::LOGS_EXPORT,
        };
        let mut request = http::Request::new(tonic::body::Body::new(http_body_util::Full::new(framed)));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_static(path);
        *request.headers_mut() = self.headers.clone();

        let unreachable = |error: tonic::transport::Error| Failure::Unreachable(explain(&error));
        let mut channel = self.channel.clone();
        let response = channel.ready().await.map_err(unreachable)?.call(request).await.map_err(unreachable)?;
        let (parts, body) = response.into_parts();
        if let Some(status) = Status::from_header_map(&parts.headers) {
            return finish(signal, status, None);
        }
        if parts.status != http::StatusCode::OK {
            return Err(Failure::Answered(no_grpc(parts.status)));
        }
        let collected = Limited::new(body, MAX_ANSWER).collect().await;
        let collected = collected.map_err(|e| Failure::Answered(Status::unavailable(format!("broken answer: {e}"))))?;
        let status = collected.trailers().and_then(Status::from_header_map);
        let status = status.unwrap_or_else(|| Status::unavailable("the answer ended without a status"));
        finish(signal, status, Some(collected.to_bytes()))
    }
}

fn finish(signal: Signal, status: Status, body: Option<bytes::Bytes>) -> Result<Accepted, Failure> {
    if status.code() != Code::Ok {
        return Err(Failure::Answered(status));
    }
    // Whatever a successful answer says, the data is there: an answer that cannot be read is none to fail for.
    let message = body.and_then(|body| grpc::unframe(body, Encoding::Identity, MAX_ANSWER).ok()).unwrap_or_default();
    Ok(answer::partial_success(signal, &message).unwrap_or_default())
}

/// What gRPC makes of an answer that is not gRPC's: from a proxy, say.
fn no_grpc(status: http::StatusCode) -> Status {
    let code = match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, format!("the server answered {status}, which is not gRPC"))
}

/// The whole chain: tonic's own text is just "transport error".
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(endpoint: &str, insecure: bool) -> Result<(String, bool), String> {
        let tls = ClientTls { insecure, ..ClientTls::default() };
        let config = Config { endpoint: endpoint.into(), tls, ..Config::default() };
        config.target().map(|target| (target.address, target.tls))
    }

    #[test]
    fn endpoints_are_read_as_the_collector_reads_them() {
        assert_eq!(target("tempo:4317", true), Ok(("tempo:4317".into(), false)));
        assert_eq!(target("tempo:4317", false), Ok(("tempo:4317".into(), true)));
        assert_eq!(target("http://tempo:4317", false), Ok(("tempo:4317".into(), false)));
        assert_eq!(target("https://tempo", true), Ok(("tempo:443".into(), true)));
        assert_eq!(target("dns:///tempo:4317", true), Ok(("tempo:4317".into(), false)));
        assert_eq!(target("[::1]:4317", true), Ok(("[::1]:4317".into(), false)));
        for wrong in ["", "tempo", "unix:///tmp/x", "tempo:4317/v1/traces", "http://"] {
            assert!(target(wrong, true).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_authority_can_be_another() {
        let config =
            Config { endpoint: "10.0.0.1:4317".into(), authority: Some("tempo.example".into()), ..Config::default() };
        assert_eq!(config.target().unwrap().origin, "https://tempo.example/");
    }
}
