//! A trace in the JSON that Tempo writes: protobuf's JSON mapping, which differs from OTLP's. Ids are base64, enums are
//! names, 64-bit integers are strings, and fields at their default are left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValueKind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use serde_json::{Map, Value, json};

use super::proto::SearchMetrics;

pub(crate) fn resource_spans(trace: &TracesData) -> Value {
    list(&trace.resource_spans, |group: &ResourceSpans| {
        Object::default()
            .message("resource", group.resource.as_ref().map(resource))
            .list("scopeSpans", &group.scope_spans, scope_spans)
            .text("schemaUrl", &group.schema_url)
            .into()
    })
}

fn resource(resource: &Resource) -> Value {
    Object::default()
        .list("attributes", &resource.attributes, attribute)
        .number("droppedAttributesCount", resource.dropped_attributes_count)
        .into()
}

fn scope_spans(group: &ScopeSpans) -> Value {
    Object::default()
        .message("scope", group.scope.as_ref().map(scope))
        .list("spans", &group.spans, span)
        .text("schemaUrl", &group.schema_url)
        .into()
}

fn scope(scope: &InstrumentationScope) -> Value {
    Object::default()
        .text("name", &scope.name)
        .text("version", &scope.version)
        .list("attributes", &scope.attributes, attribute)
        .number("droppedAttributesCount", scope.dropped_attributes_count)
        .into()
}

fn span(span: &Span) -> Value {
    Object::default()
        .bytes("traceId", &span.trace_id)
        .bytes("spanId", &span.span_id)
        .text("traceState", &span.trace_state)
        .bytes("parentSpanId", &span.parent_span_id)
        .number("flags", span.flags)
        .text("name", &span.name)
        .choice("kind", span.kind, SpanKind::try_from(span.kind).ok().map(|kind| kind.as_str_name()))
        .long("startTimeUnixNano", span.start_time_unix_nano)
        .long("endTimeUnixNano", span.end_time_unix_nano)
        .list("attributes", &span.attributes, attribute)
        .number("droppedAttributesCount", span.dropped_attributes_count)
        .list("events", &span.events, event)
        .number("droppedEventsCount", span.dropped_events_count)
        .list("links", &span.links, link)
        .number("droppedLinksCount", span.dropped_links_count)
        .message("status", span.status.as_ref().map(status))
        .into()
}

fn event(event: &Event) -> Value {
    Object::default()
        .long("timeUnixNano", event.time_unix_nano)
        .text("name", &event.name)
        .list("attributes", &event.attributes, attribute)
        .number("droppedAttributesCount", event.dropped_attributes_count)
        .into()
}

fn link(link: &Link) -> Value {
    Object::default()
        .bytes("traceId", &link.trace_id)
        .bytes("spanId", &link.span_id)
        .text("traceState", &link.trace_state)
        .list("attributes", &link.attributes, attribute)
        .number("droppedAttributesCount", link.dropped_attributes_count)
        .number("flags", link.flags)
        .into()
}

fn status(status: &Status) -> Value {
    Object::default()
        .text("message", &status.message)
        .choice("code", status.code, StatusCode::try_from(status.code).ok().map(|code| code.as_str_name()))
        .into()
}

pub(super) fn attribute(attribute: &KeyValue) -> Value {
    json!({ "key": attribute.key, "value": attribute.value.as_ref().map_or_else(|| json!({}), any_value) })
}

fn any_value(value: &AnyValue) -> Value {
    match &value.value {
        None => json!({}),
        Some(AnyValueKind::StringValue(text)) => json!({ "stringValue": text }),
        Some(AnyValueKind::BoolValue(flag)) => json!({ "boolValue": flag }),
        Some(AnyValueKind::IntValue(number)) => json!({ "intValue": number.to_string() }),
        Some(AnyValueKind::DoubleValue(number)) => json!({ "doubleValue": double(*number) }),
        Some(AnyValueKind::BytesValue(bytes)) => json!({ "bytesValue": BASE64.encode(bytes) }),
        Some(AnyValueKind::ArrayValue(array)) => {
            json!({ "arrayValue": Value::from(Object::default().list("values", &array.values, any_value)) })
        }
        Some(AnyValueKind::KvlistValue(members)) => {
            json!({ "kvlistValue": Value::from(Object::default().list("values", &members.values, attribute)) })
        }
        // Profiles only: an index into a string table that spans do not have.
        Some(_) => json!({}),
    }
}

