//! `/api/v1/targets` and what belongs to it. Nothing is scraped yet, so there are no targets.

use axum::response::Response;
use serde_json::json;
use trefoil_promql::parser::parse_selector;
use trefoil_promql::quote::quote;

use super::answer::small;
use super::error::PromError;
use super::form::Parameters;

pub(super) async fn targets(parameters: Parameters) -> Response {
    let state = parameters.get("state").to_lowercase();
    // What was dropped is counted only where it is shown.
    let counts = match state.as_str() {
        "" | "any" | "dropped" => json!({}),
        _ => json!(null),
    };
    small(&json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": counts }))
}

pub(super) async fn metadata(parameters: Parameters) -> Result<Response, PromError> {
    parameters.count("limit")?;
    let target = parameters.get("match_target");
    if !target.is_empty() {
        parse_selector(target).map_err(|error| PromError::invalid_parameter("match_target", error))?;
    }
    Ok(small(&json!([])))
}

pub(super) async fn relabel_steps(parameters: Parameters) -> Result<Response, PromError> {
    let pool = pool(&parameters)?;
    if parameters.get("labels").is_empty() {
        return Err(PromError::bad_data("no labels parameter provided"));
    }
    Err(unknown(pool))
}

pub(super) async fn scrape_pools() -> Response {
    small(&json!({ "scrapePools": [] }))
}

pub(super) async fn scrape_pool_config(parameters: Parameters) -> Result<Response, PromError> {
    Err(unknown(pool(&parameters)?))
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
