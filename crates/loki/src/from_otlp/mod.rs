//! OTLP logs as streams: those of a push as they were pushed, all others as the Collector's `lokiexporter` wrote them.

mod hints;
mod line;
mod logfmt;
mod value;

use std::borrow::Cow;

use indexmap::IndexMap;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use trefoil_model::logs::{PUSH_SCOPE, label_of_attribute};

use self::hints::{Hinted, Hints};
use self::value::to_text;
use crate::labels::{Labels, is_name};
use crate::rejected::Rejected;
use crate::stream::{Entry, Stream};

/// Which labels records get without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultLabels {
    /// `exporter="OTLP"`
    pub exporter: bool,
    /// The service's namespace and name.
    pub job: bool,
    /// The service's instance.
    pub instance: bool,
    /// The severity.
    pub level: bool,
}

impl Default for DefaultLabels {
    fn default() -> Self {
        Self { exporter: true, job: true, instance: true, level: true }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromOtlp {
    pub tenants: Vec<OfTenant>,
    /// Records without any label.
    pub rejected: Rejected,
}

/// Streams for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfTenant {
    /// As the hint `loki.tenant` has it; `None` where there is none.
    pub tenant: Option<String>,
    /// None has the labels of another.
    pub streams: Vec<Stream>,
    /// In all of them.
    pub entries: u64,
}

/// Translates a request. Streams are in the order in which their labels first come, entries in that of the records. `now`, in nanoseconds
/// since the epoch, is the time of records that have none.
pub fn from_otlp(request: &ExportLogsServiceRequest, labels: DefaultLabels, now: u64) -> FromOtlp {
    let mut tenants: Tenants = IndexMap::new();
    let mut rejected = Rejected::default();
    let (no_resource, no_scope) = (Resource::default(), InstrumentationScope::default());
    for resource_logs in &request.resource_logs {
        let resource = resource_logs.resource.as_ref().unwrap_or(&no_resource);
        for scope_logs in &resource_logs.scope_logs {
            let scope = scope_logs.scope.as_ref().unwrap_or(&no_scope);
            let pushed = (scope.name == PUSH_SCOPE).then(|| Named::new(pushed_labels(resource)));
            for record in &scope_logs.log_records {
                let (tenant, named, mut entry) = match &pushed {
                    Some(labels) => (None, Cow::Borrowed(labels), pushed_entry(record)),
                    None => translated(record, resource, scope, labels),
                };
                entry.time = time(record, now);
                if named.labels.is_empty() {
                    rejected.add(1, format_args!("the record would be in a stream without labels"));
                    continue;
                }
                let streams = tenants.entry(tenant).or_default();
                match streams.get_mut(&named.text) {
                    Some(stream) => stream.entries.push(entry),
                    None => {
                        let Named { text, labels } = named.into_owned();
                        streams.insert(text, Stream { labels, entries: vec![entry] });
                    }
                }
            }
        }
    }
    FromOtlp { tenants: tenants.into_iter().map(of_tenant).collect(), rejected }
}

/// Labels, and their text, which is what streams are found by.
#[derive(Clone)]
struct Named {
    text: String,
    labels: Labels<'static>,
}

impl Named {
    fn new(labels: Labels<'static>) -> Self {
        Self { text: labels.to_string(), labels }
    }
}

/// Tenant → text of labels → stream.
type Tenants = IndexMap<Option<String>, IndexMap<String, Stream>>;

fn of_tenant((tenant, streams): (Option<String>, IndexMap<String, Stream>)) -> OfTenant {
    let streams: Vec<Stream> = streams.into_values().collect();
    let entries = streams.iter().map(|stream| stream.entries.len() as u64).sum();
    OfTenant { tenant, streams, entries }
}

fn time(record: &LogRecord, now: u64) -> u64 {
    let times = [record.time_unix_nano, record.observed_time_unix_nano];
    times.into_iter().find(|time| *time > 0).unwrap_or(now)
}

/// Processors may have added attributes whose names no label can have.
fn pushed_labels(resource: &Resource) -> Labels<'static> {
    let mut labels = Labels::default();
    for attribute in &resource.attributes {
        if let Some(text) = attribute.value.as_ref().map(to_text).filter(|text| !text.is_empty()) {
            labels.set(label_name(label_of_attribute(&attribute.key)), text);
        }
    }
    labels
}

fn pushed_entry(record: &LogRecord) -> Entry {
    let text = |value: Option<&AnyValue>| value.map(to_text).unwrap_or_default();
    let attributes = record.attributes.iter();
    let metadata = attributes.map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref()))).collect();
    Entry { time: 0, line: text(record.body.as_ref()), metadata }
}

/// The tenant, the labels, and the entry without its time.
fn translated(
    record: &LogRecord,
    resource: &Resource,
    scope: &InstrumentationScope,
    defaults: DefaultLabels,
) -> (Option<String>, Cow<'static, Named>, Entry) {
    let Hinted { tenant, labels, format, is_used } = Hints::of(record, resource).labels(defaults);
    let line = line::write(format, record, resource, scope, &is_used);
    let mut named = Labels::default();
    for (name, value) in labels {
        if !value.is_empty() {
            named.set(label_name(&name), value);
        }
    }
    (tenant, Cow::Owned(Named::new(named)), Entry { time: 0, line, metadata: Vec::new() })
}

/// The name of an attribute as that of a label, by the rules that the Collector has for Prometheus: `service.name` is `service_name`.
fn label_name(name: &str) -> String {
    if is_name(name) {
        return name.to_owned();
    }
    let mut label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if label.starts_with(|c: char| c.is_ascii_digit()) {
        label.insert_str(0, "key_");
    } else if label.starts_with('_') && !label.starts_with("__") {
        label.insert_str(0, "key");
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_labels_are_the_collectors() {
        for (name, label) in [
            ("service_name", "service_name"),
            ("service.name", "service_name"),
            ("1st", "key_1st"),
            (".a", "key_a"),
            ("__a.b", "__a_b"),
            ("_a", "_a"),
            ("é", "key_"),
            ("", ""),
        ] {
            assert_eq!(label_name(name), label, "{name}");
        }
    }
}
