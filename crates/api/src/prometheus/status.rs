//! `/api/v1/status/*` and the like: what a client asks before it trusts that it talks to a Prometheus. What Trefoil has not
//! is told in the right shape all the same.

use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{Json, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use trefoil_promql::eval::EngineOptions;
use trefoil_promql::parser::format_duration;

use super::answer::small;
use crate::ApiState;

/// Clients gate features on this version; it is the Prometheus release whose API this surface follows.
const PROMETHEUS_VERSION: &str = "3.14.0";

/// When the surface came up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started(SystemTime);

impl Started {
    pub fn now() -> Self {
        Self(SystemTime::now())
    }
}

/// `features` is absent on purpose: with them Grafana takes a server for Mimir and edits rules by Mimir's ways.
fn build() -> Value {
    json!({
        "version": PROMETHEUS_VERSION,
        "revision": concat!("trefoil-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    })
}

pub(super) async fn build_info() -> Response {
    small(&build())
}

/// `/version`, without the envelope.
pub(super) async fn version() -> Json<Value> {
    Json(build())
}

pub(super) async fn runtime_info(started: Started) -> Response {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let directory = std::env::current_dir().unwrap_or_default();
    let started = rfc3339(started.0);
    small(&json!({
        "startTime": started,
        "CWD": directory.to_string_lossy(),
        "hostname": hostname.trim(),
        "serverTime": rfc3339(SystemTime::now()),
        "reloadConfigSuccess": true,
        "lastConfigTime": started,
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": available_parallelism().map_or(1, |threads| threads.get()),
        "GOMEMLIMIT": i64::MAX,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    }))
}

pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    DateTime::<Utc>::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The `prometheus.yml` that the server was given, else what of Prometheus' configuration holds here. (Trefoil's own has another
/// schema and may hold secrets.)
pub(super) async fn config(State(state): State<ApiState>) -> Response {
    if let Some(shown) = state.scraping.configuration() {
        return small(&json!({ "yaml": shown.yaml }));
    }
    let interval = format_duration(EngineOptions::default().default_evaluation_interval);
    small(&json!({ "yaml": format!("global:\n  evaluation_interval: {interval}\n") }))
}

/// What of Prometheus' command line holds here.
pub(super) async fn flags(State(state): State<ApiState>) -> Response {
    let limits = state.limits();
    let length = |length: Duration| format_duration(i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
    let prometheus = &state.prometheus;
    small(&json!({
        "query.lookback-delta": length(limits.lookback_delta),
        "query.max-concurrency": limits.max_concurrency.to_string(),
        "query.max-samples": limits.max_samples.to_string(),
        "query.timeout": length(limits.timeout),
        "web.cors.origin": prometheus.cors_origin.as_ref().map_or(".*", |origins| origins.as_str()),
        "web.enable-admin-api": state.admin_api.to_string(),
        "web.enable-lifecycle": prometheus.lifecycle.is_some().to_string(),
        "web.enable-otlp-receiver": prometheus.otlp.to_string(),
        "web.enable-remote-write-receiver": prometheus.remote_write.to_string(),
    }))
}

/// The log is replayed before anything is served.
pub(super) async fn wal_replay() -> Response {
    small(&json!({ "min": 0, "max": 0, "current": 0 }))
}

pub(super) async fn tsdb_blocks() -> Response {
    small(&json!({ "blocks": [] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(1_500)), "1970-01-01T00:00:01.500Z");
    }
}
