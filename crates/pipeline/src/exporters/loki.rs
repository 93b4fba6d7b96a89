//! The `loki` exporter: logs to whoever takes them as Loki does, in protobuf or JSON. The Collector's `lokiexporter` chose labels by the same
//! hints; what came by a push leaves as it came.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;
use reqwest::{Client, Url};
use serde::Deserialize;
use trefoil_loki::{DefaultLabels, FromOtlp, OfTenant, Stream, from_otlp, to_json, to_protobuf};
use trefoil_model::Signal;
use trefoil_model::tenant::TENANT_HEADER;

use super::answer;
use super::headers;
use super::http_client::{ClientSettings, Posted, explain};
use super::parcel::{Delivery, Parcel, Sender};
use super::queue::QueueConfig;
use super::queued::{self, QueuedExporter};
use super::retry::RetryConfig;
use crate::component::{ComponentError, Context, Exporter, ExporterConfig, ExporterFactory};
use crate::config::{ConfigError, Problems, Secret, Section, duration};
use crate::net::compression::{Encoding, compress};
use crate::net::tls::ClientTls;
use crate::telemetry::{Accepted, Refused};

pub const FACTORY: ExporterFactory = ExporterFactory { kind: "loki", signals: &[Signal::Logs], parse };

/// What the Collector has or had and this exporter has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", "there are no authentication extensions; set `headers`"),
    ("sending_queue.batch", "use the processor `batch`"),
    ("batcher", "use the processor `batch`"),
    ("cookies", "servers that take logs set none that matter"),
    ("compression", "it belongs to the form: snappy for protobuf, gzip for JSON"),
    ("compression_params", "it belongs to the form: snappy for protobuf, gzip for JSON"),
    ("max_conns_per_host", "`sending_queue.num_consumers` bounds the requests at once"),
    ("middlewares", "there are no middleware extensions"),
    ("read_buffer_size", "the HTTP library sizes its buffers itself"),
    ("write_buffer_size", "the HTTP library sizes its buffers itself"),
    (
        "labels",
        "the Collector dropped it, too: name attributes in the hints `loki.attribute.labels` and `loki.resource.labels`",
    ),
    ("format", "the Collector dropped it, too: set the hint `loki.format`"),
    ("tenant", "the Collector dropped it, too: set the hint `loki.tenant`, or the header X-Scope-OrgID"),
    ("tenant_id", "the Collector dropped it, too: set the hint `loki.tenant`, or the header X-Scope-OrgID"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The whole URL, such as `http://loki:3100/loki/api/v1/push`.
    endpoint: String,
    /// Of the body. (An option of Trefoil.)
    encoding: Form,
    default_labels_enabled: Labels,
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
    Proto,
    Json,
}

/// Labels that records get without a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Labels {
    exporter: bool,
    job: bool,
    instance: bool,
    level: bool,
}

impl Default for Labels {
    fn default() -> Self {
        Self { exporter: true, job: true, instance: true, level: true }
    }
}

impl From<Labels> for DefaultLabels {
    fn from(Labels { exporter, job, instance, level }: Labels) -> Self {
        Self { exporter, job, instance, level }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            encoding: Form::Proto,
            default_labels_enabled: Labels::default(),
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
    if let Err(reason) = config.url() {
        problem("endpoint", reason);
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
            return Err("is missing: give the whole URL, such as http://localhost:3100/loki/api/v1/push".to_string());
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
        let sender = LokiSender {
            name: context.id.to_string(),
            client: self.client()?,
            url: self.url().map_err(ComponentError::new)?,
            headers,
            form: self.encoding,
            labels: self.default_labels_enabled.into(),
        };
        let (retry, queue) = (self.retry_on_failure.clone(), self.sending_queue.clone());
        Ok(Arc::new(QueuedExporter::new(&context, Arc::new(sender), retry, queue)))
    }
}

struct LokiSender {
    name: String,
    client: Client,
    url: Url,
    headers: HeaderMap,
    form: Form,
    labels: DefaultLabels,
}

impl LokiSender {
    fn plan(&self, parcel: &Parcel) -> Result<Plan, Refused> {
        let request = ExportLogsServiceRequest::decode(&parcel.body[..]);
        let request = request.map_err(|error| Refused::Invalid(format!("the logs cannot be read: {error}")))?;
        let FromOtlp { tenants, rejected } = from_otlp(&request, self.labels, now());
        let accepted = Accepted { rejected: rejected.entries, message: rejected.message() };
        Ok(Plan { left: tenants.into(), accepted, sent: 0 })
    }

