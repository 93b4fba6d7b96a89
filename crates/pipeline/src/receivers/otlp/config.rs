//! The configuration of the `otlp` receiver, in the Collector's schema.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::cors::Cors;
use super::grpc::GrpcLimits;
use super::http::{DEFAULT_MAX_BODY, HttpLimits, Paths};
use super::load_tls;
use crate::component::ComponentError;
use crate::config::{ConfigError, Problems, Section, duration, mentioned};
use crate::net::compression::Encoding;
use crate::net::listener::Listener;
use crate::net::server::ServerSettings;
use crate::net::tls::ServerTls;
use crate::receivers::http_listener::with_layers;

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("protocols.grpc.auth", "there are no authentication extensions; put an authenticating proxy in front"),
    ("protocols.http.auth", "there are no authentication extensions; put an authenticating proxy in front"),
    (
        "protocols.grpc.keepalive.enforcement_policy",
        "the HTTP/2 library has no policy on clients' pings, but closes connections that flood it with them",
    ),
    ("protocols.grpc.middlewares", "there are no middleware extensions"),
    ("protocols.http.middlewares", "there are no middleware extensions"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub protocols: Protocols,
}

/// A protocol that is not mentioned does not listen.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    #[serde(deserialize_with = "mentioned")]
    pub grpc: Option<Grpc>,
    #[serde(deserialize_with = "mentioned")]
    pub http: Option<Http>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grpc {
    /// `host:port`; an empty host means every address of the machine.
    pub endpoint: String,
    /// `tcp`, `tcp4` or `tcp6`.
    pub transport: String,
    /// The size of a message in MiB, as sent and decompressed.
    pub max_recv_msg_size_mib: u32,
    /// Calls at once on one connection; 0 is the default of 200.
    pub max_concurrent_streams: u32,
    /// Bytes; 0 reads and writes without a buffer of its own.
    pub read_buffer_size: usize,
    pub write_buffer_size: usize,
    pub keepalive: Option<Keepalive>,
    pub tls: Option<ServerTls>,
    /// Keep the call's metadata beside the telemetry, for processors that look at it.
    pub include_metadata: bool,
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4317".to_string(),
            transport: "tcp".to_string(),
            max_recv_msg_size_mib: 4,
            max_concurrent_streams: 0,
            read_buffer_size: 0,
            write_buffer_size: 0,
            keepalive: None,
            tls: None,
            include_metadata: false,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    pub server_parameters: ServerParameters,
}

/// gRPC's server parameters; 0 or unset is gRPC's default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerParameters {
    /// How long a connection may have no call under way (default: for ever).
    #[serde(with = "duration::option")]
    pub max_connection_idle: Option<Duration>,
    #[serde(with = "duration::option")]
    pub max_connection_age: Option<Duration>,
    /// How long calls may take after `max_connection_age` (default: for ever).
    #[serde(with = "duration::option")]
    pub max_connection_age_grace: Option<Duration>,
    /// After how much silence a ping is sent (default 2h).
    #[serde(with = "duration::option")]
    pub time: Option<Duration>,
    /// How long the answer to a ping may take (default 20s).
    #[serde(with = "duration::option")]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
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
    pub traces_url_path: String,
    pub metrics_url_path: String,
    pub logs_url_path: String,
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

impl Default for Http {
    fn default() -> Self {
        let paths = Paths::default();
        Self {
            endpoint: "127.0.0.1:4318".to_string(),
            transport: "tcp".to_string(),
            tls: None,
            cors: None,
            max_request_body_size: DEFAULT_MAX_BODY,
            include_metadata: false,
            response_headers: BTreeMap::new(),
            compression_algorithms: None,
            traces_url_path: paths.traces,
            metrics_url_path: paths.metrics,
            logs_url_path: paths.logs,
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
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        if config.protocols == Protocols::default() {
            problem("protocols", "name at least one of grpc and http".to_string());
        }
        if let Some(grpc) = &config.protocols.grpc {
            for (path, reason) in grpc.check() {
                problem(&format!("protocols.grpc.{path}"), reason);
            }
        }
        if let Some(http) = &config.protocols.http {
            for (path, reason) in http.check() {
                problem(&format!("protocols.http.{path}"), reason);
            }
        }
        problems.or(config)
    }
}

impl Grpc {
    pub fn limits(&self) -> GrpcLimits {
        GrpcLimits {
            max_message_size: self.max_recv_msg_size_mib as usize * (1 << 20),
            include_metadata: self.include_metadata,
        }
    }

    /// Serves `router` as configured.
    pub(crate) fn listener(&self, router: Router) -> Result<Listener, ComponentError> {
        Ok(Listener {
            protocol: "grpc",
            endpoint: self.endpoint.clone(),
            transport: self.transport.clone(),
            router,
            settings: self.server_settings(),
            tls: load_tls(self.tls.as_ref(), &["h2"])?,
        })
    }

    /// The path below the protocol and what is wrong there.
    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let sizes = 1..=4095;
        let size = match sizes.contains(&self.max_recv_msg_size_mib) {
            true => Ok(()),
            false => Err("must lie between 1 and 4095".to_string()),
        };
        let checks = [
            ("endpoint", check_endpoint(&self.endpoint)),
            ("transport", check_transport(&self.transport)),
            ("max_recv_msg_size_mib", size),
        ];
        checks.into_iter().filter_map(|(path, checked)| Some((path, checked.err()?))).collect()
    }

