//! Entries as OTLP's log records.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::entry::Entry;
use super::receipt::Receipt;
use super::value::{Map, Value, members_of, pairs};

/// One group for each resource and scope, in the order in which they came first; and the receipts of all lines.
pub fn request(entries: Vec<Entry>) -> (ExportLogsServiceRequest, Vec<Receipt>) {
    let mut resources: Vec<ResourceLogs> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut receipts = Vec::new();
    let mut last: Option<(Value, usize)> = None;
    for mut entry in entries {
        receipts.append(&mut entry.receipts);
        let resource = std::mem::replace(&mut entry.resource, Value::Null);
        let place = match &last {
            Some((same, place)) if *same == resource => *place,
            _ => *known.entry(resource.to_string()).or_insert_with(|| {
                let attributes = pairs(members(resource.clone()));
                let group = Resource { attributes, ..Resource::default() };
                resources.push(ResourceLogs { resource: Some(group), ..ResourceLogs::default() });
                resources.len() - 1
            }),
        };
        last = Some((resource, place));
        let scopes = &mut resources[place].scope_logs;
        let name = |scope: &ScopeLogs| scope.scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default();
        let scope = match scopes.iter().position(|scope| name(scope) == entry.scope) {
            Some(place) => &mut scopes[place],
            None => {
                let scope = InstrumentationScope { name: entry.scope.clone(), ..InstrumentationScope::default() };
                scopes.push(ScopeLogs { scope: Some(scope), ..ScopeLogs::default() });
                let place = scopes.len() - 1;
                &mut scopes[place]
            }
        };
        scope.log_records.push(record(entry));
    }
    (ExportLogsServiceRequest { resource_logs: resources }, receipts)
}

/// An entry of a record that a receiver made; `resource` is a map.
pub fn entry(record: LogRecord, resource: &Value) -> Entry {
    Entry {
        timestamp: record.time_unix_nano,
        severity: record.severity_number,
        severity_text: record.severity_text,
        attributes: Value::Map(members_of(record.attributes)),
        resource: resource.clone(),
        ..Entry::new(record.body.unwrap_or_default().into(), record.observed_time_unix_nano)
    }
}

/// The record of an entry that has no receipts, its resource, and the name of its scope.
pub fn parted(mut entry: Entry) -> (LogRecord, Value, String) {
    let resource = std::mem::replace(&mut entry.resource, Value::Null);
    let scope = std::mem::take(&mut entry.scope);
    (record(entry), resource, scope)
}

fn members(value: Value) -> Map {
    match value {
        Value::Map(map) => map,
        _ => Map::new(),
    }
}

fn record(entry: Entry) -> LogRecord {
    // OTLP has ids of these lengths only; others say nothing.
    let id = |id: Vec<u8>, length| if id.len() == length { id } else { Vec::new() };
    LogRecord {
        time_unix_nano: entry.timestamp,
        observed_time_unix_nano: entry.observed,
        severity_number: entry.severity,
        severity_text: entry.severity_text,
        body: match entry.body {
            Value::Null => None,
            body => Some(body.into_any()),
        },
        attributes: pairs(members(entry.attributes)),
        trace_id: id(entry.trace_id, 16),
        span_id: id(entry.span_id, 8),
        flags: entry.trace_flags.into(),
        ..LogRecord::default()
    }
}
