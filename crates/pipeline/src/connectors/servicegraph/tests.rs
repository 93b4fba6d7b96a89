use opentelemetry_proto::tonic::trace::v1::span::SpanKind::{Client, Consumer as Consumes, Producer, Server};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use proptest::prelude::*;

use super::*;
use crate::config::{Document, Segment};
use crate::connectors::test_support::*;
use crate::metrics::Metrics;
use crate::overrides::Overrides;
use crate::telemetry::Payload;

const REQUESTS: &str = "traces_service_graph_request_total";

fn options(text: &str) -> Result<Options, String> {
    let document = Document::parse("t.yaml", text, &|_| None).map_err(|error| error.to_string())?;
    let path = [Segment::Key("servicegraph".to_owned())];
    config::read(&Section::new(document.root(), &path)).map_err(|error| error.to_string())
}

struct Bench {
    connector: ServiceGraph,
    sink: Arc<Sink>,
}

impl Bench {
    fn new(text: &str) -> Self {
        set_clock(0);
        let (sink, all) = (Arc::new(Sink::default()), Metrics::default());
        let tenants = Tenants::new(Overrides::default().run(Generator::ServiceGraphs));
        let metrics = all.service_graph("test");
        let connector = ServiceGraph::new(options(text).unwrap(), tenants, sink.outlet(&all), metrics, clock);
        Self { connector, sink }
    }

    async fn send(&self, groups: Vec<ResourceSpans>) {
        self.send_for("default", groups).await;
    }

    async fn send_for(&self, tenant: &str, groups: Vec<ResourceSpans>) {
        self.connector.consume(telemetry(tenant, groups)).await.unwrap();
    }

    /// Requests as they are told of at this time: `client→server kind …`.
    async fn edges(&self, seconds: u64) -> Vec<String> {
        set_clock(seconds);
        self.connector.inner.expire(false);
        self.connector.inner.tell().await;
        let shown = self.sink.shown_of(REQUESTS).into_iter().map(|line| {
            let (labels, rest) = line[1..].split_once("} ").unwrap();
            let labels = labels.replace("client=", "").replacen(",server=", "→", 1);
            let labels = labels.replacen(",connection_type=", " ", 1).replace(",failed=false", "");
            format!("{} ×{}", labels.trim(), rest.rsplit(' ').next().unwrap())
        });
        shown.collect()
    }

    fn counters(&self) -> [u64; 4] {
        let metrics = &self.connector.inner.metrics;
        [&metrics.total_edges, &metrics.expired_edges, &metrics.dropped_spans, &metrics.overflow_edges]
            .map(prometheus_client::metrics::counter::Counter::get)
    }
}

/// A call of `b` by `a`, of 20 ms to the caller and 10 ms to the called.
fn call(id: u8) -> [ResourceSpans; 2] {
    [of("a", vec![span(id, 0, Client, "call", 0, 20)]), of("b", vec![span(id + 100, id, Server, "called", 5, 10)])]
}

#[tokio::test]
async fn a_checkout() {
    let bench = Bench::new("exemplars: {enabled: true}");
    bench.send(bookstore()).await;
    set_clock(3);
    bench.connector.inner.expire(false);
    set_clock(60);
    bench.connector.inner.tell().await;
    insta::assert_snapshot!(bench.sink.shown().join("\n"));
    assert_eq!(bench.counters(), [8, 1, 0, 0]);
}

#[tokio::test]
async fn spans_find_each_other_in_any_order_and_over_requests() {
    for turned in [false, true] {
        let bench = Bench::new("{}");
        let mut halves = call(1);
        if turned {
            halves.reverse();
        }
        for half in halves {
            bench.send(vec![half]).await;
            set_clock(1);
        }
        assert_eq!(bench.edges(9).await, ["a→b ×1"], "{turned}");
        assert_eq!(bench.counters(), [1, 0, 0, 0]);
        bench.send(call(1).to_vec()).await;
        bench.send(call(2).to_vec()).await;
        assert_eq!(bench.edges(10).await, ["a→b ×3"]);
    }
}

