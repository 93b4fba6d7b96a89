//! Loki's HTTP API, as Grafana's Loki data source and `logcli` call it. Where logs are pushed is `trefoil_pipeline`'s.
//!
//! Errors are a status and plain text.

mod answer;
mod deletion;
mod fields;
mod labels;
mod legacy;
mod operations;
mod parameters;
mod parquet;
mod patterns;
mod query;
mod rules;
mod stats;
mod streams;
mod syntax;
mod tail;
pub(crate) mod tails;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use trefoil_logql::ParseError;
use trefoil_model::tenant::NoTenant;
use trefoil_query::QueryError;

use crate::ApiState;
use crate::answers::status_of;

pub(crate) use self::parameters::time as parse_time;

const BUILD_INFO: &str = "/loki/api/v1/status/buildinfo";

/// The paths where Loki has them.
pub(crate) fn router(state: ApiState) -> Router {
    let own = legacy::router().merge(rules::own_router()).merge(operations::router());
    Router::new().route("/ready", get(async || "ready\n")).merge(own.with_state(state.clone())).merge(questions(state))
}

/// The same below `/loki`, and what is there in any Loki.
pub(crate) fn router_below_prefix(state: ApiState) -> Router {
    questions(state.clone()).nest("/loki", router(state))
}

fn questions(state: ApiState) -> Router {
    let either = |path: &str, router: Router<ApiState>, route: axum::routing::MethodRouter<ApiState>| {
        router.route(&format!("/loki/api/v1/{path}"), route)
    };
    let routes = [
        ("query", get(query::query).post(query::query)),
        ("query_range", get(query::query_range).post(query::query_range)),
        ("labels", get(labels::names).post(labels::names)),
        ("label", get(labels::names).post(labels::names)),
        ("label/{name}/values", get(labels::values).post(labels::values)),
        ("series", get(labels::series).post(labels::series)),
        ("index/shards", get(labels::shards).post(labels::shards)),
        ("index/stats", get(labels::stats).post(labels::stats)),
        ("index/volume", get(labels::volume).post(labels::volume)),
        ("index/volume_range", get(labels::volume_range).post(labels::volume_range)),
        ("detected_labels", get(fields::detected_labels).post(fields::detected_labels)),
        ("detected_fields", get(fields::detected_fields).post(fields::detected_fields)),
        ("detected_field/{name}/values", get(fields::detected_field_values).post(fields::detected_field_values)),
        ("drilldown-limits", get(fields::limits)),
        ("tail", get(tail::tail)),
        ("patterns", get(patterns::patterns).post(patterns::patterns)),
        ("delete", get(deletion::list).post(deletion::delete).put(deletion::delete).delete(deletion::cancel)),
        ("format_query", get(syntax::format_query).post(syntax::format_query)),
    ];
    let router = routes.into_iter().fold(Router::new(), |router, (path, route)| either(path, router, route));
    router.route(BUILD_INFO, get(build_info)).merge(rules::router()).with_state(state)
}

/// Grafana gates features on this version; it is the Loki release whose API this surface follows.
const LOKI_VERSION: &str = "3.7.6";

async fn build_info() -> Json<Value> {
    Json(json!({
        "version": LOKI_VERSION,
        "revision": concat!("trefoil-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// A status and plain text.
#[derive(Debug)]
struct LokiError(StatusCode, String);

impl LokiError {
    fn bad_request(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }
}

impl IntoResponse for LokiError {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<NoTenant> for LokiError {
    fn from(error: NoTenant) -> Self {
        Self(StatusCode::UNAUTHORIZED, error.to_string())
    }
}

impl From<ParseError> for LokiError {
    fn from(error: ParseError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// What a query asks for beyond the limits is the client's to change.
impl From<QueryError> for LokiError {
    fn from(error: QueryError) -> Self {
        let status = match error {
            QueryError::LimitExceeded(_) => StatusCode::BAD_REQUEST,
            _ => status_of(&error),
        };
        Self(status, error.to_string())
    }
}