    fn body(&self, streams: &[Stream]) -> Result<Bytes, Refused> {
        let (body, encoding) = match self.form {
            Form::Proto => (to_protobuf(streams), Encoding::Snappy),
            Form::Json => {
                let body = to_json(streams);
                let body = body.map_err(|error| Refused::Invalid(format!("cannot be written as JSON: {error}")))?;
                (body, Encoding::Gzip)
            }
        };
        compress(encoding, body.into(), None)
            .map_err(|error| Refused::Invalid(format!("cannot be compressed: {error}")))
    }

    async fn post(&self, of_tenant: &OfTenant) -> Result<(), Refused> {
        let mut headers = self.headers.clone();
        match self.form {
            // Its compression belongs to it and has no header.
            Form::Proto => headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")),
            Form::Json => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            }
        };
        if let Some(tenant) = &of_tenant.tenant {
            let value = HeaderValue::from_str(tenant);
            let value = value.map_err(|_| Refused::Invalid(format!("{tenant:?} is not the name of a tenant")))?;
            headers.insert(HeaderName::from_static(TENANT_HEADER), value);
        }
        let body = self.body(&of_tenant.streams)?;
        let request = self.client.post(self.url.clone()).headers(headers).body(body);
        let response = request.send().await.map_err(|error| Refused::unavailable(explain(&error)))?;
        let Posted { status, content_type, retry_after, body } = Posted::read(response).await;
        match status.is_success() {
            true => Ok(()),
            false => Err(refusal(status, retry_after, &answer::reason(&content_type, &body))),
        }
    }
}

#[async_trait]
impl Sender for LokiSender {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        self.delivery(parcel).attempt().await
    }

    fn delivery<'a>(&'a self, parcel: &'a Parcel) -> Box<dyn Delivery + 'a> {
        Box::new(LokiDelivery { sender: self, parcel, plan: None })
    }
}

/// One request of the queue as one for each tenant, which are sent one after the other.
struct LokiDelivery<'a> {
    sender: &'a LokiSender,
    parcel: &'a Parcel,
    /// `None` before the first attempt.
    plan: Option<Plan>,
}

struct Plan {
    left: VecDeque<OfTenant>,
    /// So far.
    accepted: Accepted,
    /// Requests that were taken.
    sent: usize,
}

#[async_trait]
impl Delivery for LokiDelivery<'_> {
    async fn attempt(&mut self) -> Result<Accepted, Refused> {
        let plan = match &mut self.plan {
            Some(plan) => plan,
            None => self.plan.insert(self.sender.plan(self.parcel)?),
        };
        while let Some(of_tenant) = plan.left.front() {
            match self.sender.post(of_tenant).await {
                Ok(()) => plan.sent += 1,
                // What is refused for good costs its tenant alone.
                Err(Refused::Invalid(reason)) if plan.sent > 0 || plan.left.len() > 1 => {
                    let refused = Accepted { rejected: of_tenant.entries, message: Some(reason) };
                    plan.accepted = std::mem::take(&mut plan.accepted).and(refused);
                }
                Err(refused) => return Err(refused),
            }
            plan.left.pop_front();
        }
        let accepted = plan.accepted.clone();
        answer::log_partial_success(&self.sender.name, self.parcel, &accepted);
        Ok(accepted)
    }
}

/// Loki answers 500 to what may be sent again.
fn refusal(status: StatusCode, retry_after: Option<Duration>, reason: &str) -> Refused {
    match answer::from_http(status, retry_after, reason) {
        Refused::Invalid(reason) if status.is_server_error() => Refused::Unavailable { reason, retry_after },
        refused => refused,
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
