//! How long rows are kept: the `storage.retention` section.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trefoil_model::{Table, Tenant};

use crate::units;

/// How long rows are kept, by signal and tenant. What is more specific wins: a tenant's signal, a tenant's
/// `block_retention`, a signal, `block_retention`. `0` keeps forever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// For everything that is not named below (Tempo's default, 14 days).
    #[serde(with = "units::duration")]
    pub block_retention: Duration,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub traces: Option<Duration>,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub logs: Option<Duration>,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Duration>,
    /// By tenant id.
    pub tenants: BTreeMap<String, TenantRetention>,
}

/// What differs for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantRetention {
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub block_retention: Option<Duration>,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub traces: Option<Duration>,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub logs: Option<Duration>,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Duration>,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            block_retention: Duration::from_secs(336 * 3600),
            traces: None,
            logs: None,
            metrics: None,
            tenants: BTreeMap::new(),
        }
    }
}

impl RetentionConfig {
    /// How long the tenant's rows of the table are kept; `None` = forever.
    pub fn of(&self, tenant: &Tenant, table: Table) -> Option<Duration> {
        let own = self.tenants.get(tenant.as_str());
        let own = own.and_then(|own| pick(table, own.traces, own.logs, own.metrics).or(own.block_retention));
        let kept = own.or_else(|| pick(table, self.traces, self.logs, self.metrics)).unwrap_or(self.block_retention);
        (!kept.is_zero()).then_some(kept)
    }
}

fn pick<T>(table: Table, traces: T, logs: T, metrics: T) -> T {
    match table {
        Table::Spans => traces,
        Table::Logs => logs,
        Table::Samples | Table::Series | Table::Exemplars => metrics,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_wins() {
        let config: RetentionConfig = serde_json::from_str(
            r#"{"block_retention":"168h","logs":"72h",
                "tenants":{"acme":{"block_retention":"24h","traces":"1h"},"keeper":{"metrics":"0s"}}}"#,
        )
        .unwrap();
        let hours = |tenant, table| config.of(&Tenant::new(tenant).unwrap(), table).map(|kept| kept.as_secs() / 3600);
        assert_eq!(hours("other", Table::Spans), Some(168));
        assert_eq!(hours("other", Table::Logs), Some(72));
        assert_eq!(hours("acme", Table::Spans), Some(1));
        assert_eq!(hours("acme", Table::Logs), Some(24));
        assert_eq!(hours("acme", Table::Samples), Some(24));
        assert_eq!(hours("keeper", Table::Series), None);
        assert_eq!(hours("keeper", Table::Logs), Some(72));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let config: RetentionConfig =
            serde_json::from_str(r#"{"traces":"90m","tenants":{"a":{"logs":"1h"}}}"#).unwrap();
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<RetentionConfig>(&again).unwrap(), config);
        assert!(serde_json::from_str::<RetentionConfig>(r#"{"trace":"1h"}"#).is_err());
    }
}
