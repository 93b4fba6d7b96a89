//! Names of tags and attributes for what one of the models has no place for.
//!
//! Written here, beside the tags of OpenTelemetry's "Transformation to non-OTLP Formats" (`otel.scope.*`, `otel.status_*`,
//! `otel.dropped_*_count`): the Collector's ones, so that spans survive a way through both programs.

/// An attribute, `true` on the side of a call that has its span id from the other side ([`Span::shared`](crate::Span::shared)).
pub const SHARED: &str = "otel.zipkin.shared";
/// An attribute, `true` where somebody demanded the trace ([`Span::debug`](crate::Span::debug)).
pub const DEBUG: &str = "otel.zipkin.debug";
/// An attribute, `true` where Zipkin's span had no timestamp. The Collector's name.
pub const START_ABSENT: &str = "otel.zipkin.absentField.startTime";
/// A tag with the resource attribute that the name of the service was taken from, if not `service.name`.
pub const SERVICE_NAME_SOURCE: &str = "otlp.service.name.source";
/// What the Collector calls a service that has no name.
pub const NO_SERVICE_NAME: &str = "OTLPResourceNoServiceName";
/// A tag: W3C's trace state.
pub const TRACE_STATE: &str = "w3c.tracestate";
/// A tag: `internal`, a kind that Zipkin has not.
pub const SPAN_KIND: &str = "span.kind";
/// Tags: `otlp.link.0` and so on, `trace id|span id|trace state|attributes as JSON|number of dropped ones`.
pub const LINK: &str = "otlp.link.";
/// A tag that makes a failure of a span, whatever its value.
pub const ERROR: &str = "error";

pub(crate) const STATUS_CODE: &str = "otel.status_code";
pub(crate) const STATUS_DESCRIPTION: &str = "otel.status_description";
pub(crate) const SCOPE_NAME: &str = "otel.scope.name";
pub(crate) const SCOPE_VERSION: &str = "otel.scope.version";
/// What older exporters write for the two.
pub(crate) const LIBRARY_NAME: &str = "otel.library.name";
pub(crate) const LIBRARY_VERSION: &str = "otel.library.version";
pub(crate) const DROPPED_ATTRIBUTES: &str = "otel.dropped_attributes_count";
pub(crate) const DROPPED_EVENTS: &str = "otel.dropped_events_count";
pub(crate) const DROPPED_LINKS: &str = "otel.dropped_links_count";

pub(crate) const SERVICE_NAME: &str = "service.name";
/// Resource attributes that name a service that has no `service.name`, the best first.
pub(crate) const SERVICE_NAME_SUBSTITUTES: [&str; 3] = ["faas.name", "k8s.deployment.name", "process.executable.name"];

/// The attributes of one endpoint. Of several names for the same the first is written, all are read.
pub(crate) struct EndpointNames {
    pub service: &'static [&'static str],
    pub address: &'static [&'static str],
    pub port: &'static [&'static str],
}

pub(crate) const LOCAL: EndpointNames = EndpointNames {
    service: &[],
    address: &["network.local.address", "net.host.ip", "net.sock.host.addr"],
    port: &["network.local.port", "net.host.port", "net.sock.host.port"],
};

/// Attributes that name the service on the other side of a call.
pub const REMOTE_SERVICES: [&str; 2] = ["peer.service", "service.peer.name"];

pub(crate) const REMOTE: EndpointNames = EndpointNames {
    service: &REMOTE_SERVICES,
    address: &["network.peer.address", "net.peer.ip", "net.sock.peer.addr"],
    port: &["network.peer.port", "net.peer.port", "net.sock.peer.port"],
};

/// What stands for the name of the other side where there is no better, by the specification's ranks.
pub(crate) const REMOTE_SUBSTITUTES: [&str; 7] = [
    "server.address",
    "net.peer.name",
    "server.socket.domain",
    "net.sock.peer.name",
    "peer.hostname",
    "peer.address",
    "db.name",
];

/// Whether a tag is an attribute of the resource, by the semantic conventions: in Zipkin, resources have no place of their own.
pub(crate) fn is_of_resource(name: &str) -> bool {
    // Namespaces are so short that looking at them byte by byte is the fastest search.
    let Some(dot) = name.bytes().position(|byte| byte == b'.') else { return false };
    let (namespace, rest) = name.split_at(dot);
    match namespace {
        "cloud" | "container" | "deployment" | "device" | "host" | "k8s" | "os" | "process" | "telemetry"
        | "webengine" => true,
        // Others of these namespaces are of spans (`faas.trigger`, `service.peer.name`).
        "aws" => [".ecs.", ".eks.", ".log."].iter().any(|part| rest.starts_with(part)),
        "faas" => matches!(rest, ".name" | ".version" | ".id" | ".instance" | ".max_memory"),
        "service" => matches!(rest, ".name" | ".namespace" | ".instance.id" | ".version"),
        _ => false,
    }
}