#[tokio::test]
async fn what_takes_too_long_is_not_waited_for() {
    let bench = Bench::new("{store: {ttl: 5s}, virtual_node_peer_attributes: []}");
    let [client, server] = call(1);
    bench.send(vec![client.clone()]).await;
    assert_eq!(bench.edges(5).await, [""; 0]);
    bench.send(vec![server.clone()]).await;
    assert_eq!(bench.edges(5).await, ["a→b ×1"]);
    bench.send(vec![client]).await;
    assert_eq!(bench.edges(11).await, ["a→b ×1"]);
    bench.send(vec![server]).await;
    assert_eq!(bench.edges(20).await, ["a→b ×1"]);
    assert_eq!(bench.counters(), [3, 2, 0, 0]);
}

#[tokio::test]
async fn nodes_that_send_no_spans_are_shown() {
    let spans = || {
        vec![of(
            "a",
            vec![
                span(1, 0, Server, "by somebody", 0, 10),
                with(span(2, 1, Client, "to stripe", 0, 10), &[("db.system", "x"), ("peer.service", "stripe")]),
                span(3, 1, Client, "to nobody knows whom", 0, 10),
                span(4, 77, Server, "by one whose span is lost", 0, 10),
            ],
        )]
    };
    let bench = Bench::new("{}");
    bench.send(spans()).await;
    let edges = ["a→stripe virtual_node ×1", "a→unknown virtual_node ×1", "user→a virtual_node ×1"];
    assert_eq!(bench.edges(9).await, edges);
    assert_eq!(bench.counters(), [4, 3, 0, 0]);
    let bench = Bench::new("{virtual_node_extra_label: true, virtual_node_peer_attributes: [db.system]}");
    bench.send(spans()).await;
    bench.send(call(9).to_vec()).await;
    assert_eq!(
        bench.edges(9).await,
        [
            "a→b ,virtual_node= ×1",
            "a→unknown virtual_node,virtual_node=server ×1",
            "a→x virtual_node,virtual_node=server ×1",
            "user→a virtual_node,virtual_node=client ×1",
        ]
    );
    let bench = Bench::new("virtual_node_peer_attributes: []");
    bench.send(spans()).await;
    assert_eq!(bench.edges(9).await, [""; 0]);
    assert_eq!(bench.counters(), [4, 4, 0, 0]);
}

#[tokio::test]
async fn consumers_are_found_by_their_parent_or_by_links() {
    let publish = || of("shop", vec![span(1, 0, Producer, "publish", 0, 2)]);
    let child = || of("mail", vec![span(2, 1, Consumes, "process", 5, 10)]);
    let consume = |id, trace| {
        let span = linked(span(id, 0, Consumes, "process", 5, 10), 1, 1);
        of("outbox", vec![Span { trace_id: trace_id(trace), ..span }])
    };
    let edge = |times| vec![format!("shop→outbox messaging_system ×{times}")];
    let bench = Bench::new("{}");
    bench.send(vec![publish(), child()]).await;
    assert_eq!(bench.edges(9).await, ["shop→mail messaging_system ×1"]);

    let bench = Bench::new("{}");
    bench.send(vec![consume(2, 2), publish(), consume(3, 3)]).await;
    assert_eq!(bench.edges(1).await, edge(2));
    bench.send(vec![consume(4, 4)]).await;
    assert_eq!(bench.edges(9).await, edge(3), "the producer waits for more, and is no call of an unknown one");
    assert_eq!(bench.counters(), [4, 0, 0, 0]);
    bench.send(vec![consume(5, 5)]).await;
    assert_eq!(bench.edges(20).await, edge(3), "it does not wait for ever");
    assert_eq!(bench.counters(), [5, 1, 0, 0]);
    bench.send(vec![publish()]).await;
    assert_eq!(bench.edges(21).await, edge(3), "whom nobody waits for any more");

    // A batch of messages.
    let bench = Bench::new("{}");
    let batch = linked(linked(span(9, 0, Consumes, "process", 5, 10), 1, 1), 1, 2);
    let publish = of("shop", vec![span(1, 0, Producer, "one", 0, 2), span(2, 0, Producer, "other", 0, 2)]);
    bench.send(vec![of("outbox", vec![batch]), publish]).await;
    assert_eq!(bench.edges(1).await, edge(2));
}