pub(super) fn double(number: f64) -> Value {
    match number {
        _ if number.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json!(number),
    }
}

/// What a question took.
pub(super) fn search_metrics(metrics: Option<&SearchMetrics>) -> Value {
    let metrics = metrics.cloned().unwrap_or_default();
    without_defaults(json!({
        "inspectedTraces": metrics.inspected_traces,
        "inspectedBytes": metrics.inspected_bytes.to_string(),
        "completedJobs": metrics.completed_jobs,
        "totalJobs": metrics.total_jobs,
        "inspectedSpans": metrics.inspected_spans.to_string(),
    }))
}

pub(super) fn without_defaults(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| match value {
            Value::Null => false,
            Value::Number(number) => number.as_u64() != Some(0),
            Value::String(text) => !text.is_empty() && text != "0",
            Value::Array(list) => !list.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(flag) => *flag,
        });
    }
    object
}

fn list<T>(items: &[T], convert: impl Fn(&T) -> Value) -> Value {
    Value::Array(items.iter().map(convert).collect())
}

/// A JSON object in the making that leaves out what is at its default.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(mut self, name: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    fn message(self, name: &str, value: Option<Value>) -> Self {
        self.put(name, value)
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.put(name, (!text.is_empty()).then(|| text.into()))
    }

    fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.put(name, (!bytes.is_empty()).then(|| BASE64.encode(bytes).into()))
    }

    fn number(self, name: &str, number: u32) -> Self {
        self.put(name, (number != 0).then(|| number.into()))
    }

    fn long(self, name: &str, number: u64) -> Self {
        self.put(name, (number != 0).then(|| number.to_string().into()))
    }

    /// An enum by name, or by number where this version does not know the name.
    fn choice(self, name: &str, number: i32, known: Option<&str>) -> Self {
        self.put(name, (number != 0).then(|| known.map_or_else(|| number.into(), Value::from)))
    }

    fn list<T>(self, name: &str, items: &[T], convert: impl Fn(&T) -> Value) -> Self {
        self.put(name, (!items.is_empty()).then(|| list(items, convert)))
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(object.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_tempo_writes() {
        let attribute = |key: &str, value| KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
            ..Default::default()
        };
        let trace = TracesData {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource {
                    attributes: vec![attribute("service.name", AnyValueKind::StringValue("orders".into()))],
                    ..Default::default()
                }),
                scope_spans: vec![ScopeSpans {
                    spans: vec![Span {
                        trace_id: vec![1; 16],
                        span_id: vec![2; 8],
                        name: "POST /orders".into(),
                        kind: 2,
                        start_time_unix_nano: 5,
                        attributes: vec![
                            attribute("http.status_code", AnyValueKind::IntValue(500)),
                            attribute("load", AnyValueKind::DoubleValue(f64::NAN)),
                        ],
                        status: Some(Status { code: 2, message: "boom".into() }),
                        ..Default::default()
                    }],
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        insta::assert_json_snapshot!(resource_spans(&trace), @r#"
        [
          {
            "resource": {
              "attributes": [
                {
                  "key": "service.name",
                  "value": {
                    "stringValue": "orders"
                  }
                }
              ]
            },
            "scopeSpans": [
              {
                "spans": [
                  {
                    "attributes": [
                      {
                        "key": "http.status_code",
                        "value": {
                          "intValue": "500"
                        }
                      },
                      {
                        "key": "load",
                        "value": {
                          "doubleValue": "NaN"
                        }
                      }
                    ],
                    "kind": "SPAN_KIND_SERVER",
                    "name": "POST /orders",
                    "spanId": "AgICAgICAgI=",
                    "startTimeUnixNano": "5",
                    "status": {
                      "code": "STATUS_CODE_ERROR",
                      "message": "boom"
                    },
                    "traceId": "AQEBAQEBAQEBAQEBAQEBAQ=="
                  }
                ]
              }
            ]
          }
        ]
        "#);
    }
}
