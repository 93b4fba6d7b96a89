//! OTLP → columns → OTLP gives back an equal message, for anything a sender may put into it.

#![allow(clippy::unwrap_used)]

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use trefoil_model::decode::{DecodeContext, Decoded, decode};
use trefoil_model::promote::{Kind, Scope};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant, encode};

fn promoted() -> Promoted {
    let more = [("p.int", Kind::Int), ("p.double", Kind::Double), ("p.bool", Kind::Bool), ("p.text", Kind::String)];
    let extend = |promoted: Promoted, table, scope| promoted.extend(table, more.map(|(key, kind)| (scope, key, kind)));
    let promoted = extend(Promoted::default(), Table::Spans, Scope::Span);
    let promoted = extend(promoted, Table::Spans, Scope::Resource);
    let promoted = extend(promoted, Table::Logs, Scope::Log);
    extend(promoted, Table::Logs, Scope::Resource)
}

fn decode_bytes(signal: Signal, body: &[u8]) -> Decoded {
    let (promoted, limits, series) = (promoted(), Limits::default(), SeriesIndex::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    decode(signal, &Tenant::default(), body, &context).unwrap()
}

/// Keys that repeat within a list, hit promoted columns of every type, and need escapes.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "p.int", "p.double", "p.bool", "p.text", "service.name", "http.route", "http.response.status_code", "a", "b",
            "", "$bytes", "$double", "$$x", "quo\"te", "new\nline",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn any_double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("one NaN is enough, payloads are not kept", |number| !number.is_nan()),
        Just(0.0),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e16),
        Just(200.0),
        Just(f64::MIN_POSITIVE / 2.0),
    ]
}

fn value() -> impl Strategy<Value = Option<Value>> {
    let leaf = prop_oneof![
        Just(None),
        any::<String>().prop_map(|text| Some(Value::StringValue(text))),
        "[a-z]{0,3}".prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|value| Some(Value::BoolValue(value))),
        any::<i64>().prop_map(|number| Some(Value::IntValue(number))),
        any_double().prop_map(|number| Some(Value::DoubleValue(number))),
        vec(any::<u8>(), 0..9).prop_map(|bytes| Some(Value::BytesValue(bytes))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| {
                let values = values.into_iter().map(|value| AnyValue { value }).collect();
                Some(Value::ArrayValue(ArrayValue { values }))
            }),
            vec((key(), inner), 0..4).prop_map(|members| {
                Some(Value::KvlistValue(KeyValueList { values: members.into_iter().map(key_value).collect() }))
            }),
        ]
    })
}

fn key_value((key, value): (String, Option<Value>)) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value }), ..KeyValue::default() }
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec((key(), value()).prop_map(key_value), 0..6)
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    let resource = (attributes(), any::<u32>(), vec(entity_ref(), 0..3));
    prop::option::of(resource.prop_map(|(attributes, dropped_attributes_count, entity_refs)| Resource {
        attributes,
        dropped_attributes_count,
        entity_refs,
    }))
}

prop_compose! {
    fn entity_ref()(
        schema_url in "[xy]?", r#type in "(service|host)?", id_keys in vec(any::<String>(), 0..3),
        description_keys in vec("[ab]?", 0..3),
    ) -> EntityRef {
        EntityRef { schema_url, r#type, id_keys, description_keys }
    }
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    let scope = ("[ab]?", "[12]?", attributes(), 0..2u32);
    prop::option::of(scope.prop_map(|(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
        name,
        version,
        attributes,
        dropped_attributes_count,
    }))
}

fn id<const N: usize>() -> impl Strategy<Value = Vec<u8>> {
    any::<[u8; N]>().prop_filter("ids are not zero", |id| *id != [0; N]).prop_map(|id| id.to_vec())
}

fn optional_id<const N: usize>() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), id::<N>()]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(i64::MAX as u64), 0..=i64::MAX as u64]
}

prop_compose! {
    fn event()(
        time_unix_nano in time(), name in any::<String>(), attributes in attributes(), dropped_attributes_count in any::<u32>(),
    ) -> Event {
        Event { time_unix_nano, name, attributes, dropped_attributes_count }
    }
}

prop_compose! {
    fn link()(
        trace_id in any::<[u8; 16]>(), span_id in any::<[u8; 8]>(), trace_state in ".{0,3}", attributes in attributes(),
        dropped_attributes_count in any::<u32>(), flags in any::<u32>(),
    ) -> Link {
        let (trace_id, span_id) = (trace_id.to_vec(), span_id.to_vec());
        Link { trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags }
    }
}

