//! `prometheus.yml` as it stands in the file: every option of Prometheus 3.14, and no other.
//! (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/>.)
//!
//! Items of lists are optional so that an empty one (`-`) is found and told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::http::{TlsConfig, with_http_client};
use super::names::{NameEscaping, NameValidation, Protocol};
use super::units::{ByteSize, PromDuration};
use crate::receivers::prometheus::relabel::RelabelConfig;

pub type Relabeling = Vec<Option<RelabelConfig>>;

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Root {
    pub global: Global,
    pub runtime: Runtime,
    pub alerting: Alerting,
    pub rule_files: Vec<String>,
    pub scrape_config_files: Vec<String>,
    pub scrape_configs: Vec<Option<Scrape>>,
    pub storage: Storage,
    pub tracing: Option<Tracing>,
    pub remote_write: Vec<Option<RemoteWrite>>,
    pub remote_read: Vec<Option<RemoteRead>>,
    pub otlp: Otlp,
}

/// A file that `scrape_config_files` names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrapeFile {
    pub scrape_configs: Vec<Option<Scrape>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Global {
    pub scrape_interval: Option<PromDuration>,
    pub scrape_timeout: Option<PromDuration>,
    pub scrape_protocols: Option<Vec<Protocol>>,
    pub evaluation_interval: Option<PromDuration>,
    pub rule_query_offset: Option<PromDuration>,
    pub query_log_file: Option<PathBuf>,
    pub scrape_failure_log_file: Option<PathBuf>,
    pub external_labels: BTreeMap<String, String>,
    pub body_size_limit: ByteSize,
    pub sample_limit: u64,
    pub target_limit: u64,
    pub label_limit: u64,
    pub label_name_length_limit: u64,
    pub label_value_length_limit: u64,
    pub keep_dropped_targets: u64,
    pub metric_name_validation_scheme: Option<NameValidation>,
    pub metric_name_escaping_scheme: Option<NameEscaping>,
    pub scrape_native_histograms: Option<bool>,
    pub convert_classic_histograms_to_nhcb: Option<bool>,
    pub always_scrape_classic_histograms: Option<bool>,
    pub extra_scrape_metrics: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Of Go's garbage collector; there is none here.
    pub gogc: Option<i64>,
}

