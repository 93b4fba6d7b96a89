//! The messages of OTLP as field tables: JSON name, protobuf number, type.
//! Source: the `.proto` files of opentelemetry-proto 1.x.

use std::fmt;

pub(super) struct Message {
    pub name: &'static str,
    fields: &'static [Field],
}

pub(super) struct Field {
    /// In JSON's `lowerCamelCase`.
    pub name: &'static str,
    pub number: u32,
    pub kind: Kind,
    pub repeated: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Message(&'static Message),
    String,
    Bool,
    Double,
    Int64,
    Sint32,
    Uint32,
    Uint64,
    Fixed32,
    Fixed64,
    Sfixed64,
    /// Bytes in JSON's base64.
    Base64,
    /// Bytes of a trace or span id, in OTLP's hexadecimal.
    Id,
    /// Numbers, or names of this prefix and these words in the order of their numbers.
    Enum(&'static str, &'static [&'static str]),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Message(message) => message.name,
            Kind::String => "a string",
            Kind::Bool => "true or false",
            Kind::Double => "a number",
            Kind::Int64 | Kind::Sfixed64 => "a 64-bit integer",
            Kind::Sint32 => "a 32-bit integer",
            Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
            Kind::Uint64 | Kind::Fixed64 => "an unsigned 64-bit integer",
            Kind::Base64 => "base64 text",
            Kind::Id => "hexadecimal digits",
            Kind::Enum(..) => "an enum's number",
        })
    }
}

impl Message {
    pub fn fields(&self) -> &'static [Field] {
        self.fields
    }

    /// The field of this JSON name, in `lowerCamelCase`, as the `.proto` file spells it, or as OTLP called it before 0.16.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let name = FORMER_NAMES.iter().find(|(former, _)| *former == name).map_or(name, |(_, name)| name);
        self.fields.iter().find(|field| field.name == name || is_snake_case_of(name, field.name))
    }
}

/// Of fields whose messages are the same in JSON. Grafana still writes them when it downloads a trace.
const FORMER_NAMES: [(&str, &str); 4] = [
    ("instrumentationLibrarySpans", "scopeSpans"),
    ("instrumentationLibraryMetrics", "scopeMetrics"),
    ("instrumentationLibraryLogs", "scopeLogs"),
    ("instrumentationLibrary", "scope"),
];

fn is_snake_case_of(snake: &str, camel: &str) -> bool {
    if !snake.contains('_') {
        return false;
    }
    let mut letters = snake.chars();
    for expected in camel.chars() {
        let found = match (expected.is_ascii_uppercase(), letters.next()) {
            (true, Some('_')) => letters.next().map(|letter| letter.to_ascii_uppercase()),
            (true, _) => return false,
            (false, letter) => letter,
        };
        if found != Some(expected) {
            return false;
        }
    }
    letters.next().is_none()
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { name, number, kind, repeated: false }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { name, number, kind, repeated: true }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $constant:ident = $name:literal [$($field:expr),* $(,)?])*) => {
        $($(#[$doc])* pub(super) static $constant: Message = Message { name: $name, fields: &[$($field),*] };)*
    };
}

const SPAN_KIND: Kind =
    Kind::Enum("SPAN_KIND_", &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]);
const STATUS_CODE: Kind = Kind::Enum("STATUS_CODE_", &["UNSET", "OK", "ERROR"]);
const TEMPORALITY: Kind = Kind::Enum("AGGREGATION_TEMPORALITY_", &["UNSPECIFIED", "DELTA", "CUMULATIVE"]);
const SEVERITY: Kind = Kind::Enum(
    "SEVERITY_NUMBER_",
    &[
        "UNSPECIFIED",
        "TRACE",
        "TRACE2",
        "TRACE3",
        "TRACE4",
        "DEBUG",
        "DEBUG2",
        "DEBUG3",
        "DEBUG4",
        "INFO",
        "INFO2",
        "INFO3",
        "INFO4",
        "WARN",
        "WARN2",
        "WARN3",
        "WARN4",
        "ERROR",
        "ERROR2",
        "ERROR3",
        "ERROR4",
        "FATAL",
        "FATAL2",
        "FATAL3",
        "FATAL4",
    ],
);
const ATTRIBUTE: Kind = Kind::Message(&KEY_VALUE);