    pub fn server_settings(&self) -> ServerSettings {
        let keepalive = self.keepalive.clone().unwrap_or_default().server_parameters;
        let set = |duration: Option<Duration>| duration.filter(|duration| !duration.is_zero());
        ServerSettings {
            http2_only: true,
            max_idle: set(keepalive.max_connection_idle),
            max_age: set(keepalive.max_connection_age),
            max_age_grace: set(keepalive.max_connection_age_grace),
            max_concurrent_streams: Some(self.max_concurrent_streams).filter(|&streams| streams > 0),
            ping_interval: Some(set(keepalive.time).unwrap_or(Duration::from_secs(2 * 3600))),
            ping_timeout: Some(set(keepalive.timeout).unwrap_or(Duration::from_secs(20))),
            read_buffer_size: self.read_buffer_size,
            write_buffer_size: self.write_buffer_size,
            ..ServerSettings::default()
        }
    }
}

impl Http {
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

    pub fn paths(&self) -> Paths {
        Paths {
            traces: self.traces_url_path.clone(),
            metrics: self.metrics_url_path.clone(),
            logs: self.logs_url_path.clone(),
        }
    }

    pub fn limits(&self) -> Result<HttpLimits, String> {
        Ok(HttpLimits {
            max_request_body_size: max_body(self.max_request_body_size),
            encodings: encodings(self.compression_algorithms.as_deref())?,
            read_timeout: Some(self.read_timeout).filter(|timeout| !timeout.is_zero()),
            include_metadata: self.include_metadata,
        })
    }

    /// The headers added to every response. The error says what is no header.
    pub fn response_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        parse_headers(&self.response_headers)
    }

    /// Serves `router` as configured, with CORS and the headers of responses.
    pub(crate) fn listener(&self, protocol: &'static str, router: Router) -> Result<Listener, ComponentError> {
        Ok(Listener {
            protocol,
            endpoint: self.endpoint.clone(),
            transport: self.transport.clone(),
            router: with_layers(router, self.cors.as_ref(), &self.response_headers)?,
            settings: self.server_settings(),
            tls: load_tls(self.tls.as_ref(), &["h2", "http/1.1"])?,
        })
    }

    /// The path below the protocol and what is wrong there.
    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let checks = [("endpoint", check_endpoint(&self.endpoint)), ("transport", check_transport(&self.transport))];
        let wrong = checks.into_iter().filter_map(|(path, checked)| Some((path, checked.err()?)));
        wrong.chain(self.check_rest().err()).collect()
    }

    fn check_rest(&self) -> Result<(), (&'static str, String)> {
        self.limits().map_err(|reason| ("compression_algorithms", reason))?;
        self.response_headers().map_err(|reason| ("response_headers", reason))?;
        if let Some(cors) = &self.cors {
            cors.layer().map_err(|reason| ("cors", reason))?;
        }
        let paths = [
            ("traces_url_path", &self.traces_url_path),
            ("metrics_url_path", &self.metrics_url_path),
            ("logs_url_path", &self.logs_url_path),
        ];
        for (option, path) in paths {
            if !path.starts_with('/') || path.contains(['{', '}', '*', '?', '#', ' ']) {
                return Err((option, format!("{path:?} is not a path such as /v1/traces")));
            }
            if paths.iter().any(|(other, same)| *other != option && *same == path) {
                return Err((option, format!("{path:?} is the path of two signals")));
            }
        }
        Ok(())
    }
}

/// The error says what is no header.
pub(crate) fn parse_headers(headers: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let parse = |(name, value): (&String, &String)| {
        let header = name.parse::<HeaderName>().map_err(|_| format!("{name:?} is not the name of a header"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of {name} is not one of a header"))?;
        Ok((header, value))
    };
    headers.iter().map(parse).collect()
}

/// Of the option `max_request_body_size`.
pub(crate) fn max_body(bytes: usize) -> usize {
    if bytes == 0 { DEFAULT_MAX_BODY } else { bytes }
}

/// Of the option `compression_algorithms`. The error says what is none.
pub(crate) fn encodings(names: Option<&[String]>) -> Result<Vec<Encoding>, String> {
    match names {
        None => Ok(Encoding::ALL.to_vec()),
        Some(names) => names.iter().map(|name| encoding(name)).collect(),
    }
}

fn encoding(name: &str) -> Result<Encoding, String> {
    let known = Encoding::ALL.map(Encoding::as_str).join(", ");
    Encoding::from_name(name).ok_or_else(|| format!("{name:?} is not one of {known}"))
}

pub(crate) fn check_transport(transport: &str) -> Result<(), String> {
    match transport {
        "tcp" | "tcp4" | "tcp6" => Ok(()),
        other => Err(format!("{other:?} is not supported; use tcp, tcp4 or tcp6")),
    }
}

pub(crate) fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(_) if !endpoint.contains("://") => Ok(()),
        _ => Err(format!("{endpoint:?} is not host:port, such as 0.0.0.0:4317")),
    }
}
