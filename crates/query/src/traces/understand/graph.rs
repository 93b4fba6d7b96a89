//! The service graph of one trace, and of a window.

use std::ops::Range;
use std::sync::Arc;

use trefoil_model::Tenant;
use trefoil_trace::graph::{Connection, Drawn, Graph, Node, USER};
use trefoil_trace::propagation::UNKNOWN;

use super::super::assemble::TraceId;
use super::super::source::Sources;
use super::read::{Spans, Wanted, each_trace};
use super::trace::aside;
use crate::trace::bounded;
use crate::{Engine, Limits, QueryError};

/// By how much earlier a caller may have begun than the window (nanoseconds), and later a called span may begin.
const MARGIN: i64 = 60_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeType {
    Service,
    /// These send no spans.
    Database,
    Queue,
    Peer,
    User,
}

impl NodeType {
    pub const fn as_str(self) -> &'static str {
        match self {
            NodeType::Service => "service",
            NodeType::Database => "database",
            NodeType::Queue => "queue",
            NodeType::Peer => "peer",
            NodeType::User => "user",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphNode {
    pub name: Arc<str>,
    pub node_type: NodeType,
    /// Of a service; of what sends none, calls.
    pub spans: u64,
    pub errors: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphEdge {
    pub client: (Arc<str>, NodeType),
    pub server: (Arc<str>, NodeType),
    pub connection: Connection,
    pub calls: u64,
    pub errors: u64,
    /// The 50th, 95th and 99th percentile, nanoseconds.
    pub durations: [i64; 3],
}

/// Nodes and edges, the busiest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceGraph {
    pub inspected_spans: u64,
    pub nodes: Vec<GraphNode>,
    pub edges: Vec<GraphEdge>,
    /// Edges beyond the limit.
    pub further_edges: usize,
    /// Calls that are of no edge, since there were too many edges to tell apart.
    pub overflow: u64,
}

impl Engine {
    /// Who calls whom in a trace; at most `limit` edges. `None`: there is no such trace.
    pub async fn trace_graph(
        &self,
        tenant: &Tenant,
        trace_id: TraceId,
        limit: usize,
        limits: Limits,
    ) -> Result<Option<ServiceGraph>, QueryError> {
        let graph = move |spans| graph(spans, i64::MIN..i64::MAX, limit);
        bounded(limits, self.of_trace(tenant, trace_id, graph)).await
    }

    /// Who calls whom among the spans that start within `period` (inclusive, nanoseconds since the epoch); at most `limit` edges.
    pub async fn service_graph(
        &self,
        tenant: &Tenant,
        period: (i64, i64),
        limit: usize,
        limits: Limits,
    ) -> Result<ServiceGraph, QueryError> {
        bounded(limits, async {
            let snapshot = self.snapshot(tenant).await?;
            let sources = Sources::of_spans(&snapshot, &self.span_columns);
            let memory = self.memory();
            let wanted = Wanted::Window(period.0.saturating_sub(MARGIN), period.1.saturating_add(MARGIN));
            let spans = wanted.spans(&sources, &memory).await?;
            aside(move || {
                // It is counted until the work is done.
                let _held = memory;
                graph(spans, period.0..period.1.saturating_add(1), limit)
            })
            .await
        })
        .await
    }
}

fn graph(spans: Spans, window: Range<i64>, limit: usize) -> ServiceGraph {
    let Spans { list, names } = spans;
    let inspected_spans = list.len() as u64;
    let mut graph = Graph::new(window);
    each_trace(list, |trace| graph.add(trace));
    let named = |node: Node| match node {
        Node::Service(name) => (names.text(name).clone(), NodeType::Service),
        Node::Database(name) => (names.text(name).clone(), NodeType::Database),
        Node::Queue(name) => (names.text(name).clone(), NodeType::Queue),
        Node::Peer(name) => (names.text(name).clone(), NodeType::Peer),
        Node::Unknown => (UNKNOWN.into(), NodeType::Peer),
        Node::User => (USER.into(), NodeType::User),
    };
    let Drawn { nodes, edges, overflow } = graph.finish();
    let further_edges = edges.len().saturating_sub(limit);
    let edges = edges.into_iter().take(limit).map(|(edge, sums)| GraphEdge {
        client: named(edge.client),
        server: named(edge.server),
        connection: edge.connection,
        calls: sums.calls,
        errors: sums.errors,
        durations: sums.durations.quantiles([0.5, 0.95, 0.99]),
    });
    let edges = edges.collect();
    let node = |(node, sums)| {
        let (name, node_type) = named(node);
        let trefoil_trace::graph::NodeSums { spans, errors } = sums;
        GraphNode { name, node_type, spans, errors }
    };
    // An edge has two nodes.
    let nodes = nodes.into_iter().take(limit.saturating_mul(2)).map(node).collect();
    ServiceGraph { inspected_spans, nodes, edges, further_edges, overflow }
}
