//! The `storage.retention` section: how long what is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trefoil_model::{Signal, Tenant};

use crate::units;

/// Retention in general and of single tenants. `0` means for ever.
///
/// The most specific value counts: tenant and signal, tenant, signal, all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// All signals.
    #[serde(with = "units::duration")]
    pub block_retention: Duration,
    #[serde(with = "units::optional_duration")]
    pub traces: Option<Duration>,
    #[serde(with = "units::optional_duration")]
    pub metrics: Option<Duration>,
    #[serde(with = "units::optional_duration")]
    pub logs: Option<Duration>,
    /// Exceptions by tenant id.
    pub tenants: BTreeMap<String, TenantRetention>,
    /// How often expired files and garbage are looked for.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// How long a file stays in the object store after the last listing of it, for queries and readers under way.
    #[serde(with = "units::duration")]
    pub grace: Duration,
}

/// What a tenant has otherwise; what is absent is as for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantRetention {
    #[serde(with = "units::optional_duration")]
    pub block_retention: Option<Duration>,
    #[serde(with = "units::optional_duration")]
    pub traces: Option<Duration>,
    #[serde(with = "units::optional_duration")]
    pub metrics: Option<Duration>,
    #[serde(with = "units::optional_duration")]
    pub logs: Option<Duration>,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            // Prometheus' default.
            block_retention: Duration::from_secs(15 * 24 * 3600),
            traces: None,
            metrics: None,
            logs: None,
            tenants: BTreeMap::new(),
            interval: Duration::from_secs(600),
            grace: Duration::from_secs(3600),
        }
    }
}

impl RetentionConfig {
    /// How long the signal of the tenant is kept; `None` = for ever.
    pub fn of(&self, tenant: &Tenant, signal: Signal) -> Option<Duration> {
        let own = self.tenants.get(tenant.as_str()).cloned().unwrap_or_default();
        let by_signal = |traces, metrics, logs| match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        };
        by_signal(own.traces, own.metrics, own.logs)
            .or(own.block_retention)
            .or(by_signal(self.traces, self.metrics, self.logs))
            .or(Some(self.block_retention))
            .filter(|age| !age.is_zero())
    }

    /// Checks what the types cannot.
    pub fn validate(&self) -> Result<(), String> {
        for tenant in self.tenants.keys() {
            Tenant::new(tenant).map_err(|error| format!("`retention.tenants` names {tenant:?}: {error}"))?;
        }
        if self.interval < Duration::from_secs(1) {
            return Err("`retention.interval` must be at least 1s".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_most_specific_value_counts() {
        let config: RetentionConfig = serde_json::from_str(
            r#"{"block_retention": "168h", "logs": "24h", "metrics": 0,
                "tenants": {"acme": {"block_retention": "48h", "traces": "2h"}, "vip": {"logs": 0}}}"#,
        )
        .unwrap();
        let of = |tenant: &str, signal| config.of(&Tenant::new(tenant).unwrap(), signal);
        assert_eq!(of("other", Signal::Traces), Some(168 * HOUR));
        assert_eq!(of("other", Signal::Logs), Some(24 * HOUR));
        assert_eq!(of("other", Signal::Metrics), None);
        assert_eq!(of("acme", Signal::Traces), Some(2 * HOUR));
        assert_eq!(of("acme", Signal::Logs), Some(48 * HOUR));
        assert_eq!(of("vip", Signal::Logs), None);
        assert_eq!(of("vip", Signal::Traces), Some(168 * HOUR));
    }

    #[test]
    fn wrong_sections_are_refused() {
        assert!(serde_json::from_str::<RetentionConfig>(r#"{"trace": "1h"}"#).is_err());
        let config: RetentionConfig = serde_json::from_str(r#"{"tenants": {"a/b": {}}}"#).unwrap();
        assert!(config.validate().unwrap_err().contains("a/b"));
    }
}
