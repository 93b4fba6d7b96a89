//! Edges of which one span has come and the other is waited for.
//!
//! An edge is found by what both of its spans say: the caller's id, which the called one has as its parent or in a link. The spans
//! may come in any order, the called one of a message in a trace of its own.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::connectors::series::Hashing;
use crate::connectors::spans::Ids;

/// How an edge is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// By the calling span.
    Parent(Ids),
    /// By a consuming span without a parent or apart from it, and the producing span that one of its links names.
    Linked { consumer: Ids, producer: Ids },
    /// By a called span that has no parent.
    Root(Ids),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// Between what kinds of nodes an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Direct,
    Messaging,
    Database,
    /// One of them sends no spans.
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

/// What one span tells of an edge.
#[derive(Debug, Clone)]
pub struct Half {
    pub key: Key,
    pub side: Side,
    pub service: Arc<str>,
    pub connection: Connection,
    /// How long it took.
    pub nanos: u64,
    pub is_failed: bool,
    /// In the order of the options.
    pub dimensions: Vec<Option<String>>,
    /// Who was called, as the caller knows it.
    pub peer: Option<String>,
    /// The database that was called, if it was one.
    pub database: Option<String>,
    pub ids: Option<Ids>,
    /// Unix nanoseconds.
    pub end: u64,
}

/// A request from one node to another.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    pub client: Option<Arc<str>>,
    pub server: Option<Arc<str>>,
    pub connection: Option<Connection>,
    pub client_nanos: u64,
    pub server_nanos: u64,
    pub is_failed: bool,
    pub client_dimensions: Vec<Option<String>>,
    pub server_dimensions: Vec<Option<String>>,
    pub peer: Option<String>,
    /// The side that sends no spans.
    pub virtual_node: Option<Side>,
    pub client_span: Option<Ids>,
    pub server_span: Option<Ids>,
    /// When the last of the spans ended (Unix nanoseconds).
    pub end: u64,
    /// The called span has no parent.
    pub is_root: bool,
    /// Consuming spans have found it by their links: it has been told of.
    is_matched: bool,
    /// Tells it from edges of the same key before.
    number: u64,
}

impl Edge {
    fn take(&mut self, half: Half) {
        self.is_failed |= half.is_failed;
        self.end = self.end.max(half.end);
        match half.side {
            Side::Server => {
                self.connection = Some(half.connection);
                self.server = Some(half.service);
                self.server_nanos = half.nanos;
                self.server_span = half.ids;
                self.server_dimensions = half.dimensions;
            }
            Side::Client => {
                self.connection = Some(half.connection);
                self.client = Some(half.service);
                self.client_nanos = half.nanos;
                self.client_span = half.ids;
                self.client_dimensions = half.dimensions;
                self.peer = half.peer;
                // Databases send no spans: their side is told by the caller.
                if let Some(database) = half.database.filter(|name| !name.is_empty()) {
                    self.connection = Some(Connection::Database);
                    self.server = Some(database.into());
                    self.server_nanos = half.nanos;
                }
            }
        }
    }

    /// The caller's side from an edge that only has that.
    fn take_producer(&mut self, producer: &Edge) {
        self.client = producer.client.clone();
        self.client_nanos = producer.client_nanos;
        self.client_span = producer.client_span;
        self.client_dimensions = producer.client_dimensions.clone();
        self.connection = producer.connection;
        self.is_failed |= producer.is_failed;
    }

    fn is_complete(&self) -> bool {
        self.client.is_some() && self.server.is_some()
    }
}

/// There is no room for another edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Edges that wait, in the order of their coming.
#[derive(Debug, Default)]
pub struct Store {
    edges: HashMap<Key, Edge, Hashing>,
    /// Until when they wait (Unix nanoseconds); some are not there any more.
    order: VecDeque<(u64, Key, u64)>,
    /// Consumers that came before the producer they name.
    early: HashMap<Ids, Vec<Key>, Hashing>,
    number: u64,
}

