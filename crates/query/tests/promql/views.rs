//! Options, limits and failures.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use trefoil_model::Tenant;
use trefoil_promql::steps::Steps;
use trefoil_query::Limits;
use trefoil_query::metrics::{
    NameTranslation, PrometheusView, PromotedAttributes, PromqlError, PromqlOptions, SeriesQuestion,
};

use crate::bench::{Bench, START, gauge, metric, number, request, sum};
use crate::{CART, CUMULATIVE};

#[tokio::test(flavor = "multi_thread")]
async fn the_view_can_be_chosen() {
    let mut bench = Bench::new().await;
    let metrics =
        vec![metric("http.requests", "s", sum(CUMULATIVE, true, vec![number(0, &[("http.route", "/")], 1.0)]))];
    bench.append(&Tenant::default(), request(CART, metrics)).await;
    let views = [
        (
            PrometheusView::default(),
            "{__name__=\"http_requests_seconds_total\", http_route=\"/\", instance=\"i-1\", job=\"shop/cart\"} 1",
        ),
        (
            PrometheusView { translation: NameTranslation::NoTranslation, ..PrometheusView::default() },
            "{__name__=\"http.requests\", \"http.route\"=\"/\", instance=\"i-1\", job=\"shop/cart\"} 1",
        ),
        (
            PrometheusView {
                promoted_resource_attributes: PromotedAttributes::These(vec!["k8s.pod.name".into()]),
                scope_labels: true,
                ..PrometheusView::default()
            },
            "{__name__=\"http_requests_seconds_total\", http_route=\"/\", instance=\"i-1\", job=\"shop/cart\", \
             k8s_pod_name=\"p-1\", otel_scope_name=\"lib\", otel_scope_version=\"1.2\"} 1",
        ),
    ];
    for (view, expected) in views {
        bench.engine = bench.engine.clone().with_prometheus(view);
        assert_eq!(bench.at(0, "{__name__=~\"http.requests.*\"}").await, expected);
    }
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn series_that_differ_in_their_scope_only_are_one() {
    let bench = Bench::new().await;
    for (seconds, scope) in [(0, "a"), (10, "b")] {
        let mut message = request(CART, vec![metric("x", "", gauge(vec![number(seconds, &[], seconds as f64)]))]);
        message.resource_metrics[0].scope_metrics[0].scope.as_mut().unwrap().name = scope.into();
        bench.append(&Tenant::default(), message).await;
    }
    assert_eq!(bench.at(10, "x[1m]").await, "{__name__=\"x\", instance=\"i-1\", job=\"shop/cart\"} 0@0 10@10");
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_of_all_types_are_labels() {
    let bench = Bench::new().await;
    let mut point = number(0, &[("text", "t"), ("empty", "")], 1.0);
    for (key, value) in
        [("int", Value::IntValue(3)), ("bool", Value::BoolValue(true)), ("double", Value::DoubleValue(2.0))]
    {
        let mut attribute = crate::bench::attribute(key, "");
        attribute.value = Some(AnyValue { value: Some(value) });
        point.attributes.push(attribute);
    }
    bench.append(&Tenant::default(), request(&[], vec![metric("x", "", gauge(vec![point]))])).await;
    assert_eq!(bench.at(0, "x").await, "{__name__=\"x\", bool=\"true\", double=\"2\", int=\"3\", text=\"t\"} 1");
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_whose_fault_they_are() {
    let bench = Bench::new().await;
    let points = (0..100).map(|n| number(n, &[("n", if n % 2 == 0 { "0" } else { "1" })], 1.0)).collect();
    bench.append(&Tenant::default(), request(CART, vec![metric("x", "", gauge(points))])).await;
    let fails = async |query: &str, change: fn(&mut PromqlOptions)| {
        let mut options = PromqlOptions::default();
        change(&mut options);
        let steps = Steps::range(START, START + 100_000, 1000);
        bench.engine.promql_range(&Tenant::default(), query, steps, &options).await.unwrap_err()
    };
    assert!(matches!(fails("x +", |_| {}).await, PromqlError::BadData(_)));
    assert!(matches!(fails("x[5m]", |_| {}).await, PromqlError::BadData(_)));
    assert!(matches!(fails("x + on () x", |_| {}).await, PromqlError::Execution(_)));
    let many = "query processing would load too many samples into memory in query execution";
    let expected = PromqlError::Execution(many.to_owned());
    assert_eq!(fails("x", |options| options.max_raw_samples = 99).await, expected);
    assert_eq!(fails("x", |options| options.engine.max_samples = 99).await, expected);
    let series = fails("x", |options| options.max_series = 1).await;
    assert_eq!(series, PromqlError::Execution("a selector would look at more than 1 series".to_owned()));
    assert!(matches!(fails("x", |options| options.timeout = Duration::ZERO).await, PromqlError::Timeout(_)));
    bench.storage.close().await.unwrap();
    assert!(matches!(fails("x", |_| {}).await, PromqlError::Internal(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_no_longer_ends_the_evaluation() {
    let bench = Bench::new().await;
    bench.engine.set_limits(Limits { max_concurrency: 1, ..Limits::default() });
    bench.append(&Tenant::default(), request(CART, vec![metric("x", "", gauge(vec![number(0, &[], 1.0)]))])).await;
    let tenant = Tenant::default();
    let options = PromqlOptions::default();
    // It would take minutes.
    let endless = "sum_over_time(sum_over_time(x[1h:1ms])[1h:1ms])";
    let asked = bench.engine.promql_instant(&tenant, endless, START, &options);
    assert!(tokio::time::timeout(Duration::from_millis(200), asked).await.is_err());
    // The only place for evaluations is free again.
    assert!(bench.at(0, "x").await.ends_with(" 1"));
    bench.storage.close().await.unwrap();
}

/// So that servers can run them on any thread.
#[allow(dead_code)]
fn futures_can_be_sent(
    bench: &'static Bench,
    tenant: &'static Tenant,
    options: &'static PromqlOptions,
    question: &'static SeriesQuestion<'static>,
) {
    fn is_send(_: impl Send) {}
    is_send(bench.engine.promql_instant(tenant, "", 0, options));
    is_send(bench.engine.promql_range(tenant, "", Steps::instant(0), options));
    is_send(bench.engine.series(tenant, question));
    is_send(bench.engine.label_names(tenant, question));
    is_send(bench.engine.label_values(tenant, "", question));
    is_send(bench.engine.active_series(tenant, &[], 0, 0));
    is_send(bench.engine.keep_indexed());
    is_send(bench.engine.metric_metadata(tenant, None));
    is_send(bench.engine.exemplars(tenant, "", 0, 0));
}
