//! Series, labels, metadata and exemplars.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Histogram, HistogramDataPoint, exemplar};
use trefoil_model::Tenant;
use trefoil_promql::matcher::{MatchOp, Matcher};
use trefoil_query::metrics::{MetricMetadata, SeriesQuestion};

use crate::bench::{Bench, START, attributes, gauge, literal, metric, nanos, number, request};
use crate::{CART, CUMULATIVE, every_kind};

const END: i64 = START + 60_000;

async fn filled() -> Bench {
    let bench = Bench::new().await;
    bench.append(&Tenant::default(), request(CART, every_kind(0, 1))).await;
    bench.storage.flush().await.unwrap();
    bench.append(&Tenant::default(), request(CART, every_kind(10, 2))).await;
    bench
}

fn of(selectors: &[Vec<Matcher>], limit: Option<usize>) -> SeriesQuestion<'_> {
    SeriesQuestion { selectors, start_ms: START, end_ms: END, limit }
}

fn name(name: &str) -> Vec<Matcher> {
    vec![Matcher::equal("__name__", name)]
}

#[tokio::test(flavor = "multi_thread")]
async fn series_are_listed() {
    let bench = filled().await;
    let tenant = Tenant::default();
    let series = async |selectors: &[Vec<Matcher>], limit| {
        let found = bench.engine.series(&tenant, &of(selectors, limit)).await.unwrap();
        let items: Vec<String> = found.items.iter().map(ToString::to_string).collect();
        (items, found.truncated)
    };
    let (found, truncated) = series(&[name("up"), name("queue_size"), name("up")], None).await;
    assert_eq!((found.len(), truncated), (3, false));
    assert_eq!(found[2], "{__name__=\"up\", instance=\"n:1\", job=\"node\"}");
    let (found, _) = series(&[name("http_duration_seconds_bucket")], None).await;
    assert_eq!(found.len(), 3);
    assert!(found[0].contains("le=\"+Inf\"") && found[1].contains("le=\"0.25\""), "{found:?}");
    assert_eq!(series(&[name("gc_pause_seconds")], None).await.0.len(), 2);
    let all = vec![Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()];
    assert_eq!(
        series(std::slice::from_ref(&all), None).await,
        (series(std::slice::from_ref(&all), Some(99)).await.0, false)
    );
    let (some, truncated) = series(&[all], Some(4)).await;
    assert_eq!((some.len(), truncated), (4, true));
    let up = [name("up")];
    let before = SeriesQuestion { start_ms: START - 2 * 86_400_000, end_ms: START - 86_400_000, ..of(&up, None) };
    let before = bench.engine.series(&tenant, &before).await;
    assert_eq!(before.unwrap().items, []);
    bench.storage.close().await.unwrap();
}