prop_compose! {
    fn span()(
        (trace_id, span_id, parent_span_id) in (id::<16>(), id::<8>(), optional_id::<8>()),
        (trace_state, name, kind, flags) in (".{0,3}", any::<String>(), any::<i32>(), any::<u32>()),
        (start_time_unix_nano, end_time_unix_nano) in (time(), time()),
        attributes in attributes(),
        (events, links) in (vec(event(), 0..3), vec(link(), 0..3)),
        (dropped_attributes_count, dropped_events_count, dropped_links_count) in any::<(u32, u32, u32)>(),
        status in prop::option::of((".{0,3}", 0..4i32)),
    ) -> Span {
        Span {
            trace_id, span_id, parent_span_id, trace_state, name, kind, flags, start_time_unix_nano, end_time_unix_nano,
            attributes, events, links, dropped_attributes_count, dropped_events_count, dropped_links_count,
            status: status.map(|(message, code)| Status { message, code }),
        }
    }
}

prop_compose! {
    fn record()(
        (time_unix_nano, observed_time_unix_nano) in (time(), time()),
        (severity_number, severity_text, event_name) in (any::<i32>(), ".{0,3}", ".{0,3}"),
        body in prop::option::of(value()),
        attributes in attributes(),
        (dropped_attributes_count, flags) in any::<(u32, u32)>(),
        (trace_id, span_id) in (optional_id::<16>(), optional_id::<8>()),
    ) -> LogRecord {
        LogRecord {
            time_unix_nano, observed_time_unix_nano, severity_number, severity_text, event_name,
            body: body.map(|value| AnyValue { value }), attributes, dropped_attributes_count, flags, trace_id, span_id,
        }
    }
}

fn traces() -> impl Strategy<Value = TracesData> {
    let scopes = (scope(), vec(span(), 0..4), "[xy]?").prop_map(|(scope, spans, schema_url)| ScopeSpans {
        scope,
        spans,
        schema_url,
    });
    let resources = (resource(), vec(scopes, 0..3), "[xy]?")
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url });
    vec(resources, 0..3).prop_map(|resource_spans| TracesData { resource_spans })
}

fn logs() -> impl Strategy<Value = LogsData> {
    let scopes = (scope(), vec(record(), 0..4), "[xy]?").prop_map(|(scope, log_records, schema_url)| ScopeLogs {
        scope,
        log_records,
        schema_url,
    });
    let resources = (resource(), vec(scopes, 0..3), "[xy]?")
        .prop_map(|(resource, scope_logs, schema_url)| ResourceLogs { resource, scope_logs, schema_url });
    vec(resources, 0..3).prop_map(|resource_logs| LogsData { resource_logs })
}

/// The canonical form, computed the slow and simple way: sorted attributes, merged resources and scopes, nothing for
/// messages without content.
mod canonical {
    use super::*;

    pub fn attributes(list: &mut [KeyValue]) {
        list.sort_by(|a, b| a.key.cmp(&b.key));
    }

    fn filled<M: Default + PartialEq>(message: Option<M>) -> Option<M> {
        message.filter(|message| *message != M::default())
    }

    fn resource(resource: Option<Resource>) -> Option<Resource> {
        filled(resource.map(|mut resource| {
            attributes(&mut resource.attributes);
            resource
        }))
    }

    fn scope(scope: Option<InstrumentationScope>) -> Option<InstrumentationScope> {
        filled(scope.map(|mut scope| {
            attributes(&mut scope.attributes);
            scope
        }))
    }

    pub fn span(mut span: Span) -> Span {
        attributes(&mut span.attributes);
        span.events.iter_mut().for_each(|event| attributes(&mut event.attributes));
        span.links.iter_mut().for_each(|link| attributes(&mut link.attributes));
        span.status = filled(span.status);
        span
    }

    pub fn record(mut record: LogRecord) -> LogRecord {
        attributes(&mut record.attributes);
        record.body = record.body.filter(|body| body.value.is_some());
        record
    }

