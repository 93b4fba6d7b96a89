//! What each option does.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

use super::tests::{Bench, named, options};
use crate::connectors::spans::attributes::{attribute, text_attribute};
use crate::connectors::test_support::*;

const CALLS: &str = "traces.span.metrics.calls";
const DURATION: &str = "traces.span.metrics.duration/ms";
const EVENTS: &str = "traces.span.metrics.events";

/// Labels only: what is between braces, without the four that all have.
fn further(lines: &[String]) -> Vec<&str> {
    let labels = lines.iter().map(|line| &line[line.find('{').unwrap() + 1..line.rfind('}').unwrap()]);
    let common = "span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET";
    labels.map(|labels| labels.split_once(common).map_or(labels, |(_, further)| further)).collect()
}

#[tokio::test]
async fn dimensions_come_from_the_span_or_the_resource_or_are_the_default() {
    let bench = Bench::new(
        "dimensions: [{name: region}, {name: code, default: none}, {name: 'absent'}]\nhistogram: {disable: true}",
    );
    let mut typed = named("b");
    typed.attributes.push(attribute("code", Value::IntValue(200)));
    let resource = [("service.name", "a"), ("region", "eu")];
    let spans = vec![named("a"), typed, with(named("c"), &[("region", "us"), ("code", "200"), ("code", "500")])];
    bench.send(vec![of_resource(&resource, spans)]).await;
    let shown = bench.of_metric(60, CALLS).await;
    assert_eq!(further(&shown), [",region=eu,code=none", ",region=eu,code=200", ",region=us,code=200"]);
}

#[tokio::test]
async fn equal_texts_are_one_series_whatever_their_types() {
    let bench = Bench::new("dimensions: [{name: code}]\nhistogram: {disable: true}");
    let typed = |value| Span { attributes: vec![attribute("code", value)], ..named("a") };
    let spans = [Value::IntValue(1), Value::StringValue("1".into()), Value::DoubleValue(1.0)].map(typed);
    bench.send(vec![of("a", spans.to_vec())]).await;
    let shown = bench.of_metric(60, CALLS).await;
    assert!(shown.len() == 1 && shown[0].ends_with(" 3"), "{shown:?}");
}

#[tokio::test]
async fn calls_and_durations_have_dimensions_of_their_own() {
    let bench =
        Bench::new("dimensions: [{name: a}]\ncalls_dimensions: [{name: b}]\nhistogram: {dimensions: [{name: c}]}");
    bench.send(vec![of("s", vec![with(named("x"), &[("a", "1"), ("b", "2"), ("c", "3")])])]).await;
    set_clock(60);
    let shown = bench.at(60).await;
    assert_eq!(further(&shown), [",a=1,b=2", ",a=1,c=3"]);
    // The same in both: one series has both.
    let bench = Bench::new("calls_dimensions: [{name: b}]\nhistogram: {dimensions: [{name: b}]}");
    bench.send(vec![of("s", vec![with(named("x"), &[("b", "2")])])]).await;
    assert_eq!(further(&bench.at(60).await), [",b=2", ",b=2"]);
}

#[tokio::test]
async fn default_dimensions_can_be_left_out() {
    let bench = Bench::new("exclude_dimensions: [status.code, span.name, span.kind]\nhistogram: {disable: true}");
    bench.send(vec![of("a", vec![named("x"), failed(named("y"))])]).await;
    assert_eq!(bench.at(60).await, ["[service.name=a] traces.span.metrics.calls{service.name=a} 0..60s 2"]);
    let bench = Bench::new("{exclude_dimensions: [service.name, span.name], names: tempo, histogram: {disable: true}}");
    bench.send(vec![of("a", vec![named("x")]), of("b", vec![named("y")])]).await;
    let shown = bench.of_metric(60, "traces_spanmetrics_calls_total").await;
    assert_eq!(shown, ["{span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_UNSET} 0..60s 2"]);
}

#[tokio::test]
async fn names_of_tempo_are_not_taken_by_attributes() {
    let bench =
        Bench::new("dimensions: [{name: service}, {name: http.route}]\nnames: tempo\nhistogram: {disable: true}");
    bench.send(vec![of("a", vec![with(named("x"), &[("service", "other"), ("http.route", "/")])])]).await;
    let shown = bench.of_metric(60, "traces_spanmetrics_calls_total").await;
    assert!(shown[0].contains("{service=a,") && shown[0].contains(",__service=other,http_route=/}"), "{shown:?}");
}

