use opentelemetry_proto::tonic::trace::v1::span::SpanKind::{Client, Internal, Server};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use proptest::prelude::*;
use trefoil_model::Tenant;

use super::*;
use crate::config::{Document, Segment};
use crate::connectors::test_support::*;
use crate::metrics::Metrics;
use crate::overrides::{Choice, Overrides};
use crate::telemetry::Payload;

pub fn options(text: &str) -> Result<Options, String> {
    let document = Document::parse("t.yaml", text, &|_| None).map_err(|error| error.to_string())?;
    let path = [Segment::Key("spanmetrics".to_owned())];
    config::read(&Section::new(document.root(), &path)).map_err(|error| error.to_string())
}

pub struct Bench {
    pub connector: SpanMetricsConnector,
    pub sink: Arc<Sink>,
    pub metrics: SpanMetrics,
    pub overrides: Overrides,
}

impl Bench {
    pub fn new(text: &str) -> Self {
        set_clock(0);
        let (sink, all) = (Arc::new(Sink::default()), Metrics::default());
        let metrics = all.span_metrics("test");
        let overrides = Overrides::default();
        let tenants = Tenants::new(overrides.run(Generator::SpanMetrics));
        let (options, outlet) = (options(text).unwrap(), sink.outlet(&all));
        let connector = SpanMetricsConnector::new(options, tenants, outlet, all.span_metrics("test"), clock);
        Self { connector, sink, metrics, overrides }
    }

    pub async fn send(&self, groups: Vec<ResourceSpans>) {
        self.send_for("default", groups).await;
    }

    pub async fn send_for(&self, tenant: &str, groups: Vec<ResourceSpans>) {
        self.connector.consume(telemetry(tenant, groups)).await.unwrap();
    }

    /// What is told at this time.
    pub async fn at(&self, seconds: u64) -> Vec<String> {
        set_clock(seconds);
        self.connector.inner.tell().await;
        self.sink.shown()
    }

    pub async fn of_metric(&self, seconds: u64, metric: &str) -> Vec<String> {
        set_clock(seconds);
        self.connector.inner.tell().await;
        self.sink.shown_of(metric)
    }
}

/// A span of 10 ms by its name.
pub fn named(name: &str) -> Span {
    span(1, 0, Server, name, 0, 10)
}

#[tokio::test]
async fn a_checkout_by_the_names_of_the_collector() {
    let bench = Bench::new("{}");
    bench.send(bookstore()).await;
    insta::assert_snapshot!(bench.at(60).await.join("\n"));
    let (counted, skipped) = (bench.metrics.counted.get(), bench.metrics.skipped.get());
    assert_eq!((counted, skipped), (12, 0));
}

#[tokio::test]
async fn a_checkout_by_the_names_of_tempo() {
    let bench = Bench::new("{names: tempo, exemplars: {enabled: true}, include_status_message: true}");
    bench.send(bookstore()).await;
    insta::assert_snapshot!(bench.at(60).await.join("\n"));
}

#[tokio::test]
async fn totals_go_on_and_exemplars_are_told_once() {
    let bench = Bench::new("exemplars: {enabled: true, max_per_data_point: 2}");
    bench.send(vec![of("a", vec![named("x"), named("x"), named("x")])]).await;
    // They end later than now.
    let calls = "traces.span.metrics.calls";
    let line = |rest: &str| {
        let of =
            "[service.name=a] {service.name=a,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET}";
        vec![format!("{of} {rest}")]
    };
    assert_eq!(bench.of_metric(1, calls).await, line("0..1s 3 #1/1 10 at 0s #1/1 10 at 0s"));
    assert_eq!(bench.of_metric(2, calls).await, line("0..2s 3"));
    set_clock(3);
    bench.send(vec![of("a", vec![span(7, 0, Server, "x", 1_500, 10)])]).await;
    assert_eq!(bench.of_metric(4, calls).await, line("0..4s 4 #1/7 10 at 1.51s"));
    bench.send(vec![of("a", vec![Span { trace_id: vec![1; 15], ..named("x") }])]).await;
    assert_eq!(bench.of_metric(5, calls).await, line("0..5s 5"), "it has no id");
}

/// So that rates over the first points tell what was counted before them.
#[tokio::test]
async fn totals_begin_with_a_zero() {
    let labels = "service.name=a,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET";
    let bench = Bench::new("add_resource_attributes: false");
    set_clock(5);
    bench.send(vec![of("a", vec![named("x")])]).await;
    set_clock(60);
    bench.connector.inner.tell().await;
    let calls = |rest: &str| format!("traces.span.metrics.calls{{{labels}}} {rest}");
    let duration = |rest: &str| format!("traces.span.metrics.duration/ms{{{labels}}} {rest}");
    let first = [
        calls("5..5s 0"),
        calls("5..60s 1"),
        duration("5..5s count=0 sum=0 "),
        duration("5..60s count=1 sum=10 ≤10:1"),
    ];
    assert_eq!(bench.sink.all_shown(), first);
    bench.connector.inner.tell().await;
    assert_eq!(bench.sink.all_shown(), [first[1].clone(), first[3].clone()]);
    let bench = Bench::new("{histogram: {disable: true}, aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA}");
    bench.send(vec![of("a", vec![named("x")])]).await;
    set_clock(60);
    bench.connector.inner.tell().await;
    assert_eq!(bench.sink.all_shown().len(), 1, "deltas begin with themselves");
}

