//! The configuration of the `jaeger` receiver, in the Collector's schema.

use serde::Deserialize;
use trefoil_model::Tenant;

use crate::config::{ConfigError, Problems, Section, mentioned};
use crate::receivers::http_server::{HttpServer, set_endpoint};
use crate::receivers::otlp::config::{Grpc, check_endpoint};

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("remote_sampling", "as in the Collector, it is the extension `jaegerremotesampling` now"),
    ("protocols.grpc.auth", "there are no authentication extensions; put an authenticating proxy in front"),
    ("protocols.thrift_http.auth", "there are no authentication extensions; put an authenticating proxy in front"),
    (
        "protocols.grpc.keepalive.enforcement_policy",
        "the HTTP/2 library has no policy on clients' pings, but closes connections that flood it with them",
    ),
    ("protocols.grpc.middlewares", "there are no middleware extensions"),
    ("protocols.thrift_http.middlewares", "there are no middleware extensions"),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    protocols: Protocols,
    #[serde(default)]
    tenant: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub protocols: Protocols,
    /// Whose the spans are that come by UDP, where tenants are told apart. (An option of Trefoil.)
    pub tenant: Option<Tenant>,
}

/// A protocol that is not mentioned does not listen.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    #[serde(deserialize_with = "mentioned")]
    pub grpc: Option<Grpc>,
    #[serde(deserialize_with = "mentioned")]
    pub thrift_http: Option<HttpServer>,
    #[serde(deserialize_with = "mentioned")]
    pub thrift_compact: Option<Udp>,
    #[serde(deserialize_with = "mentioned")]
    pub thrift_binary: Option<Udp>,
}

impl Protocols {
    /// The name in the configuration, what listens by default, and the configuration.
    pub fn udp(&self) -> impl Iterator<Item = (&'static str, &'static str, &Udp)> {
        let protocols = [
            ("thrift_compact", "127.0.0.1:6831", &self.thrift_compact),
            ("thrift_binary", "127.0.0.1:6832", &self.thrift_binary),
        ];
        protocols.into_iter().filter_map(|(name, endpoint, udp)| Some((name, endpoint, udp.as_ref()?)))
    }
}

const GRPC_ENDPOINT: &str = "127.0.0.1:14250";
const HTTP_ENDPOINT: &str = "127.0.0.1:14268";

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Udp {
    /// `host:port`; an empty host means every address of the machine.
    pub endpoint: Option<String>,
    /// Packets that wait for a worker.
    pub queue_size: usize,
    /// Bytes; longer packets are dropped.
    pub max_packet_size: usize,
    /// Packets that are handed to the pipelines at the same time.
    pub workers: usize,
    /// Bytes that the system keeps of what is not read yet; 0 leaves it to the system.
    pub socket_buffer_size: usize,
}

impl Default for Udp {
    fn default() -> Self {
        Self { endpoint: None, queue_size: 1000, max_packet_size: 65_000, workers: 10, socket_buffer_size: 0 }
    }
}

impl Udp {
    fn check(&self) -> Vec<(&'static str, String)> {
        let within = |value: usize, most: usize| match (1..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("must lie between 1 and {most}")),
        };
        let buffer = match i32::try_from(self.socket_buffer_size) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("must not be more than {}", i32::MAX)),
        };
        let checks = [
            ("endpoint", self.endpoint.as_deref().map_or(Ok(()), check_endpoint)),
            ("queue_size", within(self.queue_size, 1_000_000)),
            ("max_packet_size", within(self.max_packet_size, 1 << 20)),
            ("workers", within(self.workers, 1000)),
            ("socket_buffer_size", buffer),
        ];
        checks.into_iter().filter_map(|(path, checked)| Some((path, checked.err()?))).collect()
    }
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let Options { mut protocols, tenant } = section.without(UNSUPPORTED).parse()?;
        let mut problems = Problems::default();
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        if protocols == Protocols::default() {
            let message = "name at least one of grpc, thrift_http, thrift_compact and thrift_binary";
            problem("protocols", message.to_owned());
        }
        let options = section.node().get("protocols");
        if let Some(grpc) = &mut protocols.grpc {
            set_endpoint(&mut grpc.endpoint, GRPC_ENDPOINT, options, "grpc");
            for (path, reason) in grpc.check() {
                problem(&format!("protocols.grpc.{path}"), reason);
            }
        }
        if let Some(http) = &mut protocols.thrift_http {
            set_endpoint(&mut http.endpoint, HTTP_ENDPOINT, options, "thrift_http");
            for (path, reason) in http.server().check() {
                problem(&format!("protocols.thrift_http.{path}"), reason);
            }
        }
        for (name, _, udp) in protocols.udp() {
            for (path, reason) in udp.check() {
                problem(&format!("protocols.{name}.{path}"), reason);
            }
        }
        let tenant = tenant.map(|name| Tenant::new(&name)).transpose();
        let tenant = tenant.map_err(|error| problem("tenant", error.to_string())).ok().flatten();
        if tenant.is_some() && protocols.udp().next().is_none() {
            let message =
                "it is for spans that come by UDP, over thrift_compact or thrift_binary; others say whose they are";
            problem("tenant", message.to_owned());
        }
        problems.or(Self { protocols, tenant })
    }
}