with_http_client! {
    pub struct Scrape {
        pub job_name: Option<String>,
        pub honor_labels: bool,
        pub honor_timestamps: Option<bool>,
        pub track_timestamps_staleness: bool,
        pub params: BTreeMap<String, Vec<String>>,
        pub scrape_interval: Option<PromDuration>,
        pub scrape_timeout: Option<PromDuration>,
        pub scrape_protocols: Option<Vec<Protocol>>,
        pub fallback_scrape_protocol: Option<Protocol>,
        pub scrape_native_histograms: Option<bool>,
        pub always_scrape_classic_histograms: Option<bool>,
        pub convert_classic_histograms_to_nhcb: Option<bool>,
        pub extra_scrape_metrics: Option<bool>,
        pub scrape_failure_log_file: Option<PathBuf>,
        pub metrics_path: Option<String>,
        pub scheme: Option<Scheme>,
        pub enable_compression: Option<bool>,
        pub body_size_limit: ByteSize,
        pub sample_limit: u64,
        pub target_limit: u64,
        pub label_limit: u64,
        pub label_name_length_limit: u64,
        pub label_value_length_limit: u64,
        pub keep_dropped_targets: u64,
        pub native_histogram_bucket_limit: u64,
        pub native_histogram_min_bucket_factor: f64,
        pub metric_name_validation_scheme: Option<NameValidation>,
        pub metric_name_escaping_scheme: Option<NameEscaping>,
        pub static_configs: Vec<Option<StaticConfig>>,
        pub file_sd_configs: Vec<Option<FileSd>>,
        pub http_sd_configs: Vec<Option<HttpSd>>,
        pub dns_sd_configs: Vec<Option<DnsSd>>,
        pub relabel_configs: Relabeling,
        pub metric_relabel_configs: Relabeling,
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// A target group; files and answers of service discovery hold lists of them, too.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StaticConfig {
    pub targets: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileSd {
    pub files: Vec<String>,
    pub refresh_interval: Option<PromDuration>,
}

with_http_client! {
    pub struct HttpSd {
        pub url: String,
        pub refresh_interval: Option<PromDuration>,
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsSd {
    pub names: Vec<String>,
    #[serde(rename = "type")]
    pub kind: RecordKind,
    pub port: Option<u16>,
    pub refresh_interval: Option<PromDuration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordKind {
    A,
    Aaaa,
    #[default]
    Srv,
    Mx,
    Ns,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerting {
    pub alert_relabel_configs: Relabeling,
    pub alertmanagers: Vec<Option<Alertmanager>>,
}

with_http_client! {
    pub struct Alertmanager {
        pub timeout: Option<PromDuration>,
        pub api_version: Option<String>,
        pub path_prefix: Option<String>,
        pub scheme: Option<Scheme>,
        pub static_configs: Vec<Option<StaticConfig>>,
        pub file_sd_configs: Vec<Option<FileSd>>,
        pub http_sd_configs: Vec<Option<HttpSd>>,
        pub dns_sd_configs: Vec<Option<DnsSd>>,
        pub relabel_configs: Relabeling,
        pub alert_relabel_configs: Relabeling,
        pub sigv4: Option<IgnoredAny>,
    }
}

with_http_client! {
    pub struct RemoteWrite {
        pub url: Option<String>,
        pub protobuf_message: Option<String>,
        pub remote_timeout: Option<PromDuration>,
        pub headers: BTreeMap<String, String>,
        pub write_relabel_configs: Relabeling,
        pub name: Option<String>,
        pub send_exemplars: bool,
        pub send_native_histograms: Option<bool>,
        pub round_robin_dns: bool,
        pub queue_config: QueueConfig,
        pub metadata_config: MetadataConfig,
        pub sigv4: Option<IgnoredAny>,
        pub azuread: Option<IgnoredAny>,
        pub google_iam: Option<IgnoredAny>,
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    pub capacity: u64,
    pub max_shards: u64,
    pub min_shards: u64,
    pub max_samples_per_send: u64,
    pub batch_send_deadline: PromDuration,
    pub min_backoff: PromDuration,
    pub max_backoff: PromDuration,
    pub retry_on_http_429: bool,
    pub sample_age_limit: PromDuration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        let millis = |millis| PromDuration(std::time::Duration::from_millis(millis));
        Self {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: 2000,
            batch_send_deadline: millis(5000),
            min_backoff: millis(30),
            max_backoff: millis(5000),
            retry_on_http_429: false,
            sample_age_limit: millis(0),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetadataConfig {
    pub send: Option<bool>,
    pub send_interval: Option<PromDuration>,
    pub max_samples_per_send: Option<u64>,
}

with_http_client! {
    pub struct RemoteRead {
        pub url: Option<String>,
        pub remote_timeout: Option<PromDuration>,
        pub chunked_read_limit: Option<u64>,
        pub headers: BTreeMap<String, String>,
        pub read_recent: bool,
        pub name: Option<String>,
        pub required_matchers: BTreeMap<String, String>,
        pub filter_external_labels: Option<bool>,
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    pub tsdb: Option<Tsdb>,
    pub exemplars: Option<Exemplars>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tsdb {
    pub out_of_order_time_window: Option<PromDuration>,
    pub stale_series_compaction_threshold: Option<f64>,
    pub retention: Option<Retention>,
    pub chunk_encoding: Option<ChunkEncoding>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    pub time: Option<PromDuration>,
    pub size: Option<ByteSize>,
    pub percentage: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChunkEncoding {
    pub floats: Option<FloatEncoding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloatEncoding {
    Xor,
    Xor2,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exemplars {
    pub max_exemplars: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    pub client_type: Option<TracingClient>,
    pub endpoint: Option<String>,
    pub sampling_fraction: Option<f64>,
    pub insecure: bool,
    pub tls_config: Option<TlsConfig>,
    pub headers: BTreeMap<String, String>,
    pub compression: Option<TracingCompression>,
    pub timeout: Option<PromDuration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TracingClient {
    Http,
    Grpc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TracingCompression {
    Gzip,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    pub promote_all_resource_attributes: bool,
    pub promote_resource_attributes: Vec<String>,
    pub ignore_resource_attributes: Vec<String>,
    pub translation_strategy: Option<TranslationStrategy>,
    pub keep_identifying_resource_attributes: bool,
    pub convert_histograms_to_nhcb: bool,
    pub promote_scope_metadata: bool,
    pub label_name_underscore_sanitization: Option<bool>,
    pub label_name_preserve_multiple_underscores: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TranslationStrategy {
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    NoUTF8EscapingWithSuffixes,
    NoTranslation,
}