/// What came of a span: edges that are complete now, and ones that nobody will complete.
#[derive(Debug, Default)]
pub struct Outcome {
    pub complete: Vec<Edge>,
    pub expired: Vec<Edge>,
    /// An edge was begun.
    pub is_new: bool,
}

impl Store {
    /// `until`: how long (Unix nanoseconds) what is not complete waits.
    pub fn add(&mut self, half: Half, most: usize, now: u64, until: u64) -> Result<Outcome, Full> {
        let mut outcome = Outcome::default();
        let key = half.key;
        if let Some(edge) = self.edges.get_mut(&key) {
            edge.take(half);
            self.settle(key, &mut outcome);
            return Ok(outcome);
        }
        let mut edge = Edge::default();
        edge.take(half);
        outcome.is_new = true;
        if let Key::Root(_) = key {
            // Nobody who would be waited for can come.
            edge.is_root = true;
            outcome.expired.push(edge);
            return Ok(outcome);
        }
        if let Key::Linked { producer, .. } = key
            && let Some(known) = self.edges.get_mut(&Key::Parent(producer)).filter(|known| known.client.is_some())
        {
            known.is_matched = true;
            edge.take_producer(known);
        }
        if edge.is_complete() {
            outcome.complete.push(edge);
            return Ok(outcome);
        }
        if self.edges.len() >= most {
            outcome.expired.extend(self.expire_first(now));
            if self.edges.len() >= most {
                return Err(Full);
            }
        }
        self.number += 1;
        edge.number = self.number;
        self.order.push_back((until, key, edge.number));
        self.edges.insert(key, edge);
        if let Key::Linked { producer, .. } = key {
            self.early.entry(producer).or_default().push(key);
        }
        self.settle(key, &mut outcome);
        self.tidy();
        Ok(outcome)
    }

    /// Takes out the edge if it is complete, and those of consumers that wait for it.
    fn settle(&mut self, key: Key, outcome: &mut Outcome) {
        if let Key::Parent(ids) = key
            && self.edges.get(&key).is_some_and(|edge| edge.client.is_some())
        {
            for consumer in self.early.remove(&ids).unwrap_or_default() {
                let (Some(mut edge), Some(producer)) = (self.edges.remove(&consumer), self.edges.get_mut(&key)) else {
                    continue;
                };
                producer.is_matched = true;
                edge.take_producer(producer);
                outcome.complete.push(edge);
            }
        }
        if self.edges.get(&key).is_some_and(Edge::is_complete) {
            outcome.complete.extend(self.edges.remove(&key));
        }
    }

    /// Takes out the edges that have waited long enough at `now`, or all of them.
    pub fn expire(&mut self, now: Option<u64>) -> Vec<Edge> {
        let mut expired = Vec::new();
        while let Some(edge) = self.expire_first(now.unwrap_or(u64::MAX)) {
            expired.push(edge);
        }
        expired
    }

    fn expire_first(&mut self, now: u64) -> Option<Edge> {
        while let Some((until, key, number)) = self.order.front().copied() {
            let is_there = self.edges.get(&key).is_some_and(|edge| edge.number == number);
            if is_there && until >= now {
                return None;
            }
            self.order.pop_front();
            if !is_there {
                continue;
            }
            if let Key::Linked { producer, .. } = key
                && let Some(waiting) = self.early.get_mut(&producer)
            {
                waiting.retain(|waiting| *waiting != key);
                if waiting.is_empty() {
                    self.early.remove(&producer);
                }
            }
            // Of producers that consumers have found, everything is told.
            if let Some(edge) = self.edges.remove(&key).filter(|edge| !edge.is_matched) {
                return Some(edge);
            }
        }
        None
    }

    /// Forgets the places of edges that are not there any more, once they are most of all.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.edges.len() + 1024 {
            let edges = &self.edges;
            self.order.retain(|(_, key, number)| edges.get(key).is_some_and(|edge| edge.number == *number));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }
}
