//! Attributes of points, resources and scopes → Prometheus' labels.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use trefoil_model::attributes::read_attributes;
use trefoil_prometheus::attributes::text;
use trefoil_prometheus::names::{NameTranslation, label_name, unit_name};
use trefoil_promql::labels::{Labels, LabelsBuilder, METRIC_NAME, METRIC_TYPE, METRIC_UNIT};

use super::error::PromqlError;
use super::family::Family;
use super::options::{PrometheusView, PromotedAttributes};

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";
const JOB: &str = "job";
const INSTANCE: &str = "instance";

/// What a row of `series` says of who a series is; texts as they are stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Identity<'a> {
    pub attributes: Option<&'a str>,
    pub service_name: Option<&'a str>,
    pub resource_attributes: Option<&'a str>,
    pub scope_name: Option<&'a str>,
    pub scope_version: Option<&'a str>,
    pub scope_attributes: Option<&'a str>,
    pub scope_schema_url: Option<&'a str>,
}

/// The labels of a series of a metric that came as OTLP, without its name. `resource` as [`resource`] reads it.
pub fn of_series(
    view: &PrometheusView,
    family: &Family,
    identity: &Identity<'_>,
    resource: &BTreeMap<String, String>,
) -> Result<Labels, PromqlError> {
    let mut labels = LabelsBuilder::default();
    add_translated(&mut labels, view.translation, texts(identity.attributes)?);
    let own = labels.clone().build();
    for (key, value) in promoted(&view.promoted_resource_attributes, resource) {
        if let Some(name) = label_name(view.translation, key).filter(|name| !own.has(name)) {
            labels.set(name, value);
        }
    }
    add_target(&mut labels, resource);
    if view.scope_labels {
        for (key, value) in texts(identity.scope_attributes)? {
            if let Some(name) = label_name(view.translation, &format!("otel_scope_{key}")) {
                labels.set(name, value);
            }
        }
        for (name, value) in [
            ("otel_scope_name", identity.scope_name),
            ("otel_scope_version", identity.scope_version),
            ("otel_scope_schema_url", identity.scope_schema_url),
        ] {
            labels.set(name, value.unwrap_or(""));
        }
    }
    if view.type_and_unit_labels {
        labels
            .set(METRIC_TYPE, family.prometheus_type())
            .set(METRIC_UNIT, unit_name(view.translation, &family.key.unit));
    }
    labels.remove(METRIC_NAME);
    Ok(labels.build())
}

fn promoted<'r>(
    promoted: &'r PromotedAttributes,
    resource: &'r BTreeMap<String, String>,
) -> Box<dyn Iterator<Item = (&'r str, &'r str)> + 'r> {
    let pair = |(key, value): (&'r String, &'r String)| (key.as_str(), value.as_str());
    match promoted {
        PromotedAttributes::These(keys) => {
            Box::new(keys.iter().filter_map(|key| resource.get_key_value(key)).map(pair))
        }
        PromotedAttributes::AllBut(ignored) => {
            Box::new(resource.iter().filter(|(key, _)| !ignored.contains(key)).map(pair))
        }
    }
}

/// The labels of a series that came by Prometheus' own ways, without its name: its attributes.
pub fn literal(identity: &Identity<'_>) -> Result<Labels, PromqlError> {
    let attributes = texts(identity.attributes)?;
    Ok(Labels::from_pairs(attributes.into_iter().filter(|(key, _)| key != METRIC_NAME)))
}

/// The labels of a resource's `target_info`, without its name. `None` where it would not say anything, or not of whom.
pub fn of_target(view: &PrometheusView, resource: &BTreeMap<String, String>) -> Option<Labels> {
    let mut target = LabelsBuilder::default();
    add_target(&mut target, resource);
    let identifying = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE_ID];
    let mut rest = resource.clone();
    let says_nothing_else = rest.keys().all(|key| identifying.contains(&key.as_str()));
    let target = target.build();
    if target.is_empty() || says_nothing_else {
        return None;
    }
    if !view.keep_identifying_resource_attributes {
        rest.retain(|key, _| !identifying.contains(&key.as_str()));
    }
    let mut labels = LabelsBuilder::default();
    add_translated(&mut labels, view.translation, rest);
    labels.remove(METRIC_NAME);
    for label in target.iter() {
        labels.put(label.clone());
    }
    Some(labels.build())
}

/// The attributes of a resource as texts, by key.
pub fn resource(identity: &Identity<'_>) -> Result<BTreeMap<String, String>, PromqlError> {
    let mut attributes = texts(identity.resource_attributes)?;
    if let Some(name) = identity.service_name {
        attributes.insert(SERVICE_NAME.to_owned(), name.to_owned());
    }
    Ok(attributes)
}

fn add_target(labels: &mut LabelsBuilder, resource: &BTreeMap<String, String>) {
    if let Some(name) = resource.get(SERVICE_NAME) {
        match resource.get(SERVICE_NAMESPACE) {
            Some(namespace) => labels.set(JOB, format!("{namespace}/{name}")),
            None => labels.set(JOB, name.as_str()),
        };
    }
    if let Some(instance) = resource.get(SERVICE_INSTANCE_ID) {
        labels.set(INSTANCE, instance.as_str());
    }
}