/// Remote write 1.0 tells metadata apart from series; it is kept as a point without a value.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_told_of_is_no_series() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    let mut told = literal("jobs_total", "counter", gauge(vec![number(0, &[], 0.0)]));
    told.description = "Jobs that were done.".to_owned();
    told.metadata.push(KeyValue {
        key: "prometheus.family".to_owned(),
        value: Some(AnyValue { value: Some(Value::BoolValue(true)) }),
        ..KeyValue::default()
    });
    let Some(Data::Gauge(points)) = &mut told.data else { panic!("a gauge") };
    points.data_points[0].value = None;
    let counted = literal("jobs_total", "counter", gauge(vec![number(0, &[("queue", "a")], 7.0)]));
    bench.append(&tenant, request(&[], vec![told, counted])).await;
    let found = bench.engine.series(&tenant, &of(&[name("jobs_total")], None)).await.unwrap();
    let found: Vec<String> = found.items.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["{__name__=\"jobs_total\", queue=\"a\"}"]);
    let metadata = bench.engine.metric_metadata(&tenant, Some("jobs_total")).await.unwrap();
    assert!(metadata["jobs_total"].iter().any(|told| told.help == "Jobs that were done."), "{metadata:?}");
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_listed() {
    let bench = filled().await;
    let tenant = Tenant::default();
    let names = async |selectors: &[Vec<Matcher>]| {
        bench.engine.label_names(&tenant, &of(selectors, None)).await.unwrap().items.join(" ")
    };
    let all = "__name__ code http_route instance job k8s_pod_name le quantile queue_name";
    assert_eq!(names(&[]).await, all);
    assert_eq!(names(&[name("up"), name("gc_pause_seconds")]).await, "__name__ instance job quantile");
    assert_eq!(names(&[vec![Matcher::equal("le", "0.25")]]).await, "__name__ http_route instance job le");
    let values = async |label: &str, selectors: &[Vec<Matcher>]| {
        let found = bench.engine.label_values(&tenant, label, &of(selectors, None)).await.unwrap().items;
        if selectors.is_empty() {
            // Found another way, and twice.
            for selectors in [&[vec![Matcher::equal("nowhere", "")]][..], &[]] {
                let again = bench.engine.label_values(&tenant, label, &of(selectors, None)).await.unwrap();
                assert_eq!(again.items, found, "{label}");
            }
        }
        found.join(" ")
    };
    assert_eq!(values("job", &[]).await, "j node shop/cart");
    assert_eq!(values("job", &[name("up")]).await, "node");
    assert_eq!(values("le", &[]).await, "+Inf 0.25 1");
    assert_eq!(values("quantile", &[]).await, "0.5 0.99");
    assert_eq!(values("none", &[]).await, "");
    let metrics = values("__name__", &[]).await;
    let expected = "bytes_sent_total connections cpu_utilization_ratio db_duration_milliseconds_bucket \
                    db_duration_milliseconds_count db_duration_milliseconds_sum gc_pause_seconds gc_pause_seconds_count \
                    gc_pause_seconds_sum hits_total http_duration_seconds_bucket http_duration_seconds_count \
                    http_duration_seconds_sum http_requests_total job_duration_seconds queue_size rpc_duration_seconds \
                    rpc_seconds target_info up";
    assert_eq!(metrics, expected);
    assert_eq!(values("__name__", &[vec![Matcher::equal("job", "node")]]).await, "hits_total up");
    let two = bench.engine.label_values(&tenant, "__name__", &of(&[], Some(2))).await.unwrap();
    assert_eq!((two.items, two.truncated), (vec!["bytes_sent_total".to_owned(), "connections".to_owned()], true));
    let other = bench.engine.label_names(&Tenant::new("other").unwrap(), &of(&[], None)).await.unwrap();
    assert_eq!(other.items, Vec::<String>::new());
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_described() {
    let bench = filled().await;
    let classic = literal("old_seconds_bucket", "histogram", gauge(vec![number(0, &[("le", "1")], 1.0)]));
    bench.append(&Tenant::default(), request(&[], vec![classic])).await;
    let metadata = bench.engine.metric_metadata(&Tenant::default(), None).await.unwrap();
    for (metric, kind, help, unit) in [
        ("http_requests_total", "counter", "About http.requests", ""),
        ("bytes_sent_total", "counter", "About bytes.sent", "bytes"),
        ("queue_size", "gauge", "About queue.size", ""),
        ("http_duration_seconds", "histogram", "About http.duration", "seconds"),
        ("rpc_duration_seconds", "histogram", "About rpc.duration", "seconds"),
        ("gc_pause_seconds", "summary", "About gc.pause", "seconds"),
        ("up", "gauge", "About up", ""),
        ("hits_total", "counter", "About hits_total", ""),
        ("old_seconds", "histogram", "About old_seconds_bucket", ""),
        ("target_info", "gauge", "Target metadata", ""),
    ] {
        let expected = MetricMetadata { kind: kind.into(), help: help.into(), unit: unit.into() };
        assert_eq!(metadata[metric], std::slice::from_ref(&expected), "{metric}");
        let one = bench.engine.metric_metadata(&Tenant::default(), Some(metric)).await.unwrap();
        assert_eq!((one.len(), &one[metric]), (1, &vec![expected]), "{metric}");
    }
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_are_those_of_their_buckets() {
    let bench = Bench::new().await;
    let exemplar = |seconds, value| Exemplar {
        filtered_attributes: attributes(&[("user.id", "u")]),
        time_unix_nano: nanos(seconds),
        value: Some(exemplar::Value::AsDouble(value)),
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
    };
    let point = HistogramDataPoint {
        time_unix_nano: nanos(10),
        count: 3,
        bucket_counts: vec![1, 1, 1],
        explicit_bounds: vec![0.5, 1.0],
        exemplars: vec![exemplar(7, 0.75), exemplar(5, 2.0), exemplar(3, 0.75)],
        ..HistogramDataPoint::default()
    };
    let histogram = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: CUMULATIVE });
    let mut counter = number(10, &[], 1.0);
    counter.exemplars = vec![exemplar(9, 4.0)];
    let metrics = vec![metric("latency", "s", histogram), metric("x", "", gauge(vec![counter]))];
    bench.append(&Tenant::default(), request(CART, metrics)).await;
    let ask = async |query: &str, from: i64, to: i64| {
        let (start, end) = (START + from * 1000, START + to * 1000);
        let found = bench.engine.exemplars(&Tenant::default(), query, start, end).await.unwrap();
        let lines = found.iter().map(|series| {
            let times = series.exemplars.iter().map(|e| format!("{}@{}", e.value, (e.time_ms - START) / 1000));
            format!("{} {}", series.labels.only(&["__name__", "le"]), times.collect::<Vec<_>>().join(" "))
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    for flushed in [false, true] {
        if flushed {
            bench.storage.flush().await.unwrap();
        }
        let quantile = "histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[5m]))) > x";
        let buckets = "{__name__=\"latency_seconds_bucket\", le=\"+Inf\"} 2@5\n\
                       {__name__=\"latency_seconds_bucket\", le=\"1\"} 0.75@3 0.75@7";
        assert_eq!(ask(quantile, 0, 60).await, format!("{buckets}\n{{__name__=\"x\"}} 4@9"));
        assert_eq!(
            ask("latency_seconds_bucket{le=\"1\"}", 4, 10).await,
            "{__name__=\"latency_seconds_bucket\", le=\"1\"} 0.75@7"
        );
        assert_eq!(ask("latency_seconds_count", 0, 60).await, "");
        assert_eq!(ask("1 + 1", 0, 60).await, "");
    }
    let one = bench.engine.exemplars(&Tenant::default(), "x", START, END).await.unwrap();
    let labels = format!("{{span_id=\"{}\", trace_id=\"{}\", \"user.id\"=\"u\"}}", "cd".repeat(8), "ab".repeat(16));
    assert_eq!(one[0].exemplars[0].labels.to_string(), labels);
    bench.storage.close().await.unwrap();
}
