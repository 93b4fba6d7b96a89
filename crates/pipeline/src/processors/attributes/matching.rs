//! Which items a processor works on: `include` and `exclude`, with the Collector's semantics. Kinds of properties must all
//! match; of one kind's list any may, except attributes and resources, of which all must.

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use regex::Regex;
use serde::Deserialize;
use trefoil_model::Signal;

use super::actions::{as_text, get};
use crate::config::{ConfigError, Problems, Section};

/// `include` or `exclude` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMatch {
    match_type: MatchType,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    span_names: Vec<String>,
    #[serde(default)]
    span_kinds: Vec<String>,
    #[serde(default)]
    log_bodies: Vec<String>,
    #[serde(default)]
    log_severity_texts: Vec<String>,
    #[serde(default)]
    log_severity_number: Option<Severity>,
    #[serde(default)]
    metric_names: Vec<String>,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    resources: Vec<Attribute>,
    #[serde(default)]
    libraries: Vec<Library>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MatchType {
    Strict,
    Regexp,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Severity {
    /// OTLP's severity number, 1 to 24.
    min: i32,
    /// Whether records without a severity match.
    #[serde(default)]
    match_undefined: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribute {
    key: String,
    /// Any value where absent.
    #[serde(default)]
    value: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Library {
    name: String,
    #[serde(default)]
    version: Option<String>,
}

/// One text to compare with.
#[derive(Debug, Clone)]
enum Text {
    Exactly(String),
    Pattern(Regex),
}

impl Text {
    fn matches(&self, text: &str) -> bool {
        match self {
            Text::Exactly(expected) => expected == text,
            Text::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// Compares one item; all that is empty matches everything.
#[derive(Debug, Clone, Default)]
struct Match {
    services: Vec<Text>,
    names: Vec<Text>,
    span_kinds: Vec<i32>,
    log_bodies: Vec<Text>,
    log_severity_texts: Vec<Text>,
    log_severity_number: Option<Severity>,
    attributes: Vec<(String, Option<Text>)>,
    resources: Vec<(String, Option<Text>)>,
    libraries: Vec<(Text, Option<Text>)>,
    signals: Vec<Signal>,
}

/// `include` and `exclude` together.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    include: Option<Match>,
    exclude: Option<Match>,
}

/// What surrounds an item.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub resource: &'a [KeyValue],
    pub scope: Option<&'a InstrumentationScope>,
}

impl Filter {
    pub fn new(
        section: &Section<'_>,
        include: Option<RawMatch>,
        exclude: Option<RawMatch>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let mut read = |name: &str, raw: Option<RawMatch>| {
            raw.and_then(|raw| match Match::new(raw) {
                Ok(matching) => Some(matching),
                Err((option, message)) => {
                    let path = if option.is_empty() { name.to_owned() } else { format!("{name}.{option}") };
                    problems.push(section.problem(&path, message));
                    None
                }
            })
        };
        let filter = Self { include: read("include", include), exclude: read("exclude", exclude) };
        problems.or(filter)
    }

    /// Why the filter can never match items of the signal, if so.
    pub fn unfit_for(&self, signal: Signal) -> Option<String> {
        let unfit = |matching: &Match| !matching.signals.contains(&signal);
        [("include", &self.include), ("exclude", &self.exclude)]
            .into_iter()
            .find(|(_, matching)| matching.as_ref().is_some_and(unfit))
            .map(|(name, _)| format!("`{name}` names properties that {signal} do not have"))
    }

    pub fn takes_span(&self, span: &Span, around: Surroundings<'_>) -> bool {
        self.takes(|matching| {
            any(&matching.names, &span.name)
                && (matching.span_kinds.is_empty() || matching.span_kinds.contains(&span.kind))
                && matching.common(&span.attributes, around)
        })
    }

    pub fn takes_log(&self, record: &LogRecord, around: Surroundings<'_>) -> bool {
        self.takes(|matching| {
            let body = || record.body.as_ref().and_then(|body| body.value.as_ref()).map(as_text).unwrap_or_default();
            let severe = matching.log_severity_number.is_none_or(|severity| match record.severity_number {
                0 => severity.match_undefined,
                number => number >= severity.min,
            });
            severe
                && any(&matching.log_severity_texts, &record.severity_text)
                && (matching.log_bodies.is_empty() || any(&matching.log_bodies, &body()))
                && matching.common(&record.attributes, around)
        })
    }

    pub fn takes_point(&self, metric: &str, attributes: &[KeyValue], around: Surroundings<'_>) -> bool {
        self.takes(|matching| any(&matching.names, metric) && matching.common(attributes, around))
    }

    fn takes(&self, matches: impl Fn(&Match) -> bool) -> bool {
        self.include.as_ref().is_none_or(&matches) && !self.exclude.as_ref().is_some_and(&matches)
    }
}

fn any(texts: &[Text], found: &str) -> bool {
    texts.is_empty() || texts.iter().any(|text| text.matches(found))
}

fn all(expected: &[(String, Option<Text>)], found: &[KeyValue]) -> bool {
    expected.iter().all(|(key, text)| match (get(found, key), text) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(value), Some(text)) => text.matches(&as_text(value)),
    })
}

impl Match {
    fn new(raw: RawMatch) -> Result<Self, (&'static str, String)> {
        let match_type = raw.match_type;
        let text = |option: &'static str, text: &str| match match_type {
            MatchType::Strict => Ok(Text::Exactly(text.to_owned())),
            MatchType::Regexp => match Regex::new(text) {
                Ok(pattern) => Ok(Text::Pattern(pattern)),
                Err(error) => Err((option, error.to_string())),
            },
        };
        let texts = |option, list: &[String]| list.iter().map(|item| text(option, item)).collect::<Result<Vec<_>, _>>();
        let pairs = |option, list: Vec<Attribute>| {
            list.into_iter()
                .map(|attribute| {
                    let value = attribute.value.map(|value| match value {
                        serde_json::Value::String(value) => value,
                        other => other.to_string(),
                    });
                    Ok((attribute.key, value.map(|value| text(option, &value)).transpose()?))
                })
                .collect::<Result<Vec<_>, (&'static str, String)>>()
        };
        if !raw.span_names.is_empty() && !raw.metric_names.is_empty() {
            return Err(("", "names both spans and metrics; no item is both".to_owned()));
        }
        let libraries = raw.libraries.iter().map(|library| {
            let version = library.version.as_deref().map(|version| text("libraries", version)).transpose()?;
            Ok((text("libraries", &library.name)?, version))
        });
        let matching = Self {
            signals: raw.signals(),
            services: texts("services", &raw.services)?,
            names: [texts("span_names", &raw.span_names)?, texts("metric_names", &raw.metric_names)?].concat(),
            span_kinds: raw.span_kinds.iter().map(|kind| span_kind(kind)).collect::<Result<_, _>>()?,
            log_bodies: texts("log_bodies", &raw.log_bodies)?,
            log_severity_texts: texts("log_severity_texts", &raw.log_severity_texts)?,
            log_severity_number: raw.log_severity_number,
            libraries: libraries.collect::<Result<_, (&'static str, String)>>()?,
            attributes: pairs("attributes", raw.attributes)?,
            resources: pairs("resources", raw.resources)?,
        };
        match matching.is_empty() {
            true => Err(("", "names no property to match, such as `services` or `attributes`".to_owned())),
            false => Ok(matching),
        }
    }

    fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.names.is_empty()
            && self.span_kinds.is_empty()
            && self.log_bodies.is_empty()
            && self.log_severity_texts.is_empty()
            && self.log_severity_number.is_none()
            && self.attributes.is_empty()
            && self.resources.is_empty()
            && self.libraries.is_empty()
    }

    fn common(&self, attributes: &[KeyValue], around: Surroundings<'_>) -> bool {
        let service = || get(around.resource, "service.name").map(as_text).unwrap_or_default();
        (self.services.is_empty() || any(&self.services, &service()))
            && all(&self.attributes, attributes)
            && all(&self.resources, around.resource)
            && self.library(around.scope)
    }

    fn library(&self, scope: Option<&InstrumentationScope>) -> bool {
        let (name, version) = scope.map_or(("", ""), |scope| (&scope.name, &scope.version));
        self.libraries.is_empty()
            || self.libraries.iter().any(|(expected, expected_version)| {
                expected.matches(name) && expected_version.as_ref().is_none_or(|text| text.matches(version))
            })
    }
}

impl RawMatch {
    /// The signals whose items have all the properties that are named.
    fn signals(&self) -> Vec<Signal> {
        let about_spans = !self.span_names.is_empty() || !self.span_kinds.is_empty();
        let about_logs = !self.log_bodies.is_empty()
            || !self.log_severity_texts.is_empty()
            || self.log_severity_number.is_some();
        let about_metrics = !self.metric_names.is_empty();
        let about = [about_spans, about_metrics, about_logs];
        Signal::ALL
            .into_iter()
            .filter(|signal| about.iter().enumerate().all(|(other, named)| !named || other == *signal as usize))
            .collect()
    }
}

fn span_kind(name: &str) -> Result<i32, (&'static str, String)> {
    let kind = SpanKind::from_str_name(name).or_else(|| match name {
        "internal" => Some(SpanKind::Internal),
        "server" => Some(SpanKind::Server),
        "client" => Some(SpanKind::Client),
        "producer" => Some(SpanKind::Producer),
        "consumer" => Some(SpanKind::Consumer),
        _ => None,
    });
    kind.map(i32::from).ok_or_else(|| {
        let known = "SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER";
        ("span_kinds", format!("`{name}` is not a span kind; known are {known}"))
    })
}

/// The data points of a metric, by their attributes.
pub(super) fn point_attributes(metric: &mut Metric) -> Vec<&mut Vec<KeyValue>> {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    match &mut metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
        Some(Data::Sum(data)) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
        Some(Data::Histogram(data)) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter_mut().map(|point| &mut point.attributes).collect()
        }
        Some(Data::Summary(data)) => data.data_points.iter_mut().map(|point| &mut point.attributes).collect(),
    }
}
