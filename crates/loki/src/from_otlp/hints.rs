//! What attributes of a record say about its stream, and the labels that come of it.
//!
//! Hints and their meanings are those of the Collector's `lokiexporter`.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::DefaultLabels;
use super::line::Format;
use super::value::to_text;

const ATTRIBUTE_LABELS: &str = "loki.attribute.labels";
const RESOURCE_LABELS: &str = "loki.resource.labels";
const TENANT: &str = "loki.tenant";
const FORMAT: &str = "loki.format";

const LEVEL: &str = "level";

/// Attributes that speak to this module, and are not shown.
const ALL: [&str; 4] = [ATTRIBUTE_LABELS, RESOURCE_LABELS, TENANT, FORMAT];

pub(super) struct Hints<'a> {
    record: &'a LogRecord,
    resource: &'a Resource,
}

/// What came of the hints.
pub(super) struct Hinted {
    pub tenant: Option<String>,
    /// By the names of attributes; a later one wins.
    pub labels: Vec<(String, String)>,
    pub format: Format,
    pub is_used: Used,
}

/// Attributes that are no longer to be shown.
pub(super) struct Used(Vec<String>);

impl Used {
    pub fn has(&self, attribute: &str) -> bool {
        ALL.contains(&attribute) || self.0.iter().any(|used| used == attribute)
    }
}

impl<'a> Hints<'a> {
    pub fn of(record: &'a LogRecord, resource: &'a Resource) -> Self {
        Self { record, resource }
    }

    pub fn labels(&self, defaults: DefaultLabels) -> Hinted {
        let (record, resource) = (&self.record.attributes, &self.resource.attributes);
        let mut labels = Vec::new();
        if defaults.exporter {
            labels.push(("exporter".to_owned(), "OTLP".to_owned()));
        }
        labels.extend(self.job().filter(|_| defaults.job).map(|job| ("job".to_owned(), job)));
        let instance = text(resource, "service.instance.id").filter(|_| defaults.instance);
        labels.extend(instance.map(|instance| ("instance".to_owned(), instance)));
        for hints in [resource, record] {
            labels.extend(named(get(hints, RESOURCE_LABELS), resource));
        }
        labels.extend(named(get(record, ATTRIBUTE_LABELS), record));
        labels.extend(self.level().filter(|_| defaults.level).map(|level| (LEVEL.to_owned(), level)));
        // The resource's word counts first.
        let of_tenant = match get(resource, TENANT) {
            Some(hint) => named(Some(hint), resource),
            None => named(get(record, TENANT), record),
        };
        let tenant = of_tenant.first().map(|(_, tenant)| tenant.clone()).filter(|tenant| !tenant.is_empty());
        labels.extend(of_tenant);
        let format = text(record, FORMAT).or_else(|| text(resource, FORMAT));
        let is_used = Used(labels.iter().map(|(name, _)| name.clone()).collect());
        Hinted { tenant, labels, format: format.as_deref().and_then(Format::from_name).unwrap_or_default(), is_used }
    }

    fn job(&self) -> Option<String> {
        let name = text(&self.resource.attributes, "service.name")?;
        match text(&self.resource.attributes, "service.namespace") {
            Some(namespace) => Some(format!("{namespace}/{name}")),
            None => Some(name),
        }
    }

    /// Only of records that have a severity; what they say themselves wins.
    fn level(&self) -> Option<String> {
        let severity = SeverityNumber::try_from(self.record.severity_number).ok()?;
        if severity == SeverityNumber::Unspecified {
            return None;
        }
        let name = severity.as_str_name();
        let own = text(&self.record.attributes, LEVEL);
        Some(own.unwrap_or_else(|| name.strip_prefix("SEVERITY_NUMBER_").unwrap_or(name).to_owned()))
    }
}

/// The attributes that a hint names, separated by commas or in a list; those that are not there are left out.
fn named(hint: Option<&AnyValue>, attributes: &[KeyValue]) -> Vec<(String, String)> {
    let names: Vec<String> = match hint.map(|hint| &hint.value) {
        None => return Vec::new(),
        Some(Some(Value::ArrayValue(list))) => list.values.iter().map(to_text).collect(),
        Some(_) => hint.map(to_text).unwrap_or_default().split(',').map(str::to_owned).collect(),
    };
    let names = names.iter().map(|name| name.trim());
    names.filter_map(|name| Some((name.to_owned(), to_text(find(attributes, name)?)))).collect()
}

fn get<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()
}

/// Also within a list of members, by names with dots between them.
fn find<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a AnyValue> {
    let (mut attributes, mut name) = (attributes, name);
    loop {
        if let Some(value) = get(attributes, name) {
            return Some(value);
        }
        let (first, rest) = name.split_once('.')?;
        let Some(Value::KvlistValue(members)) = &get(attributes, first)?.value else { return None };
        (attributes, name) = (&members.values, rest);
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    get(attributes, key).map(to_text).filter(|text| !text.is_empty())
}
