//! The `storage.limits` section: what series and samples a tenant may send.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trefoil_model::active::{LimitsByTenant, SeriesLimits};

use crate::units;

/// Limits of series, for every tenant that `tenants` does not name; the names are Prometheus' and Mimir's. 0 is no limit,
/// but for times. They hold in each process for what it has seen itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Series with a sample in the last two hours, by whatever protocol. Samples of further ones are refused.
    pub max_active_series: usize,
    /// Labels of a series, its name included (attributes of a data point). Samples of series beyond are refused, as with the
    /// two below.
    pub max_label_names_per_series: usize,
    /// Bytes.
    pub max_label_name_length: usize,
    /// Bytes.
    pub max_label_value_length: usize,
    /// By Prometheus' ways in: how much older than the newest of its series a sample may be. 0s is what Prometheus does by
    /// default.
    #[serde(with = "units::duration")]
    pub out_of_order_time_window: Duration,
    /// By Prometheus' ways in: how far in the future a sample may lie.
    #[serde(with = "units::duration")]
    pub creation_grace_period: Duration,
    /// By tenant id: what differs.
    pub tenants: BTreeMap<String, TenantLimits>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_active_series: 2_000_000,
            max_label_names_per_series: 0,
            max_label_name_length: 0,
            max_label_value_length: 0,
            out_of_order_time_window: Duration::from_secs(24 * 3600),
            creation_grace_period: Duration::from_secs(600),
            tenants: BTreeMap::new(),
        }
    }
}

/// What differs for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_active_series: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label_names_per_series: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label_name_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label_value_length: Option<usize>,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub out_of_order_time_window: Option<Duration>,
    #[serde(with = "units::optional_duration", skip_serializing_if = "Option::is_none")]
    pub creation_grace_period: Option<Duration>,
}

impl LimitsConfig {
    /// As the series are measured by.
    pub fn by_tenant(&self) -> LimitsByTenant {
        let tenants = self.tenants.iter().map(|(tenant, own)| (tenant.clone(), self.with(own)));
        LimitsByTenant { everybody: self.with(&TenantLimits::default()), tenants: tenants.collect() }
    }

    fn with(&self, own: &TenantLimits) -> SeriesLimits {
        SeriesLimits {
            max_active_series: own.max_active_series.unwrap_or(self.max_active_series),
            max_label_names_per_series: own.max_label_names_per_series.unwrap_or(self.max_label_names_per_series),
            max_label_name_length: own.max_label_name_length.unwrap_or(self.max_label_name_length),
            max_label_value_length: own.max_label_value_length.unwrap_or(self.max_label_value_length),
            out_of_order_time_window: nanos(own.out_of_order_time_window.unwrap_or(self.out_of_order_time_window)),
            creation_grace_period: nanos(own.creation_grace_period.unwrap_or(self.creation_grace_period)),
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use trefoil_model::Tenant;

    use super::*;

    #[test]
    fn a_tenant_has_what_it_does_not_say_from_everybody() {
        let section = r#"{
            "max_active_series": 7, "out_of_order_time_window": "1h",
            "tenants": {"acme": {"max_label_value_length": 9, "out_of_order_time_window": "0s"}}
        }"#;
        let limits = serde_json::from_str::<LimitsConfig>(section).unwrap().by_tenant();
        let acme = limits.of(&Tenant::new("acme").unwrap());
        assert_eq!((acme.max_active_series, acme.max_label_value_length, acme.out_of_order_time_window), (7, 9, 0));
        let other = limits.of(&Tenant::new("other").unwrap());
        assert_eq!((other.max_label_value_length, other.out_of_order_time_window), (0, 3_600_000_000_000));
        assert_eq!(other.creation_grace_period, 600_000_000_000);
    }

    #[test]
    fn what_nobody_knows_is_an_error() {
        assert!(serde_json::from_str::<LimitsConfig>(r#"{"tenants": {"a": {"max_series": 1}}}"#).is_err());
        assert!(serde_json::from_str::<LimitsConfig>(r#"{"creation_grace_period": "soon"}"#).is_err());
    }
}
