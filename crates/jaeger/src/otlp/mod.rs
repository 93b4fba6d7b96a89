//! Jaeger's spans as OpenTelemetry's and back, by the rules of OpenTelemetry's specification ("OpenTelemetry to Jaeger
//! Transformation", "Mapping to non-OTLP Formats") and of the Collector's translator (`pkg/translator/jaeger`).
//!
//! | Jaeger | OpenTelemetry |
//! |---|---|
//! | process: service name, tags | resource: `service.name`, attributes; `hostname` is `host.name`, `jaeger.version` is `opencensus.exporterversion` |
//! | tags `otel.scope.name`, `otel.scope.version` (and `otel.library.*`, their old names) | scope |
//! | tags `span.kind`, `w3c.tracestate` | kind, trace state |
//! | tags `error`, `otel.status_code`, `otel.status_description` | status; without them `http.status_code` tells it |
//! | first reference to the same trace | parent |
//! | other references | links, with the attribute `opentracing.ref_type` |
//! | logs: the field `event`, or else `message` | events: name |
//! | flag for "sampled" | the same; the others are the attribute `jaeger.flags` |
//! | warnings | the attribute `@jaeger@warnings`, as in Jaeger's own store |
//! | tags `otel.dropped_*_count` | counts of what was dropped |
//!
//! Beyond the Collector, what cannot be understood stays as it is: a `span.kind` of another name, say, is an attribute.
//! Not in Jaeger's forms are attributes of scopes and links, schemas, and values that hold values, which become JSON.

mod from;
mod request;
mod tags;
mod text;
mod to;

pub use from::from_otlp;
pub(crate) use text::not_finite;
pub use to::{to_otlp, to_request};

/// The service name of a process whose resource has none. The Collector's, so that the way back is known.
pub const NO_SERVICE_NAME: &str = "OTLPResourceNoServiceName";

pub use key::WARNINGS;

/// Keys of tags and attributes that mean something.
mod key {
    pub const SERVICE_NAME: &str = "service.name";
    pub const HOSTNAME: &str = "hostname";
    pub const HOST_NAME: &str = "host.name";
    pub const JAEGER_VERSION: &str = "jaeger.version";
    pub const EXPORTER_VERSION: &str = "opencensus.exporterversion";

    pub const SCOPE_NAME: &str = "otel.scope.name";
    pub const SCOPE_VERSION: &str = "otel.scope.version";
    pub const LIBRARY_NAME: &str = "otel.library.name";
    pub const LIBRARY_VERSION: &str = "otel.library.version";

    pub const SPAN_KIND: &str = "span.kind";
    pub const TRACE_STATE: &str = "w3c.tracestate";
    pub const FLAGS: &str = "jaeger.flags";
    /// What Jaeger has to say of a span: a list of texts.
    pub const WARNINGS: &str = "@jaeger@warnings";

    pub const ERROR: &str = "error";
    pub const STATUS_CODE: &str = "otel.status_code";
    pub const STATUS_DESCRIPTION: &str = "otel.status_description";
    pub const HTTP_STATUS_CODE: &str = "http.status_code";
    pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
    pub const HTTP_STATUS_MESSAGE: &str = "http.status_message";

    pub const EVENT: &str = "event";
    pub const MESSAGE: &str = "message";
    pub const REFERENCE_TYPE: &str = "opentracing.ref_type";

    pub const DROPPED_ATTRIBUTES: &str = "otel.dropped_attributes_count";
    pub const DROPPED_EVENTS: &str = "otel.dropped_events_count";
    pub const DROPPED_LINKS: &str = "otel.dropped_links_count";
}

const CHILD_OF: &str = "child_of";
const FOLLOWS_FROM: &str = "follows_from";
