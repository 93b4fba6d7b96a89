//! `trefoil service-graph` and `trefoil trace ID --service-graph`.

use serde::Deserialize;

use super::{counted, cut, table, took};

#[derive(Debug, Deserialize)]
pub struct Answer {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    truncated: bool,
    overflow_calls: u64,
    inspected_spans: u64,
}

#[derive(Debug, Deserialize)]
struct Node {
    r#type: String,
}

#[derive(Debug, Deserialize)]
struct Edge {
    client: String,
    client_type: String,
    server: String,
    server_type: String,
    calls: u64,
    errors: u64,
    p50_nano: i64,
    p95_nano: i64,
    p99_nano: i64,
}

pub fn shown(answer: &Answer) -> anyhow::Result<String> {
    let side = |name: &str, node_type: &str| match node_type {
        "service" => name.to_owned(),
        other => format!("{name} ({other})"),
    };
    let row = |edge: &Edge| {
        let (client, server) = (side(&edge.client, &edge.client_type), side(&edge.server, &edge.server_type));
        let [p50, p95, p99] = [edge.p50_nano, edge.p95_nano, edge.p99_nano].map(took);
        [client, server, edge.calls.to_string(), edge.errors.to_string(), p50, p95, p99]
    };
    let services = answer.nodes.iter().filter(|node| node.r#type == "service").count() as u64;
    let overflow = match answer.overflow_calls {
        0 => String::new(),
        calls => format!("; {} of further edges", counted(calls, "call")),
    };
    let below = format!(
        "{}, {}, of {}{overflow}{}",
        counted(services, "service"),
        counted(answer.edges.len() as u64, "edge"),
        counted(answer.inspected_spans, "span"),
        cut(answer.truncated)
    );
    let titles = ["client", "server", "calls", "errors", "p50", "p95", "p99"];
    table(titles, answer.edges.iter().map(row).collect(), &below)
}
