//! The configuration of the `prometheusremotewrite` exporter, in the Collector's schema.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Url};
use serde::Deserialize;

use super::client::WriteClient;
use super::selection::Selection;
use super::sender::{Metadata, Settings};
use crate::component::ComponentError;
use crate::config::{ConfigError, Problems, Secret, Section, duration};
use crate::exporters::http_client::ClientSettings;
use crate::exporters::prometheus_view::{ResourceLabels, Strategy, View, translation};
use crate::exporters::queue::QueueConfig;
use crate::exporters::retry::RetryConfig;
use crate::exporters::{headers, queued};
use crate::net::tls::ClientTls;

/// What the Collector has and this exporter has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", "there are no authentication extensions; set `headers`"),
    ("middlewares", "there are no middleware extensions"),
    ("sending_queue", "it is `remote_write_queue` here, as in the Collector"),
    ("wal", "use `remote_write_queue.storage: file_storage`, which keeps the queue in Trefoil's data directory"),
    ("compression", "remote write is always compressed with snappy"),
    ("cookies", "receivers of remote write set none that matter"),
    ("max_conns_per_host", "`remote_write_queue.num_consumers` bounds the requests at once"),
    ("max_batch_request_parallelism", "`remote_write_queue.num_consumers` bounds the requests at once"),
    ("export_created_metric", "2.0 tells the start with each sample"),
    ("scope_info", "there is no otel_scope_info; the labels `otel_scope_…` are left out by `disable_scope_info`"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The whole URL, such as `http://prometheus:9090/api/v1/write`.
    pub endpoint: String,
    pub protobuf_message: ProtobufMessage,
    /// For one attempt; 0 for ever.
    #[serde(with = "duration")]
    pub timeout: Duration,
    pub headers: BTreeMap<String, Secret>,
    pub tls: ClientTls,
    pub proxy_url: Option<String>,
    pub max_idle_conns_per_host: Option<usize>,
    #[serde(with = "duration")]
    pub idle_conn_timeout: Duration,
    pub retry_on_failure: RetryConfig,
    pub remote_write_queue: RemoteWriteQueue,
    /// Of a request before it is compressed, roughly.
    pub max_batch_size_bytes: usize,
    pub namespace: String,
    pub external_labels: BTreeMap<String, String>,
    pub add_metric_suffixes: bool,
    /// Wins over `add_metric_suffixes`.
    pub translation_strategy: Option<Strategy>,
    pub resource_to_telemetry_conversion: ResourceLabels,
    pub target_info: Switch,
    /// Leave out the labels `otel_scope_…`.
    pub disable_scope_info: bool,
    /// Tell type, help and unit of every family in 1.0, too. (2.0 always tells them.)
    pub send_metadata: bool,
}

/// Which of the two messages is sent. A receiver that does not know 2.0 gets 1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ProtobufMessage {
    #[serde(rename = "prometheus.WriteRequest")]
    V1,
    #[serde(rename = "io.prometheus.write.v2.Request")]
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switch {
    pub enabled: bool,
}

impl Default for Switch {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// The Collector's `remote_write_queue`, and where it lies.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemoteWriteQueue {
    pub enabled: bool,
    /// Requests that wait or are being sent.
    pub queue_size: u64,
    /// Requests sent at once. Those with points of the same series never are.
    pub num_consumers: usize,
    /// `file_storage`: keep the queue on disk.
    pub storage: Option<String>,
}

impl Default for RemoteWriteQueue {
    fn default() -> Self {
        Self { enabled: true, queue_size: 10_000, num_consumers: 5, storage: None }
    }
}

impl RemoteWriteQueue {
    pub fn as_queue(&self) -> QueueConfig {
        QueueConfig {
            enabled: self.enabled,
            queue_size: self.queue_size,
            num_consumers: self.num_consumers,
            storage: self.storage.clone(),
            ..QueueConfig::default()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            protobuf_message: ProtobufMessage::V2,
            timeout: Duration::from_secs(5),
            headers: BTreeMap::new(),
            tls: ClientTls::default(),
            proxy_url: None,
            max_idle_conns_per_host: None,
            idle_conn_timeout: Duration::from_secs(90),
            retry_on_failure: RetryConfig { initial_interval: Duration::from_millis(50), ..RetryConfig::default() },
            remote_write_queue: RemoteWriteQueue::default(),
            max_batch_size_bytes: 3_000_000,
            namespace: String::new(),
            external_labels: BTreeMap::new(),
            add_metric_suffixes: true,
            translation_strategy: None,
            resource_to_telemetry_conversion: ResourceLabels::default(),
            target_info: Switch::default(),
            disable_scope_info: false,
            send_metadata: false,
        }
    }
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let config: Config = section.without(UNSUPPORTED).parse()?;
        let mut problems = Problems::default();
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        if let Err(reason) = config.url() {
            problem("endpoint", reason);
        }
        let queue = config.remote_write_queue.as_queue();
        queued::check(&config.headers, &config.retry_on_failure, &queue, |path, reason| {
            problem(&path.replace("sending_queue", "remote_write_queue"), reason);
        });
        if config.max_batch_size_bytes == 0 {
            problem("max_batch_size_bytes", "must be positive".to_owned());
        }
        if config.external_labels.keys().any(|name| name.is_empty() || name == "__name__") {
            problem("external_labels", "a label's name must not be empty, nor __name__".to_owned());
        }
        if let Some(Err(reason)) = config.proxy_url.as_deref().map(reqwest::Proxy::all) {
            problem("proxy_url", reason.to_string());
        }
        problems.or(config)
    }

    pub fn url(&self) -> Result<Url, String> {
        if self.endpoint.is_empty() {
            return Err("is missing: give the whole URL, such as http://localhost:9090/api/v1/write".to_owned());
        }
        let url = Url::parse(&self.endpoint).map_err(|error| format!("{:?} is not a URL: {error}", self.endpoint))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(format!("{:?} must begin with http:// or https://", self.endpoint)),
        }
    }

    pub fn client(&self) -> Result<Client, ComponentError> {
        ClientSettings {
            tls: &self.tls,
            timeout: self.timeout,
            proxy_url: self.proxy_url.as_deref(),
            max_idle_conns_per_host: self.max_idle_conns_per_host,
            idle_conn_timeout: self.idle_conn_timeout,
            disable_keep_alives: false,
            http2_read_idle_timeout: Duration::ZERO,
            http2_ping_timeout: Duration::ZERO,
        }
        .client()
    }

    pub fn settings(&self, name: String, lanes: usize) -> Result<Settings, ComponentError> {
        let headers = headers::parse(&self.headers).map_err(ComponentError::new)?;
        Ok(Settings {
            name,
            client: WriteClient::Collector { client: self.client()?, headers },
            url: self.url().map_err(ComponentError::new)?,
            view: self.view(),
            lanes,
            max_bytes: self.max_batch_size_bytes,
            max_samples: usize::MAX,
            shards: 1..=1,
            message: self.protobuf_message,
            metadata: if self.send_metadata { Metadata::WithSeries } else { Metadata::Never },
            retries_on_429: true,
            selection: Selection::default(),
        })
    }

    pub fn view(&self) -> View {
        View {
            translation: translation(self.translation_strategy, self.add_metric_suffixes),
            namespace: self.namespace.clone(),
            constant_labels: self.external_labels.clone().into_iter().collect(),
            resource_labels: self.resource_to_telemetry_conversion,
            scope_labels: !self.disable_scope_info,
            target_info: self.target_info.enabled,
        }
    }
}
