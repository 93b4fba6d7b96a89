//! Prometheus' HTTP API, as Grafana's Prometheus data source, `promtool` and the client libraries call it.
//!
//! Shapes, texts of errors and formats of numbers are those of Prometheus 3.14 (its OpenAPI description and what its server
//! answers). Parameters come by URL or as a form. Rules and alerts do not exist yet and are answered as empty.

mod admin;
mod answer;
mod ast;
mod cardinality;
mod cors;
mod discovery;
mod error;
mod exemplars;
mod features;
mod federate;
pub(crate) mod form;
mod json;
mod lifecycle;
mod notifications;
mod openapi;
mod parameters;
mod query;
mod read;
mod rules;
mod search;
mod self_metrics;
mod stats;
mod status;
mod surface;
mod syntax;
mod targets;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

pub use self::notifications::{Notifications, RELOAD_FAILED, SHUTTING_DOWN};
pub(crate) use self::parameters::{parse_length, parse_time};
#[doc(hidden)]
pub use self::read::try_request;
pub(crate) use self::self_metrics::metrics;
pub use self::surface::{Lifecycle, PrometheusApi};

use self::read::RemoteRead;
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
        .route("/search/metric_names", get(search::metric_names).post(search::metric_names))
        .route("/search/label_names", get(search::label_names).post(search::label_names))
        .route("/search/label_values", get(search::label_values).post(search::label_values))
        .route("/read", post(read::read).with_state(RemoteRead::new(state.clone())))
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
        .route("/cardinality/label_names", get(cardinality::label_names).post(cardinality::label_names))
        .route("/cardinality/label_values", get(cardinality::label_values).post(cardinality::label_values))
        .route("/cardinality/active_series", get(cardinality::active_series).post(cardinality::active_series))
        .route("/status/tsdb/blocks", get(status::tsdb_blocks))
        .route("/status/walreplay", get(status::wal_replay))
        .route("/admin/tsdb/delete_series", post(admin::delete_series).put(admin::delete_series))
        .route("/admin/tsdb/clean_tombstones", post(admin::clean_tombstones).put(admin::clean_tombstones))
        .route("/admin/tsdb/snapshot", post(admin::snapshot).put(admin::snapshot))
        .route("/status/self_metrics", get(self_metrics::self_metrics))
        .route("/openapi.yaml", get(openapi::openapi))
        .route("/features", get(features::features))
        .route("/notifications", get(notifications::notifications))
        .route("/notifications/live", get(notifications::live));
    Router::new()
        .nest("/api/v1", api)
        .route("/federate", get(federate::federate))
        .route("/metrics", get(self_metrics::metrics))
        .route("/version", get(status::version))
        .route("/-/reload", get(lifecycle::no_link).post(lifecycle::reload).put(lifecycle::reload))
        .route("/-/quit", get(lifecycle::no_link).post(lifecycle::quit).put(lifecycle::quit))
        .route("/-/healthy", get(async || "Prometheus Server is Healthy.\n"))
        // Nothing is served before the store is open.
        .route("/-/ready", get(async || "Prometheus Server is Ready.\n"))
        .method_not_allowed_fallback(error::no_such_method)
        .fallback(error::no_such_path)
        // Around everything, so that it sees the methods that there are no routes for.
        .layer(from_fn_with_state(state.clone(), cors::cross_origin))
        .with_state(state)
}
