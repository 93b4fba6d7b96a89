//! The `zipkin` exporter: spans to whoever takes them as Zipkin does, in JSON or protobuf of version 2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use reqwest::{Client, Url};
use serde::Deserialize;
use trefoil_model::Signal;
use trefoil_zipkin::{FromOtlp, Span, from_otlp, to_json, to_protobuf};

use super::answer;
use super::headers;
use super::http_client::{ClientSettings, CompressionParams, Posted, check_compression, explain};
use super::parcel::{Parcel, Sender};
use super::queue::QueueConfig;
use super::queued::{self, QueuedExporter};
use super::retry::RetryConfig;
use crate::component::{ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Problems, Secret, Section, duration};
use crate::net::compression::{Encoding, compress};
use crate::net::tls::ClientTls;
use crate::telemetry::{Accepted, Refused};

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "zipkin", signals: &[Signal::Traces], parse };

/// What the Collector has and this exporter has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", "there are no authentication extensions; set `headers`"),
    ("sending_queue.batch", "use the processor `batch`"),
    ("batcher", "use the processor `batch`"),
    ("cookies", "servers that take spans set none that matter"),
    ("max_conns_per_host", "`sending_queue.num_consumers` bounds the requests at once"),
    ("middlewares", "there are no middleware extensions"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The whole URL, such as `http://zipkin:9411/api/v2/spans`.
    endpoint: String,
    format: Form,
    /// Of services that have no name.
    default_service_name: String,
    /// `none` (default), `gzip`, `zstd`, `snappy`, `x-snappy-framed`, `deflate`, `zlib` or `lz4`.
    compression: String,
    compression_params: CompressionParams,
    /// For one attempt; 0 for ever.
    #[serde(with = "duration")]
    timeout: Duration,
    headers: BTreeMap<String, Secret>,
    tls: ClientTls,
    proxy_url: Option<String>,
    max_idle_conns_per_host: Option<usize>,
    #[serde(with = "duration")]
    idle_conn_timeout: Duration,
    /// One request a connection.
    disable_keep_alives: bool,
    /// After how much silence an HTTP/2 connection is pinged; 0 for never.
    #[serde(with = "duration")]
    http2_read_idle_timeout: Duration,
    #[serde(with = "duration")]
    http2_ping_timeout: Duration,
    retry_on_failure: RetryConfig,
    sending_queue: QueueConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Proto,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            format: Form::Json,
            default_service_name: "<missing service name>".to_string(),
            compression: "none".to_string(),
            compression_params: CompressionParams::default(),
            timeout: Duration::from_secs(5),
            headers: BTreeMap::new(),
            tls: ClientTls::default(),
            proxy_url: None,
            max_idle_conns_per_host: None,
            idle_conn_timeout: Duration::from_secs(90),
            disable_keep_alives: false,
            http2_read_idle_timeout: Duration::ZERO,
            http2_ping_timeout: Duration::ZERO,
            retry_on_failure: RetryConfig::default(),
            sending_queue: QueueConfig::default(),
        }
    }
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ExporterConfig>, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    let mut problems = Problems::default();
    let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
    if let Err(reason) = config.url() {
        problem("endpoint", reason);
    }
    if let Err((option, reason)) = check_compression(&config.compression, &config.compression_params) {
        problem(option, reason);
    }
    queued::check(&config.headers, &config.retry_on_failure, &config.sending_queue, &mut problem);
    if let Some(Err(reason)) = config.proxy_url.as_deref().map(reqwest::Proxy::all) {
        problem("proxy_url", reason.to_string());
    }
    problems.or(Box::new(config))
}

