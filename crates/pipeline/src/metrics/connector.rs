//! What connectors that make metrics of traces did: `otelcol_connector_*`.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// `{connector="servicegraph"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    connector: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    connector: String,
    outcome: &'static str,
}

const SPAN_OUTCOMES: [&str; 3] = ["counted", "overflow", "skipped"];
const PROPAGATION_OUTCOMES: [&str; 3] = ["remembered", "dropped", "undecided"];
const POINT_OUTCOMES: [&str; 2] = ["sent", "lost"];

type Count = Gauge<u64, AtomicU64>;

#[derive(Debug, Default)]
pub struct Connectors {
    series: Family<Labels, Count>,
    points: Family<OutcomeLabels, Counter>,
    spans: Family<OutcomeLabels, Counter>,
    total_edges: Family<Labels, Counter>,
    expired_edges: Family<Labels, Counter>,
    dropped_spans: Family<Labels, Counter>,
    overflow_edges: Family<Labels, Counter>,
    propagation_spans: Family<OutcomeLabels, Counter>,
    known: Mutex<HashSet<String>>,
}

impl Connectors {
    pub fn register(&self, registry: &mut Registry) {
        let series = "Series that the connector holds";
        registry.register("connector_series", series, self.series.clone());
        let points = "Points that the connector made, by what became of them";
        registry.register("connector_points", points, self.points.clone());
        let spans =
            "Spans that came to the connector; of those that found no room for a series, what is counted of them";
        registry.register("connector_spanmetrics_spans", spans, self.spans.clone());
        let total = "Edges that were begun";
        registry.register("connector_servicegraph_total_edges", total, self.total_edges.clone());
        let expired = "Edges whose other span did not come in time";
        registry.register("connector_servicegraph_expired_edges", expired, self.expired_edges.clone());
        let dropped = "Spans that found no room in the store of edges";
        registry.register("connector_servicegraph_dropped_spans", dropped, self.dropped_spans.clone());
        let overflow = "Edges that found no room for a series and are counted together";
        registry.register("connector_servicegraph_overflow_edges", overflow, self.overflow_edges.clone());
        let propagation = "Spans that came to the connector, and those of them that nothing can be concluded of";
        registry.register("connector_propagation_spans", propagation, self.propagation_spans.clone());
    }

    fn labels(&self, connector: String) -> Labels {
        self.known.lock().insert(connector.clone());
        Labels { connector }
    }

    pub fn outlet(&self, connector: String) -> OutletMetrics {
        let labels = self.labels(connector);
        let points = POINT_OUTCOMES.map(|outcome| with(&self.points, &labels, outcome));
        let [sent, lost] = points;
        OutletMetrics { series: self.series.get_or_create_owned(&labels), sent, lost }
    }

    pub fn span_metrics(&self, connector: String) -> SpanMetrics {
        let labels = self.labels(connector);
        let [counted, overflow, skipped] = SPAN_OUTCOMES.map(|outcome| with(&self.spans, &labels, outcome));
        SpanMetrics { counted, overflow, skipped }
    }

    pub fn service_graph(&self, connector: String) -> ServiceGraphMetrics {
        let labels = self.labels(connector);
        ServiceGraphMetrics {
            total_edges: self.total_edges.get_or_create_owned(&labels),
            expired_edges: self.expired_edges.get_or_create_owned(&labels),
            dropped_spans: self.dropped_spans.get_or_create_owned(&labels),
            overflow_edges: self.overflow_edges.get_or_create_owned(&labels),
        }
    }

    pub fn propagation(&self, connector: String) -> PropagationMetrics {
        let labels = self.labels(connector);
        let spans = PROPAGATION_OUTCOMES.map(|outcome| with(&self.propagation_spans, &labels, outcome));
        let [remembered, dropped, undecided] = spans;
        PropagationMetrics { remembered, dropped, undecided }
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.known.lock().extract_if(|connector| !wanted(connector)).collect();
        for connector in gone {
            for outcome in POINT_OUTCOMES {
                self.points.remove(&OutcomeLabels { connector: connector.clone(), outcome });
            }
            for outcome in SPAN_OUTCOMES {
                self.spans.remove(&OutcomeLabels { connector: connector.clone(), outcome });
            }
            for outcome in PROPAGATION_OUTCOMES {
                self.propagation_spans.remove(&OutcomeLabels { connector: connector.clone(), outcome });
            }
            let labels = Labels { connector };
            self.series.remove(&labels);
            for family in [&self.total_edges, &self.expired_edges, &self.dropped_spans, &self.overflow_edges] {
                family.remove(&labels);
            }
        }
    }
}

fn with(family: &Family<OutcomeLabels, Counter>, labels: &Labels, outcome: &'static str) -> Counter {
    family.get_or_create_owned(&OutcomeLabels { connector: labels.connector.clone(), outcome })
}

/// Of what a connector holds and hands on.
#[derive(Debug, Clone)]
pub struct OutletMetrics {
    pub series: Count,
    pub sent: Counter,
    /// Nobody downstream took them.
    pub lost: Counter,
}

/// Of one `spanmetrics` connector.
#[derive(Debug, Clone)]
pub struct SpanMetrics {
    pub counted: Counter,
    /// What was counted together because there was no room for a series.
    pub overflow: Counter,
    /// Their resource has no `service.name`, or there are too many tenants, or too many of them in a request.
    pub skipped: Counter,
}

/// Of one `servicegraph` connector.
#[derive(Debug, Clone)]
pub struct ServiceGraphMetrics {
    pub total_edges: Counter,
    pub expired_edges: Counter,
    pub dropped_spans: Counter,
    pub overflow_edges: Counter,
}

/// Of one `propagation` connector.
#[derive(Debug, Clone)]
pub struct PropagationMetrics {
    pub remembered: Counter,
    /// They found no room.
    pub dropped: Counter,
    /// What they waited for may have come unseen.
    pub undecided: Counter,
}
