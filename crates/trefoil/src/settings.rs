//! The sections of the configuration that are Trefoil's own, beside the Collector's. (`storage` is defined by its crate.)

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trefoil_model::Tenancy;
use trefoil_pipeline::processors::total_memory;
use trefoil_pipeline::receivers::loki::LimitsSection;
use trefoil_query::Limits;
use trefoil_storage::units::{self, ByteSize};

/// Each evaluation has a thread of its own.
const MOST_CONCURRENCY: usize = 500;

/// Of all queries by default, however small the machine is.
const LEAST_MEMORY: ByteSize = ByteSize::mib(512);

/// `listeners`: where the read APIs are served. Receivers have their own endpoints under `receivers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listeners {
    /// Trefoil's own API, and every other one under a prefix (`/tempo`, `/loki`, `/prometheus`, `/jaeger`, `/zipkin`); OTLP over HTTP under
    /// `/otlp`, Zipkin's spans under `/zipkin`, and Loki's push at `/loki/api/v1/push`.
    pub main: MainListener,
    /// Tempo's API where Tempo has it.
    pub tempo: Listener,
    /// Loki's API where Loki has it: it takes what is pushed.
    pub loki: LokiListener,
    /// Prometheus' API where Prometheus has it.
    pub prometheus: PrometheusListener,
    /// Jaeger's query API over HTTP where Jaeger has it.
    pub jaeger: JaegerListener,
    /// Jaeger's query services over gRPC, and what a Jaeger asks of a remote storage.
    pub jaeger_grpc: Listener,
    /// Zipkin's query API, which is where its spans are taken: on the endpoints of the `zipkin` receivers.
    pub zipkin: ZipkinQueries,
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
pub struct LokiListener {
    pub endpoint: Option<String>,
    pub enabled: Option<bool>,
    /// `false`: it takes no logs, neither by Loki's push nor as OTLP. Settings of the receivers do not apply to it.
    pub push: bool,
    /// Which entries a push may hold, here and on the main listener.
    pub limits: LimitsSection,
    /// Whether logs can be deleted (`/loki/api/v1/delete`), here and below `/loki` of the main listener: whoever reaches them can do
    /// it. (Loki's `deletion_mode`, where it is `disabled` without a compactor that deletes.)
    pub deletion_mode: DeletionMode,
    /// How long deleted logs can be brought back. (Loki's `delete_request_cancel_period`.)
    #[serde(with = "units::duration")]
    pub delete_request_cancel_period: Duration,
}

/// What a request to delete logs does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionMode {
    /// It is refused.
    #[default]
    Disabled,
    /// No question shows them any more, and after a while they are gone for good.
    FilterAndDelete,
}

