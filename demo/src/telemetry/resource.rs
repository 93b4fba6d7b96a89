//! Who is speaking: the resource attributes of one pod. They are the same at every start, so that its series go on.

use std::hash::{DefaultHasher, Hash, Hasher};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::services::ServiceName;
use crate::tenants::Tenant;

const NAMESPACE: &str = "bookstore";

/// The resource of the pod that serves `tenant`.
pub fn resource(service: ServiceName, tenant: Tenant) -> Resource {
    let hash = hash(service, tenant);
    let deployment = format!("{service}-{}", tenant.name);
    let pod = format!("{deployment}-{}-{}", letters(hash, 9), letters(hash.rotate_left(29), 5));
    let node = format!("{}-worker-{:02}", tenant.region, hash % 12);
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_service_name(service.as_str())
        .with_attributes([
            KeyValue::new("service.namespace", NAMESPACE),
            KeyValue::new("service.version", service.version()),
            KeyValue::new("service.instance.id", format!("{NAMESPACE}.{pod}.{service}")),
            KeyValue::new("deployment.environment.name", "demo"),
            KeyValue::new("cloud.region", tenant.region),
            KeyValue::new("region", tenant.region),
            KeyValue::new("tenant", tenant.name),
            KeyValue::new("k8s.namespace.name", NAMESPACE),
            KeyValue::new("k8s.deployment.name", deployment),
            KeyValue::new("k8s.pod.name", pod),
            KeyValue::new("k8s.node.name", node),
        ])
        .build()
}

/// A number of the pod, the same at every start.
pub fn hash(service: ServiceName, tenant: Tenant) -> u64 {
    let mut hasher = DefaultHasher::new();
    (service.as_str(), tenant.name).hash(&mut hasher);
    hasher.finish()
}

/// Letters as Kubernetes ends names with.
fn letters(hash: u64, count: u32) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..count).map(|place| char::from(ALPHABET[(hash >> (5 * place)) as usize % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;
    use crate::tenants;

    #[test]
    fn pods_differ_and_stay() {
        let mut pods = Vec::new();
        for tenant in tenants::first(50) {
            for service in ServiceName::ALL {
                let resource = resource(service, tenant);
                let value = |key: &'static str| resource.get(&Key::new(key)).unwrap().to_string();
                assert_eq!(value("tenant"), tenant.name);
                assert_eq!(value("region"), tenant.region);
                assert!(value("k8s.node.name").starts_with(tenant.region));
                assert_eq!(value("telemetry.sdk.language"), "rust");
                pods.push(value("service.instance.id"));
            }
        }
        let count = pods.len();
        pods.sort_unstable();
        pods.dedup();
        assert_eq!(pods.len(), count);
    }
}
