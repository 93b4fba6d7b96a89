//! `include` and `exclude`: which spans, log records and metrics are acted upon.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use regex::Regex;
use serde::Deserialize;
use trefoil_model::Signal;

use super::not_a_regex;
use super::value::{self, ConfigValue};
use crate::config::{ConfigError, Problems, Section, suggestion};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    match_type: MatchType,
    /// Options of a cache that Trefoil's matching does not need.
    #[serde(default)]
    regexp: Option<RegexpConfig>,
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
    log_severity_number: Option<SeverityConfig>,
    #[serde(default)]
    metric_names: Vec<String>,
    #[serde(default)]
    attributes: Vec<AttributeConfig>,
    #[serde(default)]
    resources: Vec<AttributeConfig>,
    #[serde(default)]
    libraries: Vec<LibraryConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MatchType {
    Strict,
    Regexp,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct RegexpConfig {
    #[serde(rename = "cacheenabled")]
    _cache_enabled: bool,
    #[serde(rename = "cachemaxnumentries")]
    _cache_max_entries: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeverityConfig {
    min: i32,
    #[serde(default)]
    match_undefined: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeConfig {
    key: String,
    value: Option<ConfigValue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LibraryConfig {
    name: String,
    version: Option<String>,
}

/// What an item is compared by.
pub struct Surroundings<'a> {
    pub resource: Option<&'a Resource>,
    pub scope: Option<&'a InstrumentationScope>,
}

/// Conditions; an item matches if it meets all that are given.
#[derive(Debug, Clone)]
pub struct Filter {
    services: Texts,
    span_names: Texts,
    span_kinds: Texts,
    log_bodies: Texts,
    log_severity_texts: Texts,
    /// The least number, and whether 0 (undefined) matches.
    log_severity: Option<(i32, bool)>,
    metric_names: Texts,
    attributes: Vec<(String, Wanted)>,
    resources: Vec<(String, Wanted)>,
    libraries: Vec<(Texts, Option<Texts>)>,
    /// Signals that all given conditions can be asked of.
    signals: Vec<Signal>,
}

/// Texts or patterns of which one must match; without any, everything does.
#[derive(Debug, Clone)]
enum Texts {
    Strict(Vec<String>),
    Regexp(Vec<Regex>),
}

impl Texts {
    fn is_empty(&self) -> bool {
        match self {
            Texts::Strict(texts) => texts.is_empty(),
            Texts::Regexp(patterns) => patterns.is_empty(),
        }
    }

    fn allow(&self, text: &str) -> bool {
        self.is_empty() || self.contain(text)
    }

    fn contain(&self, text: &str) -> bool {
        match self {
            Texts::Strict(texts) => texts.iter().any(|wanted| wanted == text),
            Texts::Regexp(patterns) => patterns.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}

#[derive(Debug, Clone)]
enum Wanted {
    Any,
    Equal(Value),
    Like(Regex),
}

impl Wanted {
    fn matches(&self, value: &Value) -> bool {
        match self {
            Wanted::Any => true,
            Wanted::Equal(wanted) => wanted == value,
            Wanted::Like(pattern) => value::scalar_text(value).is_some_and(|text| pattern.is_match(&text)),
        }
    }
}

impl Filter {
    /// `option` is `include` or `exclude`.
    pub fn new(section: &Section<'_>, option: &str, config: FilterConfig) -> Result<Self, ConfigError> {
        let mut reader = Reader { section, option, match_type: config.match_type, problems: Problems::default() };
        if config.regexp.is_some() && config.match_type == MatchType::Strict {
            reader.problem("regexp", "it goes with `match_type: regexp` only");
        }
        if config.match_type == MatchType::Strict {
            for (index, kind) in
                config.span_kinds.iter().enumerate().filter(|(_, kind)| !SPAN_KINDS.contains(&kind.as_str()))
            {
                let message = format!("unknown span kind `{kind}`{}", suggestion(kind, SPAN_KINDS));
                reader.problem(&format!("span_kinds[{index}]"), message);
            }
        }
        let signals = Signal::ALL.into_iter().filter(|signal| can_ask(*signal, &config)).collect::<Vec<_>>();
        let libraries = config.libraries.into_iter().enumerate().map(|(index, library)| {
            let place = format!("libraries[{index}]");
            let version = library.version.map(|version| reader.texts(&format!("{place}.version"), vec![version]));
            (reader.texts(&format!("{place}.name"), vec![library.name]), version)
        });
        let libraries = libraries.collect::<Vec<_>>();
        let filter = Self {
            services: reader.texts("services", config.services),
            span_names: reader.texts("span_names", config.span_names),
            span_kinds: reader.texts("span_kinds", config.span_kinds),
            log_bodies: reader.texts("log_bodies", config.log_bodies),
            log_severity_texts: reader.texts("log_severity_texts", config.log_severity_texts),
            log_severity: config.log_severity_number.map(|severity| (severity.min, severity.match_undefined)),
            metric_names: reader.texts("metric_names", config.metric_names),
            attributes: reader.attributes("attributes", config.attributes),
            resources: reader.attributes("resources", config.resources),
            libraries,
            signals,
        };
        if filter.is_empty() {
            reader.problem("", "a condition is needed, such as `services`, `attributes` or `resources`");
        } else if filter.signals.is_empty() {
            reader.problem("", "no signal has all of these properties, so nothing could ever match");
        }
        reader.problems.or(filter)
    }

    /// Whether the conditions make sense for items of the signal.
    pub fn is_for(&self, signal: Signal) -> bool {
        self.signals.contains(&signal)
    }

    fn is_empty(&self) -> bool {
        let texts = [
            &self.services,
            &self.span_names,
            &self.span_kinds,
            &self.log_bodies,
            &self.log_severity_texts,
            &self.metric_names,
        ];
        texts.iter().all(|texts| texts.is_empty())
            && self.log_severity.is_none()
            && self.attributes.is_empty()
            && self.resources.is_empty()
            && self.libraries.is_empty()
    }

    pub fn matches_span(&self, span: &Span, around: &Surroundings<'_>) -> bool {
        self.span_names.allow(&span.name)
            && self.span_kinds.allow(span_kind(span.kind))
            && all_match(&self.attributes, &span.attributes)
            && self.matches_surroundings(around)
    }

    pub fn matches_log(&self, record: &LogRecord, around: &Surroundings<'_>) -> bool {
        let body = match record.body.as_ref().and_then(|body| body.value.as_ref()) {
            Some(Value::StringValue(text)) => Some(text.as_str()),
            _ => None,
        };
        let severity = match (self.log_severity, record.severity_number) {
            (None, _) => true,
            (Some((_, match_undefined)), 0) => match_undefined,
            (Some((min, _)), number) => number >= min,
        };
        severity
            && (self.log_bodies.is_empty() || body.is_some_and(|body| self.log_bodies.contain(body)))
            && self.log_severity_texts.allow(&record.severity_text)
            && all_match(&self.attributes, &record.attributes)
            && self.matches_surroundings(around)
    }

    pub fn matches_metric(&self, name: &str, around: &Surroundings<'_>) -> bool {
        self.metric_names.allow(name) && self.matches_surroundings(around)
    }

    fn matches_surroundings(&self, around: &Surroundings<'_>) -> bool {
        let resource = around.resource.map(|resource| resource.attributes.as_slice()).unwrap_or_default();
        let scope = around.scope.map_or(("", ""), |scope| (scope.name.as_str(), scope.version.as_str()));
        let is_library = |(name, version): &(Texts, Option<Texts>)| {
            name.contain(scope.0) && version.as_ref().is_none_or(|version| version.contain(scope.1))
        };
        let service = || value::get(resource, "service.name").and_then(value::scalar_text).unwrap_or_default();
        (self.services.is_empty() || self.services.contain(&service()))
            && all_match(&self.resources, resource)
            && (self.libraries.is_empty() || self.libraries.iter().any(is_library))
    }
}

fn all_match(wanted: &[(String, Wanted)], attributes: &[KeyValue]) -> bool {
    wanted.iter().all(|(key, wanted)| value::get(attributes, key).is_some_and(|value| wanted.matches(value)))
}

/// Which properties each signal has, as the Collector sees it.
fn can_ask(signal: Signal, config: &FilterConfig) -> bool {
    let of_spans = config.span_names.is_empty() && config.span_kinds.is_empty() && config.services.is_empty();
    let of_logs =
        config.log_bodies.is_empty() && config.log_severity_texts.is_empty() && config.log_severity_number.is_none();
    let of_metrics = config.metric_names.is_empty();
    let of_items = config.attributes.is_empty() && config.libraries.is_empty();
    match signal {
        Signal::Traces => of_logs && of_metrics,
        Signal::Logs => of_spans && of_metrics,
        Signal::Metrics => of_spans && of_logs && of_items,
    }
}

const SPAN_KINDS: [&str; 5] =
    ["SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"];

fn span_kind(number: i32) -> &'static str {
    SpanKind::try_from(number).map_or("", |kind| kind.as_str_name())
}

struct Reader<'a> {
    section: &'a Section<'a>,
    option: &'a str,
    match_type: MatchType,
    problems: Problems,
}

impl Reader<'_> {
    fn problem(&mut self, option: &str, message: impl std::fmt::Display) {
        let separator = if option.is_empty() { "" } else { "." };
        let place = format!("{}{separator}{option}", self.option);
        self.problems.push(self.section.problem(&place, message));
    }

    fn regex(&mut self, option: &str, pattern: &str) -> Option<Regex> {
        match Regex::new(pattern) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.problem(option, not_a_regex(&error));
                None
            }
        }
    }

    fn texts(&mut self, option: &str, texts: Vec<String>) -> Texts {
        match self.match_type {
            MatchType::Strict => Texts::Strict(texts),
            MatchType::Regexp => Texts::Regexp(texts.iter().filter_map(|text| self.regex(option, text)).collect()),
        }
    }

    fn attributes(&mut self, option: &str, configs: Vec<AttributeConfig>) -> Vec<(String, Wanted)> {
        let mut attributes = Vec::with_capacity(configs.len());
        for (index, config) in configs.into_iter().enumerate() {
            let place = format!("{option}[{index}]");
            if config.key.is_empty() {
                self.problem(&place, "the option `key` must not be empty");
            }
            let wanted = match (config.value, self.match_type) {
                (None, _) => Wanted::Any,
                (Some(ConfigValue(value)), MatchType::Strict) => Wanted::Equal(value),
                (Some(ConfigValue(Value::StringValue(pattern))), MatchType::Regexp) => {
                    self.regex(&format!("{place}.value"), &pattern).map_or(Wanted::Any, Wanted::Like)
                }
                (Some(_), MatchType::Regexp) => {
                    self.problem(&format!("{place}.value"), "with `match_type: regexp` it must be a string; quote it");
                    Wanted::Any
                }
            };
            attributes.push((config.key, wanted));
        }
        attributes
    }
}
