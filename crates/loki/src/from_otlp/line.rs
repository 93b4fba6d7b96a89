//! Records as lines.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Map, Value};

use super::hints::Used;
use super::logfmt;
use super::value::{to_json, to_text};
use crate::ids;

/// By the hint `loki.format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Json,
    Logfmt,
    /// The body alone.
    Raw,
}

impl Format {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "logfmt" => Some(Self::Logfmt),
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }
}

/// Attributes that are used are left out.
pub(super) fn write(
    format: Format,
    record: &LogRecord,
    resource: &Resource,
    scope: &InstrumentationScope,
    used: &Used,
) -> String {
    match format {
        Format::Json => json(record, resource, scope, used),
        Format::Logfmt => logfmt(record, resource, scope, used),
        Format::Raw => record.body.as_ref().map(to_text).unwrap_or_default(),
    }
}

fn shown<'a>(attributes: &'a [KeyValue], used: &'a Used) -> impl Iterator<Item = (&'a str, &'a AnyValue)> {
    let shown = attributes.iter().filter(|attribute| !used.has(&attribute.key));
    shown.filter_map(|attribute| Some((attribute.key.as_str(), attribute.value.as_ref()?)))
}

fn json(record: &LogRecord, resource: &Resource, scope: &InstrumentationScope, used: &Used) -> String {
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| {
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if !is_empty {
            line.insert(key.to_owned(), value);
        }
    };
    let members = |attributes| shown(attributes, used).map(|(key, value)| (key.to_owned(), to_json(value)));
    let flags = Some(record.flags).filter(|flags| *flags > 0);
    let mut of_scope = Map::new();
    for (key, text) in [("name", &scope.name), ("version", &scope.version)] {
        if !scope.name.is_empty() && !text.is_empty() {
            of_scope.insert(key.to_owned(), text.as_str().into());
        }
    }
    put("traceid", ids::text(&record.trace_id).into());
    put("spanid", ids::text(&record.span_id).into());
    put("severity", record.severity_text.as_str().into());
    put("flags", flags.map_or(Value::Null, Value::from));
    put("attributes", Value::Object(members(&record.attributes).collect()));
    put("resources", Value::Object(members(&resource.attributes).collect()));
    put("instrumentation_scope", Value::Object(of_scope));
    // Also where it is empty: there is a body.
    if let Some(body) = record.body.as_ref().filter(|body| body.value.is_some()) {
        line.insert("body".to_owned(), to_json(body));
    }
    Value::Object(line).to_string()
}

fn logfmt(record: &LogRecord, resource: &Resource, scope: &InstrumentationScope, used: &Used) -> String {
    let mut pairs = record.body.as_ref().map(logfmt::of_body).unwrap_or_default();
    let flags = if record.flags > 0 { record.flags.to_string() } else { String::new() };
    for (key, text) in [
        ("traceID", ids::text(&record.trace_id)),
        ("spanID", ids::text(&record.span_id)),
        ("severity", record.severity_text.clone()),
        ("flags", flags),
    ] {
        if text.is_empty() {
            continue;
        }
        match pairs.iter_mut().find(|(other, _)| other == key) {
            Some((_, old)) => *old = text,
            None => pairs.push((key.to_owned(), text)),
        }
    }
    for (prefix, attributes) in [("attribute_", &record.attributes), ("resource_", &resource.attributes)] {
        for (key, value) in shown(attributes, used) {
            logfmt::flatten(&mut pairs, format!("{prefix}{key}"), value);
        }
    }
    if !scope.name.is_empty() {
        pairs.push(("instrumentation_scope_name".to_owned(), scope.name.clone()));
        if !scope.version.is_empty() {
            pairs.push(("instrumentation_scope_version".to_owned(), scope.version.clone()));
        }
    }
    logfmt::write(&pairs)
}
