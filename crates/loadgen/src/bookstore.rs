//! The shop: its services, where their pods run, and how attributes are written.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::random::{below, mix};

/// One deployment of the shop.
#[derive(Debug)]
pub struct Service {
    pub name: &'static str,
    pub language: &'static str,
    pub version: &'static str,
    /// The instrumentation library most of its spans come from.
    pub scope: (&'static str, &'static str),
}

/// In the order in which a checkout meets them.
pub const SERVICES: [Service; 9] = [
    Service { name: "gateway", language: "go", version: "2.14.3", scope: (HTTP_GO, "0.63.0") },
    Service { name: "storefront", language: "nodejs", version: "5.8.1", scope: (HTTP_NODE, "0.203.0") },
    Service { name: "catalog", language: "java", version: "3.2.0", scope: (SPRING, "2.18.0-alpha") },
    Service { name: "orders", language: "python", version: "1.27.4", scope: (DJANGO, "0.58b0") },
    Service { name: "outbox-publisher", language: "go", version: "1.4.0", scope: (KAFKA_GO, "0.9.2") },
    Service { name: "payments-gateway", language: "java", version: "4.0.7", scope: (SPRING, "2.18.0-alpha") },
    Service { name: "stripe-standin", language: "rust", version: "0.6.2", scope: ("axum-otel", "0.31.0") },
    Service { name: "webhook-receiver", language: "nodejs", version: "1.9.9", scope: (HTTP_NODE, "0.203.0") },
    Service { name: "recommendations", language: "python", version: "2.3.5", scope: (DJANGO, "0.58b0") },
];

const HTTP_GO: &str = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp";
const HTTP_NODE: &str = "@opentelemetry/instrumentation-http";
const SPRING: &str = "io.opentelemetry.spring-webmvc-6.0";
const DJANGO: &str = "opentelemetry.instrumentation.django";
const KAFKA_GO: &str = "github.com/dnwe/otelsarama";

pub const REGIONS: [&str; 3] = ["eu-central-1", "eu-west-1", "us-east-1"];
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// The resource of one pod of a service, with ten attributes.
pub fn resource(seed: u64, service: &Service, pod: u64) -> Resource {
    let random = mix(seed, mix(service.name.len() as u64 + u64::from(service.name.as_bytes()[0]), pod));
    let region = REGIONS[(pod % 3) as usize];
    let replica_set = format!("{:09x}", (random >> 40) & 0xf_ffff_ffff);
    let pod_name = format!("{}-{replica_set}-{}", service.name, letters(random));
    let attributes = vec![
        text("service.name", service.name),
        text("service.version", service.version),
        text("service.instance.id", format!("{:016x}", mix(random, 1))),
        text("deployment.environment.name", "production"),
        text("cloud.region", region),
        text("k8s.namespace.name", "bookstore"),
        text("k8s.pod.name", pod_name),
        text("k8s.node.name", format!("{region}-worker-{:02}", below(mix(random, 2), 24))),
        text("telemetry.sdk.language", service.language),
        text("telemetry.sdk.name", "opentelemetry"),
    ];
    Resource { attributes, ..Default::default() }
}

/// The five letters Kubernetes ends a pod's name with.
fn letters(random: u64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5).map(|place| char::from(ALPHABET[((random >> (7 * place)) % ALPHABET.len() as u64) as usize])).collect()
}

pub fn scope((name, version): (&str, &str)) -> InstrumentationScope {
    InstrumentationScope { name: name.into(), version: version.into(), ..Default::default() }
}

pub fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

pub fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

pub fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

pub fn double(key: &str, value: f64) -> KeyValue {
    attribute(key, Value::DoubleValue(value))
}

pub fn boolean(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

pub fn texts(key: &str, values: &[&str]) -> KeyValue {
    let values = values.iter().map(|value| AnyValue { value: Some(Value::StringValue((*value).into())) }).collect();
    attribute(key, Value::ArrayValue(ArrayValue { values }))
}