#[tokio::test]
async fn events_are_counted_by_their_attributes_too() {
    let bench = Bench::new(
        "dimensions: [{name: region}]\nhistogram: {disable: true}\nexemplars: {enabled: true}\n\
         events: {enabled: true, dimensions: [{name: exception.type}]}",
    );
    let event = |kind: &str| Event {
        name: "exception".into(),
        attributes: vec![text_attribute("exception.type", kind), text_attribute("region", "of the event")],
        ..Event::default()
    };
    let mut own = with(named("x"), &[("exception.type", "of the span")]);
    own.events = vec![event("Late")];
    let mut thrown = named("x");
    thrown.events = vec![event("Late"), event("Lost"), event("Late")];
    let resource = [("service.name", "a"), ("region", "eu")];
    bench.send(vec![of_resource(&resource, vec![thrown, own])]).await;
    let shown = bench.of_metric(60, EVENTS).await;
    // The span's own attributes count first, those of the resource last.
    assert_eq!(
        further(&shown),
        [
            ",region=of the event,exception.type=Late",
            ",region=of the event,exception.type=Lost",
            ",region=of the event,exception.type=of the span",
        ]
    );
    assert!(shown[0].ends_with(" 2 #1/1 10 at 0s #1/1 10 at 0s"), "{shown:?}");
}

#[tokio::test]
async fn durations_go_into_buckets_of_either_kind() {
    let spans = || vec![of("a", vec![named("x"), span(2, 0, KIND, "x", 0, 100), span(3, 0, KIND, "x", 0, 0)])];
    const KIND: opentelemetry_proto::tonic::trace::v1::span::SpanKind =
        opentelemetry_proto::tonic::trace::v1::span::SpanKind::Server;
    for (histogram, metric, expected) in [
        ("{}", DURATION, "count=3 sum=110 ≤2:1 ≤10:1 ≤100:1"),
        ("{unit: s}", "traces.span.metrics.duration/s", "count=3 sum=0.11 ≤0.002:1 ≤0.01:1 ≤0.1:1"),
        ("{explicit: }", DURATION, "count=3 sum=110 ≤2:1 ≤10:1 ≤100:1"),
        ("{explicit: {buckets: [100us, 10ms, 1s]}}", DURATION, "count=3 sum=110 ≤0.1:1 ≤10:1 ≤1000:1"),
        ("{explicit: {buckets: []}}", DURATION, "count=3 sum=110 ≤inf:3"),
        ("{exponential: }", DURATION, "count=3 sum=110 zero=1 scale=5 106+"),
        ("{exponential: {max_size: 4}}", DURATION, "count=3 sum=110 zero=1 scale=0 3+[1, 0, 0, 1]"),
    ] {
        let bench = Bench::new(&format!("histogram: {histogram}"));
        bench.send(spans()).await;
        let shown = bench.of_metric(60, metric).await;
        assert!(shown.len() == 1 && shown[0].contains(expected), "{histogram}: {shown:?}");
    }
    let bench = Bench::new("histogram: {disable: true}");
    bench.send(spans()).await;
    assert_eq!(bench.at(60).await.len(), 1, "calls only");
    let bench = Bench::new("{names: tempo}");
    bench.send(spans()).await;
    let shown = bench.of_metric(60, "traces_spanmetrics_latency").await;
    assert!(shown[0].ends_with("count=3 sum=0.11 ≤0.002:1 ≤0.016:1 ≤0.128:1"), "{shown:?}");
}

#[tokio::test]
async fn the_namespace_is_before_the_names() {
    for (namespace, expected) in [("shop", "shop.calls{"), ("''", "] calls{")] {
        let bench = Bench::new(&format!("namespace: {namespace}\nhistogram: {{disable: true}}"));
        bench.send(vec![of("a", vec![named("x")])]).await;
        let shown = bench.at(60).await;
        assert!(shown[0].contains(expected), "{shown:?}");
    }
}

const DELTA: &str = "aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA\nhistogram: {disable: true}";

fn ends(shown: &[String]) -> Vec<&str> {
    shown.iter().map(|line| line.split_once("} ").unwrap().1).collect()
}

#[tokio::test]
async fn deltas_begin_where_the_ones_before_ended() {
    let bench = Bench::new(DELTA);
    bench.send(vec![of("a", vec![named("x"), named("x")])]).await;
    assert_eq!(ends(&bench.at(10).await), ["0..10s delta 2"]);
    assert_eq!(bench.at(20).await, [""; 0]);
    set_clock(25);
    bench.send(vec![of("a", vec![named("x"), named("y")]), of("b", vec![named("x")])]).await;
    assert_eq!(ends(&bench.at(30).await), ["10..30s delta 1", "25..30s delta 1", "25..30s delta 1"]);
}

