//! Names of labels and metrics, and the names by which options are chosen.

use serde::{Deserialize, Serialize};
use trefoil_prometheus::exposition::ScrapeProtocol;

/// Which names are allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NameValidation {
    /// Any UTF-8 text that is not empty.
    #[default]
    Utf8,
    /// Letters, digits and `_` (and `:` in metric names), no digit first.
    Legacy,
}

impl NameValidation {
    pub fn allows_label(self, name: &str) -> bool {
        match self {
            NameValidation::Utf8 => !name.is_empty(),
            NameValidation::Legacy => is_legacy(name, |c| c == '_'),
        }
    }

    pub fn allows_metric(self, name: &str) -> bool {
        match self {
            NameValidation::Utf8 => !name.is_empty(),
            NameValidation::Legacy => is_legacy(name, |c| matches!(c, '_' | ':')),
        }
    }

    /// A label's name with references to groups in it; what they stand for is checked once it is known.
    pub fn allows_label_template(self, template: &str) -> bool {
        match self {
            NameValidation::Utf8 => !template.is_empty(),
            NameValidation::Legacy => {
                let mut rest = template;
                let mut bare = String::new();
                while let Some(at) = rest.find('$') {
                    bare.push_str(&rest[..at]);
                    rest = &rest[at + 1..];
                    let word = |text: &str| text.find(|c: char| !is_word(c)).unwrap_or(text.len());
                    let length = match rest.strip_prefix('{') {
                        Some(inner) if inner[word(inner)..].starts_with('}') => word(inner) + 2,
                        Some(_) => 0,
                        None => word(rest),
                    };
                    if length == 0 || length == 2 && rest.starts_with("{}") {
                        return false;
                    }
                    bare.push('_');
                    rest = &rest[length..];
                }
                bare.push_str(rest);
                NameValidation::Legacy.allows_label(&bare)
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_legacy(name: &str, other: impl Fn(char) -> bool) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || other(first))
        && characters.all(|c| c.is_ascii_alphanumeric() || other(c))
}

/// How a target is to write names that are not legacy ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum NameEscaping {
    #[serde(rename = "allow-utf-8")]
    AllowUtf8,
    #[serde(rename = "underscores")]
    Underscores,
    #[serde(rename = "dots")]
    Dots,
    #[serde(rename = "values")]
    Values,
}

impl NameEscaping {
    pub const fn as_str(self) -> &'static str {
        match self {
            NameEscaping::AllowUtf8 => "allow-utf-8",
            NameEscaping::Underscores => "underscores",
            NameEscaping::Dots => "dots",
            NameEscaping::Values => "values",
        }
    }
}

/// A format that a target can be asked for, by its name in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol(pub ScrapeProtocol);

/// What is asked for, best first, where nobody said it.
pub const DEFAULT_PROTOCOLS: [ScrapeProtocol; 4] = [
    ScrapeProtocol::OpenMetricsText1_0_0,
    ScrapeProtocol::OpenMetricsText0_0_1,
    ScrapeProtocol::PrometheusText1_0_0,
    ScrapeProtocol::PrometheusText0_0_4,
];

/// The same with native histograms, which only protobuf has.
pub const PROTO_FIRST: [ScrapeProtocol; 5] = [
    ScrapeProtocol::PrometheusProto,
    ScrapeProtocol::OpenMetricsText1_0_0,
    ScrapeProtocol::OpenMetricsText0_0_1,
    ScrapeProtocol::PrometheusText1_0_0,
    ScrapeProtocol::PrometheusText0_0_4,
];

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl serde::de::Visitor<'_> for Name {
            type Value = Protocol;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a scrape protocol")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Protocol, E> {
                let known = || ScrapeProtocol::ALL.map(ScrapeProtocol::as_str).join(", ");
                let unknown = || E::custom(format!("unknown scrape protocol {name:?}; known are {}", known()));
                ScrapeProtocol::from_name(name).map(Protocol).ok_or_else(unknown)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legacy_or_anything() {
        let cases =
            [("a", true), ("_a1", true), ("1a", false), ("a.b", false), ("", false), ("a:b", false), ("é", false)];
        for (name, legacy) in cases {
            assert_eq!(NameValidation::Legacy.allows_label(name), legacy, "{name:?}");
            assert_eq!(NameValidation::Utf8.allows_label(name), !name.is_empty(), "{name:?}");
        }
        assert!(NameValidation::Legacy.allows_metric("a:b"));
        let cases = [
            ("${1}", true),
            ("$1", true),
            ("a_${name}_b", true),
            ("a$1b", true),
            ("a.$1", false),
            ("${1", false),
            ("${}", false),
            ("$", false),
            ("1$1", false),
            ("a-b", false),
        ];
        for (template, legacy) in cases {
            assert_eq!(NameValidation::Legacy.allows_label_template(template), legacy, "{template:?}");
        }
    }
}
