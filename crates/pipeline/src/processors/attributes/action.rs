//! What is done to attributes: insert, update, upsert, delete, hash, extract, convert.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use regex::Regex;
use serde::Deserialize;

use super::not_a_regex;
use super::value::{self, ConfigValue, Type};
use crate::config::{ConfigError, Problem, Problems, Section};
use crate::telemetry::Origin;

/// One member of `actions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionConfig {
    action: Kind,
    #[serde(default)]
    key: String,
    value: Option<ConfigValue>,
    from_attribute: Option<String>,
    from_context: Option<String>,
    default_value: Option<ConfigValue>,
    pattern: Option<String>,
    converted_type: Option<Type>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[serde(alias = "INSERT")]
    Insert,
    #[serde(alias = "UPDATE")]
    Update,
    #[serde(alias = "UPSERT")]
    Upsert,
    #[serde(alias = "DELETE")]
    Delete,
    #[serde(alias = "HASH")]
    Hash,
    #[serde(alias = "EXTRACT")]
    Extract,
    #[serde(alias = "CONVERT")]
    Convert,
}

/// Actions, checked, in order.
#[derive(Debug, Clone)]
pub struct Actions(Vec<Action>);

#[derive(Debug, Clone)]
enum Action {
    Put { key: String, when: When, source: Source, default: Option<Value> },
    Delete(Keys),
    Hash(Keys),
    Extract { key: String, pattern: Regex },
    Convert { key: String, to: Type },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Absent,
    Present,
    Always,
}

#[derive(Debug, Clone)]
enum Source {
    Nothing,
    Value(Value),
    Attribute(String),
    ClientAddress,
    Metadata(String),
}

/// The attribute of a name, those whose name matches, or both.
#[derive(Debug, Clone)]
struct Keys {
    key: String,
    pattern: Option<Regex>,
}

impl Keys {
    fn contain(&self, key: &str) -> bool {
        self.key == key || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

impl Actions {
    /// `option` is where the list stands in the section.
    pub fn new(section: &Section<'_>, option: &str, configs: Vec<ActionConfig>) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        if configs.is_empty() {
            problems.push(section.problem(option, "at least one action is needed"));
        }
        let mut actions = Vec::with_capacity(configs.len());
        for (index, config) in configs.into_iter().enumerate() {
            let reader = Reader { section, place: format!("{option}[{index}]") };
            match reader.read(config) {
                Ok(action) => actions.push(action),
                Err(found) => found.into_iter().for_each(|problem| problems.push(problem)),
            }
        }
        problems.or(Self(actions))
    }

    pub fn apply(&self, attributes: &mut Vec<KeyValue>, origin: &Origin) {
        for action in &self.0 {
            action.apply(attributes, origin);
        }
    }
}

impl Action {
    fn apply(&self, attributes: &mut Vec<KeyValue>, origin: &Origin) {
        match self {
            Action::Put { key, when, source, default } => {
                let is_present = attributes.iter().any(|attribute| attribute.key == *key);
                if (*when == When::Absent && is_present) || (*when == When::Present && !is_present) {
                    return;
                }
                if let Some(value) = source.value(attributes, origin).or_else(|| default.clone()) {
                    value::put(attributes, key, value);
                }
            }
            Action::Delete(keys) => attributes.retain(|attribute| !keys.contain(&attribute.key)),
            Action::Hash(keys) => {
                for attribute in attributes.iter_mut().filter(|attribute| keys.contain(&attribute.key)) {
                    if let Some(Some(value)) = attribute.value.as_mut().map(|any| any.value.as_mut()) {
                        *value = value::hashed(value);
                    }
                }
            }
            Action::Extract { key, pattern } => {
                let Some(Value::StringValue(text)) = value::get(attributes, key).cloned() else { return };
                let Some(captures) = pattern.captures(&text) else { return };
                for name in pattern.capture_names().flatten() {
                    let part = captures.name(name).map_or("", |part| part.as_str());
                    value::put(attributes, name, Value::StringValue(part.to_owned()));
                }
            }
            Action::Convert { key, to } => {
                let converted = value::get(attributes, key).and_then(|value| value::converted(value, *to));
                if let Some(value) = converted {
                    value::put(attributes, key, value);
                }
            }
        }
    }
}

impl Source {
    fn value(&self, attributes: &[KeyValue], origin: &Origin) -> Option<Value> {
        match self {
            Source::Nothing => None,
            Source::Value(value) => Some(value.clone()),
            Source::Attribute(key) => value::get(attributes, key).cloned(),
            Source::ClientAddress => origin.address.map(|address| Value::StringValue(address.ip().to_string())),
            Source::Metadata(key) => {
                let values: Vec<&str> = origin.values(key).collect();
                (!values.is_empty()).then(|| Value::StringValue(values.join(";")))
            }
        }
    }
}

struct Reader<'a> {
    section: &'a Section<'a>,
    place: String,
}