impl Default for LokiListener {
    fn default() -> Self {
        Self {
            endpoint: None,
            enabled: None,
            push: true,
            limits: LimitsSection::default(),
            deletion_mode: DeletionMode::Disabled,
            delete_request_cancel_period: Duration::from_secs(24 * 3600),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JaegerListener {
    pub endpoint: Option<String>,
    pub enabled: Option<bool>,
    /// What comes before its paths, such as `/jaeger`. (Jaeger's `base_path`.)
    pub base_path: String,
    /// How far spans are moved whose clocks disagree; by default they are not. (Jaeger's `max_clock_skew_adjust`.)
    #[serde(with = "units::duration")]
    pub max_clock_skew_adjust: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZipkinQueries {
    /// `false`: the receivers take spans, and answer no questions.
    pub enabled: bool,
}

impl Default for ZipkinQueries {
    fn default() -> Self {
        Self { enabled: true }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MainListener {
    pub endpoint: Option<String>,
    pub enabled: Option<bool>,
    /// `false`: nobody can write by this listener, neither OTLP nor Prometheus' remote write nor Zipkin's spans nor Loki's push. Settings of the `otlp` receivers (TLS, sizes, CORS, metadata) do not
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
        let Self { main, tempo, loki, prometheus, jaeger, jaeger_grpc, zipkin: _, internal } = self;
        [
            ("main", main.enabled, &main.endpoint, 3000),
            ("tempo", tempo.enabled, &tempo.endpoint, 3200),
            ("loki", loki.enabled, &loki.endpoint, 3100),
            ("prometheus", prometheus.enabled, &prometheus.endpoint, 9090),
            ("jaeger", jaeger.enabled, &jaeger.endpoint, 16686),
            ("jaeger_grpc", jaeger_grpc.enabled, &jaeger_grpc.endpoint, 16685),
            ("internal", internal.enabled, &internal.endpoint, 8888),
        ]
        .into_iter()
        .filter(|(_, enabled, ..)| enabled.unwrap_or(true))
        .map(|(name, _, endpoint, port)| (name, endpoint.clone().unwrap_or_else(|| format!("127.0.0.1:{port}"))))
        .collect()
    }

    /// What of it cannot be: the option and why.
    pub fn problems(&self) -> Vec<(String, String)> {
        let path = self.jaeger.base_path.trim_end_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        let is_path = path.is_empty() || (path.starts_with('/') && !path.contains("//") && path.chars().all(is_plain));
        let no_path = (!is_path).then(|| ("jaeger.base_path".to_owned(), "must be a path such as /jaeger".to_owned()));
        let limits = self.loki.limits.problems().into_iter();
        let limits = limits.map(|(option, problem)| (format!("loki.limits.{option}"), problem));
        no_path.into_iter().chain(limits).collect()
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

/// `query`: what questions may cost. What Prometheus has flags for (`--query.max-samples`) is named as there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerySection {
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Rows in one answer of SQL, and spans of one trace.
    pub max_rows: usize,
    /// Memory of all running queries together: of SQL for sorting, joining and aggregating, of PromQL and other questions about
    /// metrics for all that they hold, until their answers are sent. The only one that a reload does not change.
    pub max_memory: ByteSize,
    /// Samples that one PromQL query holds at once, and that one of its selectors reads.
    pub max_samples: usize,
    /// Series that one selector, or a question about series and labels, looks at.
    pub max_series: usize,
    /// Steps of one range query, beside the first.
    pub max_points: usize,
    /// PromQL queries that are evaluated at once.
    pub max_concurrency: usize,
    /// Clients of one tenant that tail lines of logs at once; further ones are refused. (Loki's limit of that name.)
    pub max_concurrent_tail_requests: usize,
    /// How old a sample may be to count.
    #[serde(with = "units::duration")]
    pub lookback_delta: Duration,
    /// Series of all tenants that are kept indexed; 0 keeps none.
    pub cached_series: usize,
    /// Memory for numbers that are kept decoded; 0 keeps none.
    pub cached_sample_bytes: ByteSize,
    /// Memory for columns of spans that are kept decoded between queries.
    pub cached_span_bytes: ByteSize,
    /// Memory for columns of logs that are kept decoded between queries.
    pub cached_log_bytes: ByteSize,
}

impl Default for QuerySection {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            timeout: limits.timeout,
            max_rows: limits.max_rows,
            max_memory: default_memory(),
            max_samples: limits.max_samples,
            max_series: limits.max_series,
            max_points: limits.max_points,
            max_concurrency: limits.max_concurrency,
            max_concurrent_tail_requests: limits.max_concurrent_tail_requests,
            lookback_delta: limits.lookback_delta,
            cached_series: limits.cached_series,
            cached_sample_bytes: ByteSize(limits.cached_sample_bytes),
            cached_span_bytes: ByteSize(limits.cached_span_bytes),
            cached_log_bytes: ByteSize(limits.cached_log_bytes),
        }
    }
}

/// A quarter of the memory that there is for this process; the rest is for what comes in, caches and the system.
fn default_memory() -> ByteSize {
    let quarter = total_memory().unwrap_or(0) / 4;
    ByteSize(quarter.max(LEAST_MEMORY.get()))
}

impl QuerySection {
    /// What of it cannot be: the option and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for (option, number) in [
            ("max_rows", self.max_rows),
            ("max_samples", self.max_samples),
            ("max_series", self.max_series),
            ("max_points", self.max_points),
            ("max_concurrency", self.max_concurrency),
        ] {
            if number == 0 {
                problems.push((option, "must be more than 0".to_owned()));
            }
        }
        if self.max_concurrency > MOST_CONCURRENCY {
            problems.push(("max_concurrency", format!("must not be more than {MOST_CONCURRENCY}")));
        }
        for (option, length) in [("timeout", self.timeout), ("lookback_delta", self.lookback_delta)] {
            if length < Duration::from_millis(1) {
                problems.push((option, "must be at least 1ms".to_owned()));
            }
        }
        if self.max_memory.get() == 0 {
            problems.push(("max_memory", "must be more than 0".to_owned()));
        }
        problems
    }

    pub fn limits(&self) -> Limits {
        Limits {
            max_rows: self.max_rows,
            timeout: self.timeout,
            max_samples: self.max_samples,
            max_series: self.max_series,
            max_points: self.max_points,
            lookback_delta: self.lookback_delta,
            max_concurrency: self.max_concurrency,
            max_concurrent_tail_requests: self.max_concurrent_tail_requests,
            cached_series: self.cached_series,
            cached_sample_bytes: self.cached_sample_bytes.get(),
            cached_span_bytes: self.cached_span_bytes.get(),
            cached_log_bytes: self.cached_log_bytes.get(),
        }
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
                ("loki", "127.0.0.1:3100".to_owned()),
                ("prometheus", "127.0.0.1:9090".to_owned()),
                ("jaeger", "127.0.0.1:16686".to_owned()),
                ("jaeger_grpc", "127.0.0.1:16685".to_owned()),
                ("internal", "127.0.0.1:8888".to_owned()),
            ]
        );
    }

