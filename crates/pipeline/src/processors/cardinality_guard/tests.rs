use std::cell::Cell;
use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, number_data_point,
};
use trefoil_model::Tenant;

use super::*;
use crate::config::{Document, Segment};
use crate::metrics::Metrics;

const SECOND: u64 = 1_000_000_000;
const T0: u64 = 1_800_000_000 * SECOND;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(T0) };
}

fn set_clock(seconds: u64) -> u64 {
    let now = T0 + seconds * SECOND;
    NOW.set(now);
    now
}

#[derive(Default)]
struct Sink {
    received: Mutex<Vec<(Tenant, ExportMetricsServiceRequest)>>,
    refuses: Mutex<bool>,
}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        if *self.refuses.lock() {
            return Err(Refused::unavailable("down"));
        }
        let tenant = telemetry.tenant.clone();
        match telemetry.payload.into_message()? {
            Message::Metrics(request) => self.received.lock().push((tenant, request)),
            other => panic!("{other:?}"),
        }
        Ok(Accepted::all())
    }
}

struct Bench {
    guard: Guard,
    sink: Arc<Sink>,
}

fn options(text: &str) -> Result<Options, String> {
    let document = Document::parse("t.yaml", text, &|_| None).map_err(|error| error.to_string())?;
    let path = [Segment::Key("cardinality_guard".to_owned())];
    config::read(&Section::new(document.root(), &path)).map_err(|error| error.to_string())
}

impl Bench {
    fn new(text: &str) -> Self {
        set_clock(0);
        let sink = Arc::new(Sink::default());
        let metrics = Metrics::default().guard("cardinality_guard");
        Self { guard: Guard::new(options(text).unwrap(), sink.clone(), metrics, || NOW.get()), sink }
    }

    async fn send(&self, metric: Metric) {
        self.send_for("default", metric).await.unwrap();
    }

    async fn send_for(&self, tenant: &str, metric: Metric) -> Result<Accepted, Refused> {
        let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
        };
        let payload = Payload::from_message(Message::Metrics(request));
        self.guard.consume(Telemetry::new(Tenant::new(tenant).unwrap(), payload)).await
    }

    /// What was passed on since the last call: `name{labels}` → value, and the point's start and time in seconds.
    async fn at(&self, seconds: u64) -> BTreeMap<String, String> {
        set_clock(seconds);
        self.guard.inner.tick().await;
        let mut shown = BTreeMap::new();
        for (_, request) in std::mem::take(&mut *self.sink.received.lock()) {
            for metric in request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics) {
                for (attributes, text) in points(metric) {
                    let labels: Vec<String> = attributes.iter().map(|a| format!("{}={}", a.key, text_of(a))).collect();
                    let key = format!("{}{{{}}}", metric.name, labels.join(","));
                    assert_eq!(shown.insert(key.clone(), text), None, "{key} twice");
                }
            }
        }
        shown
    }
}

