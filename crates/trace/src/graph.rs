//! The service graph: which services of traces call which others, databases and queues, how often, with what result and in what time.
//!
//! By the rules of the connector `servicegraph` (of traces that are complete): a call is a pair of a span of kind client or producer
//! and its child of kind server or consumer, of the same service, too; and any other pair of parent and child of two services. What sends no spans is
//! a virtual node: a database that a client's span names, whom else it names, the user behind a root. Other than there, a queue that
//! the span of a message names is a node, too, so that the called span may be in a trace of its own.

use std::collections::HashMap;
use std::ops::Range;

use crate::durations::Durations;
use crate::{Kind, Name, Span, Trace};

/// Attributes of a caller's span that name whom it calls.
pub const PEERS: [&str; 3] = ["peer.service", "server.address", "net.peer.name"];

/// Attributes of a caller's span that name a database, or at least its kind.
pub const DATABASES: [&str; 4] = ["db.name", "db.namespace", "db.system", "db.system.name"];

/// A client that sends no spans, which may be a person.
pub const USER: &str = "user";

/// Edges that are told apart; calls beyond are counted in [`Drawn::overflow`].
const MOST_EDGES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    Service(Name),
    Database(Name),
    Queue(Name),
    /// Somebody who sends no spans, as its callers name it.
    Peer(Name),
    /// Somebody who sends no spans and whom nobody names.
    Unknown,
    /// Who begins it all.
    User,
}

/// What kind of call an edge is, by the connector's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Connection {
    Direct,
    Messaging,
    Database,
    Virtual,
}

impl Connection {
    pub const fn as_str(self) -> &'static str {
        match self {
            Connection::Direct => "",
            Connection::Messaging => "messaging_system",
            Connection::Database => "database",
            Connection::Virtual => "virtual_node",
        }
    }
}

/// Spans of a service; of what sends none, calls to and from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeSums {
    pub spans: u64,
    pub errors: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeSums {
    pub calls: u64,
    /// Of which either side says so.
    pub errors: u64,
    /// Of the called span, or of the caller's where there is none.
    pub durations: Durations,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    pub client: Node,
    pub server: Node,
    pub connection: Connection,
}

/// Nodes and edges, the busiest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    pub nodes: Vec<(Node, NodeSums)>,
    pub edges: Vec<(Edge, EdgeSums)>,
    /// Calls that are of no edge, since there was no room.
    pub overflow: u64,
}

/// Calls of traces, one added after the other.
#[derive(Debug)]
pub struct Graph {
    window: Range<i64>,
    nodes: HashMap<Node, NodeSums>,
    edges: HashMap<Edge, EdgeSums>,
    overflow: u64,
}

impl Graph {
    /// Spans are counted that start within (nanoseconds since the epoch), and calls of which the called span does; of calls
    /// without one the caller's.
    pub fn new(window: Range<i64>) -> Graph {
        Graph { window, nodes: HashMap::new(), edges: HashMap::new(), overflow: 0 }
    }

    pub fn add(&mut self, trace: &Trace) {
        let mut is_answered = vec![false; trace.spans().len()];
        for (place, span) in trace.spans().iter().enumerate() {
            if self.window.contains(&span.start) {
                let sums = self.nodes.entry(Node::Service(span.service)).or_default();
                sums.spans += 1;
                sums.errors += u64::from(span.is_error);
            }
            let caller = trace.parent(place as u32).map(|parent| (parent as usize, trace.span(parent)));
            let caller = caller.filter(|(_, caller)| is_pair(caller, span));
            if let Some((parent, _)) = caller {
                is_answered[parent] = true;
            }
            self.called(span, caller.map(|(_, caller)| caller), trace.is_orphan(place as u32));
        }
        for (span, is_answered) in trace.spans().iter().zip(is_answered) {
            self.calling(span, is_answered);
        }
    }

    /// The edge of a called span.
    fn called(&mut self, span: &Span, caller: Option<&Span>, is_orphan: bool) {
        let own = Node::Service(span.service);
        let (client, connection) = match (span.kind, caller) {
            (Kind::Consumer, _) if !span.queue.is_none() => (Node::Queue(span.queue), Connection::Messaging),
            (_, Some(caller)) => {
                let is_message = span.kind == Kind::Consumer || caller.kind == Kind::Producer;
                let connection = if is_message { Connection::Messaging } else { Connection::Direct };
                (Node::Service(caller.service), connection)
            }
            // Of what its links name nothing is known here, and an orphan's caller is lost, not a user.
            (Kind::Server | Kind::Consumer, None) if span.parent == 0 && !span.has_links && !is_orphan => {
                (Node::User, Connection::Virtual)
            }
            _ => return,
        };
        let is_error = span.is_error || caller.is_some_and(|caller| caller.is_error);
        self.count(Edge { client, server: own, connection }, span, is_error);
    }