messages! {
    TRACES = "ExportTraceServiceRequest" [many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS))]
    METRICS = "ExportMetricsServiceRequest" [many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))]
    LOGS = "ExportLogsServiceRequest" [many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))]

    ANY_VALUE = "AnyValue" [
        one(1, "stringValue", Kind::String),
        one(2, "boolValue", Kind::Bool),
        one(3, "intValue", Kind::Int64),
        one(4, "doubleValue", Kind::Double),
        one(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
        one(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
        one(7, "bytesValue", Kind::Base64),
    ]
    ARRAY_VALUE = "ArrayValue" [many(1, "values", Kind::Message(&ANY_VALUE))]
    // Not ATTRIBUTE: a constant in this cycle could not be evaluated.
    KEY_VALUE_LIST = "KeyValueList" [many(1, "values", Kind::Message(&KEY_VALUE))]
    KEY_VALUE = "KeyValue" [one(1, "key", Kind::String), one(2, "value", Kind::Message(&ANY_VALUE))]
    ENTITY_REF = "EntityRef" [
        one(1, "schemaUrl", Kind::String),
        one(2, "type", Kind::String),
        many(3, "idKeys", Kind::String),
        many(4, "descriptionKeys", Kind::String),
    ]
    RESOURCE = "Resource" [
        many(1, "attributes", ATTRIBUTE),
        one(2, "droppedAttributesCount", Kind::Uint32),
        many(3, "entityRefs", Kind::Message(&ENTITY_REF)),
    ]
    SCOPE = "InstrumentationScope" [
        one(1, "name", Kind::String),
        one(2, "version", Kind::String),
        many(3, "attributes", ATTRIBUTE),
        one(4, "droppedAttributesCount", Kind::Uint32),
    ]

    RESOURCE_SPANS = "ResourceSpans" [
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
        one(3, "schemaUrl", Kind::String),
    ]
    SCOPE_SPANS = "ScopeSpans" [
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "spans", Kind::Message(&SPAN)),
        one(3, "schemaUrl", Kind::String),
    ]
    SPAN = "Span" [
        one(1, "traceId", Kind::Id),
        one(2, "spanId", Kind::Id),
        one(3, "traceState", Kind::String),
        one(4, "parentSpanId", Kind::Id),
        one(5, "name", Kind::String),
        one(6, "kind", SPAN_KIND),
        one(7, "startTimeUnixNano", Kind::Fixed64),
        one(8, "endTimeUnixNano", Kind::Fixed64),
        many(9, "attributes", ATTRIBUTE),
        one(10, "droppedAttributesCount", Kind::Uint32),
        many(11, "events", Kind::Message(&EVENT)),
        one(12, "droppedEventsCount", Kind::Uint32),
        many(13, "links", Kind::Message(&LINK)),
        one(14, "droppedLinksCount", Kind::Uint32),
        one(15, "status", Kind::Message(&STATUS)),
        one(16, "flags", Kind::Fixed32),
    ]
    EVENT = "Event" [
        one(1, "timeUnixNano", Kind::Fixed64),
        one(2, "name", Kind::String),
        many(3, "attributes", ATTRIBUTE),
        one(4, "droppedAttributesCount", Kind::Uint32),
    ]
    LINK = "Link" [
        one(1, "traceId", Kind::Id),
        one(2, "spanId", Kind::Id),
        one(3, "traceState", Kind::String),
        many(4, "attributes", ATTRIBUTE),
        one(5, "droppedAttributesCount", Kind::Uint32),
        one(6, "flags", Kind::Fixed32),
    ]
    STATUS = "Status" [one(2, "message", Kind::String), one(3, "code", STATUS_CODE)]

    RESOURCE_LOGS = "ResourceLogs" [
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
        one(3, "schemaUrl", Kind::String),
    ]
    SCOPE_LOGS = "ScopeLogs" [
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "logRecords", Kind::Message(&LOG_RECORD)),
        one(3, "schemaUrl", Kind::String),
    ]
    LOG_RECORD = "LogRecord" [
        one(1, "timeUnixNano", Kind::Fixed64),
        one(2, "severityNumber", SEVERITY),
        one(3, "severityText", Kind::String),
        one(5, "body", Kind::Message(&ANY_VALUE)),
        many(6, "attributes", ATTRIBUTE),
        one(7, "droppedAttributesCount", Kind::Uint32),
        one(8, "flags", Kind::Fixed32),
        one(9, "traceId", Kind::Id),
        one(10, "spanId", Kind::Id),
        one(11, "observedTimeUnixNano", Kind::Fixed64),
        one(12, "eventName", Kind::String),
    ]

    RESOURCE_METRICS = "ResourceMetrics" [
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
        one(3, "schemaUrl", Kind::String),
    ]
    SCOPE_METRICS = "ScopeMetrics" [
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "metrics", Kind::Message(&METRIC)),
        one(3, "schemaUrl", Kind::String),
    ]
    METRIC = "Metric" [
        one(1, "name", Kind::String),
        one(2, "description", Kind::String),
        one(3, "unit", Kind::String),
        one(5, "gauge", Kind::Message(&GAUGE)),
        one(7, "sum", Kind::Message(&SUM)),
        one(9, "histogram", Kind::Message(&HISTOGRAM)),
        one(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM)),
        one(11, "summary", Kind::Message(&SUMMARY)),
        many(12, "metadata", ATTRIBUTE),
    ]
    GAUGE = "Gauge" [many(1, "dataPoints", Kind::Message(&NUMBER_DATA_POINT))]
    SUM = "Sum" [
        many(1, "dataPoints", Kind::Message(&NUMBER_DATA_POINT)),
        one(2, "aggregationTemporality", TEMPORALITY),
        one(3, "isMonotonic", Kind::Bool),
    ]
    HISTOGRAM = "Histogram" [
        many(1, "dataPoints", Kind::Message(&HISTOGRAM_DATA_POINT)),
        one(2, "aggregationTemporality", TEMPORALITY),
    ]
    EXPONENTIAL_HISTOGRAM = "ExponentialHistogram" [
        many(1, "dataPoints", Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT)),
        one(2, "aggregationTemporality", TEMPORALITY),
    ]
    SUMMARY = "Summary" [many(1, "dataPoints", Kind::Message(&SUMMARY_DATA_POINT))]
    NUMBER_DATA_POINT = "NumberDataPoint" [
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "asDouble", Kind::Double),
        many(5, "exemplars", Kind::Message(&EXEMPLAR)),
        one(6, "asInt", Kind::Sfixed64),
        many(7, "attributes", ATTRIBUTE),
        one(8, "flags", Kind::Uint32),
    ]
    HISTOGRAM_DATA_POINT = "HistogramDataPoint" [
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        one(5, "sum", Kind::Double),
        many(6, "bucketCounts", Kind::Fixed64),
        many(7, "explicitBounds", Kind::Double),
        many(8, "exemplars", Kind::Message(&EXEMPLAR)),
        many(9, "attributes", ATTRIBUTE),
        one(10, "flags", Kind::Uint32),
        one(11, "min", Kind::Double),
        one(12, "max", Kind::Double),
    ]
    EXPONENTIAL_HISTOGRAM_DATA_POINT = "ExponentialHistogramDataPoint" [
        many(1, "attributes", ATTRIBUTE),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        one(5, "sum", Kind::Double),
        one(6, "scale", Kind::Sint32),
        one(7, "zeroCount", Kind::Fixed64),
        one(8, "positive", Kind::Message(&BUCKETS)),
        one(9, "negative", Kind::Message(&BUCKETS)),
        one(10, "flags", Kind::Uint32),
        many(11, "exemplars", Kind::Message(&EXEMPLAR)),
        one(12, "min", Kind::Double),
        one(13, "max", Kind::Double),
        one(14, "zeroThreshold", Kind::Double),
    ]
    BUCKETS = "Buckets" [one(1, "offset", Kind::Sint32), many(2, "bucketCounts", Kind::Uint64)]
    SUMMARY_DATA_POINT = "SummaryDataPoint" [
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        one(5, "sum", Kind::Double),
        many(6, "quantileValues", Kind::Message(&VALUE_AT_QUANTILE)),
        many(7, "attributes", ATTRIBUTE),
        one(8, "flags", Kind::Uint32),
    ]
    VALUE_AT_QUANTILE = "ValueAtQuantile" [one(1, "quantile", Kind::Double), one(2, "value", Kind::Double)]
    EXEMPLAR = "Exemplar" [
        one(2, "timeUnixNano", Kind::Fixed64),
        one(3, "asDouble", Kind::Double),
        one(4, "spanId", Kind::Id),
        one(5, "traceId", Kind::Id),
        one(6, "asInt", Kind::Sfixed64),
        many(7, "filteredAttributes", ATTRIBUTE),
    ]
}

#[cfg(test)]
mod tests {
    use super::is_snake_case_of;

    #[test]
    fn recognises_the_spelling_of_the_proto_files() {
        assert!(is_snake_case_of("start_time_unix_nano", "startTimeUnixNano"));
        for wrong in ["start_time", "start_time_unix_nano_", "startTime_unix_nano", "start__time_unix_nano", "_"] {
            assert!(!is_snake_case_of(wrong, "startTimeUnixNano"), "{wrong}");
        }
    }
}
