//! The connector's options.

use std::time::Duration;

use serde::Deserialize;
use trefoil_trace::graph::DATABASES;
use trefoil_trace::propagation::{QUEUES, TARGETS};

use crate::config::{ConfigError, Problems, Section, duration};
use crate::connectors::spans::attributes::Keys;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    #[serde(with = "duration")]
    wait: Duration,
    max_spans: usize,
    max_series: usize,
    #[serde(with = "duration")]
    metrics_flush_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(30),
            max_spans: 200_000,
            max_series: 10_000,
            metrics_flush_interval: Duration::from_secs(60),
        }
    }
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// All attributes that anything is read from.
    pub keys: Keys,
    /// The place of `service.name` in `keys`.
    pub service: usize,
    /// Places in `keys` with the names of what is there, those that are preferred first.
    pub targets: Vec<(&'static str, usize)>,
    pub queues: Vec<usize>,
    pub databases: Vec<usize>,
    /// How long a parent, an answer or a call is waited for.
    pub wait: Duration,
    /// Spans of a tenant that are remembered.
    pub max_spans: usize,
    /// Series of a tenant.
    pub max_series: usize,
    pub flush_interval: Duration,
}

pub fn read(section: &Section<'_>) -> Result<Options, ConfigError> {
    let config: Config = section.parse()?;
    let mut problems = Problems::default();
    for (option, value) in [("max_spans", config.max_spans), ("max_series", config.max_series)] {
        if value == 0 {
            problems.push(section.problem(option, "must be more than 0"));
        }
    }
    for (option, value) in [("wait", config.wait), ("metrics_flush_interval", config.metrics_flush_interval)] {
        if value.is_zero() {
            problems.push(section.problem(option, "must be longer than nothing"));
        }
    }
    let mut keys = Keys::default();
    problems.or(Options {
        service: keys.add("service.name"),
        targets: TARGETS.map(|name| (name, keys.add(name))).to_vec(),
        queues: QUEUES.map(|name| keys.add(name)).to_vec(),
        databases: DATABASES.map(|name| keys.add(name)).to_vec(),
        keys,
        wait: config.wait,
        max_spans: config.max_spans,
        max_series: config.max_series,
        flush_interval: config.metrics_flush_interval,
    })
}
