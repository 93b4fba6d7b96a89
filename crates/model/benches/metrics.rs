//! What a data point of each kind costs from OTLP bytes to columns: `cargo bench -p trefoil-model --bench metrics`.
//!
//! Prints nanoseconds a point on one core, the best of several passes, once with every series known (the usual case) and
//! once with every series new (the first request after midnight).

#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::hint::black_box;
use std::time::Instant;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::{AsDouble, AsInt};
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, MetricsData,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, number_data_point,
};
use prost::Message;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};

const METRICS: usize = 40;
const POINTS: usize = 50;
const PASSES: usize = 200;
const NOW: u64 = 1_767_225_600_000_000_000;

fn main() {
    report("gauge, whole double", gauge(|n| AsDouble(n as f64)));
    report("gauge, double", gauge(|n| AsDouble(n as f64 / 3.0)));
    report("gauge, no attributes", |_| {
        let value = Some(AsInt(1));
        Data::Gauge(Gauge { data_points: vec![NumberDataPoint { time_unix_nano: NOW, value, ..Default::default() }] })
    });
    report("sum, int", |_| Data::Sum(Sum { data_points: numbers(|n| AsInt(n as i64)), ..Default::default() }));
    report("histogram, 14 bounds", |_| Data::Histogram(Histogram { data_points: histograms(), ..Default::default() }));
    report("exponential histogram, 40 buckets", |_| {
        Data::ExponentialHistogram(ExponentialHistogram { data_points: exponential(), ..Default::default() })
    });
    report("summary, 4 quantiles", |_| Data::Summary(Summary { data_points: summaries() }));
}

fn report(name: &str, data: impl Fn(usize) -> Data) {
    let metrics = (0..METRICS).map(|metric| Metric {
        name: format!("bookstore.requests.{metric}"),
        unit: "{request}".into(),
        data: Some(data(metric)),
        ..Default::default()
    });
    let scope_metrics = vec![ScopeMetrics { metrics: metrics.collect(), ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    let body = MetricsData { resource_metrics }.encode_to_vec();
    let (promoted, limits, tenant) = (Promoted::default(), Limits::default(), Tenant::default());
    let pass = |series: &SeriesIndex| {
        let context = DecodeContext { promoted: &promoted, limits: &limits, series, received: 1, trace_ids: None };
        let started = Instant::now();
        let decoded = decode(Signal::Metrics, &tenant, &body, &context).unwrap();
        let nanos = started.elapsed().as_nanos() as f64 / decoded.accepted as f64;
        (nanos, black_box(decoded))
    };
    let best = |series: &SeriesIndex| (0..PASSES).map(|_| pass(series).0).fold(f64::MAX, f64::min);
    let series = SeriesIndex::default();
    let new = best(&series);
    let decoded = pass(&series).1;
    series.remember(&tenant, &decoded.new_series);
    let bytes = body.len() as u64 / decoded.accepted;
    println!("{name:<35} {:>5.0} ns a point, {new:>5.0} ns of a new series; {bytes} bytes", best(&series));
}

fn attributes(point: usize) -> Vec<KeyValue> {
    let attribute = |key: &str, value| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    };
    vec![
        attribute("http.route", Value::StringValue(format!("/books/{{isbn}}/{point}"))),
        attribute("http.request.method", Value::StringValue("GET".into())),
        attribute("http.response.status_code", Value::IntValue(200)),
        attribute("server.address", Value::StringValue("shop.example.com".into())),
    ]
}

fn gauge(value: impl Fn(usize) -> number_data_point::Value + Copy) -> impl Fn(usize) -> Data {
    move |_| Data::Gauge(Gauge { data_points: numbers(value) })
}

fn numbers(value: impl Fn(usize) -> number_data_point::Value) -> Vec<NumberDataPoint> {
    let point = |n| NumberDataPoint {
        attributes: attributes(n),
        start_time_unix_nano: NOW - 1,
        time_unix_nano: NOW,
        value: Some(value(n)),
        ..Default::default()
    };
    (0..POINTS).map(point).collect()
}

fn histograms() -> Vec<HistogramDataPoint> {
    let point = |n| HistogramDataPoint {
        attributes: attributes(n),
        time_unix_nano: NOW,
        count: 15,
        sum: Some(1.5),
        bucket_counts: vec![1; 15],
        explicit_bounds: (1..15).map(f64::from).collect(),
        ..Default::default()
    };
    (0..POINTS).map(point).collect()
}

fn exponential() -> Vec<ExponentialHistogramDataPoint> {
    let point = |n| ExponentialHistogramDataPoint {
        attributes: attributes(n),
        time_unix_nano: NOW,
        count: 40,
        sum: Some(1.5),
        scale: 3,
        positive: Some(Buckets { offset: -5, bucket_counts: vec![1; 40] }),
        ..Default::default()
    };
    (0..POINTS).map(point).collect()
}

fn summaries() -> Vec<SummaryDataPoint> {
    let quantiles = [0.5, 0.9, 0.95, 0.99].map(|quantile| ValueAtQuantile { quantile, value: 0.1 });
    let point = |n| SummaryDataPoint {
        attributes: attributes(n),
        time_unix_nano: NOW,
        count: 15,
        quantile_values: quantiles.to_vec(),
        ..Default::default()
    };
    (0..POINTS).map(point).collect()
}
