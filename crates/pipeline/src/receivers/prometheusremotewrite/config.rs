//! The configuration of the `prometheusremotewrite` receiver, in the Collector's schema.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::http::WriteLimits;
use crate::config::{ConfigError, Problems, Section, duration};
use crate::net::server::ServerSettings;
use crate::net::tls::ServerTls;
use crate::receivers::otlp::config::{check_endpoint, check_transport, parse_headers};
use crate::receivers::otlp::cors::Cors;
use crate::receivers::otlp::http::DEFAULT_MAX_BODY;

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", "there are no authentication extensions; put an authenticating proxy in front"),
    ("middlewares", "there are no middleware extensions"),
    ("compression_algorithms", "remote write is always compressed with snappy"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `host:port`; an empty host means every address of the machine. The path is `/api/v1/write`.
    pub endpoint: String,
    /// `tcp`, `tcp4` or `tcp6`.
    pub transport: String,
    pub tls: Option<ServerTls>,
    pub cors: Option<Cors>,
    /// Bytes, as sent and decompressed; 0 is the default of 20 MiB.
    pub max_request_body_size: usize,
    pub include_metadata: bool,
    /// Headers added to every response.
    pub response_headers: BTreeMap<String, String>,
    /// How long a body may take to arrive; 0 for ever.
    #[serde(with = "duration")]
    pub read_timeout: Duration,
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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:9090".to_string(),
            transport: "tcp".to_string(),
            tls: None,
            cors: None,
            max_request_body_size: DEFAULT_MAX_BODY,
            include_metadata: false,
            response_headers: BTreeMap::new(),
            read_timeout: Duration::ZERO,
            read_header_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            keep_alives_enabled: true,
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
        check("endpoint", check_endpoint(&config.endpoint));
        check("transport", check_transport(&config.transport));
        check("response_headers", parse_headers(&config.response_headers).map(|_| ()));
        check("cors", config.cors.as_ref().map_or(Ok(()), |cors| cors.layer().map(|_| ())));
        problems.or(config)
    }

    pub fn server_settings(&self) -> ServerSettings {
        ServerSettings {
            close_after_request: !self.keep_alives_enabled,
            header_timeout: set(self.read_header_timeout),
            write_timeout: set(self.write_timeout),
            max_idle: set(self.idle_timeout),
            ..ServerSettings::default()
        }
    }

    pub fn limits(&self) -> WriteLimits {
        let max_request_body_size = match self.max_request_body_size {
            0 => DEFAULT_MAX_BODY,
            size => size,
        };
        let include_metadata = self.include_metadata;
        WriteLimits { max_request_body_size, read_timeout: set(self.read_timeout), include_metadata }
    }
}

fn set(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}