    #[test]
    fn a_listener_can_be_moved_or_switched_off() {
        let section = r#"{"main": {"endpoint": "0.0.0.0:80"}, "tempo": {"enabled": false}, "prometheus": {"enabled": false},
                "loki": {"enabled": false}, "jaeger": {"enabled": false}, "jaeger_grpc": {"enabled": false}}"#;
        let listeners: Listeners = serde_json::from_str(section).unwrap();
        assert_eq!(
            listeners.addresses(),
            [("main", "0.0.0.0:80".to_owned()), ("internal", "127.0.0.1:8888".to_owned())]
        );
        assert!(serde_json::from_str::<Listeners>(r#"{"grafana": {}}"#).is_err());
    }

    #[test]
    fn a_base_path_is_a_path() {
        let problems = |base_path: &str| {
            let section = format!(r#"{{"jaeger": {{"base_path": "{base_path}"}}}}"#);
            serde_json::from_str::<Listeners>(&section).unwrap().problems().len()
        };
        assert_eq!(["", "/", "/jaeger", "/a/b-c/"].map(problems), [0; 4]);
        assert_eq!(["jaeger", "/{a}", "//a", "/a b"].map(problems), [1; 4]);
    }

    #[test]
    fn limits_of_streams_have_lokis_names() {
        let section = r#"{"loki": {"limits": {"max_line_size": 0, "creation_grace_period": "1m"}}}"#;
        let listeners: Listeners = serde_json::from_str(section).unwrap();
        assert_eq!(listeners.loki.limits.limits().creation_grace_period, Duration::from_secs(60));
        let problem = ("loki.limits.max_line_size".to_owned(), "must be more than 0".to_owned());
        assert_eq!((listeners.problems(), listeners.loki.push), (vec![problem], true));
        assert_eq!(listeners.loki.deletion_mode, DeletionMode::Disabled);
        let section = r#"{"loki": {"deletion_mode": "filter-and-delete", "delete_request_cancel_period": "2h"}}"#;
        let loki = serde_json::from_str::<Listeners>(section).unwrap().loki;
        assert_eq!(loki.deletion_mode, DeletionMode::FilterAndDelete);
        assert_eq!(loki.delete_request_cancel_period, Duration::from_secs(7200));
    }

    #[test]
    fn limits_of_queries_have_prometheus_names() {
        let section = r#"{"max_samples": 10, "timeout": "2m", "max_concurrency": 4, "lookback_delta": "1m", "max_concurrent_tail_requests": 3,
            "cached_series": 0, "cached_sample_bytes": "1MiB",
            "cached_span_bytes": "2MiB", "cached_log_bytes": "3MiB"}"#;
        let section: QuerySection = serde_json::from_str(section).unwrap();
        let limits = Limits {
            max_samples: 10,
            timeout: Duration::from_secs(120),
            max_concurrency: 4,
            max_concurrent_tail_requests: 3,
            lookback_delta: Duration::from_secs(60),
            cached_series: 0,
            cached_sample_bytes: 1 << 20,
            cached_span_bytes: 2 << 20,
            cached_log_bytes: 3 << 20,
            ..Limits::default()
        };
        assert_eq!((section.limits(), section.problems()), (limits, vec![]));
        assert_eq!(QuerySection::default().limits(), Limits::default());
    }

    #[test]
    fn queries_have_a_quarter_of_the_memory() {
        let memory = QuerySection::default().max_memory.get();
        assert!(
            memory >= 512 << 20 && total_memory().is_none_or(|total| memory == (512 << 20).max(total / 4)),
            "{memory}"
        );
    }

    #[test]
    fn limits_that_let_nothing_through_are_told() {
        let section = r#"{"max_samples": 0, "max_series": 0, "max_points": 0, "max_rows": 0, "max_concurrency": 501,
            "timeout": 0, "lookback_delta": "1us", "max_memory": 0}"#;
        let section: QuerySection = serde_json::from_str(section).unwrap();
        let options: Vec<&str> = section.problems().into_iter().map(|(option, _)| option).collect();
        let all = [
            "max_rows",
            "max_samples",
            "max_series",
            "max_points",
            "max_concurrency",
            "timeout",
            "lookback_delta",
            "max_memory",
        ];
        assert_eq!(options, all);
    }
}
