//! PromQL over a real store: OTLP of every kind goes in, answers come out, the same from memory, from files and from merged
//! files.

#![allow(clippy::unwrap_used)]

mod bench;
mod cardinality;
mod growth;
mod listings;
mod memory;
mod views;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    Summary, SummaryDataPoint,
};
use trefoil_model::Tenant;

use bench::{Bench, attributes, gauge, literal, metric, nanos, number, request, sum};

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;

pub const CART: &[(&str, &str)] =
    &[("service.name", "cart"), ("service.namespace", "shop"), ("service.instance.id", "i-1"), ("k8s.pod.name", "p-1")];

/// One of every kind, at so many seconds after the start; the `round`th time.
pub fn every_kind(seconds: i64, round: u64) -> Vec<Metric> {
    let at = nanos(seconds);
    let f = round as f64;
    let histogram = |temporality, counts: Vec<u64>| {
        let point = HistogramDataPoint {
            attributes: attributes(&[("http.route", "/cart")]),
            start_time_unix_nano: nanos(-10),
            time_unix_nano: at,
            count: counts.iter().sum(),
            sum: Some(1.5 * f),
            bucket_counts: counts,
            explicit_bounds: vec![0.25, 1.0],
            ..HistogramDataPoint::default()
        };
        Histogram { data_points: vec![point], aggregation_temporality: temporality }
    };
    let exponential = |temporality, scale, count: u64| {
        let point = ExponentialHistogramDataPoint {
            time_unix_nano: at,
            count: 4 * count,
            sum: Some(2.0 * count as f64),
            scale,
            zero_count: count,
            positive: Some(Buckets { offset: -1, bucket_counts: vec![count, 2 * count] }),
            ..ExponentialHistogramDataPoint::default()
        };
        ExponentialHistogram { data_points: vec![point], aggregation_temporality: temporality }
    };
    let summary = SummaryDataPoint {
        time_unix_nano: at,
        count: round,
        sum: 3.0 * f,
        quantile_values: vec![
            ValueAtQuantile { quantile: 0.5, value: f },
            ValueAtQuantile { quantile: 0.99, value: 2.0 * f },
        ],
        ..SummaryDataPoint::default()
    };
    let custom = HistogramDataPoint {
        attributes: attributes(&[("job", "j")]),
        time_unix_nano: at,
        count: 3 * round,
        sum: Some(f),
        bucket_counts: vec![round, round, round],
        explicit_bounds: vec![1.0, 2.0],
        ..HistogramDataPoint::default()
    };
    let custom = Histogram { data_points: vec![custom], aggregation_temporality: CUMULATIVE };
    let mut nhcb = literal("rpc_seconds", "histogram", Data::Histogram(custom));
    nhcb.metadata.extend(attributes(&[("prometheus.nhcb", "true")]));
    vec![
        metric(
            "queue.size",
            "{item}",
            gauge(vec![number(seconds, &[("queue.name", "a")], f), number(seconds, &[], -f)]),
        ),
        metric("cpu.utilization", "1", gauge(vec![number(seconds, &[], 0.5)])),
        metric(
            "http.requests",
            "{request}",
            sum(CUMULATIVE, true, vec![number(seconds, &[("code", "200")], 10.0 * f)]),
        ),
        metric("bytes.sent", "By", sum(DELTA, true, vec![number(seconds, &[], 5.0)])),
        metric("connections", "", sum(CUMULATIVE, false, vec![number(seconds, &[], 7.0)])),
        metric("http.duration", "s", Data::Histogram(histogram(CUMULATIVE, vec![round, 2 * round, 3 * round]))),
        metric("db.duration", "ms", Data::Histogram(histogram(DELTA, vec![1, 0, 2]))),
        metric("rpc.duration", "s", Data::ExponentialHistogram(exponential(CUMULATIVE, 9, round))),
        metric("job.duration", "s", Data::ExponentialHistogram(exponential(DELTA, 0, 1))),
        metric("gc.pause", "s", Data::Summary(Summary { data_points: vec![summary] })),
        literal("up", "gauge", gauge(vec![number(seconds, &[("job", "node"), ("instance", "n:1")], 1.0)])),
        literal("hits_total", "counter", gauge(vec![number(seconds, &[("job", "node")], 2.0 * f)])),
        nhcb,
    ]
}

