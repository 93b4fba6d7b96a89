//! The sections of the configuration that are Trefoil's own, beside the Collector's. (`storage` is defined by its crate.)

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trefoil_model::Tenancy;
use trefoil_query::Limits;
use trefoil_storage::units::{self, ByteSize};

/// `listeners`: where the read APIs are served. Receivers have their own endpoints under `receivers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listeners {
    /// Trefoil's own API, and every other one under a prefix (`/tempo`, `/prometheus`); OTLP over HTTP under `/otlp`.
    pub main: MainListener,
    /// Tempo's API where Tempo has it.
    pub tempo: Listener,
    /// Prometheus' API where Prometheus has it.
    pub prometheus: PrometheusListener,
    /// `/metrics`, `/healthz`, `/readyz`.
    pub internal: Listener,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listener {
    /// `host:port`; the default of the listener where it is absent.
    pub endpoint: Option<String>,
    /// `false` switches the listener off.
    pub enabled: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MainListener {
    pub endpoint: Option<String>,
    pub enabled: Option<bool>,
    /// `false`: nobody can write by this listener, neither OTLP nor Prometheus' remote write. Settings of the `otlp` receivers (TLS, sizes, CORS, metadata) do not
    /// apply to it.
    pub otlp: bool,
}

impl Default for MainListener {
    fn default() -> Self {
        Self { endpoint: None, enabled: None, otlp: true }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusListener {
    pub endpoint: Option<String>,
    pub enabled: Option<bool>,
    /// `false`: it takes no remote write. It is so, too, where a pipeline has a receiver `prometheusremotewrite`.
    pub remote_write: bool,
    /// Prometheus' administrative API (`/api/v1/admin/tsdb/…`) answers, here and below `/prometheus` of the main listener: whoever
    /// reaches them can delete samples. (Prometheus' `--web.enable-admin-api`.)
    pub admin_api: bool,
    /// `false`: it takes no OTLP. Settings of the `otlp` receivers do not apply to it.
    pub otlp: bool,
}

impl Default for PrometheusListener {
    fn default() -> Self {
        Self { endpoint: None, enabled: None, remote_write: true, otlp: true, admin_api: false }
    }
}

impl Listeners {
    /// Name and address of every listener that is switched on.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        let Self { main, tempo, prometheus, internal } = self;
        [
            ("main", main.enabled, &main.endpoint, 3000),
            ("tempo", tempo.enabled, &tempo.endpoint, 3200),
            ("prometheus", prometheus.enabled, &prometheus.endpoint, 9090),
            ("internal", internal.enabled, &internal.endpoint, 8888),
        ]
        .into_iter()
        .filter(|(_, enabled, ..)| enabled.unwrap_or(true))
        .map(|(name, _, endpoint, port)| (name, endpoint.clone().unwrap_or_else(|| format!("127.0.0.1:{port}"))))
        .collect()
    }
}

/// `tenancy`: whether every request must name its tenant in `X-Scope-OrgID`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenancySection {
    pub enabled: bool,
}

impl From<TenancySection> for Tenancy {
    fn from(section: TenancySection) -> Self {
        match section.enabled {
            true => Tenancy::Multi,
            false => Tenancy::Single,
        }
    }
}

/// `query`: what questions may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerySection {
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Rows in one answer.
    pub max_rows: usize,
    /// Memory of all running queries together, for sorting, joining and aggregating.
    pub max_memory: ByteSize,
}

impl Default for QuerySection {
    fn default() -> Self {
        let limits = Limits::default();
        Self { timeout: limits.timeout, max_rows: limits.max_rows, max_memory: ByteSize::mib(512) }
    }
}

impl QuerySection {
    pub fn limits(&self) -> Limits {
        Limits { max_rows: self.max_rows, timeout: self.timeout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_have_the_ports_of_what_they_replace() {
        let addresses = Listeners::default().addresses();
        assert_eq!(
            addresses,
            [
                ("main", "127.0.0.1:3000".to_owned()),
                ("tempo", "127.0.0.1:3200".to_owned()),
                ("prometheus", "127.0.0.1:9090".to_owned()),
                ("internal", "127.0.0.1:8888".to_owned()),
            ]
        );
    }

    #[test]
    fn a_listener_can_be_moved_or_switched_off() {
        let section =
            r#"{"main": {"endpoint": "0.0.0.0:80"}, "tempo": {"enabled": false}, "prometheus": {"enabled": false}}"#;
        let listeners: Listeners = serde_json::from_str(section).unwrap();
        assert_eq!(
            listeners.addresses(),
            [("main", "0.0.0.0:80".to_owned()), ("internal", "127.0.0.1:8888".to_owned())]
        );
        assert!(serde_json::from_str::<Listeners>(r#"{"grafana": {}}"#).is_err());
    }
}
