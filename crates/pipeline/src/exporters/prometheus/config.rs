//! The configuration of the `prometheus` exporter, in the Collector's schema.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::config::{ConfigError, Problems, Section, duration};
use crate::exporters::prometheus_view::{ResourceLabels, Strategy, View, translation};
use crate::net::server::ServerSettings;
use crate::net::tls::ServerTls;
use crate::receivers::otlp::config::{check_endpoint, check_transport, parse_headers};

/// What the Collector has and this exporter has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", "there are no authentication extensions; put an authenticating proxy in front"),
    ("middlewares", "there are no middleware extensions"),
    ("cors", "pages of other origins have no business here"),
    ("max_request_body_size", "scrapes have no body"),
    ("include_metadata", "scrapes bring no telemetry"),
    ("compression_algorithms", "scrapes have no body; answers are compressed as the client accepts it"),
    ("resource_constant_labels", "use `resource_to_telemetry_conversion`, or the processor `attributes`"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `host:port`; an empty host means every address of the machine. The path is `/metrics`.
    pub endpoint: String,
    /// `tcp`, `tcp4` or `tcp6`.
    pub transport: String,
    pub tls: Option<ServerTls>,
    /// Headers added to every response.
    pub response_headers: BTreeMap<String, String>,
    /// How long headers may take to arrive, and how long HTTP/1.1 waits for the next request; 0 is 5 minutes.
    #[serde(with = "duration")]
    pub read_header_timeout: Duration,
    /// How long a client may leave a response untaken; 0 for ever.
    #[serde(with = "duration")]
    pub write_timeout: Duration,
    /// How long a connection may have no request under way; 0 for ever.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Whether HTTP/1.1 connections serve more than one request.
    pub keep_alives_enabled: bool,
    pub namespace: String,
    pub const_labels: BTreeMap<String, String>,
    /// Give each sample the time of its point instead of leaving it to the scrape.
    pub send_timestamps: bool,
    /// How long a series is shown without new points.
    #[serde(with = "duration")]
    pub metric_expiration: Duration,
    /// Offer OpenMetrics, which has exemplars.
    pub enable_open_metrics: bool,
    pub add_metric_suffixes: bool,
    /// Wins over `add_metric_suffixes`.
    pub translation_strategy: Option<Strategy>,
    pub resource_to_telemetry_conversion: ResourceLabels,
    /// Leave out the labels `otel_scope_…`.
    pub without_scope_info: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            transport: "tcp".to_owned(),
            tls: None,
            response_headers: BTreeMap::new(),
            read_header_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::ZERO,
            keep_alives_enabled: true,
            namespace: String::new(),
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            metric_expiration: Duration::from_secs(300),
            enable_open_metrics: false,
            add_metric_suffixes: true,
            translation_strategy: None,
            resource_to_telemetry_conversion: ResourceLabels::default(),
            without_scope_info: false,
        }
    }
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let config: Config = section.without(UNSUPPORTED).parse()?;
        let mut problems = Problems::default();
        let mut check = |path: &str, checked: Result<(), String>| {
            if let Err(reason) = checked {
                problems.push(section.problem(path, reason));
            }
        };
        match config.endpoint.as_str() {
            "" => check("endpoint", Err("is missing: say where to be scraped, such as localhost:8889".to_owned())),
            endpoint => check("endpoint", check_endpoint(endpoint)),
        }
        check("transport", check_transport(&config.transport));
        check("response_headers", parse_headers(&config.response_headers).map(|_| ()));
        if config.metric_expiration.is_zero() {
            check("metric_expiration", Err("must be positive".to_owned()));
        }
        if config.const_labels.keys().any(|name| name.is_empty() || name == "__name__") {
            check("const_labels", Err("a label's name must not be empty, nor __name__".to_owned()));
        }
        problems.or(config)
    }

    pub fn server_settings(&self) -> ServerSettings {
        let set = |duration: Duration| Some(duration).filter(|duration| !duration.is_zero());
        ServerSettings {
            close_after_request: !self.keep_alives_enabled,
            header_timeout: set(self.read_header_timeout),
            write_timeout: set(self.write_timeout),
            max_idle: set(self.idle_timeout),
            ..ServerSettings::default()
        }
    }

    pub fn view(&self) -> View {
        View {
            translation: translation(self.translation_strategy, self.add_metric_suffixes),
            namespace: self.namespace.clone(),
            constant_labels: self.const_labels.clone().into_iter().collect(),
            resource_labels: self.resource_to_telemetry_conversion,
            scope_labels: !self.without_scope_info,
            target_info: true,
        }
    }
}
