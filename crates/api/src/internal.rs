//! The listener for operators and orchestrators: `/metrics`, `/healthz`, `/readyz`. Never on a port that faces users.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the process takes traffic: set once everything has started, cleared when shutdown begins.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

pub fn router(registry: Arc<Registry>, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(metrics).with_state(registry))
        // Alive: the process answers. Restarting it would not make a sick store well, so nothing else counts here.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(readiness))
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    match readiness.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting or shutting down\n"),
    }
}

pub(crate) async fn metrics(State(registry): State<Arc<Registry>>, headers: HeaderMap) -> Response {
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be encoded\n").into_response();
    }
    let accepts_openmetrics = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/openmetrics-text"));
    if accepts_openmetrics {
        return ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response();
    }
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], openmetrics_to_text(&text)).into_response()
}

/// The Prometheus text format 0.0.4 of an OpenMetrics exposition: the two differ in the names of counter families, in
/// `# UNIT` and `# EOF`, and in exemplars, all of which older parsers refuse or misread.
fn openmetrics_to_text(openmetrics: &str) -> String {
    let counters: Vec<&str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        match line.strip_prefix("# ").and_then(|comment| comment.split_once(' ')) {
            Some((keyword, rest)) => {
                let (family, description) = rest.split_once(' ').unwrap_or((rest, ""));
                let suffix = if counters.contains(&family) { "_total" } else { "" };
                text.push_str(&format!("# {keyword} {family}{suffix} {description}"));
            }
            None => text.push_str(line.split(" # {").next().unwrap_or(line)),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_format_names_counters_as_their_samples() {
        let openmetrics = "# HELP a_b Things.\n# TYPE a_b counter\na_b_total{x=\"1\"} 3 # {trace_id=\"f\"} 1\n\
                           # HELP g_bytes Size.\n# TYPE g_bytes gauge\n# UNIT g_bytes bytes\ng_bytes 5\n# EOF\n";
        assert_eq!(
            openmetrics_to_text(openmetrics),
            "# HELP a_b_total Things.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 3\n\
             # HELP g_bytes Size.\n# TYPE g_bytes gauge\ng_bytes 5\n"
        );
    }
}
