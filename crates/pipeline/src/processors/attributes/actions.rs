//! The list of actions on attributes that the processors `attributes` and `resource` share, with the Collector's
//! semantics.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use regex::Regex;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::{ConfigError, Problems, Section};
use crate::telemetry::Origin;

/// One action as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAction {
    #[serde(default)]
    key: Option<String>,
    action: Kind,
    #[serde(default)]
    value: Option<serde_json::Value>,
    #[serde(default)]
    from_attribute: Option<String>,
    #[serde(default)]
    from_context: Option<String>,
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    converted_type: Option<Type>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Insert,
    Update,
    Upsert,
    Delete,
    Hash,
    Extract,
    Convert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Int,
    Double,
    String,
}

/// One action, checked.
#[derive(Debug, Clone)]
enum Action {
    Set { key: String, source: Source, inserts: bool, updates: bool },
    Delete(Keys),
    Hash(Keys),
    /// The named groups of the pattern become attributes.
    Extract { key: String, pattern: Regex },
    Convert { key: String, to: Type },
}

#[derive(Debug, Clone)]
enum Source {
    Value(Value),
    Attribute(String),
    Metadata(String),
    ClientAddress,
}

/// Which attributes: one by name, or (also) all that a pattern finds.
#[derive(Debug, Clone)]
struct Keys {
    key: Option<String>,
    pattern: Option<Regex>,
}

impl Keys {
    fn contain(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key) || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

/// Actions in their order.
#[derive(Debug, Clone)]
pub(crate) struct Actions(Vec<Action>);

impl Actions {
    /// Checks what the types cannot; `list` is the option that holds the actions.
    pub(super) fn new(section: &Section<'_>, list: &str, raw: Vec<RawAction>) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        if raw.is_empty() {
            problems.push(section.problem(list, "is empty; name at least one action"));
        }
        let mut actions = Vec::with_capacity(raw.len());
        for (index, raw) in raw.into_iter().enumerate() {
            match Action::new(raw) {
                Ok(action) => actions.push(action),
                Err((option, message)) => {
                    let path = format!("{list}[{index}]{}{option}", if option.is_empty() { "" } else { "." });
                    problems.push(section.problem(&path, message));
                }
            }
        }
        problems.or(Self(actions))
    }

    pub(crate) fn apply(&self, attributes: &mut Vec<KeyValue>, origin: &Origin) {
        for action in &self.0 {
            action.apply(attributes, origin);
        }
    }
}

