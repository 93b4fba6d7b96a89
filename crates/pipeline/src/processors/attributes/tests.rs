use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::*;
use crate::config::{Document, Segment};

/// Parses the YAML below `attributes`.
fn rules(yaml: &str) -> Result<Rules, ConfigError> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Rules::parse(&Section::new(document.root(), &[Segment::Key("attributes".to_owned())]))
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn attributes(pairs: &[(&str, Value)]) -> Vec<KeyValue> {
    pairs
        .iter()
        .map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(value.clone()) }),
            ..KeyValue::default()
        })
        .collect()
}

fn check_actions(actions: &str, before: &[(&str, Value)], after: &[(&str, Value)]) {
    let rules = rules(&format!("actions: {actions}")).unwrap_or_else(|error| panic!("{error}"));
    let metadata = vec![("x-team".to_owned(), "a".to_owned()), ("X-Team".to_owned(), "b".to_owned())];
    let origin = Origin { metadata: Arc::new(metadata), address: Some("10.0.0.1:99".parse().unwrap()) };
    let mut changed = attributes(before);
    rules.actions.apply(&mut changed, &origin);
    assert_eq!(changed, attributes(after), "{actions}");
}

#[test]
fn insert_update_and_upsert_differ_by_what_is_there() {
    let there = [("a", text("old"))];
    check_actions("[{key: a, value: new, action: insert}]", &there, &there);
    check_actions("[{key: b, value: 5, action: insert}]", &there, &[("a", text("old")), ("b", Value::IntValue(5))]);
    check_actions("[{key: a, value: true, action: UPDATE}]", &there, &[("a", Value::BoolValue(true))]);
    check_actions("[{key: b, value: x, action: update}]", &there, &there);
    check_actions("[{key: a, value: 1.5, action: upsert}]", &there, &[("a", Value::DoubleValue(1.5))]);
    check_actions("[{key: b, value: \"5\", action: upsert}]", &[], &[("b", text("5"))]);
}

#[test]
fn values_come_from_attributes_and_from_the_request() {
    let there = [("a", text("x"))];
    let copied = [("a", text("x")), ("b", text("x"))];
    check_actions("[{key: b, from_attribute: a, action: insert}]", &there, &copied);
    check_actions("[{key: b, from_attribute: c, action: insert}]", &there, &there);
    let defaulted = [("a", text("x")), ("b", text("d"))];
    check_actions("[{key: b, from_attribute: c, default_value: d, action: insert}]", &there, &defaulted);
    check_actions("[{key: b, from_context: metadata.x-team, action: insert}]", &[], &[("b", text("a;b"))]);
    check_actions("[{key: b, from_context: client.address, action: insert}]", &[], &[("b", text("10.0.0.1"))]);
    check_actions("[{key: b, from_context: metadata.none, action: insert}]", &[], &[]);
}

#[test]
fn delete_and_hash_take_names_and_patterns() {
    let there = [("a", text("x")), ("token.1", text("y")), ("token.2", Value::IntValue(3))];
    check_actions("[{pattern: ^token, action: delete}]", &there, &there[..1]);
    check_actions("[{key: a, pattern: '1$', action: delete}]", &there, &there[2..]);
    // sha256 of "x".
    let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    check_actions("[{key: a, action: hash}]", &there[..1], &[("a", text(hash))]);
    check_actions("[{key: a, action: hash}]", &[("a", text(""))], &[("a", text(""))]);
}

