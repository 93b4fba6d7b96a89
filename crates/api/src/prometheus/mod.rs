//! Prometheus' HTTP API, as Grafana's Prometheus data source, `promtool` and the client libraries call it.
//!
//! Shapes, texts of errors and formats of numbers are those of Prometheus 3.14 (its OpenAPI description and what its server
//! answers). Parameters come by URL or as a form. Rules and alerts do not exist yet and are answered as empty.

mod answer;
mod ast;
mod cardinality;
mod discovery;
mod error;
mod exemplars;
mod features;
mod federate;
mod form;
mod json;
mod parameters;
mod query;
mod rules;
mod status;
mod syntax;
mod targets;

use axum::Router;
use axum::routing::get;

use self::status::Started;
use crate::ApiState;

pub fn router(state: ApiState) -> Router {
    let started = Started::now();
    let api = Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(exemplars::exemplars).post(exemplars::exemplars))
        .route("/format_query", get(syntax::format_query).post(syntax::format_query))
        .route("/parse_query", get(syntax::parse_query).post(syntax::parse_query))
        .route("/series", get(discovery::series).post(discovery::series))
        .route("/labels", get(discovery::label_names).post(discovery::label_names))
        .route("/label/{name}/values", get(discovery::label_values))
        .route("/metadata", get(discovery::metadata))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/alertmanagers", get(rules::alertmanagers))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(targets::metadata))
        .route("/targets/relabel_steps", get(targets::relabel_steps))
        .route("/scrape_pools", get(targets::scrape_pools))
        .route("/scrape_pools/config", get(targets::scrape_pool_config))
        .route("/status/buildinfo", get(status::build_info))
        .route("/status/runtimeinfo", get(async move || status::runtime_info(started).await))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/tsdb", get(cardinality::tsdb))
        .route("/status/tsdb/blocks", get(status::tsdb_blocks))
        .route("/status/walreplay", get(status::wal_replay))
        .route("/features", get(features::features))
        .route("/notifications", get(status::notifications))
        .route("/notifications/live", get(status::live_notifications));
    Router::new()
        .nest("/api/v1", api)
        .route("/federate", get(federate::federate))
        .route("/version", get(status::version))
        .route("/-/healthy", get(async || "Prometheus Server is Healthy.\n"))
        // Nothing is served before the store is open.
        .route("/-/ready", get(async || "Prometheus Server is Ready.\n"))
        .method_not_allowed_fallback(error::no_such_method)
        .fallback(error::no_such_path)
        .with_state(state)
}