/// The option that is wrong, and what is wrong with it.
type Wrong = (&'static str, String);

impl Action {
    fn new(raw: RawAction) -> Result<Self, Wrong> {
        raw.refuse_needless_options()?;
        let pattern = raw.pattern.as_deref().map(compile).transpose()?;
        let key = raw.key.clone().filter(|key| !key.is_empty());
        let named = || key.clone().ok_or(("", "has no `key`".to_owned()));
        Ok(match raw.action {
            Kind::Insert | Kind::Update | Kind::Upsert => Action::Set {
                key: named()?,
                inserts: raw.action != Kind::Update,
                updates: raw.action != Kind::Insert,
                source: raw.source()?,
            },
            Kind::Delete | Kind::Hash => {
                if key.is_none() && pattern.is_none() {
                    return Err(("", "has neither `key` nor `pattern`".to_owned()));
                }
                let keys = Keys { key, pattern };
                if raw.action == Kind::Delete { Action::Delete(keys) } else { Action::Hash(keys) }
            }
            Kind::Extract => {
                let pattern = pattern.ok_or(("", "has no `pattern`".to_owned()))?;
                if pattern.capture_names().skip(1).any(|name| name.is_none()) || pattern.captures_len() < 2 {
                    let message = "all groups must be named, such as (?P<http_method>.*), and there must be one";
                    return Err(("pattern", message.to_owned()));
                }
                Action::Extract { key: named()?, pattern }
            }
            Kind::Convert => Action::Convert {
                key: named()?,
                to: raw.converted_type.ok_or(("", "has no `converted_type`: int, double or string".to_owned()))?,
            },
        })
    }

    fn apply(&self, attributes: &mut Vec<KeyValue>, origin: &Origin) {
        match self {
            Action::Set { key, source, inserts, updates } => {
                let exists = attributes.iter().any(|attribute| attribute.key == *key);
                if (exists && !updates) || (!exists && !inserts) {
                    return;
                }
                if let Some(value) = source.value(attributes, origin) {
                    set(attributes, key, value);
                }
            }
            Action::Delete(keys) => attributes.retain(|attribute| !keys.contain(&attribute.key)),
            Action::Hash(keys) => {
                for attribute in attributes.iter_mut().filter(|attribute| keys.contain(&attribute.key)) {
                    attribute.value = attribute.value.as_ref().map(hash);
                }
            }
            Action::Extract { key, pattern } => {
                let Some(Value::StringValue(text)) = get(attributes, key) else { return };
                let Some(found) = pattern.captures(text) else { return };
                let names = pattern.capture_names().flatten();
                let values: Vec<(String, String)> = names
                    .map(|name| (name.to_owned(), found.name(name).map_or_else(String::new, |m| m.as_str().to_owned())))
                    .collect();
                for (name, value) in values {
                    set(attributes, &name, Value::StringValue(value));
                }
            }
            Action::Convert { key, to } => {
                if let Some(value) = get(attributes, key).and_then(|value| convert(value, *to)) {
                    set(attributes, key, value);
                }
            }
        }
    }
}

impl RawAction {
    fn refuse_needless_options(&self) -> Result<(), Wrong> {
        use Kind::{Convert, Delete, Extract, Hash, Insert, Update, Upsert};
        let present = [
            ("value", self.value.is_some(), &[Insert, Update, Upsert][..]),
            ("from_attribute", self.from_attribute.is_some(), &[Insert, Update, Upsert]),
            ("from_context", self.from_context.is_some(), &[Insert, Update, Upsert]),
            ("pattern", self.pattern.is_some(), &[Delete, Hash, Extract]),
            ("converted_type", self.converted_type.is_some(), &[Convert]),
        ];
        for (option, _, _) in present.into_iter().filter(|(_, is_set, kinds)| *is_set && !kinds.contains(&self.action)) {
            return Err((option, format!("has no meaning for the action {:?}", self.action).to_lowercase()));
        }
        Ok(())
    }

    fn source(self) -> Result<Source, Wrong> {
        match (self.value, self.from_attribute, self.from_context) {
            (Some(value), None, None) => {
                let value = any_value(value).value;
                value.map(Source::Value).ok_or(("value", "must not be null; `delete` removes".to_owned()))
            }
            (None, Some(attribute), None) => Ok(Source::Attribute(attribute)),
            (None, None, Some(context)) => match context.strip_prefix("metadata.") {
                Some(key) => Ok(Source::Metadata(key.to_owned())),
                None if context == "client.address" => Ok(Source::ClientAddress),
                None => {
                    let message = format!("`{context}` is not `metadata.<key>` or `client.address`");
                    Err(("from_context", message))
                }
            },
            (None, None, None) => Err(("", "has no `value`, `from_attribute` or `from_context`".to_owned())),
            _ => Err(("", "has more than one of `value`, `from_attribute`, `from_context`".to_owned())),
        }
    }
}

impl Source {
    fn value(&self, attributes: &[KeyValue], origin: &Origin) -> Option<Value> {
        match self {
            Source::Value(value) => Some(value.clone()),
            Source::Attribute(key) => get(attributes, key).cloned(),
            Source::Metadata(key) => {
                let values: Vec<&str> = origin.values(key).collect();
                (!values.is_empty()).then(|| Value::StringValue(values.join(";")))
            }
            Source::ClientAddress => origin.address.map(|address| Value::StringValue(address.ip().to_string())),
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, Wrong> {
    Regex::new(pattern).map_err(|error| ("pattern", error.to_string()))
}

pub(super) fn get<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn set(attributes: &mut Vec<KeyValue>, key: &str, value: Value) {
    let value = Some(AnyValue { value: Some(value) });
    match attributes.iter_mut().find(|attribute| attribute.key == key) {
        Some(attribute) => attribute.value = value,
        None => attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() }),
    }
}

/// SHA-256 in hexadecimal of the value's bytes: text as UTF-8, numbers as 8 bytes little-endian, booleans as one byte.
/// Other values are hashed as their JSON.
fn hash(value: &AnyValue) -> AnyValue {
    let digest = match &value.value {
        None => return value.clone(),
        Some(Value::StringValue(text)) => Sha256::digest(text),
        Some(Value::BytesValue(bytes)) => Sha256::digest(bytes),
        Some(Value::BoolValue(flag)) => Sha256::digest([u8::from(*flag)]),
        Some(Value::IntValue(number)) => Sha256::digest(number.to_le_bytes()),
        Some(Value::DoubleValue(number)) => Sha256::digest(number.to_bits().to_le_bytes()),
        Some(other) => Sha256::digest(as_text(other)),
    };
    let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    AnyValue { value: Some(Value::StringValue(hex)) }
}

/// `None` where the value is of the type already or cannot be converted, and stays as it is.
fn convert(value: &Value, to: Type) -> Option<Value> {
    match (to, value) {
        (Type::Int, Value::StringValue(text)) => text.parse().ok().map(Value::IntValue),
        (Type::Int, Value::DoubleValue(number)) => Some(Value::IntValue(*number as i64)),
        (Type::Int, Value::BoolValue(flag)) => Some(Value::IntValue((*flag).into())),
        (Type::Double, Value::StringValue(text)) => text.parse().ok().map(Value::DoubleValue),
        (Type::Double, Value::IntValue(number)) => Some(Value::DoubleValue(*number as f64)),
        (Type::Double, Value::BoolValue(flag)) => Some(Value::DoubleValue(u8::from(*flag).into())),
        (Type::String, Value::StringValue(_)) => None,
        (Type::String, other) => Some(Value::StringValue(as_text(other))),
        _ => None,
    }
}

/// The value as the Collector writes it where text is wanted: plain for scalars, JSON for the rest.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        other => match as_json(other) {
            serde_json::Value::String(text) => text,
            json => json.to_string(),
        },
    }
}