#[tokio::test]
async fn only_so_many_ends_of_deltas_are_remembered() {
    let bench = Bench::new(&format!("{DELTA}\nmetric_timestamp_cache_size: 1"));
    bench.send(vec![of("a", vec![named("x")])]).await;
    bench.at(10).await;
    bench.send(vec![of("a", vec![named("y")])]).await;
    bench.at(20).await;
    set_clock(25);
    bench.send(vec![of("a", vec![named("x"), named("y")])]).await;
    assert_eq!(ends(&bench.at(30).await), ["25..30s delta 1", "20..30s delta 1"]);
}

#[tokio::test]
async fn a_metric_of_a_resource_has_only_so_many_series() {
    let bench = Bench::new("aggregation_cardinality_limit: 2");
    let spans = || ["x", "y", "z", "x", "w"].map(named).to_vec();
    bench.send(vec![of("a", spans()), of("b", vec![named("v")])]).await;
    let shown = bench.of_metric(60, CALLS).await;
    assert_eq!(ends(&shown), ["0..60s 2", "0..60s 2", "0..60s 1", "0..60s 1"]);
    assert!(shown[0].starts_with("[service.name=a] {otel.metric.overflow=true} "), "{shown:?}");
    assert_eq!(bench.metrics.overflow.get(), 2);
    let durations = bench.of_metric(61, DURATION).await;
    assert!(durations[0].contains("{otel.metric.overflow=true} 0..61s count=2 "), "{durations:?}");
}

#[tokio::test]
async fn the_resource_that_is_used_least_makes_room() {
    let bench = Bench::new("resource_metrics_cache_size: 2\nhistogram: {disable: true}");
    for service in ["a", "b", "a", "c"] {
        bench.send(vec![of(service, vec![named("x")])]).await;
    }
    let services = |shown: &[String]| shown.iter().map(|line| line[14..15].to_owned()).collect::<String>();
    assert_eq!(services(&bench.at(60).await), "abc", "what is evicted is told once more");
    assert_eq!(services(&bench.at(61).await), "ac");
    set_clock(70);
    for service in ["b", "d", "e", "f"] {
        bench.send(vec![of(service, vec![named("x")])]).await;
    }
    // Two places and two that were evicted: there is no room for more before they are told of.
    let shown = bench.at(80).await;
    assert_eq!(services(&shown[..4]), "abcd", "{shown:?}");
    assert_eq!(ends(&shown[..4]), ["0..80s 2", "70..80s 1", "0..80s 1", "70..80s 1"], "b began anew");
    assert_eq!(shown[4..], ["traces.span.metrics.calls{otel.metric.overflow=true} 70..80s 2"]);
    assert_eq!(bench.metrics.overflow.get(), 2);
    assert_eq!(bench.connector.inner.outlet.metrics.series.get(), 2);
}

#[tokio::test]
async fn a_resource_that_comes_back_goes_on() {
    let bench = Bench::new("resource_metrics_cache_size: 1\nhistogram: {disable: true}");
    for service in ["a", "b", "a", "a"] {
        bench.send(vec![of(service, vec![named("x")])]).await;
    }
    assert_eq!(ends(&bench.at(60).await), ["0..60s 3", "0..60s 1"]);
    assert_eq!(ends(&bench.at(61).await), ["0..61s 3"]);
}

#[tokio::test]
async fn what_is_not_seen_for_long_expires() {
    let bench = Bench::new("{metrics_expiration: 60s, series_expiration: 30s, histogram: {disable: true}}");
    bench.send(vec![of("a", vec![named("x"), named("y")]), of("b", vec![named("x")])]).await;
    assert_eq!(bench.at(20).await.len(), 3);
    bench.send(vec![of("a", vec![named("y")])]).await;
    assert_eq!(bench.at(30).await.len(), 3, "expired now, and told a last time");
    assert_eq!(ends(&bench.at(40).await), ["0..40s 2"]);
    bench.send(vec![of("b", vec![named("x")])]).await;
    assert_eq!(ends(&bench.at(41).await), ["0..41s 2", "40..41s 1"], "b begins anew");
    bench.at(101).await;
    assert_eq!(bench.at(102).await, [""; 0]);
    assert_eq!(bench.connector.inner.outlet.metrics.series.get(), 0);
    assert!(bench.connector.inner.tenants.all().is_empty());
}

fn pod(pod: &str, version: &str) -> ResourceSpans {
    of_resource(&[("service.name", "a"), ("pod", pod), ("version", version)], vec![named("x")])
}