/// Keys that become the same name have their values joined, in the order of the keys.
fn add_translated(labels: &mut LabelsBuilder, translation: NameTranslation, attributes: BTreeMap<String, String>) {
    let mut translated: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in attributes {
        let Some(name) = label_name(translation, &key) else { continue };
        match translated.get_mut(&name) {
            Some(present) if !present.is_empty() => {
                present.push(';');
                present.push_str(&value);
            }
            _ => drop(translated.insert(name, value)),
        }
    }
    for (name, value) in translated {
        labels.set(name, value);
    }
}

/// A stored attribute list as text, by key; of equal keys the first counts.
pub fn texts(attributes: Option<&str>) -> Result<BTreeMap<String, String>, PromqlError> {
    let Some(json) = attributes else { return Ok(BTreeMap::new()) };
    let attributes = read_attributes(json).map_err(|error| PromqlError::Internal(error.to_string()))?;
    let mut texts = BTreeMap::new();
    for KeyValue { key, value, .. } in attributes {
        texts.entry(key).or_insert_with(|| value.as_ref().map_or_else(String::new, text));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::super::family::FamilyKey;
    use super::*;

    const RESOURCE: &str =
        r#"{"service.namespace":"shop","service.instance.id":"i-1","k8s.pod.name":"p","cloud.region":"eu"}"#;

    fn view(change: impl FnOnce(&mut PrometheusView)) -> PrometheusView {
        let mut view = PrometheusView::default();
        change(&mut view);
        view
    }

    #[test]
    fn points_resources_and_scopes_give_labels() {
        let identity = Identity {
            attributes: Some(
                r#"{"http.route":"/a","http/route":"b","n":1,"d":1.0,"t":true,"l":[1,"x"],"__name__":"no","":"-"}"#,
            ),
            service_name: Some("cart"),
            resource_attributes: Some(RESOURCE),
            scope_name: Some("lib"),
            scope_attributes: Some(r#"{"a.b":"c"}"#),
            ..Identity::default()
        };
        let key = FamilyKey {
            name: "a".to_owned(),
            kind: "sum".to_owned(),
            unit: "By/s".to_owned(),
            temporality: 2,
            is_monotonic: true,
            metadata: None,
        };
        let family = Family::new(key, Vec::new(), &PrometheusView::default()).unwrap();
        let of = |view: &PrometheusView| {
            of_series(view, &family, &identity, &resource(&identity).unwrap()).unwrap().to_string()
        };
        let own = r#"{d="1", http_route="/a;b", instance="i-1", job="shop/cart", l="[1,\"x\"]", n="1", t="true"}"#;
        assert_eq!(of(&view(|_| {})), own);
        let promoting = view(|view| {
            view.promoted_resource_attributes = PromotedAttributes::These(vec!["k8s.pod.name".into(), "none".into()]);
        });
        assert!(of(&promoting).contains(r#"k8s_pod_name="p""#));
        let all = view(|view| {
            let ignored = vec!["cloud.region".into(), "service.instance.id".into()];
            view.promoted_resource_attributes = PromotedAttributes::AllBut(ignored);
        });
        assert!(of(&all).ends_with(
            r#"k8s_pod_name="p", l="[1,\"x\"]", n="1", service_name="cart", service_namespace="shop", t="true"}"#
        ));
        assert!(!of(&all).contains("cloud_region"));
        let typed = of(&view(|view| view.type_and_unit_labels = true));
        assert!(typed.starts_with(r#"{__type__="counter", __unit__="bytes_per_second", d="1""#), "{typed}");
        let scoped = of(&view(|view| view.scope_labels = true));
        assert!(scoped.contains(r#"otel_scope_a_b="c", otel_scope_name="lib", t="true""#), "{scoped}");
        let literally = of(&view(|view| view.translation = NameTranslation::NoTranslation));
        assert!(literally.contains(r#""http.route"="/a", "http/route"="b""#), "{literally}");
    }

    #[test]
    fn targets_have_what_a_resource_says() {
        let view = view(|_| {});
        let identity =
            Identity { service_name: Some("cart"), resource_attributes: Some(RESOURCE), ..Identity::default() };
        let of_target =
            |view: &PrometheusView, identity: &Identity<'_>| super::of_target(view, &resource(identity).unwrap());
        let labels = of_target(&view, &identity).unwrap().to_string();
        assert_eq!(labels, r#"{cloud_region="eu", instance="i-1", job="shop/cart", k8s_pod_name="p"}"#);
        let keeping = self::tests::view(|view| view.keep_identifying_resource_attributes = true);
        let labels = of_target(&keeping, &identity).unwrap().to_string();
        assert!(
            labels.ends_with(r#"service_instance_id="i-1", service_name="cart", service_namespace="shop"}"#),
            "{labels}"
        );
        let nothing_else = Identity { service_name: Some("cart"), ..Identity::default() };
        assert_eq!(of_target(&view, &nothing_else), None);
        let nobody = Identity { resource_attributes: Some(r#"{"a":"b"}"#), ..Identity::default() };
        assert_eq!(of_target(&view, &nobody), None);
        assert_eq!(of_target(&keeping, &nothing_else), None);
        assert!(texts(Some("{")).is_err());
    }
}
