//! What is counted for one tenant.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint, Sum};
use trefoil_trace::graph::USER;
use trefoil_trace::propagation::UNKNOWN;

use super::config::Options;
use super::store::{Connection, Edge, Full, Half, Side, Store};
use crate::connectors::series::{
    Batches, Exemplars, Head, Histogram, MOST_POINTS, Points, Room, Series, Table, number_point,
};
use crate::connectors::spans::attributes::{attribute, text_attribute};

const SCOPE: &str = "traces_service_graph";
const REQUESTS: &str = "traces_service_graph_request_total";
const FAILED: &str = "traces_service_graph_request_failed_total";
/// Their unit makes them `…_seconds` to Prometheus.
const SERVER: &str = "traces_service_graph_request_server";
const CLIENT: &str = "traces_service_graph_request_client";

/// How long an edge is told of without a request.
const SERIES_LIFE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Clone)]
struct Counts {
    requests: u64,
    failed: u64,
    /// Failed ones are told of.
    has_failed: bool,
    server: Histogram,
    server_exemplars: Exemplars,
    client: Histogram,
    client_exemplars: Exemplars,
}

impl Counts {
    fn new(options: &Options) -> Self {
        Self {
            requests: 0,
            failed: 0,
            has_failed: false,
            server: Histogram::new(&options.buckets),
            server_exemplars: Exemplars::default(),
            client: Histogram::new(&options.buckets),
            client_exemplars: Exemplars::default(),
        }
    }

    fn add(&mut self, edge: &Edge, options: &Options, now: u64) {
        self.requests += 1;
        self.failed += u64::from(edge.is_failed);
        self.has_failed |= edge.is_failed;
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let (server, client) = (seconds(edge.server_nanos), seconds(edge.client_nanos));
        self.server.observe(&options.buckets, server, 1);
        self.client.observe(&options.buckets, client, 1);
        let time = if edge.end == 0 { now } else { edge.end.min(now) };
        self.server_exemplars.offer(options.exemplars, edge.server_span.or(edge.client_span), server, time);
        self.client_exemplars.offer(options.exemplars, edge.client_span.or(edge.server_span), client, time);
    }
}

#[derive(Debug, Default)]
pub struct State {
    store: Store,
    table: Table<Counts>,
    series: usize,
    key: Vec<u8>,
}

/// What happened to spans and edges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Edges that were begun.
    pub begun: u64,
    /// Edges of which one span did not come in time.
    pub expired: u64,
    /// Spans that found no room in the store.
    pub dropped: u64,
    /// Edges that found no room for a series.
    pub overflow: u64,
}

impl State {
    pub fn count(&mut self, halves: Vec<Half>, options: &Options, now: u64) -> Tally {
        let mut tally = Tally::default();
        let until = now.saturating_add(nanos(options.ttl));
        for half in halves {
            match self.store.add(half, options.most_edges, now, until) {
                Err(Full) => tally.dropped += 1,
                Ok(outcome) => {
                    tally.begun += u64::from(outcome.is_new);
                    for edge in &outcome.complete {
                        self.complete(edge, options, now, &mut tally);
                    }
                    for edge in outcome.expired {
                        self.alone(edge, options, now, &mut tally);
                    }
                }
            }
        }
        tally
    }

    /// Ends the waiting of edges that have waited long enough, or of all.
    pub fn expire(&mut self, options: &Options, now: u64, all: bool) -> Tally {
        let mut tally = Tally::default();
        for edge in self.store.expire((!all).then_some(now)) {
            self.alone(edge, options, now, &mut tally);
        }
        tally
    }

    /// An edge of which one span has come: the other node may be one that sends none.
    fn alone(&mut self, mut edge: Edge, options: &Options, now: u64, tally: &mut Tally) {
        let is_shown = !options.peers.is_empty();
        if !edge.is_root || !is_shown {
            tally.expired += 1;
        }
        if !is_shown {
            return;
        }
        match (&edge.client, &edge.server) {
            (None, Some(_)) if edge.is_root => {
                edge.client = Some(USER.into());
                edge.virtual_node = Some(Side::Client);
            }
            (Some(_), None) => {
                let peer = edge.peer.take().filter(|peer| !peer.is_empty());
                edge.server = Some(peer.map_or_else(|| UNKNOWN.into(), Arc::from));
                edge.virtual_node = Some(Side::Server);
            }
            _ => return,
        }
        edge.connection = Some(Connection::Virtual);
        self.complete(&edge, options, now, tally);
    }

    fn complete(&mut self, edge: &Edge, options: &Options, now: u64, tally: &mut Tally) {
        self.key.clear();
        push_key(edge, &mut self.key);
        let room = Room { table: usize::MAX, taken: &mut self.series, all: options.max_series };
        let (series, is_overflow) =
            self.table.entry(&self.key, room, now, || attributes(edge, options), || Counts::new(options));
        series.value.add(edge, options, now);
        tally.overflow += u64::from(is_overflow);
    }

