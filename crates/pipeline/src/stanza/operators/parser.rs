//! What all parsers share: where they read, where they write, and what is read from that at once.

use serde::Deserialize;

use super::{csv, json, key_value, regex, syslog};
use crate::config::ConfigError;
use crate::stanza::config::Options;
use crate::stanza::entry::Entry;
use crate::stanza::field::{Field, Root, Rootable};
use crate::stanza::severity::SeverityConfig;
use crate::stanza::time::{TimeConfig, TimeParser};
use crate::stanza::value::{Map, Value};

const SHARED: [&str; 7] = ["parse_from", "parse_to", "body", "timestamp", "severity", "trace", "scope_name"];

/// The options of every parser.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shared {
    parse_from: Field,
    parse_to: Rootable,
    body: Option<Field>,
    timestamp: Option<TimeConfig>,
    severity: Option<SeverityConfig>,
    trace: Option<TraceConfig>,
    scope_name: Option<ScopeNameConfig>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            parse_from: Field::body(),
            parse_to: Rootable(Field { root: Root::Attributes, keys: Vec::new() }),
            body: None,
            timestamp: None,
            severity: None,
            trace: None,
            scope_name: None,
        }
    }
}

/// The block `trace` of a parser, and the operator `trace_parser`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    trace_id: Place,
    span_id: Place,
    trace_flags: Place,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Place {
    parse_from: Option<Field>,
}

impl TraceConfig {
    /// Each of them is hexadecimal; what is not there is not set.
    pub fn parse(&self, entry: &mut Entry) -> Result<(), String> {
        let read = |from: &Place, name: &str| -> Result<Vec<u8>, String> {
            let default = || Field { root: Root::Body, keys: vec![name.to_owned()] };
            let field = from.parse_from.clone().unwrap_or_else(default);
            let Some(value) = field.get(entry) else { return Ok(Vec::new()) };
            unhex(&value.to_string()).ok_or_else(|| format!("{name}: `{value}` is not hexadecimal"))
        };
        let trace_id = read(&self.trace_id, "trace_id");
        let span_id = read(&self.span_id, "span_id");
        let flags = read(&self.trace_flags, "trace_flags");
        // What can be read is, whatever is wrong with the others.
        let mut reasons = Vec::new();
        let mut part = |part: Result<Vec<u8>, String>| {
            part.unwrap_or_else(|reason| {
                reasons.push(reason);
                Vec::new()
            })
        };
        let (trace_id, span_id, flags) = (part(trace_id), part(span_id), part(flags));
        (entry.trace_id, entry.span_id) = (trace_id, span_id);
        entry.trace_flags = flags.first().copied().unwrap_or_default();
        match reasons.is_empty() {
            true => Ok(()),
            false => Err(reasons.join("; ")),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|place| u8::from_str_radix(&text[place..place + 2], 16).ok()).collect()
}

/// The block `scope_name` of a parser, and the operator `scope_name_parser`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeNameConfig {
    parse_from: Field,
}

impl ScopeNameConfig {
    pub fn parse(&self, entry: &mut Entry) -> Result<(), String> {
        let name = self.parse_from.get(entry).and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("there is no text {} to be the name of a scope", self.parse_from))?;
        entry.scope = name.to_owned();
        Ok(())
    }
}

/// How a text becomes values.
#[derive(Debug, Clone)]
pub enum Form {
    Csv(csv::Csv),
    Json(json::Json),
    KeyValue(key_value::KeyValue),
    Regex(regex::RegexForm),
    Syslog(syslog::Syslog),
}

#[derive(Debug, Clone)]
pub struct Parser {
    from: Field,
    to: Field,
    form: Form,
    body: Option<Field>,
    timestamp: Option<TimeParser>,
    severity: Option<SeverityConfig>,
    trace: Option<TraceConfig>,
    scope_name: Option<ScopeNameConfig>,
}

impl Parser {
    pub fn parse(kind: &str, options: &Options<'_>) -> Result<Self, ConfigError> {
        let form = match kind {
            "csv_parser" => csv::Csv::parse(options.parse_without(&SHARED)?, options).map(Form::Csv)?,
            "json_parser" => Form::Json(options.parse_without(&SHARED)?),
            "key_value_parser" => {
                key_value::KeyValue::parse(options.parse_without(&SHARED)?, options).map(Form::KeyValue)?
            }
            "syslog_parser" => syslog::Syslog::parse(options.parse_without(&SHARED)?, options).map(Form::Syslog)?,
            _ => regex::RegexForm::parse(options.parse_without(&SHARED)?, options).map(Form::Regex)?,
        };
        Self::with(form, options)
    }

    /// With the options that all parsers have.
    fn with(form: Form, options: &Options<'_>) -> Result<Self, ConfigError> {
        let shared: Shared = options.parse_only(&SHARED)?;
        let timestamp = shared.timestamp.map(|config| config.build(&options.section(), "timestamp")).transpose()?;
        let to = shared.parse_to.0;
        if shared.body.is_some() && to == Field::body() {
            return Err(options.invalid("body", "it has no use where `parse_to` is the body"));
        }
        let (severity, trace, scope_name) = (shared.severity, shared.trace, shared.scope_name);
        Ok(Self { from: shared.parse_from, to, form, body: shared.body, timestamp, severity, trace, scope_name })
    }

    pub fn apply(&self, entry: &mut Entry) -> Result<(), String> {
        let value = self.from.get(entry).ok_or_else(|| format!("there is no {} to parse", self.from))?;
        let (map, said) = self.read(value, entry)?;
        self.to.set(entry, Value::Map(map))?;
        if let Some(said) = said {
            (entry.timestamp, entry.severity, entry.severity_text) =
                (said.timestamp, said.severity, said.severity_text);
        }
        if let Some(body) = self.body.as_ref().and_then(|field| field.get(entry)).cloned() {
            entry.body = body;
        }
        self.embedded(entry)
    }

    fn read(&self, value: &Value, entry: &Entry) -> Result<(Map, Option<syslog::Said>), String> {
        let text = value.as_str().ok_or_else(|| format!("{} cannot be parsed, only a string", value.kind()))?;
        let map = match &self.form {
            Form::Csv(csv) => csv.read(text, entry),
            Form::Json(json) => json.read(text),
            Form::KeyValue(pairs) => pairs.read(text),
            Form::Regex(regex) => regex.read(text),
            Form::Syslog(syslog) => return syslog.read(text, entry.observed).map(|(map, said)| (map, Some(said))),
        };
        map.map(|map| (map, None))
    }

    /// All of them are tried; the first error is told.
    fn embedded(&self, entry: &mut Entry) -> Result<(), String> {
        let results = [
            ("timestamp", self.timestamp.as_ref().map_or(Ok(()), |parser| parser.parse(entry))),
            ("severity", self.severity.as_ref().map_or(Ok(()), |parser| parser.parse(entry))),
            ("trace", self.trace.as_ref().map_or(Ok(()), |parser| parser.parse(entry))),
            ("scope_name", self.scope_name.as_ref().map_or(Ok(()), |parser| parser.parse(entry))),
        ];
        results.into_iter().try_for_each(|(name, result)| result.map_err(|reason| format!("{name}: {reason}")))
    }
}
