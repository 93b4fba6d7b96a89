//! Whose JSON it is.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// How spans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `ResourceSpans`: OTLP's JSON, and Tempo's, which differs in how ids and enums are spelled.
    Otlp,
    /// Traces as Jaeger's UI knows them.
    Jaeger,
    /// Spans of version 1 or 2.
    Zipkin,
}

impl Form {
    /// What one item is, by the names of its members.
    pub(crate) fn of_item(json: &[u8]) -> Option<Self> {
        let names = serde_json::from_slice::<Names>(json).ok()?.0;
        let has = |name: &str| names.contains(name);
        if has("spans") {
            return Some(Self::Jaeger);
        }
        if has("scopeSpans") || has("scope_spans") || has("instrumentationLibrarySpans") {
            return Some(Self::Otlp);
        }
        (has("traceId") && has("id")).then_some(Self::Zipkin)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Otlp => "OTLP",
            Form::Jaeger => "Jaeger",
            Form::Zipkin => "Zipkin",
        })
    }
}

/// Of the members of an object.
struct Names(HashSet<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = HashSet::new();
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    names.insert(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
