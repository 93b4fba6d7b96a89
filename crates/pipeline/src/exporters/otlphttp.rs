//! The `otlphttp` exporter: OTLP over HTTP, protobuf or JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use trefoil_model::Signal;

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

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "otlphttp", signals: &Signal::ALL, parse };

const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", "there are no authentication extensions; set `headers`"),
    ("sending_queue.batch", "use the processor `batch`"),
    ("batcher", "use the processor `batch`"),
    ("cookies", "OTLP servers set none that matter"),
    ("max_conns_per_host", "`sending_queue.num_consumers` bounds the requests at once"),
    ("middlewares", "there are no middleware extensions"),
    ("profiles_endpoint", "profiles are not supported"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The base URL; `/v1/traces` and the like are put behind it.
    pub endpoint: Option<String>,
    /// Whole URLs for one signal each; they win over `endpoint`.
    pub traces_endpoint: Option<String>,
    pub metrics_endpoint: Option<String>,
    pub logs_endpoint: Option<String>,
    pub encoding: Form,
    /// `gzip` (default), `zstd`, `snappy`, `x-snappy-framed`, `deflate`, `zlib`, `lz4` or `none`.
    pub compression: String,
    pub compression_params: CompressionParams,
    /// For one attempt; 0 for ever.
    #[serde(with = "duration")]
    pub timeout: Duration,
    pub headers: BTreeMap<String, Secret>,
    pub tls: ClientTls,
    pub proxy_url: Option<String>,
    pub max_idle_conns_per_host: Option<usize>,
    #[serde(with = "duration")]
    pub idle_conn_timeout: Duration,
    /// One request a connection.
    pub disable_keep_alives: bool,
    /// After how much silence an HTTP/2 connection is pinged; 0 for never.
    #[serde(with = "duration")]
    pub http2_read_idle_timeout: Duration,
    #[serde(with = "duration")]
    pub http2_ping_timeout: Duration,
    pub retry_on_failure: RetryConfig,
    pub sending_queue: QueueConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Proto,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            traces_endpoint: None,
            metrics_endpoint: None,
            logs_endpoint: None,
            encoding: Form::Proto,
            compression: "gzip".to_string(),
            compression_params: CompressionParams::default(),
            timeout: Duration::from_secs(30),
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
    let own = [&config.traces_endpoint, &config.metrics_endpoint, &config.logs_endpoint];
    if config.endpoint.is_none() && own.iter().all(|endpoint| endpoint.is_none()) {
        problem("endpoint", "is missing: give the server's URL, such as http://localhost:4318".to_string());
    }
    for (signal, option) in [(Signal::Traces, "traces"), (Signal::Metrics, "metrics"), (Signal::Logs, "logs")] {
        if let Some(Err((path, reason))) = config.url(signal) {
            problem(&path, format!("{option}: {reason}"));
        }
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
    /// The URL of a signal; `None` if the configuration has none for it, or the option that is wrong and why.
    fn url(&self, signal: Signal) -> Option<Result<Url, (String, String)>> {
        let own = match signal {
            Signal::Traces => &self.traces_endpoint,
            Signal::Metrics => &self.metrics_endpoint,
            Signal::Logs => &self.logs_endpoint,
        };
        let (option, text) = match (own, &self.endpoint) {
            (Some(own), _) => (format!("{signal}_endpoint"), own.clone()),
            (None, Some(base)) => ("endpoint".to_string(), format!("{}/v1/{signal}", base.trim_end_matches('/'))),
            (None, None) => return None,
        };
        let url = Url::parse(&text).map_err(|e| format!("{text:?} is not a URL: {e}"));
        let url = url.and_then(|url| match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(format!("{text:?} must begin with http:// or https://")),
        });
        Some(url.map_err(|reason| (option, reason)))
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
        let url = |signal| self.url(signal).transpose().map_err(|(_, reason)| ComponentError::new(reason));
        let mut headers = headers::parse(&self.headers).map_err(ComponentError::new)?;
        if self.disable_keep_alives {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        let sender = HttpSender {
            name: context.id.to_string(),
            client: self.client()?,
            urls: [url(Signal::Traces)?, url(Signal::Metrics)?, url(Signal::Logs)?],
            headers,
            form: self.encoding,
            compression: Encoding::from_name(&self.compression)
                .ok_or_else(|| ComponentError::new(format!("unknown compression {:?}", self.compression)))?,
            level: self.compression_params.level,
        };
        let (retry, queue) = (self.retry_on_failure.clone(), self.sending_queue.clone());
        Ok(Arc::new(QueuedExporter::new(&context, Arc::new(sender), retry, queue)))
    }
}

struct HttpSender {
    name: String,
    client: Client,
    urls: [Option<Url>; 3],
    headers: HeaderMap,
    form: Form,
    compression: Encoding,
    level: Option<i32>,
}

impl HttpSender {
    fn body(&self, parcel: &Parcel) -> Result<Bytes, Refused> {
        let body = match self.form {
            Form::Proto => parcel.body.clone(),
            Form::Json => trefoil_model::json::from_protobuf(parcel.signal, &parcel.body)
                .map_err(|e| Refused::Invalid(format!("cannot be written as JSON: {e}")))?
                .into(),
        };
        compress(self.compression, body, self.level).map_err(|e| Refused::Invalid(format!("cannot be compressed: {e}")))
    }

    fn content_type(&self) -> HeaderValue {
        match self.form {
            Form::Proto => HeaderValue::from_static("application/x-protobuf"),
            Form::Json => HeaderValue::from_static("application/json"),
        }
    }
}

#[async_trait]
impl Sender for HttpSender {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        let Some(url) = &self.urls[parcel.signal as usize] else {
            return Err(Refused::Invalid(format!("the exporter has no endpoint for {}", parcel.signal)));
        };
        let mut request = self.client.post(url.clone()).headers(self.headers.clone()).body(self.body(parcel)?);
        request = request.header(CONTENT_TYPE, self.content_type());
        if self.compression != Encoding::Identity {
            request = request.header(CONTENT_ENCODING, self.compression.as_str());
        }
        let response = request.send().await.map_err(|e| Refused::unavailable(explain(&e)))?;
        let Posted { status, content_type, retry_after, body } = Posted::read(response).await;
        if !status.is_success() {
            return Err(answer::from_http(status, retry_after, &answer::reason(&content_type, &body)));
        }
        // Whatever a successful answer says, the data is there: an answer that cannot be read is none to fail for.
        let accepted = if content_type.starts_with("application/json") {
            answer::partial_success_json(parcel.signal, &body).unwrap_or_default()
        } else {
            answer::partial_success(parcel.signal, &body).unwrap_or_default()
        };
        answer::log_partial_success(&self.name, parcel, &accepted);
        Ok(accepted)
    }
}
