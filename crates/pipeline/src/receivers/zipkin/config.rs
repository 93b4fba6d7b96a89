//! The configuration of the `zipkin` receiver, in the Collector's schema: the options of HTTP stand below `protocols.http`,
//! or, as before the Collector's 0.128, in the section itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::config::{ConfigError, Problems, Section, duration, mentioned};
use crate::net::server::ServerSettings;
use crate::net::tls::ServerTls;
use crate::receivers::otlp::HttpLimits;
use crate::receivers::otlp::config::{check_endpoint, check_transport, encodings, max_body, parse_headers};
use crate::receivers::otlp::cors::Cors;
use crate::receivers::otlp::http::DEFAULT_MAX_BODY;

const NO_AUTH: &str = "there are no authentication extensions; put an authenticating proxy in front";
const NO_MIDDLEWARES: &str = "there are no middleware extensions";

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("auth", NO_AUTH),
    ("middlewares", NO_MIDDLEWARES),
    ("protocols.http.auth", NO_AUTH),
    ("protocols.http.middlewares", NO_MIDDLEWARES),
];

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub http: Http,
    /// Tags (and binary annotations of version 1) that look like numbers or truth values become such attributes.
    pub parse_string_tags: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WithProtocols {
    protocols: Protocols,
    parse_string_tags: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Protocols {
    #[serde(deserialize_with = "mentioned")]
    http: Option<Http>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// `host:port`; an empty host means every address of the machine.
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
    /// The `Content-Encoding`s that are taken; unset: all that are known. An empty name stands for no compression.
    pub compression_algorithms: Option<Vec<String>>,
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
    /// Only where these options are the section itself.
    parse_string_tags: Option<bool>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:9411".to_string(),
            transport: "tcp".to_string(),
            tls: None,
            cors: None,
            max_request_body_size: DEFAULT_MAX_BODY,
            include_metadata: false,
            response_headers: BTreeMap::new(),
            compression_algorithms: None,
            read_timeout: Duration::ZERO,
            read_header_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            keep_alives_enabled: true,
            parse_string_tags: None,
        }
    }
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let section = section.without(UNSUPPORTED);
        let mut problems = Problems::default();
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        let (config, prefix) = if section.node().get("protocols").is_some() {
            let WithProtocols { protocols, parse_string_tags } = section.parse()?;
            let http = protocols.http.unwrap_or_else(|| {
                problem("protocols", "name http, the only one".to_string());
                Http::default()
            });
            if http.parse_string_tags.is_some() {
                problem("protocols.http.parse_string_tags", "stands beside `protocols`".to_string());
            }
            (Config { http, parse_string_tags }, "protocols.http.")
        } else {
            let http: Http = section.parse()?;
            let parse_string_tags = http.parse_string_tags.unwrap_or_default();
            (Config { http, parse_string_tags }, "")
        };
        for (option, checked) in config.http.check() {
            if let Err(reason) = checked {
                problem(&format!("{prefix}{option}"), reason);
            }
        }
        problems.or(config)
    }
}

impl Http {
    fn check(&self) -> [(&'static str, Result<(), String>); 5] {
        [
            ("endpoint", check_endpoint(&self.endpoint)),
            ("transport", check_transport(&self.transport)),
            ("response_headers", parse_headers(&self.response_headers).map(|_| ())),
            ("compression_algorithms", self.limits().map(|_| ())),
            ("cors", self.cors.as_ref().map_or(Ok(()), |cors| cors.layer().map(|_| ()))),
        ]
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

    pub fn limits(&self) -> Result<HttpLimits, String> {
        Ok(HttpLimits {
            max_request_body_size: max_body(self.max_request_body_size),
            encodings: encodings(self.compression_algorithms.as_deref())?,
            read_timeout: set(self.read_timeout),
            include_metadata: self.include_metadata,
        })
    }
}

fn set(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}