/// Asked 50 seconds after the start, of samples every 10 seconds from 0 to 50.
const ANSWERS: &[(&str, &str)] = &[
    (
        "queue_size",
        "{__name__=\"queue_size\", instance=\"i-1\", job=\"shop/cart\", queue_name=\"a\"} 6\n\
         {__name__=\"queue_size\", instance=\"i-1\", job=\"shop/cart\"} -6",
    ),
    ("queue_size{queue_name=\"\"} + 0", "{instance=\"i-1\", job=\"shop/cart\"} -6"),
    ("sum by (job) (cpu_utilization_ratio)", "{job=\"shop/cart\"} 0.5"),
    ("rate(http_requests_total[40s])", "{code=\"200\", instance=\"i-1\", job=\"shop/cart\"} 1"),
    ("increase(bytes_sent_bytes_total[40s])", ""),
    ("increase(bytes_sent_total[40s])", "{instance=\"i-1\", job=\"shop/cart\"} 20"),
    ("connections", "{__name__=\"connections\", instance=\"i-1\", job=\"shop/cart\"} 7"),
    ("sum by (le) (http_duration_seconds_bucket)", "{le=\"+Inf\"} 36\n{le=\"0.25\"} 6\n{le=\"1\"} 18"),
    (
        "http_duration_seconds_bucket{le=~\"0.*\"} > 0",
        "{__name__=\"http_duration_seconds_bucket\", http_route=\"/cart\", \
      instance=\"i-1\", job=\"shop/cart\", le=\"0.25\"} 6",
    ),
    ("sum(http_duration_seconds_count)", "{} 36"),
    ("sum(http_duration_seconds_sum)", "{} 9"),
    ("histogram_quantile(0.5, sum by (le) (rate(http_duration_seconds_bucket[40s])))", "{} 1"),
    ("sum by (le) (increase(db_duration_milliseconds_bucket[40s]))", "{le=\"+Inf\"} 12\n{le=\"0.25\"} 4\n{le=\"1\"} 4"),
    ("sum(increase(db_duration_milliseconds_count[40s]))", "{} 12"),
    ("sum(rpc_duration_seconds)", "{} {{schema:8 count:24 sum:12 z_bucket:6 z_bucket_w:1e-128 buckets:[6 12]}}"),
    ("histogram_count(increase(job_duration_seconds[40s]))", "{instance=\"i-1\", job=\"shop/cart\"} 16"),
    ("sum by (quantile) (gc_pause_seconds)", "{quantile=\"0.5\"} 6\n{quantile=\"0.99\"} 12"),
    ("gc_pause_seconds_count + gc_pause_seconds_sum", "{instance=\"i-1\", job=\"shop/cart\"} 24"),
    ("up", "{__name__=\"up\", instance=\"n:1\", job=\"node\"} 1"),
    ("rate(hits_total[40s])", "{job=\"node\"} 0.2"),
    ("histogram_quantile(0.5, rpc_seconds)", "{job=\"j\"} 1.5"),
    ("rpc_seconds_bucket", ""),
    ("target_info", "{__name__=\"target_info\", instance=\"i-1\", job=\"shop/cart\", k8s_pod_name=\"p-1\"} 1"),
    (
        "count by (k8s_pod_name) (connections * on (job, instance) group_left (k8s_pod_name) target_info)",
        "{k8s_pod_name=\"p-1\"} 1",
    ),
    ("count({__name__=~\".+\"})", "{} 26"),
    ("nothing", ""),
];

