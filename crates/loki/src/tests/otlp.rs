//! What did not come by a push, as the Collector's exporter wrote it.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::*;
use crate::FromOtlp;

fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn pairs(list: &[(&str, &str)]) -> Vec<KeyValue> {
    list.iter().map(|(key, value)| pair(key, text(value))).collect()
}

fn record(attributes: &[(&str, &str)]) -> LogRecord {
    LogRecord {
        time_unix_nano: RECEIVED,
        severity_number: 10,
        severity_text: "info".to_owned(),
        body: Some(text("hello world")),
        attributes: pairs(attributes),
        flags: 1,
        trace_id: vec![0xab; 16],
        span_id: vec![1, 2, 3, 4, 5, 6, 7, 8],
        ..LogRecord::default()
    }
}

fn export(resource: &[(&str, &str)], records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope = InstrumentationScope { name: "lib".to_owned(), version: "1".to_owned(), ..Default::default() };
    let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records: records, ..Default::default() }];
    let resource = Some(Resource { attributes: pairs(resource), ..Default::default() });
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { resource, scope_logs, ..Default::default() }] }
}

fn sent(resource: &[(&str, &str)], records: Vec<LogRecord>) -> FromOtlp {
    from_otlp(&export(resource, records), DefaultLabels::default(), RECEIVED)
}

/// Labels and lines.
fn shown(found: &FromOtlp) -> Vec<(String, String)> {
    let streams = found.tenants.iter().flat_map(|of_tenant| &of_tenant.streams);
    let lines = |stream: &Stream| {
        let labels = stream.labels.to_string();
        stream.entries.iter().map(move |entry| (labels.clone(), entry.line.clone())).collect::<Vec<_>>()
    };
    streams.flat_map(lines).collect()
}

const RESOURCE: &[(&str, &str)] =
    &[("service.name", "shop"), ("service.namespace", "books"), ("service.instance.id", "i-1"), ("host.name", "h")];

#[test]
fn without_hints_there_are_default_labels_and_json() {
    let found = sent(RESOURCE, vec![record(&[("user", "u")])]);
    insta::assert_debug_snapshot!(shown(&found));
}

#[test]
fn hints_choose_labels() {
    let resource: Vec<_> = RESOURCE.iter().copied().chain([("loki.resource.labels", "service.name, absent")]).collect();
    let found = sent(
        &resource,
        vec![record(&[("loki.attribute.labels", "event.domain,user"), ("event.domain", "d"), ("user", "")])],
    );
    insta::assert_debug_snapshot!(shown(&found));
}

#[test]
fn hints_may_be_lists_and_name_members() {
    let mut record = record(&[]);
    let names = ArrayValue { values: vec![text("http.method")] };
    let members = KeyValueList { values: vec![pair("method", text("GET"))] };
    record.attributes = vec![
        pair("loki.attribute.labels", AnyValue { value: Some(Value::ArrayValue(names)) }),
        pair("http", AnyValue { value: Some(Value::KvlistValue(members)) }),
    ];
    let found = sent(&[], vec![record]);
    assert_eq!(found.tenants[0].streams[0].labels.get("http_method"), Some("GET"));
}