#[tokio::test]
async fn resources_are_told_apart_by_all_or_some_of_their_attributes_or_not_at_all() {
    let pods = || vec![pod("1", "1"), pod("2", "1"), pod("1", "2"), pod("1", "1")];
    let bench = Bench::new("histogram: {disable: true}");
    bench.send(pods()).await;
    let mut other_order = pod("1", "1");
    other_order.resource.as_mut().unwrap().attributes.reverse();
    bench.send(vec![other_order]).await;
    assert_eq!(ends(&bench.at(60).await), ["0..60s 3", "0..60s 1", "0..60s 1"]);

    let bench = Bench::new("resource_metrics_key_attributes: [service.name, pod]\nhistogram: {disable: true}");
    bench.send(pods()).await;
    let shown = bench.at(60).await;
    assert_eq!(ends(&shown), ["0..60s 3", "0..60s 1"]);
    assert!(shown[0].starts_with("[service.name=a,pod=1,version=1] "), "the first one's attributes: {shown:?}");

    for option in ["add_resource_attributes: false", "names: tempo"] {
        let bench = Bench::new(&format!("{option}\nhistogram: {{disable: true}}"));
        bench.send(pods()).await;
        let shown = bench.at(60).await;
        assert!(shown[0].starts_with("traces") && shown[0].ends_with(" 4"), "{shown:?}");
    }
    let bench = Bench::new("{names: tempo, add_resource_attributes: true, histogram: {disable: true}}");
    bench.send(pods()).await;
    assert_eq!(bench.of_metric(60, "traces_spanmetrics_calls_total").await.len(), 3);
}

#[tokio::test]
async fn scopes_are_dimensions_where_it_is_wished() {
    for (scopes, expected) in
        [("[shop]", ",span.instrumentation.scope.name=shop,span.instrumentation.scope.version=1.2"), ("[other]", "")]
    {
        let bench = Bench::new(&format!("include_instrumentation_scope: {scopes}\nhistogram: {{disable: true}}"));
        bench.send(vec![of("a", vec![named("x")])]).await;
        assert_eq!(further(&bench.at(60).await), [expected]);
    }
}

#[tokio::test]
async fn sampled_spans_stand_for_those_that_are_not_there() {
    let sampled = || Span { trace_state: "a=b,ot=th:c".to_owned(), ..named("x") };
    let bench = Bench::new("{}");
    bench.send(vec![of("a", vec![sampled(), named("x")])]).await;
    let shown = bench.at(60).await;
    assert_eq!(ends(&shown), ["0..60s 5", "0..60s count=5 sum=50 ≤10:5"]);
    let bench = Bench::new("{enable_metrics_sampling_method: true, histogram: {disable: true}}");
    bench.send(vec![of("a", vec![sampled(), named("x")])]).await;
    let shown = bench.at(60).await;
    assert_eq!(further(&shown), [",sampling.method=counted", ",sampling.method=extrapolated"]);
    assert_eq!(ends(&shown), ["0..60s 1", "0..60s 4"]);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let mut report = String::new();
    for text in [
        "dimensions_cache_size: 1000",
        "dimensions: [{glob: 'http.*'}]",
        "dimensions: [{name: a}, {name: a}, {name: span.name}]",
        "dimensions: [{name: a}]\ncalls_dimensions: [{name: b}, {name: a}]",
        "{names: tempo, dimensions: [{name: http.route}, {name: http_route}]}",
        "exclude_dimensions: [status.code, http.route]",
        "histogram: {explicit: {buckets: [1s, 1s]}, exponential: {max_size: 1}, unit: us}",
        "histogram: {explicit: {buckets: [2s, 1s]}}",
        "histogram: {exponential: {max_size: 20000}}",
        "aggregation_temporality: delta",
        "metric_timestamp_cache_size: 10",
        "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, metric_timestamp_cache_size: 0}",
        "metrics_flush_interval: 0s",
        "metrics_expiration: -1s",
        "exemplars: {enabled: true, max_per_data_point: 0}",
        "events: {enabled: true}",
        "events: {enabled: true, dimensions: [{name: span.kind}]}",
        "{resource_metrics_cache_size: 0, max_series: 0, aggregation_cardinality_limit: -1}",
        "{add_resource_attributes: false, resource_metrics_key_attributes: [service.name]}",
        "{names: tempo, namespace: x, histogram: {unit: ms}}",
        "{names: jaeger}",
        "self_time: {enabled: true}",
    ] {
        let error = options(text).map(|_| "accepted".to_owned()).unwrap_or_else(|error| error);
        report.push_str(&format!("--- {text}\n{error}\n"));
    }
    insta::assert_snapshot!(report);
    options("{metrics_expiration: 0, exclude_dimensions: [span.kind], events: {dimensions: []}}").unwrap();
}