#[test]
fn extract_and_convert() {
    let there = [("url", text("https://shop/cart?id=7")), ("host", text("old"))];
    let parts = [("url", text("https://shop/cart?id=7")), ("host", text("shop")), ("path", text("cart"))];
    check_actions(
        r"[{key: url, pattern: '^https?://(?P<host>[^/]+)/(?P<path>[^?]*)', action: extract}]",
        &there,
        &parts,
    );
    check_actions(r"[{key: url, pattern: '^ftp://(?P<host>.*)', action: extract}]", &there, &there);
    let code = [("c", text("200"))];
    check_actions("[{key: c, action: convert, converted_type: int}]", &code, &[("c", Value::IntValue(200))]);
    check_actions("[{key: c, action: convert, converted_type: double}]", &code, &[("c", Value::DoubleValue(200.0))]);
    check_actions("[{key: c, action: convert, converted_type: int}]", &[("c", text("x"))], &[("c", text("x"))]);
    let double = [("c", Value::DoubleValue(2.9))];
    check_actions("[{key: c, action: convert, converted_type: int}]", &double, &[("c", Value::IntValue(2))]);
    check_actions(
        "[{key: c, action: convert, converted_type: string}]",
        &[("c", Value::BoolValue(true))],
        &[("c", text("true"))],
    );
}

