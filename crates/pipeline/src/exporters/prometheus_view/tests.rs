//! Requests and the points that Prometheus sees in them. Others use the requests, too.

use std::fmt::Write as _;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use trefoil_model::Signal;
use trefoil_prometheus::exposition::Label;

use super::*;

/// A request of one resource and scope; `metrics` are OTLP/JSON.
pub fn request(metrics: &str) -> ExportMetricsServiceRequest {
    let resource = r#"{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}},
        {"key":"service.instance.id","value":{"stringValue":"i-1"}},{"key":"host.name","value":{"stringValue":"h"}}]}"#;
    of_resource(resource, metrics)
}

pub fn of_resource(resource: &str, metrics: &str) -> ExportMetricsServiceRequest {
    let json = format!(
        r#"{{"resourceMetrics":[{{"resource":{resource},
            "scopeMetrics":[{{"scope":{{"name":"lib","version":"1"}},"metrics":[{metrics}]}}]}}]}}"#
    );
    let body = trefoil_model::json::to_protobuf(Signal::Metrics, &Bytes::from(json)).unwrap();
    ExportMetricsServiceRequest::decode(&body[..]).unwrap()
}

/// `{"key":…,"value":…}` of a string.
pub fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

/// A literal gauge, as the receivers of Prometheus' ways make it.
pub fn literal(name: &str, kind: &str, points: &str) -> String {
    let told = attribute("prometheus.type", kind);
    format!(r#"{{"name":"{name}","metadata":[{told}],"gauge":{{"dataPoints":[{points}]}}}}"#)
}

pub fn counter(name: &str, temporality: u8, points: &str) -> String {
    format!(
        r#"{{"name":"{name}","unit":"s","description":"help","sum":{{"isMonotonic":true,
            "aggregationTemporality":{temporality},"dataPoints":[{points}]}}}}"#
    )
}

/// A number with the attribute `a`, at a second.
pub fn number(a: &str, second: u64, value: f64) -> String {
    let a = attribute("a", a);
    format!(
        r#"{{"attributes":[{a}],"timeUnixNano":"{second}000000000","startTimeUnixNano":"1000000000","asDouble":{value}}}"#
    )
}

pub fn shown(labels: &[(String, String)]) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

fn seen(request: ExportMetricsServiceRequest, view: &View) -> (Vec<String>, u64) {
    let mut lines = Vec::new();
    let without_form = each(request, view, |point| {
        let Point { of, labels, time, start, value, is_stale, exemplars } = point;
        let mut line =
            format!("{} {} {{{}}} @{time} since {start:?} {value:?}", of.name, of.kind.as_str(), shown(&labels));
        for Exemplar { labels, value, .. } in &exemplars {
            let labels: Vec<_> = labels.iter().map(|Label { name, value }| format!("{name}={value}")).collect();
            let _ = write!(line, " # {labels:?} {value}");
        }
        line += if is_stale { " stale" } else { "" };
        line += if of.is_delta { " delta" } else { "" };
        lines.push(line);
    });
    (lines, without_form)
}

#[test]
fn numbers_have_prometheus_names_and_labels() {
    let metrics =
        [counter("http.requests", 2, &number("b", 5, 1.5)), counter("diff", 1, &number("b", 6, 2.0))].join(",");
    let view = View {
        namespace: "shop".to_owned(),
        constant_labels: vec![("a".to_owned(), "weak".to_owned()), ("region".to_owned(), "eu".to_owned())],
        scope_labels: true,
        target_info: true,
        ..View::default()
    };
    let own = "a=b,instance=i-1,job=cart,otel_scope_name=lib,otel_scope_version=1,region=eu";
    let (lines, without_form) = seen(request(&metrics), &view);
    let expected = [
        format!("shop_http_requests_seconds_total counter {{{own}}} @5000 since Some(1000) Number {{ value: 1.5, exemplar: None }}"),
        format!("shop_diff_seconds_total counter {{{own}}} @6000 since Some(1000) Number {{ value: 2.0, exemplar: None }} delta"),
        "shop_target_info info {a=weak,host_name=h,instance=i-1,job=cart,region=eu} @6000 since None Number { value: 1.0, exemplar: None }".to_owned(),
    ];
    assert_eq!((lines, without_form), (expected.to_vec(), 0));
}