fn as_json(value: &Value) -> serde_json::Value {
    use base64::Engine as _;
    let any = |value: &AnyValue| value.value.as_ref().map_or(serde_json::Value::Null, as_json);
    match value {
        Value::StringValue(text) => text.clone().into(),
        Value::BoolValue(flag) => (*flag).into(),
        Value::IntValue(number) => (*number).into(),
        Value::DoubleValue(number) if number.is_finite() => (*number).into(),
        Value::DoubleValue(number) => number.to_string().into(),
        Value::BytesValue(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        Value::ArrayValue(array) => array.values.iter().map(any).collect(),
        Value::KvlistValue(list) => serde_json::Value::Object(
            list.values
                .iter()
                .map(|member| (member.key.clone(), member.value.as_ref().map_or(serde_json::Value::Null, any)))
                .collect(),
        ),
        // An index into the string table of profiles.
        _ => serde_json::Value::Null,
    }
}

fn any_value(json: serde_json::Value) -> AnyValue {
    let value = match json {
        serde_json::Value::Null => None,
        serde_json::Value::Bool(flag) => Some(Value::BoolValue(flag)),
        serde_json::Value::Number(number) => Some(match number.as_i64() {
            Some(integer) => Value::IntValue(integer),
            None => Value::DoubleValue(number.as_f64().unwrap_or_default()),
        }),
        serde_json::Value::String(text) => Some(Value::StringValue(text)),
        serde_json::Value::Array(items) => {
            Some(Value::ArrayValue(ArrayValue { values: items.into_iter().map(any_value).collect() }))
        }
        serde_json::Value::Object(members) => Some(Value::KvlistValue(KeyValueList {
            values: members
                .into_iter()
                .map(|(key, value)| KeyValue { key, value: Some(any_value(value)), ..KeyValue::default() })
                .collect(),
        })),
    };
    AnyValue { value }
}
