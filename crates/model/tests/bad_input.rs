//! What bad input gets: a correct answer, bounded memory, and everything valid in the same request kept.

#![allow(clippy::unwrap_used)]

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampNanosecondType, UInt32Type};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use trefoil_model::decode::{DecodeContext, DecodeError, Decoded, decode};
use trefoil_model::promote::{Learner, Scope};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant};

fn try_decode(signal: Signal, body: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let (promoted, series) = (Promoted::default(), SeriesIndex::default());
    let context = DecodeContext { promoted: &promoted, limits, series: &series, received: 77, trace_ids: None };
    decode(signal, &Tenant::default(), body, &context)
}

fn traces_of(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    TracesData { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }.encode_to_vec()
}

fn decode_spans(spans: Vec<Span>) -> Decoded {
    try_decode(Signal::Traces, &traces_of(spans), &Limits::default()).unwrap()
}

fn decode_records(log_records: Vec<LogRecord>) -> Decoded {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let data = LogsData { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] };
    try_decode(Signal::Logs, &data.encode_to_vec(), &Limits::default()).unwrap()
}

fn span() -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "good".into(), ..Span::default() }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn batch(decoded: &Decoded) -> &RecordBatch {
    &decoded.batches[0].1
}

fn strings(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let values = cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    values.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn counts(batch: &RecordBatch, column: &str) -> Vec<u32> {
    batch[column].as_primitive::<UInt32Type>().values().to_vec()
}

#[test]
fn spans_with_wrong_ids_or_times_are_named_and_the_others_kept() {
    let decoded = decode_spans(vec![
        span(),
        Span { trace_id: vec![0; 16], ..span() },
        Span { span_id: vec![1; 4], ..span() },
        Span { trace_id: vec![], ..span() },
        Span { parent_span_id: vec![1; 9], ..span() },
        Span { start_time_unix_nano: u64::MAX, ..span() },
        Span { name: "last".into(), parent_span_id: vec![0; 8], ..span() },
    ]);
    assert_eq!((decoded.accepted, decoded.rejected), (2, 5));
    insta::assert_snapshot!(decoded.reasons.as_deref().unwrap(), @"5 spans rejected: resource_spans[0].scope_spans[0].spans[1]: trace_id is all zeros; resource_spans[0].scope_spans[0].spans[2]: span_id has 4 bytes instead of 8; resource_spans[0].scope_spans[0].spans[3]: trace_id has 0 bytes instead of 16; …");
    assert_eq!(strings(batch(&decoded), "name"), [Some("good".into()), Some("last".into())]);
    assert_eq!(batch(&decoded)["parent_span_id"].null_count(), 2, "zeros mean that there is no parent");
}

#[test]
fn a_request_of_rejected_spans_has_no_batch() {
    let decoded = decode_spans(vec![Span::default()]);
    assert_eq!((decoded.accepted, decoded.rejected, decoded.batches.len()), (0, 1, 0));
}

#[test]
fn edge_times_are_kept() {
    let edge = |start, end| Span { start_time_unix_nano: start, end_time_unix_nano: end, ..span() };
    let last = i64::MAX as u64;
    let decoded = decode_spans(vec![edge(0, 0), edge(last, last), edge(5, 2), edge(last, 0)]);
    assert_eq!(decoded.rejected, 0);
    let starts = &batch(&decoded)["start_time_unix_nano"];
    assert_eq!(*starts.as_primitive::<TimestampNanosecondType>().values(), [0, i64::MAX, 5, i64::MAX]);
    let durations = &batch(&decoded)["duration_nano"];
    assert_eq!(*durations.as_primitive::<Int64Type>().values(), [0, 0, -3, -i64::MAX]);
}

#[test]
fn bad_events_and_links_are_dropped_and_counted() {
    let decoded = decode_spans(vec![Span {
        events: vec![Event { time_unix_nano: u64::MAX, ..Event::default() }, Event::default()],
        links: vec![Link { trace_id: vec![1; 3], ..Link::default() }, Link::default()],
        dropped_links_count: 5,
        ..span()
    }]);
    assert_eq!((decoded.accepted, decoded.rejected), (1, 0));
    assert_eq!(counts(batch(&decoded), "dropped_events_count"), [1]);
    assert_eq!(counts(batch(&decoded), "dropped_links_count"), [6]);
    insta::assert_snapshot!(decoded.reasons.as_deref().unwrap(), @"2 warnings: resource_spans[0].scope_spans[0].spans[0]: an event's time_unix_nano is after the year 2262; the event is dropped; resource_spans[0].scope_spans[0].spans[0]: a link's trace_id is not 16 bytes long; the link is dropped");
}

#[test]
fn a_log_line_survives_wrong_ids() {
    let good = LogRecord { trace_id: vec![1; 16], span_id: vec![0; 8], time_unix_nano: 9, ..LogRecord::default() };
    let decoded = decode_records(vec![good.clone(), LogRecord { trace_id: vec![1; 15], ..good.clone() }, good]);
    assert_eq!((decoded.accepted, decoded.rejected), (3, 0));
    insta::assert_snapshot!(decoded.reasons.as_deref().unwrap(), @"1 warnings: resource_logs[0].scope_logs[0].log_records[1]: trace_id has 15 bytes instead of 16 and is dropped");
    let trace_ids = &batch(&decoded)["trace_id"];
    assert_eq!((0..3).map(|row| trace_ids.is_null(row)).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(batch(&decoded)["span_id"].null_count(), 3);
}

#[test]
fn a_log_line_without_a_time_gets_one() {
    let record = |time_unix_nano, observed_time_unix_nano| LogRecord {
        time_unix_nano,
        observed_time_unix_nano,
        ..LogRecord::default()
    };
    let decoded = decode_records(vec![record(5, 6), record(0, 6), record(0, 0), record(u64::MAX, 0)]);
    assert_eq!((decoded.accepted, decoded.rejected), (3, 1));
    let times = &batch(&decoded)["time_unix_nano"];
    assert_eq!(*times.as_primitive::<TimestampNanosecondType>().values(), [5, 6, 77]);
    let observed = batch(&decoded)["time_is_observed"].as_boolean();
    assert_eq!(observed.iter().flatten().collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn ten_thousand_attributes_are_kept_and_one_more_is_counted() {
    let attributes: Vec<KeyValue> = (0..10_001).map(|i| attribute(&format!("key.{i}"), Value::IntValue(i))).collect();
    let decoded = decode_spans(vec![Span { attributes, ..span() }, span()]);
    assert_eq!((decoded.accepted, decoded.rejected), (2, 0));
    assert_eq!(counts(batch(&decoded), "dropped_attributes_count"), [1, 0]);
    let text = strings(batch(&decoded), "span_attributes");
    assert_eq!(trefoil_model::attributes::read_attributes(text[0].as_ref().unwrap()).unwrap().len(), 10_000);
    assert_eq!(text[1], None);
}

#[test]
fn a_value_of_a_mebibyte_is_kept_and_a_longer_one_is_cut() {
    let limit = Limits::default().max_attribute_value_bytes;
    let long = "é".repeat(limit / 2);
    let longer = format!("{long}é");
    let list =
        Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(Value::StringValue(longer.clone())) }] });
    let decoded = decode_spans(vec![Span {
        attributes: vec![
            text("http.route", &longer),
            text("a", &long),
            text("b", &format!("x{longer}")),
            attribute("c", list),
        ],
        ..span()
    }]);
    assert_eq!(strings(batch(&decoded), "span.http.route")[0].as_deref(), Some(long.as_str()));
    let rest = strings(batch(&decoded), "span_attributes");
    let rest = trefoil_model::attributes::read_attributes(rest[0].as_ref().unwrap()).unwrap();
    let lengths: Vec<_> = rest
        .iter()
        .map(|kv| match &kv.value.as_ref().unwrap().value {
            Some(Value::StringValue(text)) => (kv.key.as_str(), text.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lengths, [("a", limit), ("b", limit - 1)]);
    assert_eq!(counts(batch(&decoded), "dropped_attributes_count"), [1], "the list does not fit");
}

#[test]
fn an_oversize_span_is_rejected_alone() {
    let limits = Limits { max_item_bytes: 1000, ..Limits::default() };
    let big = Span { name: "x".repeat(2000), ..span() };
    let decoded = try_decode(Signal::Traces, &traces_of(vec![big, span()]), &limits).unwrap();
    assert_eq!((decoded.accepted, decoded.rejected), (1, 1));
    assert!(decoded.reasons.unwrap().contains("more than the limit of 1000"));
}

#[test]
fn values_nested_too_deep_are_dropped_and_counted() {
    let nested = |levels: usize| {
        (0..levels).fold(Value::IntValue(1), |value, _| {
            Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] })
        })
    };
    let attributes = vec![text("a", "1"), attribute("deep", nested(33)), attribute("fits", nested(32))];
    let decoded = decode_spans(vec![Span { attributes, ..span() }]);
    assert_eq!(counts(batch(&decoded), "dropped_attributes_count"), [1]);
    let rest = strings(batch(&decoded), "span_attributes")[0].clone().unwrap();
    assert!(rest.starts_with(r#"{"a":"1","fits":[[["#), "{rest}");

    let record = LogRecord { body: Some(AnyValue { value: Some(nested(33)) }), ..LogRecord::default() };
    let decoded = decode_records(vec![record, LogRecord { time_unix_nano: 1, ..LogRecord::default() }]);
    assert_eq!((decoded.accepted, decoded.rejected), (1, 1));
}

#[test]
fn invalid_utf8_is_replaced_everywhere() {
    // Prost cannot hold it, so put it in after encoding.
    let marked = Span {
        name: "@@".into(),
        attributes: vec![text("http.route", "x@@"), text("k@@", "@@"), text("http.route", "x@@")],
        events: vec![Event { name: "@@".into(), ..Event::default() }],
        ..span()
    };
    let body: Vec<u8> =
        traces_of(vec![marked]).into_iter().map(|byte| if byte == b'@' { 0xff } else { byte }).collect();
    let decoded = try_decode(Signal::Traces, &body, &Limits::default()).unwrap();
    assert_eq!((decoded.accepted, decoded.rejected), (1, 0));
    assert_eq!(decoded.replaced_utf8, 6);
    assert_eq!(strings(batch(&decoded), "name"), [Some("\u{fffd}\u{fffd}".into())]);
    assert_eq!(strings(batch(&decoded), "span.http.route"), [Some("x\u{fffd}\u{fffd}".into())]);
    let rest = strings(batch(&decoded), "span_attributes")[0].clone().unwrap();
    assert_eq!(rest, "{\"k\u{fffd}\u{fffd}\":\"\u{fffd}\u{fffd}\",\"http.route\":\"x\u{fffd}\u{fffd}\"}");
}

#[test]
fn an_attribute_is_in_one_place() {
    let attributes = vec![
        text("http.response.status_code", "200"),
        attribute("http.response.status_code", Value::IntValue(200)),
        attribute("http.request.method", Value::BytesValue(vec![1])),
        text("service.name", "not the resource's"),
        text("tenant", "acme"),
        text("tenant", "other"),
    ];
    let resource = Resource { attributes: vec![text("service.name", "shop"), text("x", "y")], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![Span { attributes, ..span() }], ..ScopeSpans::default() }];
    let data = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    let body = TracesData { resource_spans: vec![data] }.encode_to_vec();
    let decoded = try_decode(Signal::Traces, &body, &Limits::default()).unwrap();
    let batch = batch(&decoded);
    let base = Table::Spans.base_schema().fields().len();
    let promoted: Vec<&str> =
        batch.schema_ref().fields().iter().map(|field| field.name().as_str()).skip(base).collect();
    assert_eq!(promoted, ["span.tenant"], "columns without a value are left out");
    assert_eq!(strings(batch, "span.tenant"), [Some("acme".into())]);
    assert_eq!(strings(batch, "service_name"), [Some("shop".into())]);
    assert_eq!(strings(batch, "resource_attributes"), [Some(r#"{"x":"y"}"#.into())]);
    insta::assert_snapshot!(
        strings(batch, "span_attributes")[0].as_ref().unwrap(),
        @r#"{"http.response.status_code":"200","http.response.status_code":200,"http.request.method":{"$bytes":"AQ=="},"service.name":"not the resource's","tenant":"other"}"#
    );
}

#[test]
fn broken_framing_refuses_the_request_and_says_where() {
    let mut body = traces_of(vec![span()]);
    body.truncate(body.len() - 3);
    let error = try_decode(Signal::Traces, &body, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "malformed protobuf at byte 2: the message ends before its announced length");
    let error = try_decode(Signal::Logs, b"{\"resourceLogs\":[]}", &Limits::default()).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)), "{error}");
    let limits = Limits { max_request_bytes: 10, ..Limits::default() };
    let error = try_decode(Signal::Traces, &body, &limits).unwrap_err();
    assert!(error.to_string().ends_with("more than the limit of 10"), "{error}");
}

#[test]
fn a_million_keys_are_stored_without_a_column_each() {
    let mut learner = Learner::new(Table::Spans);
    let mut promoted = Promoted::default();
    for request in 0..100u64 {
        let spans = (0..500).map(|row| {
            let junk = (0..20).map(|i| attribute(&format!("junk.{request}.{row}.{i}"), Value::IntValue(i)));
            let attributes = junk.chain([text("acme.cart", "c1")]).collect();
            Span { attributes, ..span() }
        });
        let decoded = decode_spans(spans.collect());
        assert_eq!(decoded.accepted, 500);
        assert!(batch(&decoded).num_columns() < 40);
        promoted = learner.observe(decoded.key_counts.as_ref().unwrap(), &promoted).unwrap_or(promoted);
    }
    assert!(promoted.lookup(Table::Spans, Scope::Span, b"acme.cart").is_some());
    assert_eq!(promoted.columns(Table::Spans).len(), Promoted::default().columns(Table::Spans).len() + 1);
}