#[test]
fn attributes_of_the_resource_can_be_labels() {
    let with = |exclude_service_attributes| View {
        resource_labels: ResourceLabels { enabled: true, exclude_service_attributes },
        ..View::default()
    };
    let labels = |view| seen(request(&counter("c", 2, &number("b", 5, 1.0))), &view).0.remove(0);
    assert!(labels(with(true)).contains("{a=b,host_name=h,instance=i-1,job=cart}"), "{}", labels(with(true)));
    assert!(labels(with(false)).contains("service_name=cart"));
    let raw = View { translation: NameTranslation::NoTranslation, ..with(true) };
    assert!(labels(raw).starts_with("c counter {a=b,host.name=h,"));
}

#[test]
fn what_came_from_prometheus_stays_as_it_is() {
    let stale = number("b", 7, 0.0).replace("\"asDouble\":0", "\"flags\":1");
    let told_only = literal("x_total", "counter", "{\"timeUnixNano\":\"5\"}")
        .replace("\"metadata\":[", &format!("\"metadata\":[{},", attribute("prometheus.family", "true")));
    let carrier = number("b", 8, 0.0).replace(",\"asDouble\":0", "");
    let points = [number("b", 5, 3.0), stale, carrier].join(",");
    let metrics = [literal("x.total", "counter", &points), told_only].join(",");
    let view = View { namespace: "n".to_owned(), target_info: true, scope_labels: true, ..View::default() };
    let (lines, _) = seen(request(&metrics), &view);
    let expected = [
        "x.total counter {a=b} @5000 since Some(1000) Number { value: 3.0, exemplar: None }",
        "x.total counter {a=b} @7000 since Some(1000) Number { value: 0.0, exemplar: None } stale",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn histograms_become_classic_and_native_ones() {
    let metrics = r#"{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[
            {"timeUnixNano":"5000000000","count":"6","sum":7.5,"bucketCounts":["1","2","3"],"explicitBounds":[0.5,1],
             "exemplars":[{"asDouble":0.7,"timeUnixNano":"4000000000","traceId":"0102030405060708090a0b0c0d0e0f10"}]}]}},
        {"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
            {"timeUnixNano":"5000000000","count":"5","sum":1,"scale":0,"zeroCount":"1",
             "positive":{"offset":-1,"bucketCounts":["1","0","0","0","3"]}},
            {"timeUnixNano":"5000000000","count":"1","scale":-5}]}}"#;
    let (lines, without_form) = seen(request(metrics), &View::default());
    assert_eq!((lines.len(), without_form), (2, 1));
    for part in [
        "h histogram {instance=i-1,job=cart} @5000",
        "count: 6.0, sum: 7.5",
        "Bucket { bound: 0.5, count: 1.0, exemplar: None }",
        "Bucket { bound: 1.0, count: 3.0, exemplar: Some(",
        "0102030405060708090a0b0c0d0e0f10",
        "Bucket { bound: inf, count: 6.0, exemplar: None }",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    let expected = "schema: 0, zero_threshold: 1e-128, sum: 1.0, counts: Integer { count: 5, zero: 1, positive: [1, 3], \
        negative: [] }, positive_spans: [Span { offset: 0, length: 1 }, Span { offset: 3, length: 1 }]";
    assert!(lines[1].contains(expected), "{}", lines[1]);
}

#[test]
fn buckets_merge_where_prometheus_is_coarser() {
    let point = opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint {
        scale: 9,
        positive: Some(opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets {
            offset: -3,
            bucket_counts: vec![1, 2, 3, 4],
        }),
        ..Default::default()
    };
    let native = histogram::exponential(&point, false, false).unwrap();
    let trefoil_prometheus::exposition::Counts::Integer { positive, .. } = &native.counts else { panic!("{native:?}") };
    assert_eq!((native.schema, native.positive_spans[0].offset, positive.as_slice()), (8, -1, &[1, 5, 4][..]));
}
