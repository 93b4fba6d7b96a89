//! A service's metrics of each kind, as it sends them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Kind};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar,
    exponential_histogram_data_point::Buckets,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Seconds since the epoch. The samples are of the minute before it, one each 10 seconds.
pub const NOW: u64 = 1_767_225_600;

pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Kind::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

fn nanos(second: u64) -> u64 {
    (NOW - 60 + second) * 1_000_000_000
}

fn number(second: u64, route: &str, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![attribute("http.route", route)],
        start_time_unix_nano: nanos(0),
        time_unix_nano: nanos(second),
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

pub fn metric(name: &str, unit: &str, description: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        unit: unit.into(),
        description: description.into(),
        data: Some(data),
        ..Metric::default()
    }
}

/// A gauge, a counter, a classic and an exponential histogram of the service `shop/web`, instance `1`.
pub fn metrics() -> ExportMetricsServiceRequest {
    let seconds = || (10..=60).step_by(10);
    let cumulative = AggregationTemporality::Cumulative as i32;
    let gauge = Gauge { data_points: seconds().map(|second| number(second, "/a", second as f64 / 4.0)).collect() };
    let counted = seconds().flat_map(|second| ["/a", "/b"].map(|route| number(second, route, second as f64)));
    let sum = Sum { data_points: counted.collect(), aggregation_temporality: cumulative, is_monotonic: true };
    let exemplar = |second| Exemplar {
        time_unix_nano: nanos(second),
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
        value: Some(exemplar::Value::AsDouble(0.3)),
        ..Exemplar::default()
    };
    let bucketed = seconds().map(|second| HistogramDataPoint {
        attributes: vec![attribute("http.route", "/a")],
        start_time_unix_nano: nanos(0),
        time_unix_nano: nanos(second),
        count: 4 * second,
        sum: Some(second as f64),
        bucket_counts: vec![second, 2 * second, second],
        explicit_bounds: vec![0.1, 0.5],
        exemplars: if second == 60 { vec![exemplar(second)] } else { vec![] },
        ..HistogramDataPoint::default()
    });
    let histogram = Histogram { data_points: bucketed.collect(), aggregation_temporality: cumulative };
    let native = seconds().map(|second| ExponentialHistogramDataPoint {
        start_time_unix_nano: nanos(0),
        time_unix_nano: nanos(second),
        count: 3 * second,
        sum: Some(second as f64),
        scale: 0,
        zero_count: second,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![second, second] }),
        ..ExponentialHistogramDataPoint::default()
    });
    let native = ExponentialHistogram { data_points: native.collect(), aggregation_temporality: cumulative };
    let metrics = vec![
        metric("queue.size", "", "Things that wait", Data::Gauge(gauge)),
        metric("http.server.requests", "", "Requests", Data::Sum(sum)),
        metric("http.server.request.duration", "s", "Their time", Data::Histogram(histogram)),
        metric("rpc.duration", "ms", "", Data::ExponentialHistogram(native)),
    ];
    let attributes = vec![
        attribute("service.name", "web"),
        attribute("service.namespace", "shop"),
        attribute("service.instance.id", "1"),
    ];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
    }
}