    /// Forgets edges that have had no request for long.
    pub fn clean(&mut self, now: u64) {
        let life = nanos(SERIES_LIFE);
        self.series -= self.table.retain(|series| series.seen.saturating_add(life) >= now);
    }

    /// All series as points of this time.
    pub fn tell(&mut self, options: &Options, now: u64) -> Vec<ExportMetricsServiceRequest> {
        let mut batches = Batches::new(SCOPE);
        batches.resource(&[]);
        let mut open = Open::new(options);
        for series in self.table.iter_mut() {
            open.push(series, options, now);
            if open.requests.len() >= MOST_POINTS {
                std::mem::replace(&mut open, Open::new(options)).close(&mut batches);
            }
        }
        open.close(&mut batches);
        batches.finish()
    }

    /// Series that are held.
    pub fn len(&self) -> usize {
        self.series
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.store.is_empty()
    }
}

/// Points that are not in a batch yet.
struct Open {
    requests: Vec<NumberDataPoint>,
    failed: Vec<NumberDataPoint>,
    server: Points,
    client: Points,
}

impl Open {
    fn new(options: &Options) -> Self {
        let points = || Points::new(&options.buckets);
        Self { requests: Vec::new(), failed: Vec::new(), server: points(), client: points() }
    }

    fn push(&mut self, series: &mut Series<Counts>, options: &Options, now: u64) {
        if let Some(beginning) = series.beginning(now) {
            let mut nothing = Counts { has_failed: series.value.has_failed, ..Counts::new(options) };
            self.point(&series.attributes, &mut nothing, beginning, beginning, options);
        }
        self.point(&series.attributes, &mut series.value, series.start, now, options);
    }

    fn point(&mut self, attributes: &[KeyValue], counts: &mut Counts, start: u64, time: u64, options: &Options) {
        let offset = nanos(options.timestamp_offset);
        let head = |exemplars| Head {
            attributes: attributes.to_vec(),
            start: start.saturating_sub(offset),
            time: time.saturating_sub(offset),
            exemplars,
        };
        self.requests.push(number_point(head(Vec::new()), counts.requests));
        if counts.has_failed {
            self.failed.push(number_point(head(Vec::new()), counts.failed));
        }
        self.server.push(head(counts.server_exemplars.take()), &counts.server);
        self.client.push(head(counts.client_exemplars.take()), &counts.client);
    }

    fn close(self, batches: &mut Batches) {
        let temporality = AggregationTemporality::Cumulative;
        let metric = |name: &str, unit: &str, data| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        for (name, data_points) in [(REQUESTS, self.requests), (FAILED, self.failed)] {
            let points = data_points.len();
            let sum = Sum { data_points, aggregation_temporality: temporality.into(), is_monotonic: true };
            batches.metric(metric(name, "", Data::Sum(sum)), points);
        }
        for (name, histograms) in [(SERVER, self.server), (CLIENT, self.client)] {
            let points = histograms.len();
            batches.metric(metric(name, "s", histograms.into_data(temporality)), points);
        }
    }
}

fn connection(edge: &Edge) -> &'static str {
    edge.connection.unwrap_or(Connection::Direct).as_str()
}

const fn virtual_node(edge: &Edge) -> &'static str {
    match edge.virtual_node {
        None => "",
        Some(Side::Client) => "client",
        Some(Side::Server) => "server",
    }
}

fn attributes(edge: &Edge, options: &Options) -> Vec<KeyValue> {
    let mut attributes = vec![
        text_attribute("client", edge.client.as_deref().unwrap_or_default()),
        text_attribute("server", edge.server.as_deref().unwrap_or_default()),
        text_attribute("connection_type", connection(edge)),
        attribute("failed", Value::BoolValue(edge.is_failed)),
    ];
    for (place, dimension) in options.dimensions.iter().enumerate() {
        let sides =
            [(&dimension.client_key, &edge.client_dimensions), (&dimension.server_key, &edge.server_dimensions)];
        for (key, values) in sides {
            if let Some(Some(value)) = values.get(place) {
                attributes.push(text_attribute(key, value.as_str()));
            }
        }
    }
    if options.virtual_node_label {
        attributes.push(text_attribute("virtual_node", virtual_node(edge)));
    }
    attributes
}

/// What is equal for edges of the same series, and for no others.
fn push_key(edge: &Edge, out: &mut Vec<u8>) {
    let mut push = |text: Option<&str>| {
        // Texts are of labels, which are cut long before.
        let length = text.map_or(u32::MAX, |text| text.len() as u32);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text.unwrap_or_default().as_bytes());
    };
    push(edge.client.as_deref());
    push(edge.server.as_deref());
    push(Some(connection(edge)));
    push(Some(virtual_node(edge)));
    push(edge.is_failed.then_some(""));
    for dimension in edge.client_dimensions.iter().chain(&edge.server_dimensions) {
        push(dimension.as_deref());
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
