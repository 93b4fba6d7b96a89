//! `regex_parser`.

use regex::Regex;
use serde::Deserialize;
use trefoil_go::pattern;

use crate::config::ConfigError;
use crate::stanza::config::Options;
use crate::stanza::value::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegexOptions {
    regex: String,
    /// What the Collector remembers of texts that it has parsed.
    cache: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone)]
pub struct RegexForm(Regex);

/// Reads a pattern whose groups give names to values.
pub fn named_groups(text: &str) -> Result<Regex, String> {
    let regex = pattern::search(text).map_err(|error| format!("`{text}` is no pattern: {error}"))?;
    match regex.capture_names().flatten().next() {
        Some(_) => Ok(regex),
        None => Err("the pattern has no group with a name, `(?P<name>…)`".to_owned()),
    }
}

impl RegexForm {
    pub fn parse(read: RegexOptions, options: &Options<'_>) -> Result<Self, ConfigError> {
        if read.cache.is_some() {
            let reason =
                "this option of the Collector is not supported by Trefoil: patterns are fast without it; remove it";
            return Err(options.invalid("cache", reason));
        }
        named_groups(&read.regex).map(Self).map_err(|reason| options.invalid("regex", reason))
    }

    /// A group that did not take part is empty.
    pub fn read(&self, text: &str) -> Result<Map, String> {
        groups(&self.0, text).ok_or_else(|| "the pattern does not match".to_owned())
    }
}

pub fn groups(regex: &Regex, text: &str) -> Option<Map> {
    let captures = regex.captures(text)?;
    let group = |name: &str| Value::from(captures.name(name).map_or("", |part| part.as_str()));
    Some(regex.capture_names().flatten().map(|name| (name.to_owned(), group(name))).collect())
}