/// Two spans, two log records and two metrics of one resource and scope.
fn messages() -> [Message; 3] {
    let resource = Some(Resource { attributes: attributes(&[("service.name", text("shop"))]), ..Resource::default() });
    let scope = Some(InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..Default::default() });
    let span = |name: &str, kind| Span { name: name.into(), kind, ..Span::default() };
    let record = |body: &str, severity_number| LogRecord {
        body: Some(AnyValue { value: Some(text(body)) }),
        severity_number,
        attributes: attributes(&[("n", Value::IntValue(severity_number.into()))]),
        ..LogRecord::default()
    };
    let metric = |name: &str| Metric {
        name: name.into(),
        data: Some(Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default()] })),
        ..Metric::default()
    };
    let traces = ResourceSpans {
        resource: resource.clone(),
        scope_spans: vec![ScopeSpans {
            scope: scope.clone(),
            spans: vec![span("GET /", 2), span("SELECT", 3)],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    let logs = ResourceLogs {
        resource: resource.clone(),
        scope_logs: vec![ScopeLogs {
            scope: scope.clone(),
            log_records: vec![record("login ok", 9), record("login failed", 17)],
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    let metrics = ResourceMetrics {
        resource,
        scope_metrics: vec![ScopeMetrics {
            scope,
            metrics: vec![metric("cpu"), metric("memory")],
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    };
    [
        Message::Traces(ExportTraceServiceRequest { resource_spans: vec![traces] }),
        Message::Logs(ExportLogsServiceRequest { resource_logs: vec![logs] }),
        Message::Metrics(ExportMetricsServiceRequest { resource_metrics: vec![metrics] }),
    ]
}

/// Which of the two items of each signal were acted upon: `S-`, `-L`, `MM`.
fn acted_upon(filters: &str) -> String {
    let rules = rules(&format!("actions: [{{key: mark, value: 1, action: insert}}]\n{filters}"));
    let rules = rules.unwrap_or_else(|error| panic!("{error}"));
    let is_for = |signal| [&rules.include, &rules.exclude].into_iter().flatten().all(|filter| filter.is_for(signal));
    let marked = |attributes: &[KeyValue]| value::get(attributes, "mark").is_some();
    let mut result = Vec::new();
    for mut message in messages().into_iter().filter(|message| is_for(message.signal())) {
        rules.apply(&mut message, &Origin::default());
        let (letter, marks): (char, Vec<bool>) = match &message {
            Message::Traces(request) => {
                ('S', request.resource_spans[0].scope_spans[0].spans.iter().map(|s| marked(&s.attributes)).collect())
            }
            Message::Logs(request) => (
                'L',
                request.resource_logs[0].scope_logs[0].log_records.iter().map(|l| marked(&l.attributes)).collect(),
            ),
            Message::Metrics(request) => {
                let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
                let point = |metric: &Metric| match &metric.data {
                    Some(Data::Gauge(gauge)) => marked(&gauge.data_points[0].attributes),
                    _ => panic!("a gauge"),
                };
                ('M', metrics.iter().map(point).collect())
            }
        };
        result.push(marks.into_iter().map(|mark| if mark { letter } else { '-' }).collect::<String>());
    }
    result.join(" ")
}

#[test]
fn filters_choose_items() {
    let cases = [
        ("", "SS LL MM"),
        ("include: {match_type: strict, services: [shop]}", "SS"),
        ("include: {match_type: strict, services: [sho]}", "--"),
        ("include: {match_type: regexp, services: [^sh]}", "SS"),
        ("include: {match_type: strict, span_names: [SELECT, INSERT]}", "-S"),
        ("exclude: {match_type: regexp, span_names: ['^GET ']}", "-S"),
        ("include: {match_type: strict, span_kinds: [SPAN_KIND_SERVER]}", "S-"),
        ("include: {match_type: regexp, log_bodies: [failed]}", "-L"),
        ("include: {match_type: strict, log_severity_number: {min: 17}}", "-L"),
        ("include: {match_type: strict, attributes: [{key: n, value: 9}]}", "-- L-"),
        ("include: {match_type: regexp, attributes: [{key: n, value: '^1'}]}", "-- -L"),
        ("include: {match_type: strict, attributes: [{key: n}]}", "-- LL"),
        ("include: {match_type: strict, metric_names: [cpu]}", "M-"),
        ("include: {match_type: strict, resources: [{key: service.name, value: shop}]}", "SS LL MM"),
        ("include: {match_type: strict, libraries: [{name: lib, version: '1.2'}]}", "SS LL"),
        ("include: {match_type: strict, libraries: [{name: lib, version: ''}]}", "-- --"),
        ("include: {match_type: strict, services: [shop]}\nexclude: {match_type: strict, span_names: [SELECT]}", "S-"),
    ];
    for (filters, expected) in cases {
        assert_eq!(acted_upon(filters), expected, "{filters}");
    }
}

#[test]
fn wrong_configurations_are_explained() {
    let error = rules(
        "
actions:
  - {key: a, action: insert}
  - {key: a, action: delete, value: 1}
  - {action: hash}
  - {key: a, action: extract, pattern: '(x)'}
  - {key: a, action: extract, pattern: '('}
  - {key: a, action: convert}
  - {key: a, value: 1, from_attribute: b, action: upsert}
  - {key: a, from_context: auth.subject, action: insert}
include: {match_type: strict, span_kinds: [SERVER], log_bodies: [x]}
exclude: {match_type: regexp, attributes: [{key: a, value: 5}]}
",
    )
    .unwrap_err();
    insta::assert_snapshot!(error, @r"
    test.yaml:3:5: attributes.actions[0]: one of `value`, `from_attribute`, `from_context`, `default_value` is needed
    test.yaml:4:37: attributes.actions[1].value: the action delete has no use for it; remove it
    test.yaml:5:5: attributes.actions[2].key: the option `key` is missing or empty
    test.yaml:6:40: attributes.actions[3].pattern: every group must be named, `(?P<name>…)`, and there must be at least one
    test.yaml:7:40: attributes.actions[4].pattern: not a regular expression: unclosed group
    test.yaml:8:5: attributes.actions[5]: the option `converted_type` is missing: int, double or string
    test.yaml:9:5: attributes.actions[6]: `value`, `from_attribute` and `from_context` exclude each other
    test.yaml:10:28: attributes.actions[7].from_context: `auth.` is not supported: receivers have no authenticators yet
    test.yaml:11:10: attributes.include: no signal has all of these properties, so nothing could ever match
    test.yaml:11:44: attributes.include.span_kinds[0]: unknown span kind `SERVER`; did you mean `SPAN_KIND_SERVER`?
    test.yaml:12:60: attributes.exclude.attributes[0].value: with `match_type: regexp` it must be a string; quote it
    ");
    let error =
        rules("actions: [{key: a, action: upsrt, value: 1}]\ninclude: {span_names: [x]}\nactoins: 1").unwrap_err();
    insta::assert_snapshot!(error, @r"
    test.yaml:1:28: attributes.actions[0].action: unknown value `upsrt`; did you mean `upsert`?
    test.yaml:2:10: attributes.include: the option `match_type` is missing
    test.yaml:3:1: attributes.actoins: unknown option; did you mean `actions`?
    ");
}
