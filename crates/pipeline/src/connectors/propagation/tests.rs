use opentelemetry_proto::tonic::trace::v1::span::SpanKind::{
    self, Client, Consumer as Consumes, Internal, Producer, Server,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

use super::*;
use crate::config::{Document, Segment};
use crate::connectors::test_support::*;
use crate::metrics::Metrics;

fn options(text: &str) -> Result<Options, String> {
    let document = Document::parse("t.yaml", text, &|_| None).map_err(|error| error.to_string())?;
    let path = [Segment::Key("propagation".to_owned())];
    config::read(&Section::new(document.root(), &path)).map_err(|error| error.to_string())
}

struct Bench {
    connector: Propagation,
    sink: Arc<Sink>,
}

impl Bench {
    /// After the first minute, when what came before the start is not missed any more.
    async fn new(text: &str) -> Self {
        set_clock(0);
        let (sink, all) = (Arc::new(Sink::default()), Metrics::default());
        let connector = Propagation::new(options(text).unwrap(), sink.outlet(&all), all.propagation("test"), clock);
        let bench = Self { connector, sink };
        bench.send(vec![of("first", vec![span(250, 0, Internal, "first", 0, 1)])]).await;
        set_clock(100);
        bench
    }

    async fn send(&self, groups: Vec<ResourceSpans>) {
        self.connector.consume(telemetry("default", groups)).await.unwrap();
    }

    /// What is told at this time: `client→server reason ×count`.
    async fn told(&self, seconds: u64) -> Vec<String> {
        set_clock(seconds);
        self.connector.inner.expire();
        self.connector.inner.tell().await;
        let shown = self.sink.shown().into_iter().map(|line| {
            let (labels, rest) = line.split_once("} ").unwrap();
            let labels = labels.replace("traces_propagation_", "").replace("_total{client=", " ");
            let labels = labels.replacen(",server=", "→", 1).replacen(",reason=", " ", 1);
            format!("{labels} ×{}", rest.rsplit(' ').next().unwrap())
        });
        shown.collect()
    }

    fn counters(&self) -> [u64; 3] {
        let metrics = &self.connector.inner.metrics;
        [&metrics.remembered, &metrics.dropped, &metrics.undecided]
            .map(prometheus_client::metrics::counter::Counter::get)
    }
}

fn in_trace(trace: u8, span: Span) -> Span {
    Span { trace_id: trace_id(trace), ..span }
}

/// A call of `b` by `a`, whose context does not arrive if `other` is another trace.
fn call(id: u8, other: u8) -> [ResourceSpans; 2] {
    let parent = if other == 1 { id } else { 0 };
    let called = in_trace(other, span(id + 100, parent, Server, "called", 5, 10));
    let calling = with(span(id, 0, Client, "call", 0, 20), &[("server.address", "b.shop")]);
    [of("a", vec![calling]), of("b", vec![called])]
}

#[tokio::test]
async fn what_arrives_is_kept_in_any_order() {
    for turned in [false, true] {
        let bench = Bench::new("{}").await;
        let mut halves = call(1, 1);
        if turned {
            halves.reverse();
        }
        for half in halves {
            bench.send(vec![half]).await;
            set_clock(120);
        }
        // What is sent again is counted once.
        bench.send(call(1, 1).to_vec()).await;
        assert_eq!(bench.told(200).await, ["kept a→b ×1"], "{turned}");
        assert_eq!(bench.counters(), [3, 0, 0]);
    }
}

#[tokio::test]
async fn a_trace_begun_anew_is_a_hole_once_it_has_waited() {
    for turned in [false, true] {
        let bench = Bench::new("{}").await;
        let mut halves = call(1, 9);
        if turned {
            halves.reverse();
        }
        for half in halves {
            bench.send(vec![half]).await;
            set_clock(120);
        }
        assert_eq!(bench.told(129).await, [""; 0]);
        assert_eq!(bench.told(151).await, ["holes a→b new_trace ×1"], "{turned}");
    }
}

#[tokio::test]
async fn answered_calls_and_others_are_no_evidence() {
    let bench = Bench::new("{}").await;
    // Another trace's span of `b` begins while the call is answered in its own.
    bench.send(vec![of("b", vec![in_trace(9, span(90, 0, Server, "root", 6, 3))])]).await;
    bench.send(call(1, 1).to_vec()).await;
    // A call of somebody else, one that is over, and one to a database by that name.
    let calls = [
        with(span(3, 0, Client, "c", 0, 20), &[("peer.service", "c")]),
        with(span(5, 0, Client, "database", 0, 900), &[("server.address", "d"), ("db.system", "redis")]),
    ];
    bench.send(vec![of("a", calls.to_vec())]).await;
    let late = in_trace(11, span(92, 0, Server, "after it", 900, 3));
    bench.send(vec![of("c", vec![late])]).await;
    bench.send(vec![of("d", vec![in_trace(12, span(93, 0, Server, "d", 5, 3))])]).await;
    assert_eq!(bench.told(200).await, ["kept a→b ×1"]);
}

#[tokio::test]
async fn missing_parents_are_waited_for() {
    let bench = Bench::new("{wait: 1m}").await;
    let orphan = |id, kind: SpanKind| span(id, 77, kind, "orphan", 5, 5);
    bench.send(vec![of("b", vec![orphan(1, Server), orphan(2, Internal), orphan(3, Internal)])]).await;
    assert_eq!(bench.told(159).await, [""; 0]);
    // It comes while they wait.
    bench.send(vec![of("a", vec![span(77, 0, Client, "late", 0, 90)])]).await;
    assert_eq!(bench.told(300).await, ["kept a→b ×3"]);
    // It does not.
    let bench = Bench::new("{}").await;
    bench.send(vec![of("b", vec![orphan(1, Server), orphan(2, Internal), orphan(3, Internal)])]).await;
    bench.send(vec![of("a", vec![with(span(4, 0, Client, "", 0, 20), &[("peer.service", "c")])])]).await;
    bench.send(vec![of("c", vec![span(5, 78, Server, "through a proxy", 5, 5)])]).await;
    assert_eq!(
        bench.told(300).await,
        ["holes a→c missing_parent ×1", "holes b→b missing_parent ×2", "holes unknown→b missing_parent ×1"]
    );
}

#[tokio::test]
async fn messages_belong_together_by_their_destination() {
    let bench = Bench::new("{}").await;
    let to = [("messaging.destination.name", "orders.placed")];
    let sent = |id| with(span(id, 0, Producer, "publish", 0, 2), &to);
    let taken = |trace, id| in_trace(trace, with(span(id, 0, Consumes, "process", 9_000, 5), &to));
    bench.send(vec![of("orders", vec![sent(1), sent(2)])]).await;
    bench.send(vec![of("mail", vec![taken(5, 1), linked(taken(6, 2), 1, 2)])]).await;
    assert_eq!(bench.told(300).await, ["holes orders→mail new_trace ×1"]);
}

#[tokio::test]
async fn nothing_is_concluded_of_what_may_have_been_missed() {
    // What came before the start.
    set_clock(0);
    let (sink, all) = (Arc::new(Sink::default()), Metrics::default());
    let connector = Propagation::new(options("{}").unwrap(), sink.outlet(&all), all.propagation("test"), clock);
    let bench = Bench { connector, sink };
    bench.send(vec![of("b", vec![span(1, 77, Server, "orphan", 5, 5)])]).await;
    bench.send(call(2, 9).to_vec()).await;
    assert_eq!(bench.told(50).await, [""; 0]);
    assert_eq!(bench.counters(), [3, 0, 2]);
    // What found no room.
    let bench = Bench::new("{max_spans: 2}").await;
    bench.send(vec![of("b", (1..=3).map(|id| span(id, 77, Server, "orphan", 5, 5)).collect())]).await;
    assert_eq!(bench.told(150).await, [""; 0]);
    assert_eq!(bench.counters(), [3, 1, 2]);
    // Later there is room again, and in the end certainty.
    set_clock(300);
    bench.send(vec![of("b", vec![span(9, 78, Server, "orphan", 5, 5)])]).await;
    assert_eq!(bench.told(400).await, ["holes unknown→b missing_parent ×1"]);
}

#[tokio::test]
async fn memory_is_given_back() {
    let bench = Bench::new("{max_series: 1}").await;
    for id in 1..=100 {
        bench
            .send(vec![of(
                &format!("s{id}"),
                vec![span(id, 101, Server, "", 5, 5), span(id + 120, 0, Client, "", 0, 9)],
            )])
            .await;
    }
    let holes = bench.told(200).await;
    assert_eq!(holes, ["holes unknown→s1 missing_parent ×1", "holes_total{otel.metric.overflow=true ×99"]);
    let state = bench.connector.inner.tenants.all().remove(0).1;
    assert!(!state.lock().is_empty());
    bench.told(3000).await;
    assert!(state.lock().is_empty(), "{:?}", state.lock());
    drop(state);
    bench.told(3001).await;
    assert!(bench.connector.inner.tenants.all().is_empty());
}

#[tokio::test]
async fn a_hundred_thousand_children_wait_for_one_parent() {
    let bench = Bench::new("{}").await;
    let ids = |number: u32| [&[1; 4][..], &number.to_be_bytes()].concat();
    let child = |number| Span { span_id: ids(number), ..span(1, 77, Internal, "", 5, 5) };
    bench.send(vec![of("b", (0..100_000).map(child).collect())]).await;
    assert_eq!(bench.told(200).await, ["holes b→b missing_parent ×100000"]);
}

#[test]
fn options_are_checked() {
    for (text, expected) in [
        ("{wait: 0s}", "wait: must be longer than nothing"),
        ("{max_spans: 0}", "max_spans: must be more than 0"),
        ("{max_series: 0}", "max_series: must be more than 0"),
        ("{metrics_flush_interval: 0s}", "metrics_flush_interval: must be longer than nothing"),
        ("{store: {}}", "store"),
    ] {
        let error = options(text).map(|_| ()).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let options = options("{wait: 2h}").unwrap();
    assert_eq!((options.wait, options.max_spans), (Duration::from_secs(7200), 200_000));
}