async fn check(bench: &Bench, stage: &str) {
    for (query, expected) in ANSWERS {
        assert_eq!(bench.at(50, query).await, *expected, "{stage}: {query}");
    }
    let range = bench.range((0, 60, 20), "sum(queue_size{queue_name=\"a\"})").await;
    assert_eq!(range, "{} 1@0 3@20 5@40 6@60", "{stage}");
    let raw = bench.at(25, "queue_size{queue_name=\"a\"}[12s]").await;
    assert!(raw.ends_with(" 3@20"), "{stage}: {raw}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_the_same_in_memory_in_files_and_in_merged_files() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    for (seconds, round) in (0..=50).step_by(10).zip(1..) {
        bench.append(&tenant, request(CART, every_kind(seconds, round))).await;
    }
    check(&bench, "in memory").await;
    bench.storage.flush().await.unwrap();
    check(&bench, "in a file").await;

    let bench = Bench::new().await;
    for (seconds, round) in (0..=50).step_by(10).zip(1..) {
        bench.append(&tenant, request(CART, every_kind(seconds, round))).await;
        if round < 6 {
            bench.storage.flush().await.unwrap();
        }
    }
    check(&bench, "in files and memory").await;
    bench.storage.flush().await.unwrap();
    assert!(bench.storage.compact().await.unwrap() > 0);
    check(&bench, "in merged files").await;
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_do_not_see_one_another() {
    let bench = Bench::new().await;
    let (a, b) = (Tenant::new("a").unwrap(), Tenant::new("b").unwrap());
    let of = |value| request(CART, vec![metric("x", "", gauge(vec![number(0, &[], value)]))]);
    bench.append(&a, of(1.0)).await;
    for _ in 0..2 {
        assert!(bench.ask(&a, 0, "x").await.unwrap().ends_with(" 1"));
        assert_eq!(bench.ask(&b, 0, "x").await.unwrap(), "");
    }
    bench.append(&b, of(2.0)).await;
    bench.storage.flush().await.unwrap();
    assert!(bench.ask(&a, 0, "x").await.unwrap().ends_with(" 1"));
    assert!(bench.ask(&b, 0, "x").await.unwrap().ends_with(" 2"));
    assert_eq!(bench.at(0, "{__name__!=\"\"}").await, "");
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn series_end_where_nothing_was_recorded() {
    let bench = Bench::new().await;
    let end = NumberDataPoint { flags: 1, value: None, ..number(10, &[], 0.0) };
    let histogram = |seconds, flags| HistogramDataPoint {
        time_unix_nano: nanos(seconds),
        flags,
        count: u64::from(1 - flags) * 2,
        bucket_counts: if flags == 0 { vec![1, 1] } else { vec![] },
        explicit_bounds: if flags == 0 { vec![1.0] } else { vec![] },
        ..HistogramDataPoint::default()
    };
    let histogram =
        Histogram { data_points: vec![histogram(0, 0), histogram(10, 1)], aggregation_temporality: CUMULATIVE };
    // A marker by itself does not say that the buckets were custom ones.
    let custom = HistogramDataPoint {
        time_unix_nano: nanos(0),
        count: 2,
        bucket_counts: vec![1, 1],
        explicit_bounds: vec![1.0],
        ..HistogramDataPoint::default()
    };
    let custom = Histogram { data_points: vec![custom], aggregation_temporality: CUMULATIVE };
    let mut nhcb = literal("c", "unknown", Data::Histogram(custom));
    nhcb.metadata.extend(attributes(&[("prometheus.nhcb", "true")]));
    let marker = ExponentialHistogramDataPoint {
        time_unix_nano: nanos(10),
        flags: 1,
        ..ExponentialHistogramDataPoint::default()
    };
    let marker = ExponentialHistogram { data_points: vec![marker], aggregation_temporality: CUMULATIVE };
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let metrics = vec![
        nhcb,
        literal("c", "unknown", Data::ExponentialHistogram(marker)),
        metric("x", "", gauge(vec![number(0, &[], 1.0), end])),
        metric("h", "", Data::Histogram(histogram)),
        literal("y", "unknown", gauge(vec![number(0, &[], 1.0), number(10, &[], stale)])),
    ];
    bench.append(&Tenant::default(), request(CART, metrics)).await;
    for flushed in [false, true] {
        if flushed {
            bench.storage.flush().await.unwrap();
        }
        assert_eq!(bench.at(5, "count({__name__=~\"c|x|y|h.*\"})").await, "{} 6");
        assert_eq!(bench.at(15, "count({__name__=~\"c|x|y|h.*\"})").await, "");
        assert_eq!(bench.range((0, 20, 5), "histogram_count(c)").await, "{} 2@0 2@5");
    }
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_samples_in_a_millisecond_the_later_counts() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    let sample = |micros: u64, value| {
        let point = NumberDataPoint { time_unix_nano: nanos(0) + micros * 1000, ..number(0, &[], value) };
        request(CART, vec![metric("x", "", gauge(vec![point]))])
    };
    for (micros, value) in [(900, 3.0), (100, 1.0), (900, 4.0), (500, 2.0)] {
        bench.append(&tenant, sample(micros, value)).await;
        assert!(value < 4.0 || bench.at(0, "x").await.ends_with(" 4"));
        bench.storage.flush().await.unwrap();
    }
    assert!(bench.at(0, "x").await.ends_with(" 4"));
    assert_eq!(bench.at(0, "count_over_time(x[1m])").await, "{instance=\"i-1\", job=\"shop/cart\"} 1");
    bench.storage.compact().await.unwrap();
    assert!(bench.at(0, "x").await.ends_with(" 4"));
    bench.storage.close().await.unwrap();
}

/// Files are without columns that have no value in them: what is said of the others is found by their place in the file, not by
/// that in the table.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_files_without_start_times_are_read() {
    let bench = Bench::new().await;
    for seconds in 0..100 {
        let value = NumberValue::AsInt(seconds * 3);
        let mut point = NumberDataPoint { value: Some(value), ..number(seconds, &[("job", "x")], 0.0) };
        if seconds == 99 {
            (point.flags, point.value) = (1, None);
        }
        bench.append(&Tenant::default(), request(&[], vec![literal("n", "gauge", gauge(vec![point]))])).await;
    }
    for _ in 0..2 {
        assert_eq!(bench.at(98, "count_over_time(n[1h])").await, "{job=\"x\"} 99");
        assert_eq!(bench.at(98, "n").await, "{__name__=\"n\", job=\"x\"} 294");
        assert_eq!(bench.at(99, "n").await, "");
        bench.storage.flush().await.unwrap();
    }
    bench.storage.close().await.unwrap();
}