    pub fn traces(data: TracesData) -> TracesData {
        let mut merged: Vec<ResourceSpans> = vec![];
        for resource_spans in data.resource_spans {
            let (owner, url) = (resource(resource_spans.resource), resource_spans.schema_url);
            for scope_spans in resource_spans.scope_spans.into_iter().filter(|scope| !scope.spans.is_empty()) {
                let place = merged.iter().position(|known| known.resource == owner && known.schema_url == url);
                let place = place.unwrap_or_else(|| {
                    merged.push(ResourceSpans {
                        resource: owner.clone(),
                        scope_spans: vec![],
                        schema_url: url.clone(),
                    });
                    merged.len() - 1
                });
                let scopes = &mut merged[place].scope_spans;
                let (owner, url) = (scope(scope_spans.scope), scope_spans.schema_url);
                let spans = scope_spans.spans.into_iter().map(span);
                match scopes.iter_mut().find(|known| known.scope == owner && known.schema_url == url) {
                    Some(known) => known.spans.extend(spans),
                    None => scopes.push(ScopeSpans { scope: owner, spans: spans.collect(), schema_url: url }),
                }
            }
        }
        TracesData { resource_spans: merged }
    }

    pub fn logs(data: LogsData) -> LogsData {
        let mut merged: Vec<ResourceLogs> = vec![];
        for resource_logs in data.resource_logs {
            let (owner, url) = (resource(resource_logs.resource), resource_logs.schema_url);
            for scope_logs in resource_logs.scope_logs.into_iter().filter(|scope| !scope.log_records.is_empty()) {
                let place = merged.iter().position(|known| known.resource == owner && known.schema_url == url);
                let place = place.unwrap_or_else(|| {
                    merged.push(ResourceLogs { resource: owner.clone(), scope_logs: vec![], schema_url: url.clone() });
                    merged.len() - 1
                });
                let scopes = &mut merged[place].scope_logs;
                let (owner, url) = (scope(scope_logs.scope), scope_logs.schema_url);
                let records = scope_logs.log_records.into_iter().map(record);
                match scopes.iter_mut().find(|known| known.scope == owner && known.schema_url == url) {
                    Some(known) => known.log_records.extend(records),
                    None => scopes.push(ScopeLogs { scope: owner, log_records: records.collect(), schema_url: url }),
                }
            }
        }
        LogsData { resource_logs: merged }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn traces_come_back_equal(data in traces()) {
        let decoded = decode_bytes(Signal::Traces, &data.encode_to_vec());
        prop_assert_eq!(decoded.reasons, None);
        let batches: Vec<_> = decoded.batches.into_iter().map(|(_, batch)| batch).collect();
        let back = encode::traces(&batches).unwrap();
        // Compared as bytes too: == says that 0.0 is -0.0.
        let expected = canonical::traces(data);
        prop_assert_eq!(&back, &expected);
        prop_assert_eq!(back.encode_to_vec(), expected.encode_to_vec());
    }

    #[test]
    fn logs_come_back_equal(data in logs()) {
        let decoded = decode_bytes(Signal::Logs, &data.encode_to_vec());
        prop_assert_eq!(decoded.reasons, None);
        let batches: Vec<_> = decoded.batches.into_iter().map(|(_, batch)| batch).collect();
        let back = encode::logs(&batches).unwrap();
        let expected = canonical::logs(data);
        prop_assert_eq!(&back, &expected);
        prop_assert_eq!(back.encode_to_vec(), expected.encode_to_vec());
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in vec(any::<u8>(), 0..400)) {
        never_panics(&body);
    }

    /// Bytes that are nearly right get further than arbitrary ones.
    #[test]
    fn damaged_requests_never_panic(data in traces(), records in logs(), at in any::<usize>(), byte in any::<u8>(), cut in any::<bool>()) {
        for mut body in [data.encode_to_vec(), records.encode_to_vec()] {
            if body.is_empty() {
                continue;
            }
            let at = at % body.len();
            body[at] = byte;
            if cut {
                body.truncate(at);
            }
            never_panics(&body);
        }
    }
}

fn never_panics(body: &[u8]) {
    let (promoted, limits, series) = (promoted(), Limits::default(), SeriesIndex::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    for signal in Signal::ALL {
        let Ok(decoded) = decode(signal, &Tenant::default(), body, &context) else { continue };
        let items: u64 = decoded
            .batches
            .iter()
            .filter(|(table, _)| matches!(table, Table::Spans | Table::Logs | Table::Samples))
            .map(|(_, batch)| batch.num_rows() as u64)
            .sum();
        assert_eq!(items, decoded.accepted);
    }
}