#[test]
fn default_labels_can_be_switched_off() {
    let request = export(RESOURCE, vec![record(&[("loki.format", "raw")])]);
    let all = DefaultLabels::default();
    for (labels, expected) in [
        (DefaultLabels { exporter: false, ..all }, r#"{instance="i-1", job="books/shop", level="INFO2"}"#),
        (DefaultLabels { job: false, ..all }, r#"{exporter="OTLP", instance="i-1", level="INFO2"}"#),
        (DefaultLabels { instance: false, ..all }, r#"{exporter="OTLP", job="books/shop", level="INFO2"}"#),
        (DefaultLabels { level: false, ..all }, r#"{exporter="OTLP", instance="i-1", job="books/shop"}"#),
    ] {
        let found = from_otlp(&request, labels, RECEIVED);
        assert_eq!(shown(&found), [(expected.to_owned(), "hello world".to_owned())]);
    }
    let none = DefaultLabels { exporter: false, job: false, instance: false, level: false };
    let found = from_otlp(&request, none, RECEIVED);
    assert_eq!((found.tenants.len(), found.rejected.entries), (0, 1));
    assert_eq!(found.rejected.message().as_deref(), Some("the record would be in a stream without labels"));
}

#[test]
fn a_level_that_is_there_already_wins() {
    let level =
        |record: LogRecord| sent(&[], vec![record]).tenants[0].streams[0].labels.get("level").map(str::to_owned);
    assert_eq!(level(record(&[])).as_deref(), Some("INFO2"));
    assert_eq!(level(record(&[("level", "warn")])).as_deref(), Some("warn"));
    assert_eq!(level(LogRecord { severity_number: 0, ..record(&[("level", "warn")]) }), None);
}

#[test]
fn a_line_can_be_logfmt() {
    let hint = ("loki.format", "logfmt");
    let mut members = record(&[hint]);
    let list = ArrayValue { values: vec![text("x y"), AnyValue { value: Some(Value::IntValue(7)) }] };
    let map = KeyValueList {
        values: vec![pair("a", AnyValue { value: Some(Value::ArrayValue(list)) }), pair("b", text("c"))],
    };
    members.body = Some(AnyValue { value: Some(Value::KvlistValue(map)) });
    let pairs = LogRecord { body: Some(text("traceID=old k=\"v w\"")), ..record(&[hint]) };
    let number = LogRecord { body: Some(AnyValue { value: Some(Value::DoubleValue(0.5)) }), ..record(&[hint]) };
    let nothing = LogRecord { body: None, severity_text: String::new(), flags: 0, ..record(&[hint]) };
    let found = sent(&[("host.name", "h")], vec![record(&[hint, ("user", "u v")]), members, pairs, number, nothing]);
    let lines: Vec<String> = shown(&found).into_iter().map(|(_, line)| line).collect();
    insta::assert_debug_snapshot!(lines);
}

#[test]
fn tenants_come_apart() {
    let of_record = |tenant: &str| record(&[("loki.tenant", "team"), ("team", tenant)]);
    let found = sent(&[], vec![of_record("a"), of_record("b"), of_record("a"), record(&[])]);
    let tenants: Vec<_> = found.tenants.iter().map(|tenant| (tenant.tenant.as_deref(), tenant.entries)).collect();
    assert_eq!(tenants, [(Some("a"), 2), (Some("b"), 1), (None, 1)]);
    // It is a label, too.
    assert_eq!(found.tenants[0].streams[0].labels.get("team"), Some("a"));
    let found = sent(&[("loki.tenant", "host.name"), ("host.name", "h")], vec![of_record("a")]);
    assert_eq!(found.tenants[0].tenant.as_deref(), Some("h"));
}

#[test]
fn records_have_the_best_time_there_is() {
    let times = [(1, 2), (0, 2), (0, 0)].map(|(time_unix_nano, observed_time_unix_nano)| LogRecord {
        time_unix_nano,
        observed_time_unix_nano,
        ..record(&[])
    });
    let found = sent(&[], times.to_vec());
    let times: Vec<u64> = found.tenants[0].streams[0].entries.iter().map(|entry| entry.time).collect();
    assert_eq!(times, [1, 2, RECEIVED]);
}

#[test]
fn labels_of_a_push_that_were_changed_on_the_way_are_labels_still() {
    let body = r#"{"streams": [{"stream": {"a": "b", "service_name": "s"}, "values": [["1", "x"]]}]}"#;
    let mut request = request(&translated(Format::Json, body, &literal()));
    let resource = request.resource_logs[0].resource.as_mut().unwrap();
    resource.attributes.push(pair("k8s.pod.name", text("p")));
    resource.attributes.push(pair("count", AnyValue { value: Some(Value::IntValue(7)) }));
    resource.attributes.push(pair("nothing", AnyValue::default()));
    let found = from_otlp(&request, DefaultLabels::default(), RECEIVED);
    let expected = r#"{a="b", count="7", k8s_pod_name="p", service_name="s"}"#;
    assert_eq!(shown(&found), [(expected.to_owned(), "x".to_owned())]);
}