    /// The edge of a calling span whose other side sends no spans.
    fn calling(&mut self, span: &Span, is_answered: bool) {
        let (server, connection) = match span.kind {
            Kind::Producer if !span.queue.is_none() => (Node::Queue(span.queue), Connection::Messaging),
            Kind::Client if !span.database.is_none() => (Node::Database(span.database), Connection::Database),
            Kind::Client | Kind::Producer if !is_answered && span.peer.is_none() => {
                (Node::Unknown, Connection::Virtual)
            }
            Kind::Client | Kind::Producer if !is_answered => (Node::Peer(span.peer), Connection::Virtual),
            _ => return,
        };
        self.count(Edge { client: Node::Service(span.service), server, connection }, span, span.is_error);
    }

    fn count(&mut self, edge: Edge, span: &Span, is_error: bool) {
        if !self.window.contains(&span.start) {
            return;
        }
        if self.edges.len() >= MOST_EDGES && !self.edges.contains_key(&edge) {
            self.overflow += 1;
            return;
        }
        let sums = self.edges.entry(edge).or_default();
        sums.calls += 1;
        sums.errors += u64::from(is_error);
        sums.durations.add(span.duration);
    }

    /// A peer by whose name a service sends spans is that service.
    pub fn finish(self) -> Drawn {
        let Graph { mut nodes, edges, overflow, .. } = self;
        let known = |node: Node| match node {
            Node::Peer(name) if nodes.contains_key(&Node::Service(name)) => Node::Service(name),
            node => node,
        };
        let mut edges: Vec<(Edge, EdgeSums)> =
            edges.into_iter().map(|(edge, sums)| (Edge { server: known(edge.server), ..edge }, sums)).collect();
        for (edge, sums) in &edges {
            for node in [edge.client, edge.server] {
                if matches!(node, Node::Service(_)) {
                    // Of one that has no spans in the window there is a node all the same.
                    nodes.entry(node).or_default();
                    continue;
                }
                let of_node = nodes.entry(node).or_default();
                of_node.spans += sums.calls;
                of_node.errors += sums.errors;
            }
        }
        edges.sort_by_key(|(edge, sums)| (std::cmp::Reverse(sums.calls), *edge));
        let mut nodes: Vec<(Node, NodeSums)> = nodes.into_iter().collect();
        nodes.sort_by_key(|(node, sums)| (std::cmp::Reverse(sums.spans), *node));
        Drawn { nodes, edges, overflow }
    }
}

