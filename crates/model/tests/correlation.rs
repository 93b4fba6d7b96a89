//! Which ids a log record has in its columns, and which entries are told to be the same.

#![allow(clippy::unwrap_used)]

use arrow::array::Array;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use trefoil_model::decode::{DecodeContext, Decoded, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::trace_ids::{Rules, SPAN_KEYS, TRACE_KEYS, TraceIds};
use trefoil_model::{Limits, Promoted, Signal, Tenant};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const OTHER: &str = "11111111111111111111111111111111";

fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(text(value)),
        ..KeyValue::default()
    };
    pairs.iter().map(pair).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn decoded(resource: &[(&str, &str)], log_records: Vec<LogRecord>, rules: Option<&TraceIds>) -> Decoded {
    let resource = Some(Resource { attributes: attributes(resource), ..Resource::default() });
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let data = LogsData { resource_logs: vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }] };
    let (promoted, limits, series) = (Promoted::default(), Limits::default(), SeriesIndex::default());
    let context =
        DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 9, trace_ids: rules };
    decode(Signal::Logs, &Tenant::default(), &data.encode_to_vec(), &context).unwrap()
}

/// The ids of the only record, in hexadecimal digits.
fn ids(decoded: &Decoded) -> (String, String) {
    let batch = &decoded.batches[0].1;
    let of = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        let ids = column.as_any().downcast_ref::<arrow::array::FixedSizeBinaryArray>().unwrap();
        match ids.is_valid(0) {
            true => ids.value(0).iter().map(|byte| format!("{byte:02x}")).collect(),
            false => String::new(),
        }
    };
    (of("trace_id"), of("span_id"))
}

fn rules() -> TraceIds {
    let (keys, span_keys) = (TRACE_KEYS.map(str::to_owned), SPAN_KEYS.map(str::to_owned));
    TraceIds::new(Rules { keys: &keys, patterns: &[] }, Rules { keys: &span_keys, patterns: &[] }).unwrap()
}

/// Attributes of the resource, a record, and its ids with rules and without.
type Case<'c> = (&'c [(&'c str, &'c str)], LogRecord, Ids<'c>, Ids<'c>);
type Ids<'c> = (&'c str, &'c str);

#[test]
fn ids_are_those_of_the_record_then_of_labels_then_of_attributes_then_of_the_body() {
    let line = |line: &str| LogRecord { body: Some(text(line)), ..LogRecord::default() };
    let named = format!("trace_id={TRACE} span_id={SPAN}");
    let own = LogRecord { trace_id: bytes(OTHER), ..line(&named) };
    let labelled = LogRecord { attributes: attributes(&[("traceId", OTHER), ("trace.id", TRACE)]), ..line("x") };
    let of_attribute = LogRecord { attributes: attributes(&[("traceId", TRACE), ("spanId", SPAN)]), ..line(&named) };
    let with_span = LogRecord { trace_id: bytes(TRACE), attributes: attributes(&[("span_id", SPAN)]), ..line("x") };
    let member = KeyValue { key: "traceId".into(), value: Some(text(TRACE)), ..KeyValue::default() };
    let list = AnyValue { value: Some(Value::KvlistValue(KeyValueList { values: vec![member] })) };
    let of_map = LogRecord { body: Some(list), ..LogRecord::default() };
    let cases: [Case<'_>; 8] = [
        (&[], line(&named), (TRACE, SPAN), ("", "")),
        (&[], own, (OTHER, ""), (OTHER, "")),
        (&[], labelled, (TRACE, ""), (TRACE, "")),
        (&[], of_attribute, (TRACE, SPAN), ("", "")),
        (&[], with_span, (TRACE, SPAN), (TRACE, SPAN)),
        (&[], of_map, (TRACE, ""), ("", "")),
        (&[("trace_id", TRACE)], line("x"), (TRACE, ""), (TRACE, "")),
        (&[("traceId", TRACE)], line("x"), ("", ""), ("", "")),
    ];
    let rules = rules();
    for (resource, record, with_rules, without) in cases {
        for (rules, expected) in [(Some(&rules), with_rules), (None, without)] {
            let found = ids(&decoded(resource, vec![record.clone()], rules));
            assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{resource:?} {record:?}");
        }
    }
}

#[test]
fn each_row_has_an_entry() {
    let record = |time, observed, line: &str| LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: observed,
        body: Some(text(line)),
        ..LogRecord::default()
    };
    let of = |records: Vec<LogRecord>| decoded(&[("app", "a")], records, None).entries;
    let own = of(vec![record(1, 2, "x"), record(1, 3, "x"), record(1, 3, "y"), record(2, 3, "x")]);
    assert_eq!(own[0], own[1], "when it was observed is not what it is");
    assert!(own[0] != own[2] && own[0] != own[3] && own.iter().all(|entry| *entry != 0));
    let observed = of(vec![record(0, 2, "x"), record(0, 2, "x"), record(0, 0, "x")]);
    assert!(observed[0] != observed[1] && observed[2] == 0);
    assert_eq!(of(vec![record(0, 2, "x"), record(0, 2, "x"), record(0, 0, "x")]), observed);
    let too_late = record(u64::MAX, 1, "refused");
    assert_eq!(of(vec![record(1, 2, "x"), too_late, record(1, 3, "y")]), [own[0], own[2]]);
}
