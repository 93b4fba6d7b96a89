//! `/api/v1/targets` and what belongs to it: what is scraped, as the receivers tell it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use trefoil_go::quote::quote;
use trefoil_pipeline::receivers::prometheus::config::units::PromDuration;
use trefoil_pipeline::receivers::prometheus::relabel::Labels;
use trefoil_pipeline::receivers::prometheus::status::{PoolStatus, TargetStatus};
use trefoil_promql::labels::Labels as SeriesLabels;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::parser::parse_selector;

use super::answer::small;
use super::error::PromError;
use super::form::Parameters;
use crate::ApiState;

/// Go's time zero, before the first scrape.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) async fn targets(State(state): State<ApiState>, parameters: Parameters) -> Response {
    let wanted = parameters.get("state").to_lowercase();
    let (is_any, pool) = (matches!(wanted.as_str(), "" | "any"), parameters.get("scrapePool"));
    let pools = state.scraping.pools().into_iter().filter(|status| pool.is_empty() || status.job.name == pool);
    let pools: Vec<Arc<PoolStatus>> = pools.collect();
    let active = pools.iter().filter(|_| is_any || wanted == "active");
    let active = active.flat_map(|pool| pool.targets().into_iter().map(move |target| active_target(pool, &target)));
    let active: Vec<Value> = active.collect();
    let shows_dropped = is_any || wanted == "dropped";
    let dropped = pools.iter().filter(|_| shows_dropped).flat_map(|pool| {
        let of_pool = pool.dropped();
        of_pool.into_iter().map(|labels| json!({ "discoveredLabels": map(&labels), "scrapePool": pool.job.name }))
    });
    let dropped: Vec<Value> = dropped.collect();
    // What was dropped is counted only where it is shown.
    let counts = shows_dropped.then(|| {
        let counted = pools.iter().map(|pool| (pool.job.name.clone(), pool.dropped_count()));
        counted.collect::<BTreeMap<_, _>>()
    });
    small(&json!({ "activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts }))
}

fn active_target(pool: &PoolStatus, status: &TargetStatus) -> Value {
    let (target, last) = (&status.target, status.last());
    json!({
        "discoveredLabels": map(&target.discovered),
        "labels": map(&target.labels),
        "scrapePool": pool.job.name,
        "scrapeUrl": target.url.as_str(),
        "globalUrl": global_url(&target.url),
        "lastError": last.error,
        "lastScrape": last.at.map_or_else(|| NEVER.to_owned(), rfc3339),
        "lastScrapeDuration": last.duration.as_secs_f64(),
        "health": last.health.as_str(),
        "scrapeInterval": PromDuration(target.interval).to_string(),
        "scrapeTimeout": PromDuration(target.timeout).to_string(),
    })
}

/// As others reach what this machine calls itself.
fn global_url(url: &url::Url) -> String {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut global = url.clone();
    if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) && !hostname.trim().is_empty() {
        // A name that is no host's leaves the URL as it is.
        let _ = global.set_host(Some(hostname.trim()));
    }
    global.into()
}

fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    DateTime::<Utc>::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn map(labels: &Labels) -> BTreeMap<&str, &str> {
    labels.iter().collect()
}

pub(super) async fn metadata(State(state): State<ApiState>, parameters: Parameters) -> Result<Response, PromError> {
    let limit = parameters.count("limit")?.unwrap_or(usize::MAX);
    let matchers = match parameters.get("match_target") {
        "" => Vec::new(),
        target => parse_selector(target).map_err(|error| PromError::invalid_parameter("match_target", error))?,
    };
    let metric = parameters.get("metric");
    let mut told = Vec::new();
    for status in state.scraping.pools().iter().flat_map(|pool| pool.targets()) {
        let labels = SeriesLabels::from_pairs(status.target.labels.iter().collect::<Vec<_>>());
        if !matchers.iter().all(|matcher: &Matcher| matcher.matches_labels(&labels)) {
            continue;
        }
        let families = status.families();
        let mut named: Vec<_> = families.iter().filter(|(name, _)| metric.is_empty() || *name == metric).collect();
        named.sort_by_key(|(name, _)| *name);
        for (name, family) in named {
            if told.len() >= limit {
                return Ok(small(&json!(told)));
            }
            let mut one = json!({
                "target": map(&status.target.labels),
                "type": family.kind.name(),
                "help": family.help,
                "unit": family.unit,
            });
            if metric.is_empty() {
                one["metric"] = name.as_str().into();
            }
            told.push(one);
        }
    }
    Ok(small(&json!(told)))
}

pub(super) async fn relabel_steps(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let name = pool(&parameters)?;
    let labels = parameters.get("labels");
    if labels.is_empty() {
        return Err(PromError::bad_data("no labels parameter provided"));
    }
    let pool = state.scraping.pool(name).ok_or_else(|| unknown(name))?;
    let labels: BTreeMap<String, String> =
        serde_json::from_str(labels).map_err(|error| PromError::bad_data(format!("error parsing labels: {error}")))?;
    let steps = pool.relabel_steps(&labels.into_iter().collect());
    let shown = steps.iter().map(|(rule, output, keep)| json!({ "rule": rule, "output": map(output), "keep": keep }));
    Ok(small(&json!({ "steps": shown.collect::<Vec<_>>() })))
}

pub(super) async fn scrape_pools(State(state): State<ApiState>) -> Response {
    let names: Vec<String> = state.scraping.pools().iter().map(|pool| pool.job.name.clone()).collect();
    small(&json!({ "scrapePools": names }))
}

pub(super) async fn scrape_pool_config(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let name = pool(&parameters)?;
    let pool = state.scraping.pool(name).ok_or_else(|| unknown(name))?;
    Ok(small(&json!({ "yaml": pool.job.yaml })))
}

fn pool(parameters: &Parameters) -> Result<&str, PromError> {
    match parameters.get("scrapePool") {
        "" => Err(PromError::bad_data("no scrapePool parameter provided")),
        pool => Ok(pool),
    }
}

fn unknown(pool: &str) -> PromError {
    PromError::bad_data(format!("error retrieving scrape config: scrape pool {} not found", quote(pool)))
}