#[tokio::test]
async fn tenants_are_kept_apart() {
    let bench = Bench::new("{histogram: {disable: true}, add_resource_attributes: false, max_series: 1}");
    bench.send_for("one", vec![of("a", vec![named("x")])]).await;
    bench.send_for("two", vec![of("a", vec![named("x"), named("x")]), of("b", vec![named("y")])]).await;
    let shown = bench.at(60).await;
    let attributes = "span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET";
    assert_eq!(
        shown,
        [
            format!("one: traces.span.metrics.calls{{service.name=a,span.name=x,{attributes}}} 0..60s 1"),
            "two: traces.span.metrics.calls{otel.metric.overflow=true} 0..60s 1".to_owned(),
            format!("two: traces.span.metrics.calls{{service.name=a,span.name=x,{attributes}}} 0..60s 2"),
        ]
    );
    assert_eq!((bench.metrics.counted.get(), bench.metrics.overflow.get()), (4, 1));
}

#[tokio::test]
async fn what_is_malformed_counts_for_nothing() {
    let bench = Bench::new("{}");
    let mut body = telemetry("default", vec![of("a", vec![named("x")])]).payload.into_bytes().to_vec();
    // Another resource whose length goes beyond the end.
    body.extend_from_slice(&[0x0a, 9, 1]);
    let payload = Payload::from_bytes(Signal::Traces, body.into());
    let refused = bench.connector.consume(Telemetry::new(Tenant::default(), payload)).await.unwrap_err();
    assert!(!refused.is_retryable());
    assert!(
        refused.to_string().starts_with("the body is not an OTLP traces export request: malformed protobuf at byte")
    );
    assert_eq!(bench.at(60).await, [""; 0]);
    assert_eq!(bench.metrics.counted.get(), 0);
}

/// The store rejects the first of these spans without looking at its attributes, and takes the request.
#[tokio::test]
async fn what_cannot_be_read_inside_of_a_span_is_not_there() {
    let bench = Bench::new("{dimensions: [{name: a}], histogram: {disable: true}}");
    let mut body = vec![0x4a, 2, 0x0a, 9];
    let whole = Span { trace_id: vec![1], ..with(named("x"), &[("a", "1")]) };
    body.extend(prost::Message::encode_to_vec(&whole));
    let group = |inner: Vec<u8>, tag: u8| [vec![tag, inner.len() as u8], inner].concat();
    let service = prost::Message::encode_to_vec(&of("s", vec![]).resource.unwrap());
    let resource_spans = [group(service, 0x0a), group(group(body, 0x12), 0x12)].concat();
    let payload = Payload::from_bytes(Signal::Traces, group(resource_spans, 0x0a).into());
    bench.connector.consume(Telemetry::new(Tenant::default(), payload)).await.unwrap();
    let shown = bench.at(60).await;
    assert!(shown.len() == 1 && shown[0].ends_with(",a=1} 0..60s 1"), "{shown:?}");
}

#[tokio::test]
async fn a_request_of_very_many_spans_is_not_held_whole() {
    let bench = Bench::new("histogram: {disable: true}");
    let most = crate::connectors::spans::MOST_ITEMS;
    let mut groups = vec![of("s", vec![])];
    groups[0].scope_spans[0].spans = vec![Span::default(); most + 7];
    bench.send(groups).await;
    assert!(bench.at(60).await[0].ends_with(&format!(" {most}")));
    assert_eq!((bench.metrics.counted.get(), bench.metrics.skipped.get()), (most as u64, 7));
}

#[tokio::test]
async fn without_a_service_the_collector_counts_nothing_but_tempo_does() {
    let spans = || vec![of_resource(&[("host.name", "h")], vec![named("x")]), of("a", vec![named("y")])];
    let bench = Bench::new("histogram: {disable: true}");
    bench.send(spans()).await;
    assert_eq!(bench.at(60).await.len(), 1);
    assert_eq!((bench.metrics.counted.get(), bench.metrics.skipped.get()), (1, 1));
    let bench = Bench::new("{names: tempo, histogram: {disable: true}}");
    bench.send(spans()).await;
    let calls = bench.of_metric(60, "traces_spanmetrics_calls_total").await;
    assert_eq!(calls[0], "{service=,span_name=x,span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_UNSET} 0..60s 1");
    assert_eq!(bench.metrics.skipped.get(), 0);
}

