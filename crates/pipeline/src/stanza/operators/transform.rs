//! What changes an entry in place: `add`, `copy`, `move`, `remove`, `retain`, `flatten` and their like.

use regex::Regex;
use serde::Deserialize;
use trefoil_go::pattern;

use super::parser::{ScopeNameConfig, TraceConfig};
use crate::config::ConfigError;
use crate::stanza::config::Options;
use crate::stanza::entry::Entry;
use crate::stanza::expr::{Program, string_literal};
use crate::stanza::field::{Field, Root, Rootable};
use crate::stanza::severity::SeverityConfig;
use crate::stanza::time::{TimeConfig, TimeParser};
use crate::stanza::value::{Map, Value, from_text};

#[derive(Debug, Clone)]
pub enum Transform {
    Noop,
    Add(Field, Value),
    AddExpression(Field, Program),
    Copy(Field, Field),
    Move(Field, Field),
    Remove(Field),
    Retain(Vec<Field>),
    Flatten(Field),
    AssignKeys(Field, Vec<String>),
    Unquote(Field),
    Replace(Field, Regex, String),
    Time(TimeParser),
    Severity(SeverityConfig),
    Trace(TraceConfig),
    ScopeName(ScopeNameConfig),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    field: Field,
    value: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FromTo {
    from: Rootable,
    to: Rootable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRoot {
    field: Rootable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    field: Field,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    fields: Vec<Rootable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignKeys {
    field: Field,
    keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replace {
    field: Field,
    regex: Option<Pattern>,
    regex_name: Option<Known>,
    #[serde(default)]
    replace_with: String,
}

#[derive(Debug)]
struct Pattern(Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| {
            pattern::search(text).map(Pattern).map_err(|error| format!("`{text}` is no pattern: {error}"))
        })
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Known {
    AnsiControlSequences,
}

/// What terminals take as colours and movements. (ECMA-48, section 5.4.)
const ANSI: &str = r"\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]";

impl Transform {
    pub fn parse(kind: &str, options: &Options<'_>) -> Result<Self, ConfigError> {
        Ok(match kind {
            "add" => add(options)?,
            "copy" => {
                let FromTo { from, to } = options.parse()?;
                Transform::Copy(from.0, to.0)
            }
            "move" => {
                let FromTo { from, to } = options.parse()?;
                Transform::Move(from.0, to.0)
            }
            "remove" => Transform::Remove(options.parse::<OfRoot>()?.field.0),
            "retain" => {
                let Fields { fields } = options.parse()?;
                if fields.is_empty() {
                    return Err(options.invalid("fields", "at least one field is needed"));
                }
                Transform::Retain(fields.into_iter().map(|field| field.0).collect())
            }
            "flatten" => Transform::Flatten(options.parse::<Of>()?.field),
            "assign_keys" => {
                let AssignKeys { field, keys } = options.parse()?;
                if keys.is_empty() {
                    return Err(options.invalid("keys", "at least one key is needed"));
                }
                Transform::AssignKeys(field, keys)
            }
            "unquote" => Transform::Unquote(options.parse::<Of>()?.field),
            "regex_replace" => replace(options)?,
            "time_parser" => Transform::Time(options.parse::<TimeConfig>()?.build(&options.section(), "")?),
            "severity_parser" => Transform::Severity(options.parse()?),
            "trace_parser" => Transform::Trace(options.parse()?),
            "scope_name_parser" => Transform::ScopeName(options.parse()?),
            _ => {
                options.parse::<Nothing>()?;
                Transform::Noop
            }
        })
    }

    pub fn apply(&self, entry: &mut Entry) -> Result<(), String> {
        let missing = |field: &Field| format!("there is no {field}");
        match self {
            Transform::Noop => Ok(()),
            Transform::Add(field, value) => field.set(entry, value.clone()),
            Transform::AddExpression(field, program) => field.set(entry, program.evaluate(entry)?),
            Transform::Copy(from, to) => {
                let value = from.get(entry).ok_or_else(|| missing(from))?.clone();
                to.set(entry, value)
            }
            Transform::Move(from, to) => {
                to.accepts(from.get(entry).ok_or_else(|| missing(from))?)?;
                from.remove(entry).map_or(Ok(()), |value| to.set(entry, value))
            }
            Transform::Remove(field) => field.remove(entry).map(drop).ok_or_else(|| missing(field)),
            Transform::Retain(fields) => retain(fields, entry),
            Transform::Flatten(field) => flatten(field, entry),
            Transform::AssignKeys(field, keys) => assign_keys(field, keys, entry),
            Transform::Unquote(field) => {
                let text = field.get(entry).and_then(Value::as_str).ok_or_else(|| missing(field))?;
                let plain = unquoted(text).ok_or_else(|| format!("{field} is not quoted"))?;
                field.set(entry, Value::String(plain))
            }
            Transform::Replace(field, regex, with) => {
                let text = field.get(entry).and_then(Value::as_str).ok_or_else(|| missing(field))?;
                let replaced = regex.replace_all(text, with.as_str()).into_owned();
                field.set(entry, Value::String(replaced))
            }
            Transform::Time(parser) => parser.parse(entry),
            Transform::Severity(parser) => parser.parse(entry),
            Transform::Trace(parser) => parser.parse(entry),
            Transform::ScopeName(parser) => parser.parse(entry),
        }
    }
}

fn add(options: &Options<'_>) -> Result<Transform, ConfigError> {
    let Add { field, value } = options.parse()?;
    let expression = value.as_str().and_then(|text| text.strip_prefix("EXPR(")?.strip_suffix(')'));
    match expression {
        Some(text) => match Program::parse(text) {
            Ok(program) => Ok(Transform::AddExpression(field, program)),
            Err(reason) => Err(options.invalid("value", reason)),
        },
        None => Ok(Transform::Add(field, value)),
    }
}

fn replace(options: &Options<'_>) -> Result<Transform, ConfigError> {
    let Replace { field, regex, regex_name, replace_with } = options.parse()?;
    let regex = match (regex, regex_name) {
        (Some(Pattern(regex)), None) => regex,
        (None, Some(Known::AnsiControlSequences)) => {
            pattern::search(ANSI).map_err(|error| options.invalid("regex_name", error))?
        }
        _ => return Err(options.invalid("regex", "one of `regex` and `regex_name` is needed, and only one")),
    };
    Ok(Transform::Replace(field, regex, replace_with))
}

/// Of a root that is named, only what is named.
fn retain(fields: &[Field], entry: &mut Entry) -> Result<(), String> {
    let receipts = std::mem::take(&mut entry.receipts);
    let mut kept = entry.clone();
    entry.receipts = receipts;
    for root in [Root::Body, Root::Attributes, Root::Resource] {
        if fields.iter().any(|field| field.root == root) {
            Field { root, keys: Vec::new() }.remove(&mut kept);
        }
    }
    for field in fields {
        if let Some(value) = field.get(entry) {
            field.set(&mut kept, value.clone())?;
        }
    }
    kept.receipts = std::mem::take(&mut entry.receipts);
    *entry = kept;
    Ok(())
}

/// The members of a map take its place.
fn flatten(field: &Field, entry: &mut Entry) -> Result<(), String> {
    match field.get(entry) {
        Some(Value::Map(_)) => {}
        Some(other) => return Err(format!("{field} is {}, not a map", other.kind())),
        None => return Err(format!("there is no {field}")),
    }
    let Some(Value::Map(members)) = field.remove(entry) else { return Ok(()) };
    members.into_iter().try_for_each(|(key, value)| field.sibling(&key).set(entry, value))
}

fn assign_keys(field: &Field, keys: &[String], entry: &mut Entry) -> Result<(), String> {
    let Some(Value::List(items)) = field.get(entry) else { return Err(format!("{field} is no list")) };
    if items.len() != keys.len() {
        return Err(format!("{field} has {} items, but there are {} keys", items.len(), keys.len()));
    }
    let map: Map = keys.iter().cloned().zip(items.iter().cloned()).collect();
    field.set(entry, Value::Map(map))
}

/// A string as Go writes it: in double quotes with escapes, or in backquotes.
fn unquoted(text: &str) -> Option<String> {
    if let Some(raw) = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        return (!raw.contains('`')).then(|| raw.to_owned());
    }
    if text.len() < 2 || !text.starts_with(['"', '\'']) {
        return None;
    }
    string_literal(text)
}
