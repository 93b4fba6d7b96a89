//! `retry_on_failure` of receivers, in the Collector's schema: what the pipelines refuse for now is held, and so is what comes after it.

use std::time::Duration;

use serde::Deserialize;

use crate::exporters::retry::RetryConfig;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryOnFailure {
    /// Off by default, as in the Collector: refused records are gone, and counted.
    pub enabled: bool,
    #[serde(with = "crate::config::duration")]
    pub initial_interval: Duration,
    #[serde(with = "crate::config::duration")]
    pub max_interval: Duration,
    /// How long a request is tried before it is given up; 0 for ever.
    #[serde(with = "crate::config::duration")]
    pub max_elapsed_time: Duration,
}

impl Default for RetryOnFailure {
    fn default() -> Self {
        Self {
            enabled: false,
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl RetryOnFailure {
    pub fn check(&self) -> Result<(), String> {
        self.config().check().map_err(|reason| reason.trim_start_matches("retry_on_failure: ").to_owned())
    }

    /// As exporters have it.
    pub fn config(&self) -> RetryConfig {
        RetryConfig {
            enabled: self.enabled,
            initial_interval: self.initial_interval,
            max_interval: self.max_interval,
            max_elapsed_time: self.max_elapsed_time,
            ..RetryConfig::default()
        }
    }
}
