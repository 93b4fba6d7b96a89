//! One relabelling rule: its configuration, checked as Prometheus checks it, and what it does.

use std::sync::Arc;

use md5::{Digest, Md5};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::Labels;
use super::template::Template;
use crate::receivers::prometheus::config::names::NameValidation;

const DEFAULT_REGEX: &str = "(.*)";
const DEFAULT_REPLACEMENT: &str = "$1";
const DEFAULT_SEPARATOR: &str = ";";

/// Bytes that a compiled expression may take.
const MAX_REGEX_BYTES: usize = 10 << 20;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    #[default]
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Action::Replace => "replace",
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::KeepEqual => "keepequal",
            Action::DropEqual => "dropequal",
            Action::HashMod => "hashmod",
            Action::LabelMap => "labelmap",
            Action::LabelDrop => "labeldrop",
            Action::LabelKeep => "labelkeep",
            Action::Lowercase => "lowercase",
            Action::Uppercase => "uppercase",
        }
    }
}

/// `relabel_config` as it stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelabelConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_labels: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    #[serde(deserialize_with = "text_or_nothing", skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modulus: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    #[serde(deserialize_with = "given_action")]
    pub action: Action,
}

/// `regex:` with nothing behind it is the empty expression, not the default.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(Option::<String>::deserialize(deserializer)?.unwrap_or_default()))
}

fn given_action<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    let name = name.ok_or_else(|| serde::de::Error::custom("relabel action cannot be empty"))?;
    let name = name.to_lowercase();
    Action::deserialize(serde::de::value::StrDeserializer::new(&name))
}

/// A checked rule, ready to be applied. Rules are equal if they say the same.
#[derive(Debug, Clone)]
pub struct Rule {
    config: Arc<RelabelConfig>,
    validation: NameValidation,
    regex: Regex,
    is_default_regex: bool,
    separator: String,
    target: Template,
    replacement: Template,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config && self.validation == other.validation
    }
}

impl Rule {
    /// The error says what is wrong, and of which option.
    pub fn new(config: RelabelConfig, validation: NameValidation) -> Result<Self, (&'static str, String)> {
        check(&config, validation)?;
        let source = config.regex.as_deref().unwrap_or(DEFAULT_REGEX);
        let compiled = regex::RegexBuilder::new(&format!(r"\A(?s:{source})\z")).size_limit(MAX_REGEX_BYTES).build();
        let wrong = |error: regex::Error| ("regex", format!("`{source}` is not a regular expression: {error}"));
        Ok(Self {
            validation,
            regex: compiled.map_err(wrong)?,
            is_default_regex: source == DEFAULT_REGEX,
            separator: config.separator.clone().unwrap_or_else(|| DEFAULT_SEPARATOR.to_owned()),
            target: Template::new(config.target_label.as_deref().unwrap_or_default()),
            replacement: Template::new(config.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT)),
            config: Arc::new(config),
        })
    }

    /// The configuration with its defaults, as Prometheus shows it.
    pub fn filled_in(&self) -> RelabelConfig {
        let or = |told: &Option<String>, default: &str| Some(told.clone().unwrap_or_else(|| default.to_owned()));
        RelabelConfig {
            separator: or(&self.config.separator, DEFAULT_SEPARATOR),
            regex: or(&self.config.regex, DEFAULT_REGEX),
            replacement: or(&self.config.replacement, DEFAULT_REPLACEMENT),
            ..RelabelConfig::clone(&self.config)
        }
    }

    /// Changes `labels`; `false` if what has them is to be dropped.
    #[must_use]
    pub fn apply(&self, labels: &mut Labels) -> bool {
        let target = self.config.target_label.as_deref().unwrap_or_default();
        match self.config.action {
            Action::Keep => return self.regex.is_match(&self.value(labels)),
            Action::Drop => return !self.regex.is_match(&self.value(labels)),
            Action::KeepEqual => return labels.get(target) == self.value(labels),
            Action::DropEqual => return labels.get(target) != self.value(labels),
            Action::Replace => self.replace(labels),
            Action::Lowercase => labels.set(target, &self.value(labels).to_lowercase()),
            Action::Uppercase => labels.set(target, &self.value(labels).to_uppercase()),
            Action::HashMod => {
                let hash = Md5::digest(self.value(labels));
                let (_, last) = hash.split_at(8);
                let number = last.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
                let modulus = self.config.modulus.unwrap_or_default();
                labels.set(target, &number.checked_rem(modulus).unwrap_or_default().to_string());
            }
            Action::LabelMap => {
                let mapped: Vec<(String, String)> = labels
                    .iter()
                    .filter_map(|(name, value)| {
                        let captures = self.regex.captures(name)?;
                        Some((self.replacement.expand(&captures), value.to_owned()))
                    })
                    .collect();
                for (name, value) in mapped.iter().filter(|(name, _)| !name.is_empty()) {
                    labels.set(name, value);
                }
            }
            Action::LabelDrop => labels.retain(|name| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name| self.regex.is_match(name)),
        }
        true
    }

    fn value(&self, labels: &Labels) -> String {
        let names = self.config.source_labels.as_deref().unwrap_or_default();
        let mut value = String::new();
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                value.push_str(&self.separator);
            }
            value.push_str(labels.get(name));
        }
        value
    }

    fn replace(&self, labels: &mut Labels) {
        let value = self.value(labels);
        let target = self.config.target_label.as_deref().unwrap_or_default();
        let replacement = self.config.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
        if value.is_empty() && self.is_default_regex && !target.contains('$') && !replacement.contains('$') {
            labels.set(target, replacement);
            return;
        }
        let Some(captures) = self.regex.captures(&value) else { return };
        let name = self.target.expand(&captures);
        if self.validation.allows_label(&name) {
            labels.set(&name, &self.replacement.expand(&captures));
        }
    }
}

