//! `application/vnd.grafana.llm`: a trace in a shorter JSON, as language models read it. Attributes are members, ids hexadecimal.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use serde_json::{Map, Value, json};

pub(super) const CONTENT_TYPE: &str = "application/vnd.grafana.llm";

/// `status` and `message` are those of the whole answer.
pub(super) fn document(trace: &TracesData, status: &str, message: &str) -> Value {
    let mut spans =
        trace.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
    let Some(first) = spans.next() else { return json!({}) };
    let services: Vec<Value> = trace.resource_spans.iter().map(service).collect();
    let mut answer =
        json!({ "trace": { "traceId": hex::encode(&first.trace_id), "services": services }, "status": status });
    if !message.is_empty() {
        answer["message"] = message.into();
    }
    answer
}

fn service(of: &ResourceSpans) -> Value {
    let mut attributes = of.resource.as_ref().map(|resource| attributes(&resource.attributes)).unwrap_or_default();
    let name = attributes.remove("service.name");
    let scopes: Vec<Value> = of.scope_spans.iter().map(scope).collect();
    let name = name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    some([("serviceName", name.into()), ("resource", attributes.into()), ("scopes", scopes.into())])
}

fn scope(of: &ScopeSpans) -> Value {
    let (name, version) = of.scope.as_ref().map_or(("", ""), |scope| (scope.name.as_str(), scope.version.as_str()));
    let spans: Vec<Value> = of.spans.iter().map(span).collect();
    some([("name", name.into()), ("version", version.into()), ("spans", spans.into())])
}

fn span(span: &Span) -> Value {
    let kind = SpanKind::try_from(span.kind).unwrap_or_default();
    let kind = if kind == SpanKind::Unspecified { "" } else { kind.as_str_name() };
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let duration = if start > 0 && end > start { (end - start) as f64 / 1e6 } else { 0.0 };
    let events: Vec<Value> = span.events.iter().map(event).collect();
    let links: Vec<Value> = span.links.iter().map(link).collect();
    let mut json = some([
        ("parentSpanId", hex::encode(&span.parent_span_id).into()),
        ("kind", kind.into()),
        ("startTimeUnixNano", nanos(start)),
        ("endTimeUnixNano", nanos(end)),
        ("durationMs", if duration > 0.0 { duration.into() } else { Value::Null }),
        ("attributes", attributes(&span.attributes).into()),
        ("events", events.into()),
        ("links", links.into()),
    ]);
    json["spanId"] = hex::encode(&span.span_id).into();
    json["name"] = span.name.as_str().into();
    let code = span.status.as_ref().map(|status| status.code()).unwrap_or_default();
    let message = span.status.as_ref().filter(|_| code != StatusCode::Unset).map_or("", |status| &status.message);
    json["status"] = json!({ "code": code.as_str_name(), "message": message });
    json
}

fn event(event: &Event) -> Value {
    let mut json =
        some([("timeUnixNano", nanos(event.time_unix_nano)), ("attributes", attributes(&event.attributes).into())]);
    json["name"] = event.name.as_str().into();
    json
}

fn link(link: &Link) -> Value {
    let mut json = some([("attributes", attributes(&link.attributes).into())]);
    json["traceId"] = hex::encode(&link.trace_id).into();
    json["spanId"] = hex::encode(&link.span_id).into();
    json
}

/// An object of what there is.
fn some<const N: usize>(members: [(&str, Value); N]) -> Value {
    let is_some = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    let members = members.into_iter().filter(|(_, value)| is_some(value));
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn nanos(time: u64) -> Value {
    if time == 0 { Value::Null } else { time.to_string().into() }
}

fn attributes(attributes: &[KeyValue]) -> Map<String, Value> {
    let valued = attributes.iter().filter_map(|attribute| Some((attribute.key.clone(), attribute.value.as_ref()?)));
    valued.map(|(key, value)| (key, self::value(value))).collect()
}

fn value(value: &AnyValue) -> Value {
    match &value.value {
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(flag)) => (*flag).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        // JSON has no number for it; the words are those of protobuf's mapping.
        Some(Any::DoubleValue(number)) if number.is_nan() => "NaN".into(),
        Some(Any::DoubleValue(f64::INFINITY)) => "Infinity".into(),
        Some(Any::DoubleValue(f64::NEG_INFINITY)) => "-Infinity".into(),
        Some(Any::DoubleValue(number)) => (*number).into(),
        Some(Any::BytesValue(bytes)) => hex::encode(bytes).into(),
        Some(Any::ArrayValue(list)) => list.values.iter().map(self::value).collect(),
        Some(Any::KvlistValue(list)) => attributes(&list.values).into(),
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::Status;

    use super::*;

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    #[test]
    fn a_trace_is_flat_and_short() {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: "POST /orders".into(),
            kind: 2,
            start_time_unix_nano: 5_000_000,
            end_time_unix_nano: 7_500_000,
            attributes: vec![attribute("n", Any::IntValue(5)), attribute("b", Any::BytesValue(vec![0xab]))],
            events: vec![Event { name: "retry".into(), time_unix_nano: 6, ..Event::default() }],
            links: vec![Link { trace_id: vec![3; 16], span_id: vec![4; 8], ..Link::default() }],
            status: Some(Status { code: 2, message: "boom".into() }),
            ..Span::default()
        };
        let resource = Resource {
            attributes: vec![
                attribute("service.name", Any::StringValue("orders".into())),
                attribute("zone", Any::StringValue("a".into())),
            ],
            ..Resource::default()
        };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
        let expected = json!({
            "trace": {
                "traceId": "01".repeat(16),
                "services": [{
                    "serviceName": "orders",
                    "resource": { "zone": "a" },
                    "scopes": [{
                        "spans": [{
                            "spanId": "02".repeat(8),
                            "name": "POST /orders",
                            "kind": "SPAN_KIND_SERVER",
                            "startTimeUnixNano": "5000000",
                            "endTimeUnixNano": "7500000",
                            "durationMs": 2.5,
                            "attributes": { "n": 5, "b": "ab" },
                            "events": [{ "name": "retry", "timeUnixNano": "6" }],
                            "links": [{ "traceId": "03".repeat(16), "spanId": "04".repeat(8) }],
                            "status": { "code": "STATUS_CODE_ERROR", "message": "boom" },
                        }],
                    }],
                }],
            },
            "status": "PARTIAL",
            "message": "less",
        });
        assert_eq!(document(&TracesData { resource_spans }, "PARTIAL", "less"), expected);
        assert_eq!(document(&TracesData::default(), "COMPLETE", ""), json!({}));
    }
}
