//! The configuration of the receiver `workflow`.

use std::time::Duration;

use serde::Deserialize;

use super::mapping::{Mapping, MappingOptions};
use crate::config::{ConfigError, Problems, Section, duration};
// The Collector's options of an HTTP server, as Jaeger's receiver has them.
use crate::receivers::http_server::HttpServer as Http;

const ENDPOINT: &str = "127.0.0.1:8380";
const NO_AUTH: &str = "there are no authentication extensions; put an authenticating proxy in front";
const NO_MIDDLEWARES: &str = "there are no middleware extensions";

const UNSUPPORTED: &[(&str, &str)] =
    &[("protocols.http.auth", NO_AUTH), ("protocols.http.middlewares", NO_MIDDLEWARES)];

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub http: Http,
    /// Where events are posted to.
    pub path: String,
    pub webhook: Webhook,
    pub mapping: Mapping,
    pub limits: Limits,
    pub refresh: Duration,
    pub retire: Retire,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    protocols: Protocols,
    path: String,
    webhook: Webhook,
    mapping: MappingOptions,
    limits: Limits,
    /// How old the length of what runs may be, or else a tenth of its age.
    #[serde(with = "duration")]
    refresh: Duration,
    retire: Retire,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protocols: Protocols::default(),
            path: "/".to_owned(),
            webhook: Webhook::default(),
            mapping: MappingOptions::default(),
            limits: Limits::default(),
            refresh: Duration::from_secs(60),
            retire: Retire::default(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Protocols {
    http: Http,
}

/// CloudEvents' HTTP webhooks, section 4.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// Who may send, by what `WebHook-Request-Origin` says; `*` is everybody, and asks for no such header.
    pub allowed_origins: Vec<String>,
}

impl Default for Webhook {
    fn default() -> Self {
        Self { allowed_origins: vec!["*".to_owned()] }
    }
}

/// How much is kept of instances, and taken of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Instances that are known at once; finished ones make room for new ones.
    pub max_instances: u64,
    /// Events of one instance.
    pub max_states: u64,
    /// Bytes of one event as it is sent.
    pub max_event_bytes: usize,
    /// Attributes of a span that are taken from an event; others are counted as dropped.
    pub max_attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_instances: 10_000, max_states: 1_000, max_event_bytes: 64 << 10, max_attributes: 64 }
    }
}

/// When instances are forgotten: so long after their last event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retire {
    #[serde(with = "duration")]
    pub finished: Duration,
    /// Those that never came to an end.
    #[serde(with = "duration")]
    pub idle: Duration,
}

impl Default for Retire {
    fn default() -> Self {
        Self { finished: Duration::from_secs(3600), idle: Duration::from_secs(7 * 24 * 3600) }
    }
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let section = section.without(UNSUPPORTED);
        let mut options: Options = section.parse()?;
        let http = section.node().get("protocols").and_then(|protocols| protocols.get("http"));
        if http.and_then(|http| http.get("endpoint")).is_none() {
            ENDPOINT.clone_into(&mut options.protocols.http.endpoint);
        }
        let mut problems = Problems::default();
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        for (path, reason) in options.protocols.http.server().check() {
            problem(&format!("protocols.http.{path}"), reason);
        }
        for (path, reason) in options.check() {
            problem(path, reason.to_owned());
        }
        let Options { protocols, path, webhook, mapping, limits, refresh, retire } = options;
        let mapping = mapping.compile(limits.max_attributes).map_err(|problems| {
            problems.into_iter().for_each(|(path, reason)| problem(&format!("mapping.{path}"), reason));
        });
        // Where it is an error, a problem was noted.
        let mapping = mapping.unwrap_or_default();
        problems.or(Config { http: protocols.http, path, webhook, mapping, limits, refresh, retire })
    }
}

impl Options {
    fn check(&self) -> Vec<(&'static str, &'static str)> {
        const POSITIVE: &str = "must be positive";
        let Limits { max_instances, max_states, max_event_bytes, max_attributes } = self.limits;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let checks = [
            ("path", self.path.starts_with('/') && self.path.bytes().all(is_plain), "is no path such as /events"),
            ("limits.max_instances", (1..=10_000_000).contains(&max_instances), "must lie between 1 and 10000000"),
            ("limits.max_states", (1..=100_000).contains(&max_states), "must lie between 1 and 100000"),
            (
                "limits.max_event_bytes",
                (256..=16 << 20).contains(&max_event_bytes),
                "must lie between 256 and 16777216",
            ),
            ("limits.max_attributes", max_attributes <= 1000, "must not be more than 1000"),
            ("refresh", !self.refresh.is_zero(), POSITIVE),
            ("retire.finished", !self.retire.finished.is_zero(), POSITIVE),
            ("retire.idle", !self.retire.idle.is_zero(), POSITIVE),
            ("webhook.allowed_origins", !self.webhook.allowed_origins.is_empty(), "names nobody"),
        ];
        checks.into_iter().filter(|(_, holds, _)| !holds).map(|(path, _, reason)| (path, reason)).collect()
    }
}
