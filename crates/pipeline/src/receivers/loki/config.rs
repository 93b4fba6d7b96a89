//! The configuration of the `loki` receiver, in the Collector's schema, and the limits of streams by Loki's names.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use trefoil_loki::{Limits, Options};

use crate::config::{ConfigError, Problems, Section, duration, mentioned};
use crate::receivers::http_server::{HttpServer, set_endpoint};
use crate::receivers::otlp::config::Grpc;

const NO_AUTH: &str = "there are no authentication extensions; put an authenticating proxy in front";
const NO_MIDDLEWARES: &str = "there are no middleware extensions";

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("protocols.grpc.auth", NO_AUTH),
    ("protocols.http.auth", NO_AUTH),
    (
        "protocols.grpc.keepalive.enforcement_policy",
        "the HTTP/2 library has no policy on clients' pings, but closes connections that flood it with them",
    ),
    ("protocols.grpc.middlewares", NO_MIDDLEWARES),
    ("protocols.http.middlewares", NO_MIDDLEWARES),
];

const HTTP_ENDPOINT: &str = "127.0.0.1:3500";
const GRPC_ENDPOINT: &str = "127.0.0.1:3600";

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub protocols: Protocols,
    /// `false`, as in the Collector: entries get the time at which they were received.
    #[serde(default)]
    pub use_incoming_timestamp: bool,
    /// What is refused. (An option of Trefoil.)
    #[serde(default)]
    pub limits: LimitsSection,
}

/// A protocol that is not mentioned does not listen.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    #[serde(deserialize_with = "mentioned")]
    pub http: Option<HttpServer>,
    #[serde(deserialize_with = "mentioned")]
    pub grpc: Option<Grpc>,
}

/// As in Loki's `limits_config`, where there is more of it. Lengths are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    pub max_line_size: usize,
    pub max_label_names_per_series: usize,
    pub max_label_name_length: usize,
    pub max_label_value_length: usize,
    pub max_structured_metadata_entries_count: usize,
    pub max_structured_metadata_size: usize,
    /// 0 takes entries of any age.
    #[serde(deserialize_with = "duration::deserialize", serialize_with = "written")]
    pub reject_old_samples_max_age: Duration,
    /// How far in the future an entry may be; 0 for as far as can be told.
    #[serde(deserialize_with = "duration::deserialize", serialize_with = "written")]
    pub creation_grace_period: Duration,
    /// Labels that tell the service of streams without `service_name`, the best first; none of them, none is looked for.
    pub discover_service_name: Vec<String>,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            max_line_size: limits.max_line_size,
            max_label_names_per_series: limits.max_label_names_per_series,
            max_label_name_length: limits.max_label_name_length,
            max_label_value_length: limits.max_label_value_length,
            max_structured_metadata_entries_count: limits.max_structured_metadata_entries_count,
            max_structured_metadata_size: limits.max_structured_metadata_size,
            reject_old_samples_max_age: limits.reject_old_samples_max_age,
            creation_grace_period: limits.creation_grace_period,
            discover_service_name: limits.discover_service_name,
        }
    }
}

impl LimitsSection {
    pub fn limits(&self) -> Limits {
        Limits {
            max_line_size: self.max_line_size,
            max_label_names_per_series: self.max_label_names_per_series,
            max_label_name_length: self.max_label_name_length,
            max_label_value_length: self.max_label_value_length,
            max_structured_metadata_entries_count: self.max_structured_metadata_entries_count,
            max_structured_metadata_size: self.max_structured_metadata_size,
            reject_old_samples_max_age: self.reject_old_samples_max_age,
            creation_grace_period: self.creation_grace_period,
            discover_service_name: self.discover_service_name.clone(),
        }
    }

    /// What of it cannot be: the option and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let sizes = [
            ("max_line_size", self.max_line_size),
            ("max_label_names_per_series", self.max_label_names_per_series),
            ("max_label_name_length", self.max_label_name_length),
            ("max_label_value_length", self.max_label_value_length),
        ];
        let none = sizes.into_iter().filter(|(_, size)| *size == 0);
        none.map(|(option, _)| (option, "must be more than 0".to_owned())).collect()
    }
}

fn written<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    serializer.serialize_str(&trefoil_go::duration::written(nanos))
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let mut config: Config = section.without(UNSUPPORTED).parse()?;
        let mut problems = Problems::default();
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        if config.protocols == Protocols::default() {
            problem("protocols", "name at least one of http and grpc".to_owned());
        }
        let options = section.node().get("protocols");
        if let Some(http) = &mut config.protocols.http {
            set_endpoint(&mut http.endpoint, HTTP_ENDPOINT, options, "http");
            for (path, reason) in http.server().check() {
                problem(&format!("protocols.http.{path}"), reason);
            }
        }
        if let Some(grpc) = &mut config.protocols.grpc {
            set_endpoint(&mut grpc.endpoint, GRPC_ENDPOINT, options, "grpc");
            for (path, reason) in grpc.check() {
                problem(&format!("protocols.grpc.{path}"), reason);
            }
        }
        for (option, reason) in config.limits.problems() {
            problem(&format!("limits.{option}"), reason);
        }
        problems.or(config)
    }

    pub fn options(&self) -> Options {
        Options { limits: self.limits.limits(), use_incoming_timestamp: self.use_incoming_timestamp }
    }
}