#[tokio::test]
async fn databases_are_told_by_their_callers() {
    let query = |attributes: &[(&str, &str)]| {
        vec![of_resource(
            &[("service.name", "a"), ("db.of", "resource")],
            vec![with(span(1, 0, Client, "SELECT", 0, 10), attributes)],
        )]
    };
    for (option, attributes, expected) in [
        ("{}", &[("db.name", "books"), ("db.namespace", "n")][..], "a→books database ×1"),
        ("database_name_attribute: db.namespace", &[("db.name", "books"), ("db.namespace", "n")], "a→n database ×1"),
        ("database_name_attributes: [db.namespace, db.name]", &[("db.name", "books")], "a→books database ×1"),
        ("database_name_attributes: [db.of, db.name]", &[("db.name", "books")], "a→resource database ×1"),
        ("{}", &[("db.namespace", "n"), ("db.system", "s")], "a→s virtual_node ×1"),
    ] {
        let bench = Bench::new(option);
        bench.send(query(attributes)).await;
        assert_eq!(bench.edges(9).await, [expected], "{option}");
    }
}

#[tokio::test]
async fn dimensions_tell_of_both_sides() {
    let bench = Bench::new("dimensions: [service.namespace, tier]");
    let [_, mut server] = call(1);
    server.scope_spans[0].spans[0]
        .attributes
        .push(crate::connectors::spans::attributes::text_attribute("tier", "gold"));
    let resource = [("service.name", "a"), ("service.namespace", "shop"), ("tier", "of the resource")];
    let client = of_resource(&resource, vec![with(span(1, 0, Client, "call", 0, 20), &[("tier", "of the span")])]);
    bench.send(vec![client, server]).await;
    let expected = "a→b ,client_service.namespace=shop,client_tier=of the resource,server_tier=gold ×1";
    assert_eq!(bench.edges(9).await, [expected]);
}

#[tokio::test]
async fn failed_requests_have_a_count_of_their_own() {
    let bench = Bench::new("{}");
    let [client, mut server] = call(1);
    server.scope_spans[0].spans.iter_mut().for_each(|span| *span = failed(span.clone()));
    bench.send(vec![client, server]).await;
    bench.send(call(2).to_vec()).await;
    assert_eq!(bench.edges(9).await, ["a→b ×1", "a→b ,failed=true ×1"]);
    bench.connector.inner.tell().await;
    let failed = bench.sink.shown_of("traces_service_graph_request_failed_total");
    assert_eq!(failed, ["{client=a,server=b,connection_type=,failed=true} 0..9s 1"]);
}

/// So that rates over the first points tell what was counted before them.
#[tokio::test]
async fn totals_begin_with_a_zero() {
    let bench = Bench::new("{}");
    let [client, mut server] = call(1);
    server.scope_spans[0].spans.iter_mut().for_each(|span| *span = failed(span.clone()));
    bench.send(vec![client, server]).await;
    set_clock(9);
    bench.connector.inner.tell().await;
    let shown = bench.sink.all_shown();
    let labels = "{client=a,server=b,connection_type=,failed=true}";
    for line in [
        format!("traces_service_graph_request_total{labels} 0..0s 0"),
        format!("traces_service_graph_request_total{labels} 0..9s 1"),
        format!("traces_service_graph_request_failed_total{labels} 0..0s 0"),
        format!("traces_service_graph_request_failed_total{labels} 0..9s 1"),
        format!("traces_service_graph_request_server/s{labels} 0..0s count=0 sum=0 "),
    ] {
        assert!(shown.contains(&line), "{line} not in\n{}", shown.join("\n"));
    }
    assert_eq!(shown.len(), 8);
    bench.connector.inner.tell().await;
    assert_eq!(bench.sink.all_shown().len(), 4);
}

#[tokio::test]
async fn only_so_many_edges_wait() {
    let bench = Bench::new("store: {max_items: 2, ttl: 5s}");
    let client = |id| vec![of("a", vec![span(id, 0, Client, "call", 0, 20)])];
    for id in 1..=3 {
        bench.send(client(id)).await;
    }
    assert_eq!(bench.counters(), [2, 0, 1, 0]);
    bench.send(vec![call(1)[1].clone()]).await;
    bench.send(client(4)).await;
    assert_eq!(bench.counters(), [3, 0, 1, 0], "what is complete makes room");
    set_clock(6);
    bench.send(client(5)).await;
    assert_eq!(bench.counters(), [4, 1, 1, 0], "and so does what has waited long enough");
    assert_eq!(bench.edges(6).await, ["a→b ×1", "a→unknown virtual_node ×2"]);
}