#[tokio::test]
async fn what_ends_before_it_starts_takes_no_time() {
    let bench = Bench::new("histogram: {unit: s}");
    let backwards = Span { end_time_unix_nano: T0 - 1, ..named("x") };
    let strange = Span { kind: 77, start_time_unix_nano: 0, end_time_unix_nano: u64::MAX, ..named("y") };
    let stranger = Span { kind: -1, ..strange.clone() };
    bench.send(vec![of("a", vec![backwards, strange, stranger])]).await;
    let durations = bench.of_metric(60, "traces.span.metrics.duration/s").await;
    assert!(durations[0].ends_with("count=1 sum=0 ≤0.002:1"), "{durations:?}");
    assert!(durations[1].contains("span.kind=,") && durations[1].ends_with("≤inf:2"), "{durations:?}");
    assert_eq!(durations.len(), 2, "what looks the same is one series");
}

#[tokio::test]
async fn the_rest_is_told_at_the_end_and_what_nobody_takes_is_counted() {
    let bench = Bench::new("{metrics_flush_interval: 1h, histogram: {disable: true}}");
    bench.connector.start().await.unwrap();
    bench.send(vec![of("a", vec![named("x")])]).await;
    bench.connector.shutdown(Duration::from_secs(5)).await;
    assert_eq!(bench.sink.shown().len(), 1);
    *bench.sink.refuses.lock() = true;
    bench.connector.inner.tell().await;
    let outlet = &bench.connector.inner.outlet.metrics;
    assert_eq!((outlet.sent.get(), outlet.lost.get(), outlet.series.get()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn it_tells_by_itself() {
    let bench = Bench::new("{metrics_flush_interval: 10s, histogram: {disable: true}}");
    bench.connector.start().await.unwrap();
    bench.send(vec![of("a", vec![named("x")])]).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(bench.sink.shown().is_empty());
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(bench.sink.shown().len(), 2, "at 10 and at 20 seconds");
    bench.connector.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn many_series_go_by_many_requests() {
    let bench = Bench::new("{}");
    let spans: Vec<Span> = (0..12_000).map(|number| named(&number.to_string())).collect();
    bench.send(vec![of("a", spans)]).await;
    set_clock(60);
    bench.connector.inner.tell().await;
    let received = std::mem::take(&mut *bench.sink.received.lock());
    let items = received
        .iter()
        .map(|(_, request)| Payload::from_message(crate::telemetry::Message::Metrics(request.clone())).items());
    let items: Vec<u64> = items.collect();
    assert_eq!(items.iter().sum::<u64>(), 2 * 24_000);
    assert!(items.iter().all(|items| *items <= 10_000), "{items:?}");
}

#[derive(Debug, Clone)]
struct Drawn {
    service: u8,
    name: u8,
    kind: i32,
    status: i32,
    route: Option<u8>,
    ms: u64,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (0u8..3, 0u8..4, 0i32..6, 0i32..3, prop::option::of(0u8..3), 0u64..3000)
        .prop_map(|(service, name, kind, status, route, ms)| Drawn { service, name, kind, status, route, ms })
}

impl Drawn {
    fn span(&self) -> ResourceSpans {
        let span = span(1, 0, Internal, &self.name.to_string(), 0, self.ms);
        let mut span = Span { kind: self.kind, ..span };
        if self.status > 0 {
            span.status =
                Some(opentelemetry_proto::tonic::trace::v1::Status { code: self.status, ..Default::default() });
        }
        let route = self.route.map(|route| route.to_string());
        let attributes: Vec<(&str, &str)> = route.iter().map(|route| ("route", route.as_str())).collect();
        of(&self.service.to_string(), vec![with(span, &attributes)])
    }

    /// What tells its series apart, written as the tests write it.
    fn labels(&self) -> String {
        let route = self.route.map(|route| format!(",route={route}")).unwrap_or_default();
        let kind = crate::connectors::spans::kind_name(self.kind);
        let status = crate::connectors::spans::status_name(self.status);
        let Drawn { service, name, .. } = self;
        format!("{{service.name={service},span.name={name},span.kind={kind},status.code={status}{route}}}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn counts_are_those_of_counting_one_by_one(
        requests in prop::collection::vec(prop::collection::vec(drawn(), 0..30), 1..6),
        delta in any::<bool>(),
    ) {
        let temporality = if delta { "DELTA" } else { "CUMULATIVE" };
        let text = format!("
dimensions: [{{name: route}}]
add_resource_attributes: false
histogram: {{explicit: {{buckets: [500ms, 1s]}}}}
aggregation_temporality: AGGREGATION_TEMPORALITY_{temporality}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut expected = std::collections::BTreeMap::<String, (u64, u64, [u64; 3])>::new();
        let mut told = std::collections::BTreeMap::<String, (u64, u64, [u64; 3])>::new();
        runtime.block_on(async {
            let bench = Bench::new(&text);
            for (place, request) in requests.iter().enumerate() {
                for drawn in request {
                    let (count, sum, buckets) = expected.entry(drawn.labels()).or_default();
                    *count += 1;
                    *sum += drawn.ms;
                    buckets[usize::from(drawn.ms > 500) + usize::from(drawn.ms > 1000)] += 1;
                }
                bench.send(request.iter().map(Drawn::span).collect()).await;
                let lines = bench.at(place as u64 + 1).await;
                if !delta {
                    told.clear();
                }
                for line in &lines {
                    let (name, rest) = line.split_at(line.find('{').unwrap());
                    let (labels, rest) = rest.split_at(rest.find('}').unwrap() + 1);
                    let words: Vec<&str> = rest.split(' ').collect();
                    let entry = told.entry(labels.to_owned()).or_default();
                    if name == "traces.span.metrics.calls" {
                        entry.0 += words.last().unwrap().parse::<u64>().unwrap();
                        continue;
                    }
                    for word in words {
                        let (what, number) = word.split_once(['=', ':']).unwrap_or_default();
                        let number = || number.parse::<f64>().unwrap() as u64;
                        match what {
                            "sum" => entry.1 += number(),
                            "≤500" => entry.2[0] += number(),
                            "≤1000" => entry.2[1] += number(),
                            "≤inf" => entry.2[2] += number(),
                            _ => {}
                        }
                    }
                }
            }
        });
        prop_assert_eq!(told, expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_do_harm(position in 0usize..2000, bytes in prop::collection::vec(any::<u8>(), 0..8), cut in 0usize..2000) {
        let mut body = telemetry("default", bookstore()).payload.into_bytes().to_vec();
        let position = position % body.len();
        body.splice(position..position + bytes.len().min(body.len() - position), bytes);
        body.truncate(body.len() - cut % body.len());
        let bench = Bench::new("
dimensions: [{name: http.response.status_code}]
exemplars: {enabled: true}
events: {enabled: true, dimensions: [{name: exception.type}]}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let payload = Payload::from_bytes(Signal::Traces, body.into());
        let answer = runtime.block_on(bench.connector.consume(Telemetry::new(Tenant::default(), payload)));
        let shown = runtime.block_on(bench.at(60));
        prop_assert!(answer.is_ok() || shown.is_empty());
    }
}

/// `cargo test --release -p trefoil-pipeline --lib cost_of_a_span -- --ignored --nocapture`
#[tokio::test]
#[ignore = "a measurement"]
async fn cost_of_a_span() {
    for text in
        ["{}", "{dimensions: [{name: http.route}, {name: http.response.status_code}], exemplars: {enabled: true}}"]
    {
        let bench = Bench::new(text);
        let attributes: Vec<(String, String)> =
            (0..17).map(|n| (format!("attribute.number.{n}"), format!("value {n} of some length"))).collect();
        let mut attributes: Vec<(&str, &str)> = attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        attributes.extend([("http.route", "/books/{isbn}"), ("http.response.status_code", "200")]);
        let spans = (0..1000).map(|n| with(span(n as u8, 1, Client, &format!("GET /{}", n % 20), 0, n), &attributes));
        let mut request = telemetry("default", vec![of("shop", spans.collect())]);
        let bytes = request.payload.bytes().len();
        let body = request.payload.into_shared();
        bench.connector.consume(Telemetry::new(Tenant::default(), body.clone())).await.unwrap();
        let begin = std::time::Instant::now();
        for _ in 0..200 {
            bench.connector.consume(Telemetry::new(Tenant::default(), body.clone())).await.unwrap();
        }
        let nanos = begin.elapsed().as_nanos() as f64 / 200_000.0;
        println!("{text}: {nanos:.0} ns a span of {} bytes", bytes / 1000);
    }
}

#[tokio::test]
async fn a_tenant_that_wants_none_gets_none() {
    let bench = Bench::new("{}");
    let spans = || vec![of("a", vec![named("x")])];
    let tenant = trefoil_model::Tenant::default();
    bench.send(spans()).await;
    assert!(!bench.at(1).await.is_empty());
    bench.overrides.set(&tenant, Some(Choice { is_off: true, ..Choice::default() }));
    bench.send(spans()).await;
    assert!(bench.at(2).await.is_empty(), "not even what was counted before");
    bench.send_for("other", spans()).await;
    assert!(!bench.at(3).await.is_empty());
    bench.overrides.set(&tenant, None);
    bench.send(spans()).await;
    assert!(!bench.at(4).await.is_empty());
}