impl Config {
    fn url(&self) -> Result<Url, String> {
        if self.endpoint.is_empty() {
            return Err("is missing: give the whole URL, such as http://localhost:9411/api/v2/spans".to_string());
        }
        let url = Url::parse(&self.endpoint).map_err(|error| format!("{:?} is not a URL: {error}", self.endpoint))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(format!("{:?} must begin with http:// or https://", self.endpoint)),
        }
    }

    fn client(&self) -> Result<Client, ComponentError> {
        ClientSettings {
            tls: &self.tls,
            timeout: self.timeout,
            proxy_url: self.proxy_url.as_deref(),
            max_idle_conns_per_host: self.max_idle_conns_per_host,
            idle_conn_timeout: self.idle_conn_timeout,
            disable_keep_alives: self.disable_keep_alives,
            http2_read_idle_timeout: self.http2_read_idle_timeout,
            http2_ping_timeout: self.http2_ping_timeout,
        }
        .client()
    }
}

impl ExporterConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        let mut headers = headers::parse(&self.headers).map_err(ComponentError::new)?;
        if self.disable_keep_alives {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        let sender = ZipkinSender {
            name: context.id.to_string(),
            client: self.client()?,
            url: self.url().map_err(ComponentError::new)?,
            headers,
            form: self.format,
            default_service_name: self.default_service_name.clone(),
            compression: Encoding::from_name(&self.compression)
                .ok_or_else(|| ComponentError::new(format!("unknown compression {:?}", self.compression)))?,
            level: self.compression_params.level,
        };
        let (retry, queue) = (self.retry_on_failure.clone(), self.sending_queue.clone());
        Ok(Arc::new(QueuedExporter::new(&context, Arc::new(sender), retry, queue)))
    }
}

struct ZipkinSender {
    name: String,
    client: Client,
    url: Url,
    headers: HeaderMap,
    form: Form,
    default_service_name: String,
    compression: Encoding,
    level: Option<i32>,
}

impl ZipkinSender {
    fn body(&self, spans: &[Span]) -> Result<Bytes, Refused> {
        let body = match self.form {
            Form::Proto => to_protobuf(spans),
            Form::Json => {
                to_json(spans).map_err(|error| Refused::Invalid(format!("cannot be written as JSON: {error}")))?
            }
        };
        compress(self.compression, body.into(), self.level)
            .map_err(|error| Refused::Invalid(format!("cannot be compressed: {error}")))
    }

    fn content_type(&self) -> HeaderValue {
        match self.form {
            Form::Proto => HeaderValue::from_static("application/x-protobuf"),
            Form::Json => HeaderValue::from_static("application/json"),
        }
    }

    async fn post(&self, body: Bytes) -> Result<Posted, Refused> {
        let mut request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        request = request.header(CONTENT_TYPE, self.content_type());
        if self.compression != Encoding::Identity {
            request = request.header(CONTENT_ENCODING, self.compression.as_str());
        }
        let response = request.send().await.map_err(|error| Refused::unavailable(explain(&error)))?;
        Ok(Posted::read(response).await)
    }
}

#[async_trait]
impl Sender for ZipkinSender {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        let request = ExportTraceServiceRequest::decode(&parcel.body[..]);
        let request = request.map_err(|error| Refused::Invalid(format!("the spans cannot be read: {error}")))?;
        let FromOtlp { spans, rejected } = from_otlp(&request, &self.default_service_name);
        let mut accepted = Accepted { rejected: rejected.spans, message: rejected.message() };
        if !spans.is_empty() {
            let Posted { status, content_type, retry_after, body } = self.post(self.body(&spans)?).await?;
            let reason = answer::reason(&content_type, &body);
            if !status.is_success() {
                return Err(refusal(status, retry_after, &reason));
            }
            // Zipkin says nothing; Trefoil what it did not take.
            accepted = accepted.and(Accepted { rejected: 0, message: Some(reason).filter(|text| !text.is_empty()) });
        }
        answer::log_partial_success(&self.name, parcel, &accepted);
        Ok(accepted)
    }
}

/// The Collector's receiver answers 500 to what may be sent again.
fn refusal(status: StatusCode, retry_after: Option<Duration>, reason: &str) -> Refused {
    match answer::from_http(status, retry_after, reason) {
        Refused::Invalid(reason) if status.is_server_error() => Refused::Unavailable { reason, retry_after },
        refused => refused,
    }
}