#[tokio::test]
async fn edges_without_requests_are_forgotten() {
    let bench = Bench::new("{}");
    bench.send(call(1).to_vec()).await;
    assert_eq!(bench.edges(900).await.len(), 1);
    bench.connector.inner.clean();
    assert_eq!(bench.edges(901).await.len(), 1);
    bench.connector.inner.clean();
    assert_eq!(bench.edges(902).await, [""; 0]);
    assert!(bench.connector.inner.tenants.all().is_empty());
}

#[tokio::test]
async fn durations_are_of_seconds_in_buckets_of_either_kind() {
    for (option, expected) in [
        ("{}", "count=1 sum=0.01 ≤0.01:1"),
        ("latency_histogram_buckets: [1ms, 1s]", "count=1 sum=0.01 ≤1:1"),
        ("exponential_histogram_max_size: 20", "count=1 sum=0.01 zero=0 scale=20 -6966589+[1]"),
    ] {
        let bench = Bench::new(option);
        bench.send(call(1).to_vec()).await;
        bench.connector.inner.tell().await;
        let shown = bench.sink.shown();
        let server = shown.iter().find(|line| line.starts_with("traces_service_graph_request_server/s{")).unwrap();
        assert!(server.ends_with(expected), "{option}: {server}");
        assert!(shown.iter().any(|line| line.starts_with("traces_service_graph_request_client/s{")));
    }
}

#[tokio::test]
async fn without_an_interval_each_request_is_told_of_and_points_may_be_dated_back() {
    let bench = Bench::new("{metrics_flush_interval: 0, metrics_timestamp_offset: 30s}");
    set_clock(40);
    bench.send(call(1).to_vec()).await;
    assert_eq!(bench.sink.shown_of(REQUESTS), ["{client=a,server=b,connection_type=,failed=false} 10..10s 1"]);
}