fn text_of(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn points(metric: &Metric) -> Vec<(&Vec<KeyValue>, String)> {
    let number = |point: &NumberDataPoint| match point.value {
        _ if point.flags == 1 => "end".to_owned(),
        Some(number_data_point::Value::AsInt(value)) => value.to_string(),
        Some(number_data_point::Value::AsDouble(value)) => format!("{value:?}"),
        None => "nothing".to_owned(),
    };
    match metric.data.as_ref().unwrap() {
        Data::Gauge(data) => data.data_points.iter().map(|point| (&point.attributes, number(point))).collect(),
        Data::Sum(data) => data.data_points.iter().map(|point| (&point.attributes, number(point))).collect(),
        Data::Histogram(data) => {
            data.data_points.iter().map(|p| (&p.attributes, format!("{:?} {:?}", p.bucket_counts, p.sum))).collect()
        }
        Data::Summary(data) => data.data_points.iter().map(|p| (&p.attributes, p.count.to_string())).collect(),
        Data::ExponentialHistogram(_) => panic!("none here"),
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// Seconds; labels as `a=b,c=d`.
fn point(labels: &str, value: i64, time: u64) -> NumberDataPoint {
    let labels = labels.split(',').filter_map(|label| label.split_once('='));
    NumberDataPoint {
        attributes: labels.map(|(key, value)| attribute(key, value)).collect(),
        time_unix_nano: T0 + time * SECOND,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

fn sum(name: &str, temporality: i32, points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points: points, aggregation_temporality: temporality, is_monotonic: true };
    Metric { name: name.to_owned(), data: Some(Data::Sum(sum)), ..Metric::default() }
}

fn counter(points: Vec<NumberDataPoint>) -> Metric {
    sum("requests", 2, points)
}

fn gauge(points: Vec<NumberDataPoint>) -> Metric {
    Metric { name: "sessions".into(), data: Some(Data::Gauge(Gauge { data_points: points })), ..Metric::default() }
}

fn literal(mut metric: Metric, kind: &str) -> Metric {
    metric.metadata.push(attribute("prometheus.type", kind));
    metric
}

const BY_USER: &str = "{rules: [{labels: [user_id]}]}";

#[tokio::test]
async fn a_total_of_counters_neither_falls_nor_jumps() {
    let bench = Bench::new(BY_USER);
    // Their pasts are unknown: the total begins at nothing.
    bench.send(counter(vec![point("code=200,user_id=a", 100, 1), point("user_id=b,code=200", 50, 1)])).await;
    assert_eq!(bench.at(15).await, BTreeMap::from([("requests{code=200}".into(), "0".into())]));
    set_clock(16);
    bench.send(counter(vec![point("code=200,user_id=a", 110, 16), point("code=200,user_id=b", 51, 16)])).await;
    // Again, and late: nothing new.
    bench.send(counter(vec![point("code=200,user_id=a", 110, 16), point("code=200,user_id=a", 105, 10)])).await;
    assert_eq!(bench.at(30).await["requests{code=200}"], "11");
    // One begins again, the other goes away.
    set_clock(31);
    bench.send(counter(vec![point("code=200,user_id=a", 4, 31)])).await;
    assert_eq!(bench.at(45).await["requests{code=200}"], "15");
    assert_eq!(bench.at(60).await["requests{code=200}"], "15", "nothing came, and it is told all the same");
    // One that says that it began just now counts from zero; so does one that appears late without saying.
    set_clock(61);
    let begun = NumberDataPoint { start_time_unix_nano: T0 + 58 * SECOND, ..point("code=200,user_id=c", 7, 61) };
    bench.send(counter(vec![begun])).await;
    assert_eq!(bench.at(75).await["requests{code=200}"], "22");
    set_clock(310);
    bench.send(counter(vec![point("code=200,user_id=d", 3, 310), point("code=200,user_id=b", 52, 310)])).await;
    assert_eq!(bench.at(315).await["requests{code=200}"], "26", "the one that was away goes on where it was");
    // Silent for longer than the staleness: an end, once.
    assert_eq!(bench.at(630).await["requests{code=200}"], "end");
    assert!(bench.at(645).await.is_empty());
    set_clock(700);
    bench.send(counter(vec![point("code=200,user_id=d", 5, 700)])).await;
    assert_eq!(bench.at(705).await["requests{code=200}"], "28", "what was counted is remembered");
    // And forgotten in the end.
    let _ = bench.at(10_000).await;
    let _ = bench.at(10_020).await;
    assert_eq!(bench.guard.inner.state.lock().size(), (0, 0));
}

#[tokio::test]
async fn a_restart_that_only_the_start_time_tells_of_is_one() {
    let bench = Bench::new(BY_USER);
    let started = |start: u64, value, time| NumberDataPoint {
        start_time_unix_nano: T0 + start * SECOND,
        ..point("user_id=a", value, time)
    };
    bench.send(counter(vec![started(0, 5, 1)])).await;
    set_clock(20);
    bench.send(counter(vec![started(10, 6, 20)])).await;
    assert_eq!(bench.at(30).await["requests{}"], "11", "5, and 6 since it began again");
}

#[tokio::test]
async fn literal_counters_are_counters() {
    let bench = Bench::new("{rules: [{metrics: [requests_total, temperature], labels: [user_id]}]}");
    for (time, a, b) in [(1, 100, 50), (16, 110, 60)] {
        set_clock(time);
        for (name, kind) in [("requests_total", "counter"), ("requests_total", "unknown"), ("temperature", "gauge")] {
            let points = vec![point("user_id=a", a, time), point("user_id=b", b, time)];
            let metric = Metric { name: name.to_owned(), ..gauge(points) };
            bench.send_for(kind, literal(metric, kind)).await.unwrap();
        }
        let expected = if time == 1 { ["0", "0", "150"] } else { ["20", "20", "170"] };
        set_clock(time + 14);
        bench.guard.inner.tick().await;
        let mut received = std::mem::take(&mut *bench.sink.received.lock());
        received.sort_by(|a, b| a.0.cmp(&b.0));
        let shown: Vec<String> = received
            .iter()
            .map(|(_, request)| points(&request.resource_metrics[0].scope_metrics[0].metrics[0])[0].1.clone())
            .collect();
        assert_eq!(shown, [expected[0], expected[2], expected[1]]);
    }
}

#[tokio::test]
async fn deltas_add_up_within_the_interval() {
    let bench = Bench::new(BY_USER);
    bench.send(sum("requests", 1, vec![point("user_id=a", 3, 1), point("user_id=b", 4, 1)])).await;
    bench.send(sum("requests", 1, vec![point("user_id=a", 5, 2)])).await;
    assert_eq!(bench.at(15).await["requests{}"], "12");
    assert!(bench.at(30).await.is_empty());
    set_clock(31);
    bench.send(sum("requests", 1, vec![point("user_id=a", 1, 31)])).await;
    assert_eq!(bench.at(45).await["requests{}"], "1");
}

#[tokio::test]
async fn gauges_are_combined_as_the_rule_says() {
    for (function, expected) in [("sum", "9"), ("min", "2"), ("max", "7"), ("count", "2"), ("last", "2")] {
        let bench = Bench::new(&format!("{{rules: [{{labels: [user_id], function: {function}}}]}}"));
        bench.send(gauge(vec![point("user_id=a", 5, 1), point("user_id=b", 2, 3)])).await;
        bench.send(gauge(vec![point("user_id=a", 7, 2)])).await;
        assert_eq!(bench.at(15).await["sessions{}"], expected, "{function}");
        // One ends, as Prometheus says it, the other falls silent.
        set_clock(16);
        let end = NumberDataPoint { flags: 1, value: None, ..point("user_id=a", 0, 16) };
        bench.send(gauge(vec![end])).await;
        assert_eq!(bench.at(30).await["sessions{}"], if function == "count" { "1" } else { "2" });
        assert_eq!(bench.at(400).await["sessions{}"], "end");
    }
}

#[tokio::test]
async fn histograms_are_summed() {
    let bench = Bench::new(BY_USER);
    let histogram = |user: &str, counts: [u64; 3], time: u64| {
        let point = HistogramDataPoint {
            attributes: vec![attribute("user_id", user)],
            time_unix_nano: T0 + time * SECOND,
            count: counts.iter().sum(),
            sum: Some(counts.iter().sum::<u64>() as f64),
            explicit_bounds: vec![1.0, 2.0],
            bucket_counts: counts.to_vec(),
            ..HistogramDataPoint::default()
        };
        let data = Histogram { data_points: vec![point], aggregation_temporality: 2 };
        Metric { name: "duration".into(), data: Some(Data::Histogram(data)), ..Metric::default() }
    };
    bench.send(histogram("a", [1, 2, 3], 1)).await;
    bench.send(histogram("b", [5, 5, 5], 1)).await;
    set_clock(10);
    bench.send(histogram("a", [2, 4, 6], 10)).await;
    bench.send(histogram("b", [1, 0, 0], 10)).await;
    assert_eq!(bench.at(15).await["duration{}"], "[2, 2, 3] Some(7.0)", "b began again");
}

#[tokio::test]
async fn what_no_rule_concerns_goes_on_as_it_came() {
    let bench =
        Bench::new("{rules: [{metrics: ['http\\..*'], match_type: regexp, labels: [user_id], tenants: [shop]}]}");
    let metric = |name: &str| Metric { name: name.into(), ..counter(vec![point("user.id=a", 1, 1)]) };
    bench.send_for("bank", metric("http.requests")).await.unwrap();
    bench.send_for("shop", metric("rpc.requests")).await.unwrap();
    assert_eq!(bench.sink.received.lock().len(), 2);
    // `user.id` is `user_id` to Prometheus.
    bench.send_for("shop", metric("http.requests")).await.unwrap();
    assert_eq!(bench.sink.received.lock().len(), 2);
    // Of one request only what is concerned stays here.
    bench
        .send_for(
            "shop",
            Metric { name: "http.x".into(), ..counter(vec![point("a=b", 1, 1), point("user_id=a", 2, 1)]) },
        )
        .await
        .unwrap();
    let received = bench.sink.received.lock().pop().unwrap().1;
    assert_eq!(points(&received.resource_metrics[0].scope_metrics[0].metrics[0]).len(), 1);
}

#[tokio::test]
async fn dropped_labels_leave_one_point_for_each_time() {
    let bench = Bench::new("{rules: [{labels: [version], action: drop, function: max}]}");
    bench
        .send(counter(vec![
            point("code=200,version=1", 3, 1),
            point("version=2,code=200", 4, 1),
            point("code=500", 1, 1),
        ]))
        .await;
    bench.send(gauge(vec![point("version=1", 3, 1), point("version=2", 4, 1)])).await;
    let shown = bench.at(1).await;
    assert_eq!(shown["requests{code=200}"], "7", "counters are summed always");
    assert_eq!((&*shown["requests{code=500}"], &*shown["sessions{}"]), ("1", "4"));
}

#[tokio::test]
async fn quantiles_do_not_add_up() {
    let bench = Bench::new(BY_USER);
    let points = vec![SummaryDataPoint { attributes: vec![attribute("user_id", "a")], count: 3, ..Default::default() }];
    bench
        .send(Metric {
            name: "s".into(),
            data: Some(Data::Summary(Summary { data_points: points })),
            ..Metric::default()
        })
        .await;
    bench
        .send(literal(Metric { name: "q".into(), ..gauge(vec![point("quantile=0.5,user_id=a", 1, 1)]) }, "summary"))
        .await;
    let shown = bench.at(15).await;
    assert_eq!((&*shown["s{user_id=a}"], &*shown["q{quantile=0.5,user_id=a}"]), ("3", "1"));
}

#[tokio::test]
async fn a_label_with_too_many_values_goes_by_itself() {
    let bench = Bench::new("{rules: [{max_values: 3, interval: 60s}]}");
    for user in 0..10 {
        bench.send(counter(vec![point(&format!("code=200,user_id={user}"), 1, 1)])).await;
    }
    let shown = bench.at(2).await;
    assert_eq!(shown.len(), 3, "until it was too much: {shown:?}");
    set_clock(10);
    bench.send(counter((0..10).map(|user| point(&format!("code=200,user_id={user}"), 2, 10)).collect())).await;
    let shown = bench.at(60).await;
    assert_eq!(shown, BTreeMap::from([("requests{code=200}".into(), "7".into())]), "7 were met before, 3 just now");
    let removed = bench.guard.inner.automatic.lock().removed(NOW.get());
    assert_eq!(removed.iter().map(|watched| watched.label.as_str()).collect::<Vec<_>>(), ["user_id"]);
}

#[tokio::test]
async fn what_is_refused_is_not_added_up() {
    let bench = Bench::new(BY_USER);
    let request = || sum("requests", 1, vec![point("user_id=a", 3, 1), point("code=200", 1, 1)]);
    *bench.sink.refuses.lock() = true;
    assert!(bench.send_for("default", request()).await.is_err());
    *bench.sink.refuses.lock() = false;
    bench.send(request()).await;
    assert_eq!(
        bench.at(15).await,
        BTreeMap::from([("requests{}".into(), "3".into()), ("requests{code=200}".into(), "1".into())])
    );
}

#[tokio::test]
async fn memory_is_bounded_and_the_end_is_sent() {
    let bench = Bench::new("{max_series: 10, rules: [{labels: [user_id]}]}");
    for user in 0..100 {
        bench.send(gauge(vec![point(&format!("user_id={user}"), 1, 1)])).await;
    }
    assert_eq!(bench.guard.inner.state.lock().size(), (9, 1));
    set_clock(3);
    bench.guard.shutdown(Duration::from_secs(5)).await;
    assert_eq!(bench.at(4).await["sessions{}"], "9", "stopping does not wait for the interval");
}

#[test]
fn mistakes_are_told_with_their_places() {
    for (text, expected) in [
        ("{}", "rules: at least one rule is needed"),
        ("{rules: [{metrics: [a]}]}", "rules[0]: name at least one of `labels`"),
        ("{rules: [{labels: [le]}]}", "rules[0].labels[0]: `le` cannot be removed"),
        (
            "{rules: [{labels: [a], metrics: ['('], match_type: regexp}]}",
            "rules[0].metrics[0]: not a regular expression",
        ),
        ("{rules: [{labels: [a], interval: 10ms}]}", "rules[0].interval: must be at least 1s"),
        ("{rules: [{labels: [a], action: keep}]}", "action"),
        ("{max_series: 0, rules: [{labels: [a]}]}", "max_series: must be more than 0"),
    ] {
        let error = options(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