/// Prometheus' `relabel.Config.Validate`.
fn check(config: &RelabelConfig, validation: NameValidation) -> Result<(), (&'static str, String)> {
    use Action::{DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase};
    let (action, name) = (config.action, config.action.as_str());
    let target = config.target_label.as_deref().unwrap_or_default();
    let replacement = config.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
    let has_separator = config.separator.as_deref().is_some_and(|separator| separator != DEFAULT_SEPARATOR);
    let has_replacement = replacement != DEFAULT_REPLACEMENT;
    let has_regex = config.regex.as_deref().is_some_and(|regex| regex != DEFAULT_REGEX);
    let has_modulus = config.modulus.unwrap_or_default() != 0;

    if action == HashMod && !has_modulus {
        return Err(("modulus", "hashmod requires a modulus that is not zero".to_owned()));
    }
    let needs_target = matches!(action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual);
    if needs_target && target.is_empty() {
        return Err(("target_label", format!("{name} requires a target_label")));
    }
    let fits = match action {
        Replace if target.contains('$') => validation.allows_label_template(target),
        _ => validation.allows_label(target),
    };
    if needs_target && !fits {
        return Err(("target_label", format!("{target:?} is not a valid target_label for {name}")));
    }
    if matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual) && has_replacement {
        return Err(("replacement", format!("{name} has no replacement")));
    }
    if action == LabelMap && !validation.allows_label_template(replacement) {
        return Err(("replacement", format!("{replacement:?} is not a valid replacement for labelmap")));
    }
    if matches!(action, KeepEqual | DropEqual) && (has_regex || has_modulus || has_separator) {
        return Err(("action", format!("{name} takes source_labels and target_label, and nothing else")));
    }
    let has_more = config.source_labels.is_some() || !target.is_empty() || has_modulus;
    if matches!(action, LabelDrop | LabelKeep) && (has_more || has_separator || has_replacement) {
        return Err(("action", format!("{name} takes a regex, and nothing else")));
    }
    Ok(())
}
