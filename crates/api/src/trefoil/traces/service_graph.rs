//! `GET /api/v1/service_graph` and `/api/v1/traces/{trace_id}/service_graph`: who calls whom.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use trefoil_query::traces::{GraphEdge, GraphNode, NodeType, ServiceGraph};
use utoipa::{IntoParams, ToSchema};

use super::super::error::{ApiError, ErrorAnswer};
use super::{no_such_trace, period, text, trace_id, within};
use crate::ApiState;

const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct OfWindow {
    /// Spans that start from here on: seconds since 1970 or RFC 3339; an hour before the end without it.
    start: Option<String>,
    /// … to here; now without it.
    end: Option<String>,
    /// Edges in the answer.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 1000)]
    limit: usize,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct OfTrace {
    /// Edges in the answer.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 1000)]
    limit: usize,
}

fn default_limit() -> usize {
    1000
}

/// Who calls whom, the busiest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceGraph)]
pub(in super::super) struct Answer {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// There are more edges.
    truncated: bool,
    /// Calls that are in no edge, since there were too many edges to tell apart.
    overflow_calls: u64,
    /// Spans that were looked at.
    inspected_spans: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceGraphNode)]
pub(in super::super) struct Node {
    name: String,
    /// `service`; or what sends no spans: `database`, `queue`, `peer` (whom callers name, or `unknown`), `user` (behind a root).
    r#type: &'static str,
    /// Of a service its spans, else calls.
    spans: u64,
    errors: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceGraphEdge)]
pub(in super::super) struct Edge {
    client: String,
    client_type: &'static str,
    server: String,
    server_type: &'static str,
    /// As the connector `servicegraph` has it: `` (a call), `messaging_system`, `database` or `virtual_node`.
    connection_type: &'static str,
    calls: u64,
    /// Of which either side says so.
    errors: u64,
    /// Of the called span (of the caller's where there is none); exact of up to 1,024 calls, else within 1.6 %.
    p50_nano: i64,
    p95_nano: i64,
    p99_nano: i64,
}

/// Which services call which others, in a window of time
///
/// By the rules of the connector `servicegraph`, from the spans that are stored; queues are nodes, too.
#[utoipa::path(
    get,
    path = "/api/v1/service_graph",
    operation_id = "service_graph",
    tag = "traces",
    params(OfWindow, ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled")),
    responses(
        (status = 200, description = "Nodes and edges", body = Answer),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 422, description = "The spans of the window take more memory than there is", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn of_window(
    State(state): State<ApiState>,
    query: Result<Query<OfWindow>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Answer>, ApiError> {
    let Query(asked) = query?;
    let tenant = state.tenant(&headers)?;
    let limit = within("limit", asked.limit, MAX_LIMIT)?;
    let period = period(asked.start.as_deref(), asked.end.as_deref())?;
    Ok(Json(answer(&state.engine.service_graph(&tenant, period, limit, state.limits()).await?)))
}

/// Which services call which others, in one trace
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/service_graph",
    operation_id = "trace_service_graph",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        OfTrace,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "Nodes and edges", body = Answer),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant has no such trace", body = ErrorAnswer),
        (status = 422, description = "The trace takes more memory than there is", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn of_trace(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<OfTrace>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Answer>, ApiError> {
    let (Path(id), Query(asked)) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let limit = within("limit", asked.limit, MAX_LIMIT)?;
    let found = state.engine.trace_graph(&tenant, trace_id(&id)?, limit, state.limits()).await?;
    Ok(Json(answer(&found.ok_or_else(|| no_such_trace(&id))?)))
}

fn answer(graph: &ServiceGraph) -> Answer {
    let node = |node: &GraphNode| Node {
        name: text(&node.name),
        r#type: node.node_type.as_str(),
        spans: node.spans,
        errors: node.errors,
    };
    let side = |(name, node_type): &(Arc<str>, NodeType)| (text(name), node_type.as_str());
    let edge = |edge: &GraphEdge| {
        let ((client, client_type), (server, server_type)) = (side(&edge.client), side(&edge.server));
        let [p50_nano, p95_nano, p99_nano] = edge.durations;
        let (calls, errors) = (edge.calls, edge.errors);
        let connection_type = edge.connection.as_str();
        Edge { client, client_type, server, server_type, connection_type, calls, errors, p50_nano, p95_nano, p99_nano }
    };
    Answer {
        nodes: graph.nodes.iter().map(node).collect(),
        edges: graph.edges.iter().map(edge).collect(),
        truncated: graph.further_edges > 0,
        overflow_calls: graph.overflow,
        inspected_spans: graph.inspected_spans,
    }
}
