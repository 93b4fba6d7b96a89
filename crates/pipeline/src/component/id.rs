//! The name of a component in a configuration: `type` or `type/name`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

const MAX_NAME_CHARACTERS: usize = 1024;

/// `otlphttp/tempo`: the type says what it is, the name tells several of a type apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId {
    kind: Arc<str>,
    name: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidId {
    #[error("the id is empty, expected `type` or `type/name`")]
    Empty,
    #[error("`{0}` has no type before the slash, expected `type/name`")]
    NoKind(String),
    #[error("`{0}` has no name after the slash, expected `type/name`")]
    NoName(String),
    #[error("`{0}` is not a component type: it must start with a letter and hold only letters, digits and `_`")]
    Kind(String),
    #[error("the name in a component id must not be longer than {MAX_NAME_CHARACTERS} characters")]
    TooLong,
    #[error("the name `{0}` holds a character that is a space, a slash or not printable")]
    Name(String),
}

impl ComponentId {
    /// What it is: `otlphttp`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What tells it from others of its kind: `tempo`, or nothing.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ComponentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(InvalidId::Empty);
        }
        let (kind, name) = match trimmed.split_once('/') {
            None => (trimmed, None),
            Some((kind, name)) => (kind.trim(), Some(name.trim())),
        };
        if kind.is_empty() {
            return Err(InvalidId::NoKind(trimmed.to_owned()));
        }
        let starts_well = kind.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts_well || !kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(InvalidId::Kind(kind.to_owned()));
        }
        match name {
            Some("") => return Err(InvalidId::NoName(trimmed.to_owned())),
            Some(name) if name.chars().count() > MAX_NAME_CHARACTERS => return Err(InvalidId::TooLong),
            Some(name) if name.chars().any(|c| c == '/' || c.is_whitespace() || c.is_control()) => {
                return Err(InvalidId::Name(name.to_owned()));
            }
            _ => {}
        }
        Ok(Self { kind: kind.into(), name: name.unwrap_or_default().into() })
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str(&self.kind);
        }
        write!(f, "{}/{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_types_and_names() {
        for text in ["otlp", "otlphttp/tempo", "metrics/2", "a_1/ü-x.y"] {
            assert_eq!(text.parse::<ComponentId>().unwrap().to_string(), text);
        }
        assert_eq!(" otlp / x ".parse::<ComponentId>().unwrap().to_string(), "otlp/x");
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in ["", " ", "/x", "otlp/", "1otlp", "ot lp", "otlp/a b", "otlp/a/b", "ü"] {
            assert!(text.parse::<ComponentId>().is_err(), "{text:?}");
        }
    }
}