impl Reader<'_> {
    fn problem(&self, option: &str, message: impl std::fmt::Display) -> Problem {
        match option {
            "" => self.section.problem(&self.place, message),
            option => self.section.problem(&format!("{}.{option}", self.place), message),
        }
    }

    fn read(&self, config: ActionConfig) -> Result<Action, Vec<Problem>> {
        use Kind::{Convert, Delete, Extract, Hash, Insert, Update, Upsert};
        let mut problems = self.misplaced(&config);
        let patterned = matches!(config.action, Delete | Hash) && config.pattern.is_some();
        if config.key.is_empty() && !patterned {
            problems.push(self.problem("key", "the option `key` is missing or empty"));
        }
        let pattern = match config.pattern.as_deref().map(Regex::new).transpose() {
            Ok(pattern) => pattern,
            Err(error) => {
                problems.push(self.problem("pattern", not_a_regex(&error)));
                None
            }
        };
        let key = config.key.clone();
        let action = match config.action {
            Insert | Update | Upsert => {
                let when = match config.action {
                    Insert => When::Absent,
                    Update => When::Present,
                    _ => When::Always,
                };
                let default = config.default_value.clone().map(|value| value.0);
                self.source(&config, &mut problems).map(|source| Action::Put { key, when, source, default })
            }
            Delete => Some(Action::Delete(Keys { key, pattern })),
            Hash => Some(Action::Hash(Keys { key, pattern })),
            Extract => self.extract(key, pattern, config.pattern.is_none(), &mut problems),
            Convert => match config.converted_type {
                Some(to) => Some(Action::Convert { key, to }),
                None => {
                    problems.push(self.problem("", "the option `converted_type` is missing: int, double or string"));
                    None
                }
            },
        };
        match action {
            Some(action) if problems.is_empty() => Ok(action),
            _ => Err(problems),
        }
    }

    /// Options that the action does not use.
    fn misplaced(&self, config: &ActionConfig) -> Vec<Problem> {
        use Kind::{Convert, Delete, Extract, Hash, Insert, Update, Upsert};
        let puts = matches!(config.action, Insert | Update | Upsert);
        let given = [
            ("value", config.value.is_some(), puts),
            ("from_attribute", config.from_attribute.is_some(), puts),
            ("from_context", config.from_context.is_some(), puts),
            ("default_value", config.default_value.is_some(), puts),
            ("pattern", config.pattern.is_some(), matches!(config.action, Delete | Hash | Extract)),
            ("converted_type", config.converted_type.is_some(), config.action == Convert),
        ];
        let action = format!("{:?}", config.action).to_lowercase();
        given
            .into_iter()
            .filter(|(_, given, used)| *given && !used)
            .map(|(option, ..)| self.problem(option, format!("the action {action} has no use for it; remove it")))
            .collect()
    }

    fn source(&self, config: &ActionConfig, problems: &mut Vec<Problem>) -> Option<Source> {
        let mut sources = Vec::new();
        sources.extend(config.value.clone().map(|value| Source::Value(value.0)));
        sources.extend(config.from_attribute.clone().map(Source::Attribute));
        if let Some(context) = &config.from_context {
            if context.starts_with("auth.") {
                let message = "`auth.` is not supported: receivers have no authenticators yet";
                problems.push(self.problem("from_context", message));
            }
            sources.push(match (context.as_str(), context.strip_prefix("metadata.")) {
                ("client.address", _) => Source::ClientAddress,
                (_, Some(key)) => Source::Metadata(key.to_owned()),
                (key, None) => Source::Metadata(key.to_owned()),
            });
        }
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) => Some(source),
            (None, _) if config.default_value.is_some() => Some(Source::Nothing),
            (None, _) => {
                let message = "one of `value`, `from_attribute`, `from_context`, `default_value` is needed";
                problems.push(self.problem("", message));
                None
            }
            (Some(_), false) => {
                let message = "`value`, `from_attribute` and `from_context` exclude each other";
                problems.push(self.problem("", message));
                None
            }
        }
    }

    fn extract(
        &self,
        key: String,
        pattern: Option<Regex>,
        is_missing: bool,
        problems: &mut Vec<Problem>,
    ) -> Option<Action> {
        if is_missing {
            problems.push(self.problem("", "the option `pattern` is missing"));
        }
        let pattern = pattern?;
        let groups = pattern.captures_len() - 1;
        let named = pattern.capture_names().flatten().count();
        if groups == 0 || named < groups {
            let message = "every group must be named, `(?P<name>…)`, and there must be at least one";
            problems.push(self.problem("pattern", message));
        }
        Some(Action::Extract { key, pattern })
    }
}