fn is_pair(caller: &Span, called: &Span) -> bool {
    caller.service != called.service || (caller.is_call() && called.is_entry())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Names;
    use crate::test_support::span;

    const MS: i64 = 1_000_000;

    struct Bench {
        names: Names,
        graph: Graph,
    }

    impl Bench {
        fn new() -> Bench {
            Bench { names: Names::default(), graph: Graph::new(0..1000 * MS) }
        }

        fn span(&mut self, service: &str, id: u64, parent: u64, kind: Kind, at: (i64, i64)) -> Span {
            Span { service: self.names.add(service), kind, ..span(id, parent, at.0 * MS, at.1 * MS) }
        }

        fn shown(self) -> (Vec<String>, Vec<String>) {
            let Bench { names, graph } = self;
            let node = |node: &Node| match node {
                Node::Service(name) => names.text(*name).to_string(),
                Node::Database(name) => format!("database {}", names.text(*name)),
                Node::Queue(name) => format!("queue {}", names.text(*name)),
                Node::Peer(name) => format!("peer {}", names.text(*name)),
                Node::Unknown => "unknown".to_owned(),
                Node::User => "user".to_owned(),
            };
            let Drawn { nodes, edges, .. } = graph.finish();
            let edge = |(edge, sums): (Edge, EdgeSums)| {
                let [p50, p99] = sums.durations.quantiles([0.5, 0.99]).map(|nanos| nanos / MS);
                let (calls, errors, kind) = (sums.calls, sums.errors, edge.connection.as_str());
                format!("{}→{} {kind} ×{calls} {errors} failed {p50}..{p99}", node(&edge.client), node(&edge.server))
            };
            let of_node = |(of, sums): (Node, NodeSums)| format!("{} {} {}", node(&of), sums.spans, sums.errors);
            (nodes.into_iter().map(of_node).collect(), edges.into_iter().map(edge).collect())
        }
    }

    #[test]
    fn a_checkout() {
        use Kind::{Client, Consumer, Internal, Producer, Server};
        let mut bench = Bench::new();
        let [queue, database, stripe] = ["orders.placed", "bookstore", "stripe"].map(|text| bench.names.add(text));
        let spans = vec![
            bench.span("gateway", 1, 0, Server, (0, 180)),
            bench.span("gateway", 2, 1, Client, (2, 176)),
            Span { is_error: true, ..bench.span("orders", 3, 2, Server, (4, 170)) },
            bench.span("orders", 4, 3, Internal, (5, 24)),
            Span { database, ..bench.span("orders", 5, 4, Client, (6, 6)) },
            Span { queue, ..bench.span("orders", 6, 3, Producer, (30, 3)) },
            Span { peer: stripe, is_error: true, ..bench.span("orders", 7, 3, Client, (40, 95)) },
            bench.span("orders", 8, 3, Client, (150, 2)),
            // No client's span in between.
            bench.span("prices", 9, 4, Internal, (8, 2)),
            // Its caller is lost.
            bench.span("orders", 10, 77, Server, (8, 2)),
        ];
        bench.graph.add(&Trace::new(spans));
        let consumed = bench.span("mail", 1, 0, Consumer, (400, 13));
        bench.graph.add(&Trace::new(vec![Span { trace: 2, queue, has_links: true, ..consumed }]));
        let (nodes, edges) = bench.shown();
        assert_eq!(
            edges,
            [
                "gateway→orders  ×1 1 failed 170..170",
                "orders→prices  ×1 0 failed 2..2",
                "orders→database bookstore database ×1 0 failed 6..6",
                "orders→queue orders.placed messaging_system ×1 0 failed 3..3",
                "orders→peer stripe virtual_node ×1 1 failed 95..95",
                "orders→unknown virtual_node ×1 0 failed 2..2",
                "queue orders.placed→mail messaging_system ×1 0 failed 13..13",
                "user→gateway virtual_node ×1 0 failed 180..180",
            ]
        );
        assert_eq!(nodes.len(), 9);
        assert_eq!((&*nodes[0], &*nodes[1]), ("orders 7 2", "gateway 2 0"));
    }

    #[test]
    fn a_peer_that_sends_spans_is_a_service() {
        let mut bench = Bench::new();
        let b = bench.names.add("b");
        let call = Span { peer: b, ..bench.span("a", 1, 0, Kind::Client, (0, 10)) };
        bench.graph.add(&Trace::new(vec![call]));
        let lost = bench.span("b", 1, 0, Kind::Internal, (1, 5));
        bench.graph.add(&Trace::new(vec![lost]));
        assert_eq!(bench.shown().1, ["a→b virtual_node ×1 0 failed 10..10"]);
    }

    #[test]
    fn what_starts_outside_of_the_window_is_not_counted() {
        let mut bench = Bench::new();
        for (trace, at) in [(1, -5), (2, 5), (3, 1005)] {
            let spans = [
                bench.span("a", 1, 0, Kind::Client, (at - 10, 30)),
                bench.span("b", 2, 1, Kind::Server, (at, 20)),
                bench.span("b", 3, 9, Kind::Server, (at, 20)),
            ];
            bench.graph.add(&Trace::new(spans.into_iter().map(|span| Span { trace, ..span }).collect()));
        }
        let (nodes, edges) = bench.shown();
        assert_eq!(edges, ["a→b  ×1 0 failed 20..20"]);
        assert_eq!(nodes, ["b 2 0", "a 1 0"]);
    }

    #[test]
    fn edges_have_room() {
        let mut bench = Bench::new();
        for number in 0..MOST_EDGES + 5 {
            let queue = bench.names.add(&number.to_string());
            let sent = Span { queue, ..bench.span("a", 1, 0, Kind::Producer, (0, 1)) };
            bench.graph.add(&Trace::new(vec![sent]));
            bench.graph.add(&Trace::new(vec![sent]));
        }
        assert_eq!((bench.graph.overflow, bench.shown().1.len()), (10, MOST_EDGES));
    }
}
