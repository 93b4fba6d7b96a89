//! The configuration of `jaegerremotesampling`, in the Collector's schema.

use std::time::Duration;

use serde::Deserialize;
use trefoil_jaeger::sampling::Strategies;

use crate::config::{ConfigError, Problems, Section, duration};
use crate::net::tls::ServerTls;
use crate::receivers::otlp::config::{Grpc, check_endpoint, check_transport};

/// What the Collector has and this extension has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("source.remote", "name the file of the strategies in `file`, or let clients ask the other server"),
    ("http.auth", "there are no authentication extensions; put an authenticating proxy in front"),
    ("grpc.auth", "there are no authentication extensions; put an authenticating proxy in front"),
    ("http.cors", "samplers are no browsers"),
    ("http.max_request_body_size", "questions have no body"),
    ("http.compression_algorithms", "questions have no body"),
    ("http.include_metadata", "nobody looks at it"),
    (
        "grpc.keepalive.enforcement_policy",
        "the HTTP/2 library has no policy on clients' pings, but closes connections that flood it with them",
    ),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `null` switches it off.
    pub http: Option<Http>,
    /// `null` switches it off. The default of its endpoint is that of the `jaeger` receiver, too, as in the Collector.
    pub grpc: Option<Grpc>,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub endpoint: String,
    /// `tcp`, `tcp4` or `tcp6`.
    pub transport: String,
    pub tls: Option<ServerTls>,
}

/// Either is needed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The path of a file, or an `http://` or `https://` URL.
    pub file: String,
    /// The text of such a file. (An option of Trefoil.)
    pub contents: String,
    /// How often `file` is read again; 0 for never.
    #[serde(with = "duration")]
    pub reload_interval: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self { endpoint: "127.0.0.1:5778".to_owned(), transport: "tcp".to_owned(), tls: None }
    }
}

const GRPC_ENDPOINT: &str = "127.0.0.1:14250";

impl Default for Config {
    fn default() -> Self {
        let grpc = Grpc { endpoint: GRPC_ENDPOINT.to_owned(), ..Grpc::default() };
        Self { http: Some(Http::default()), grpc: Some(grpc), source: Source::default() }
    }
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let mut config: Config = section.without(UNSUPPORTED).parse()?;
        let mut problems = Problems::default();
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        if config.http.is_none() && config.grpc.is_none() {
            problem("", "no protocols selected to serve the strategies, use 'grpc', 'http', or both".to_owned());
        }
        if let Some(http) = &config.http {
            for (path, checked) in [
                ("http.endpoint", check_endpoint(&http.endpoint)),
                ("http.transport", check_transport(&http.transport)),
            ] {
                checked.unwrap_or_else(|reason| problem(path, reason));
            }
        }
        if let Some(grpc) = &mut config.grpc {
            if section.node().get("grpc").and_then(|grpc| grpc.get("endpoint")).is_none() {
                GRPC_ENDPOINT.clone_into(&mut grpc.endpoint);
            }
            for (path, reason) in grpc.check() {
                problem(&format!("grpc.{path}"), reason);
            }
            if grpc.include_metadata {
                problem("grpc.include_metadata", "nobody looks at it".to_owned());
            }
        }
        match (config.source.file.is_empty(), config.source.contents.is_empty()) {
            (true, true) => problem("source", "no source specified: name a `file`, or write the `contents`".to_owned()),
            (false, false) => problem("source", "it has both, `file` and `contents`; one of them is enough".to_owned()),
            (true, false) => {
                if let Err(error) = Strategies::parse(&config.source.contents) {
                    problem("source.contents", error.to_string());
                }
                if !config.source.reload_interval.is_zero() {
                    problem("source.reload_interval", "it is for `file`; `contents` cannot change".to_owned());
                }
            }
            (false, true) => {}
        }
        problems.or(config)
    }
}