#[tokio::test]
async fn tenants_are_kept_apart_and_have_only_so_many_series() {
    let bench = Bench::new("max_series: 1");
    let [client, server] = call(1);
    bench.send_for("one", vec![client.clone()]).await;
    bench.send_for("two", vec![server]).await;
    bench.send_for("two", vec![of("c", vec![span(1, 0, Client, "call", 0, 1), span(2, 0, Server, "x", 0, 1)])]).await;
    set_clock(9);
    bench.connector.inner.expire(false);
    bench.connector.inner.tell().await;
    assert_eq!(
        bench.sink.shown_of(REQUESTS),
        [
            "one: {client=a,server=unknown,connection_type=virtual_node,failed=false} 9..9s 1",
            "two: {client=c,server=b,connection_type=,failed=false} 0..9s 1",
            "two: {otel.metric.overflow=true} 0..9s 1",
        ]
    );
    assert_eq!(bench.counters(), [3, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn it_tells_by_itself_and_of_everything_at_the_end() {
    let bench = Bench::new("{metrics_flush_interval: 10s, store: {ttl: 1h}}");
    bench.connector.start().await.unwrap();
    bench.send(call(1).to_vec()).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(bench.sink.shown_of(REQUESTS).len(), 1);
    bench.send(vec![of("a", vec![with(span(9, 0, Client, "call", 0, 20), &[("peer.service", "x")])])]).await;
    bench.connector.shutdown(Duration::from_secs(5)).await;
    let shown = bench.sink.shown_of(REQUESTS);
    assert!(shown.len() == 2 && shown[1].contains("server=x,connection_type=virtual_node"), "{shown:?}");
}

#[tokio::test]
async fn what_is_malformed_adds_nothing() {
    let bench = Bench::new("{}");
    let mut body = telemetry("default", call(1).to_vec()).payload.into_bytes().to_vec();
    body.extend_from_slice(&[0x0a, 9, 1]);
    let payload = Payload::from_bytes(Signal::Traces, body.into());
    let refused = bench.connector.consume(Telemetry::new(Tenant::default(), payload)).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
    assert_eq!(bench.edges(9).await, [""; 0]);
    assert_eq!(bench.counters(), [0; 4]);
    // Spans without ids, and of resources without a name, are no edges.
    let nameless = of_resource(&[("host.name", "h")], vec![span(1, 0, Server, "x", 0, 1)]);
    let lost = Span { trace_id: Vec::new(), ..span(1, 0, Server, "x", 0, 1) };
    let astray = Span { parent_span_id: vec![7; 3], ..span(1, 0, Server, "x", 0, 1) };
    bench.send(vec![nameless, of("a", vec![lost, astray]), of("", vec![span(1, 0, Server, "x", 0, 1)])]).await;
    assert_eq!(bench.counters(), [0; 4]);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(position in 0usize..2000, bytes in prop::collection::vec(any::<u8>(), 0..8), cut in 0usize..2000) {
        let mut body = telemetry("default", bookstore()).payload.into_bytes().to_vec();
        let position = position % body.len();
        body.splice(position..position + bytes.len().min(body.len() - position), bytes);
        body.truncate(body.len() - cut % body.len());
        let bench = Bench::new("{dimensions: [service.namespace], exemplars: {enabled: true}}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let payload = Payload::from_bytes(Signal::Traces, body.into());
        let answer = runtime.block_on(bench.connector.consume(Telemetry::new(Tenant::default(), payload)));
        runtime.block_on(bench.edges(9));
        prop_assert!(answer.is_ok() || bench.counters() == [0; 4]);
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let mut report = String::new();
    for text in [
        "metrics_exporter: otlp",
        "{latency_histogram_buckets: [1ms], exponential_histogram_max_size: 1}",
        "latency_histogram_buckets: [2ms, 1ms, 1ms]",
        "exponential_histogram_max_size: -1",
        "{store: {max_items: 0, size: 1}, max_series: 0}",
        "dimensions: [a, b, a]",
        "{database_name_attribute: a, database_name_attributes: [b]}",
        "exemplars: {enabled: true, max_per_data_point: 1001}",
        "metrics_flush_interval: -1s",
    ] {
        let error = options(text).map(|_| "accepted".to_owned()).unwrap_or_else(|error| error);
        report.push_str(&format!("--- {text}\n{error}\n"));
    }
    insta::assert_snapshot!(report);
    let defaults = options("{cache_loop: 0, store_expiration_loop: 0}").unwrap();
    let intervals = [defaults.cleaning_interval, defaults.expiration_interval, defaults.flush_interval];
    assert_eq!(intervals, [60, 2, 60].map(Duration::from_secs));
    let set = options("{cache_loop: 5s, store_expiration_loop: 1s, metrics_flush_interval: 2s}").unwrap();
    assert_eq!(
        [set.cleaning_interval, set.expiration_interval, set.flush_interval],
        [5, 1, 2].map(Duration::from_secs)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Of each call both spans come, one of them, or none, in any order.
    #[test]
    fn edges_are_the_calls_of_which_both_spans_came(
        calls in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..1000), 1..40),
        seed in any::<u64>(),
    ) {
        let mut spans = Vec::new();
        let mut expected = [0u64; 2];
        for (place, (client, server, ms)) in calls.iter().enumerate() {
            let id = place as u8 + 1;
            if *client {
                spans.push(of("a", vec![span(id, 0, Client, "call", 0, *ms)]));
            }
            if *server {
                spans.push(of("b", vec![span(id + 100, id, Server, "called", 0, *ms)]));
            }
            expected[0] += u64::from(*client && *server);
            expected[1] += u64::from(*client && !*server);
        }
        fastrand::Rng::with_seed(seed).shuffle(&mut spans);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let edges = runtime.block_on(async {
            let bench = Bench::new("{}");
            for chunk in spans.chunks(3) {
                bench.send(chunk.to_vec()).await;
            }
            bench.edges(9).await
        });
        let line = |edge: &str, times: u64| (times > 0).then(|| format!("{edge} ×{times}"));
        let expected: Vec<String> =
            [line("a→b", expected[0]), line("a→unknown virtual_node", expected[1])].into_iter().flatten().collect();
        prop_assert_eq!(edges, expected);
    }
}
