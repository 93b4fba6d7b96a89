//! Attributes of points, resources and scopes → labels.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use trefoil_prometheus::attributes::text;
use trefoil_prometheus::names::{NameTranslation, label_name};

use super::View;

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";
const METRIC_NAME: &str = "__name__";

type Labels = BTreeMap<String, String>;

/// What all series of a scope have, with what yields to attributes of a point and what does not.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    weak: Labels,
    strong: Labels,
}

impl Surroundings {
    pub fn new(view: &View, resource: &[KeyValue], scope: Option<&InstrumentationScope>, schema_url: &str) -> Self {
        let attributes = texts(resource);
        let mut weak: Labels = view.constant_labels.iter().cloned().collect();
        if view.resource_labels.enabled {
            let mut shown = attributes.clone();
            if view.resource_labels.exclude_service_attributes {
                shown.retain(|key, _| !is_service(key));
            }
            weak.extend(translated(view.translation, shown));
        }
        let mut strong = target(&attributes);
        if view.scope_labels {
            strong.extend(of_scope(view.translation, scope, schema_url));
        }
        Self { weak, strong }
    }

    /// By name; labels without a value are none.
    pub fn labels(&self, view: &View, attributes: &[KeyValue]) -> Vec<(String, String)> {
        let mut labels = self.weak.clone();
        labels.extend(translated(view.translation, texts(attributes)));
        labels.extend(self.strong.clone());
        finished(labels)
    }
}

/// Of a series that came by Prometheus' own ways.
pub fn literal(view: &View, attributes: &[KeyValue]) -> Vec<(String, String)> {
    let mut labels: Labels = view.constant_labels.iter().cloned().collect();
    labels.extend(texts(attributes));
    finished(labels)
}

/// Of a resource's `target_info`; `None` where it would not say anything, or not of whom.
pub fn of_target(view: &View, resource: &[KeyValue]) -> Option<Vec<(String, String)>> {
    let mut attributes = texts(resource);
    let target = target(&attributes);
    attributes.retain(|key, _| !is_service(key));
    if target.is_empty() || attributes.is_empty() {
        return None;
    }
    let mut labels: Labels = view.constant_labels.iter().cloned().collect();
    labels.extend(translated(view.translation, attributes));
    labels.extend(target);
    Some(finished(labels))
}

fn finished(mut labels: Labels) -> Vec<(String, String)> {
    labels.remove(METRIC_NAME);
    labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn is_service(key: &str) -> bool {
    matches!(key, SERVICE_NAME | SERVICE_NAMESPACE | SERVICE_INSTANCE_ID)
}

/// `job` and `instance`.
fn target(resource: &Labels) -> Labels {
    let mut target = Labels::new();
    if let Some(name) = resource.get(SERVICE_NAME) {
        let job = match resource.get(SERVICE_NAMESPACE) {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.clone(),
        };
        target.insert("job".to_owned(), job);
    }
    if let Some(instance) = resource.get(SERVICE_INSTANCE_ID) {
        target.insert("instance".to_owned(), instance.clone());
    }
    target
}

fn of_scope(translation: NameTranslation, scope: Option<&InstrumentationScope>, schema_url: &str) -> Labels {
    let Some(scope) = scope else { return Labels::new() };
    let named = |(key, value)| Some((label_name(translation, &format!("otel_scope_{key}"))?, value));
    let mut labels: Labels = texts(&scope.attributes).into_iter().filter_map(named).collect();
    for (name, value) in [
        ("otel_scope_name", scope.name.as_str()),
        ("otel_scope_version", scope.version.as_str()),
        ("otel_scope_schema_url", schema_url),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    labels
}

/// Keys that become the same name have their values joined, in the order of the keys.
fn translated(translation: NameTranslation, attributes: Labels) -> Labels {
    let mut labels = Labels::new();
    for (key, value) in attributes {
        let Some(name) = label_name(translation, &key) else { continue };
        match labels.get_mut(&name) {
            Some(present) if !present.is_empty() => {
                present.push(';');
                present.push_str(&value);
            }
            _ => drop(labels.insert(name, value)),
        }
    }
    labels
}

/// By key; of equal keys the first counts.
fn texts(attributes: &[KeyValue]) -> Labels {
    let mut texts = Labels::new();
    for KeyValue { key, value, .. } in attributes {
        if !texts.contains_key(key) {
            texts.insert(key.clone(), value.as_ref().map_or_else(String::new, text));
        }
    }
    texts
}
