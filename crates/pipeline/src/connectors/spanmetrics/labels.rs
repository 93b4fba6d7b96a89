//! What tells series apart: the dimensions that all have, and those of the configuration.

use std::collections::HashSet;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use trefoil_model::wire::Reader;

use super::config::Names;
use crate::connectors::spans::attributes::{Found, attribute, clipped, point_value, push_text, string, text_attribute};
use crate::connectors::spans::{Span, kind_name, status_name};

/// An attribute of spans, events or resources that series have, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// As the series have it.
    pub key: String,
    /// In the `Keys` of the options.
    pub place: usize,
    /// What it is where it is missing; `None`: it is left out.
    pub default: Option<String>,
}

/// The dimensions that are there without being configured.
#[derive(Debug, Clone)]
pub struct Labels {
    pub names: Names,
    pub excluded: HashSet<String>,
    pub status_message: bool,
    /// Scopes whose name and version are dimensions.
    pub scopes: HashSet<String>,
    pub sampling_method: bool,
}

const SERVICE_NAME: &str = "service.name";
const SPAN_NAME: &str = "span.name";
const SPAN_KIND: &str = "span.kind";
const STATUS_CODE: &str = "status.code";
const STATUS_MESSAGE: &str = "status.message";

/// Names that Tempo has for itself: an attribute that would be called so begins with `__`.
const TEMPO_NAMES: [&str; 7] =
    ["service", "span_name", "span_kind", "status_code", "status_message", "job", "instance"];

impl Names {
    /// What series call the attribute that is a default dimension.
    fn default_dimension(self, name: &'static str) -> &'static str {
        match (self, name) {
            (Names::Collector, name) => name,
            (Names::Tempo, SERVICE_NAME) => "service",
            (Names::Tempo, SPAN_NAME) => "span_name",
            (Names::Tempo, SPAN_KIND) => "span_kind",
            (Names::Tempo, STATUS_CODE) => "status_code",
            (Names::Tempo, STATUS_MESSAGE) => "status_message",
            (Names::Tempo, other) => other,
        }
    }

    /// What series call an attribute that is configured as a dimension.
    pub fn dimension(self, name: &str) -> String {
        if self == Names::Collector {
            return name.to_owned();
        }
        let sanitized: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        match TEMPO_NAMES.contains(&sanitized.as_str()) {
            true => format!("__{sanitized}"),
            false => sanitized,
        }
    }
}

/// All that the series of one span depend on.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'o, 'a> {
    pub service: &'a [u8],
    pub resource: &'o Found<'a>,
    /// Name and version, if they are dimensions.
    pub scope: Option<(&'a [u8], &'a [u8])>,
    pub span: &'o Span<'a>,
    pub found: &'o Found<'a>,
    /// Of an event of the span, if that is counted.
    pub event: Option<&'o Found<'a>>,
    /// It stands for others that were not sampled.
    pub is_adjusted: bool,
}

impl<'a> Origin<'_, 'a> {
    /// The more specific counts.
    fn value(&self, dimension: &Dimension) -> Option<Reader<'a>> {
        let place = dimension.place;
        let of_event = || self.event.and_then(|event| event.get(place));
        self.found.get(place).or_else(of_event).or_else(|| self.resource.get(place))
    }
}

impl Labels {
    pub const DEFAULT: [&'static str; 4] = [SERVICE_NAME, SPAN_NAME, SPAN_KIND, STATUS_CODE];

    pub fn has(name: &str) -> bool {
        Self::DEFAULT.contains(&name)
    }

    fn shows(&self, name: &str) -> bool {
        self.excluded.is_empty() || !self.excluded.contains(name)
    }

    /// Appends what is equal for spans of the same series, and for no others.
    pub fn push_key(&self, origin: &Origin<'_, '_>, dimensions: &[Dimension], out: &mut Vec<u8>) {
        let span = origin.span;
        if self.shows(SERVICE_NAME) {
            push(out, clipped(origin.service));
        }
        if self.shows(SPAN_NAME) {
            push(out, clipped(span.name));
        }
        if self.shows(SPAN_KIND) {
            out.push(u8::try_from(span.kind).map_or(6, |kind| kind.min(6)));
        }
        if self.shows(STATUS_CODE) {
            out.push(u8::try_from(span.status_code).map_or(3, |code| code.min(3)));
        }
        if self.status_message {
            push(out, clipped(span.status_message));
        }
        if let Some((name, version)) = origin.scope {
            push(out, clipped(name));
            push(out, clipped(version));
        }
        if self.sampling_method {
            out.push(u8::from(origin.is_adjusted));
        }
        for dimension in dimensions {
            match (origin.value(dimension), &dimension.default) {
                (Some(value), _) => push_with(out, |out| push_text(value, out)),
                (None, Some(default)) => push(out, default.as_bytes()),
                (None, None) => out.push(ABSENT),
            }
        }
    }

    /// The attributes of a new series.
    pub fn attributes(&self, origin: &Origin<'_, '_>, dimensions: &[Dimension]) -> Vec<KeyValue> {
        let span = origin.span;
        let mut attributes = Vec::with_capacity(6 + dimensions.len());
        let mut add = |name: &'static str, value: String| {
            if self.shows(name) {
                attributes.push(text_attribute(self.names.default_dimension(name), value));
            }
        };
        add(SERVICE_NAME, string(origin.service));
        add(SPAN_NAME, string(span.name));
        add(SPAN_KIND, kind_name(span.kind).to_owned());
        add(STATUS_CODE, status_name(span.status_code).to_owned());
        if self.status_message {
            add(STATUS_MESSAGE, string(span.status_message));
        }
        if let Some((name, version)) = origin.scope {
            add("span.instrumentation.scope.name", string(name));
            add("span.instrumentation.scope.version", string(version));
        }
        if self.sampling_method {
            add("sampling.method", if origin.is_adjusted { "extrapolated" } else { "counted" }.to_owned());
        }
        for dimension in dimensions {
            let value = match (origin.value(dimension), &dimension.default) {
                (Some(value), _) => point_value(value),
                (None, Some(default)) => Value::StringValue(default.clone()),
                (None, None) => continue,
            };
            attributes.push(attribute(&dimension.key, value));
        }
        attributes
    }
}

const ABSENT: u8 = 0xff;

/// With its length before it, which no other text can be mistaken for.
fn push(out: &mut Vec<u8>, text: &[u8]) {
    push_with(out, |out| out.extend_from_slice(text));
}

fn push_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&[0; 2]);
    write(out);
    // A value is cut long before its length needs more, and its first byte is never that of an absent one.
    let length = (out.len() - begin - 2).min(0xfeff) as u16;
    out[begin..begin + 2].copy_from_slice(&length.to_be_bytes());
}
