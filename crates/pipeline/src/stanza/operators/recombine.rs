//! `recombine`: joins entries that are parts of one.

use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;

use super::Outcome;
use crate::config::{ConfigError, duration};
use crate::stanza::config::Options;
use crate::stanza::entry::Entry;
use crate::stanza::expr::Condition;
use crate::stanza::field::Field;
use crate::stanza::size::ByteSize;
use crate::stanza::value::Value;

/// Bytes of all that one operator holds; what goes beyond is let go as if it were complete.
const MOST_HELD: usize = 64 << 20;

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecombineOptions {
    is_first_entry: Option<Condition>,
    is_last_entry: Option<Condition>,
    combine_field: Option<Field>,
    combine_with: String,
    /// Which entry the other values are of.
    overwrite_with: Which,
    /// What tells apart the sources whose entries are not joined with one another.
    source_identifier: Field,
    max_batch_size: usize,
    /// The same while nothing has been found to be a first or a last one.
    max_unmatched_batch_size: usize,
    max_sources: usize,
    /// 0 is no limit.
    max_log_size: ByteSize,
    #[serde(with = "duration")]
    force_flush_period: Duration,
}

impl Default for RecombineOptions {
    fn default() -> Self {
        Self {
            is_first_entry: None,
            is_last_entry: None,
            combine_field: None,
            combine_with: "\n".to_owned(),
            overwrite_with: Which::default(),
            source_identifier: Field::attribute("file.path"),
            max_batch_size: 1000,
            max_unmatched_batch_size: 100,
            max_sources: 1000,
            max_log_size: ByteSize(0),
            force_flush_period: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Which {
    Newest,
    #[default]
    Oldest,
}

#[derive(Debug, Clone)]
enum Edge {
    First(Condition),
    Last(Condition),
}

#[derive(Debug, Clone)]
pub struct Recombine {
    edge: Edge,
    field: Field,
    options: RecombineOptions,
    /// By source, the oldest first.
    held: IndexMap<String, Held>,
    bytes: usize,
}

/// Parts of one source that are not complete yet.
#[derive(Debug, Clone)]
struct Held {
    entry: Entry,
    text: String,
    parts: usize,
    has_edge: bool,
    /// When the first part was seen.
    since: u64,
    bytes: usize,
}

impl Recombine {
    pub fn parse(options: &Options<'_>) -> Result<Self, ConfigError> {
        let read: RecombineOptions = options.parse()?;
        let edge = match (&read.is_first_entry, &read.is_last_entry) {
            (Some(first), None) => Edge::First(first.clone()),
            (None, Some(last)) => Edge::Last(last.clone()),
            _ => return Err(options.invalid("", "one of `is_first_entry` and `is_last_entry` is needed, and only one")),
        };
        let Some(field) = read.combine_field.clone() else {
            return Err(options.invalid("", "the option `combine_field` is missing"));
        };
        for (option, value) in [("max_batch_size", read.max_batch_size), ("max_sources", read.max_sources)] {
            if !(1..=1_000_000).contains(&value) {
                return Err(options.invalid(option, "must lie between 1 and 1000000"));
            }
        }
        if read.force_flush_period.is_zero() {
            return Err(options.invalid("force_flush_period", "must be positive"));
        }
        Ok(Self { edge, field, options: read, held: IndexMap::new(), bytes: 0 })
    }

    /// For parts of lines of containers: the last one of a line says so.
    pub fn of_containers(max_log_size: ByteSize, last: Condition) -> Self {
        let options = RecombineOptions {
            combine_with: String::new(),
            source_identifier: Field::attribute("log.file.path"),
            max_log_size,
            ..RecombineOptions::default()
        };
        Self { edge: Edge::Last(last), field: Field::body(), options, held: IndexMap::new(), bytes: 0 }
    }

    pub fn held(&self) -> usize {
        self.held.values().map(|held| held.parts).sum()
    }

    pub fn process(&mut self, entry: Entry) -> Outcome {
        let (condition, is_first) = match &self.edge {
            Edge::First(condition) => (condition, true),
            Edge::Last(condition) => (condition, false),
        };
        let is_edge = match condition.0.holds(&entry) {
            Ok(is_edge) => is_edge,
            Err(reason) => return Outcome::Failed(Box::new(entry), reason),
        };
        let Some(Value::String(part)) = self.field.get(&entry) else {
            return Outcome::Failed(Box::new(entry), format!("there is no text {} to be joined", self.field));
        };
        let part = part.clone();
        let source = self.options.source_identifier.get(&entry).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut out = Vec::new();
        if is_edge && is_first {
            out.extend(self.take(&source));
        }
        if !self.held.contains_key(&source) && self.held.len() >= self.options.max_sources {
            tracing::warn!(
                max_sources = self.options.max_sources,
                "recombine: there are too many sources; what was held of all of them goes on"
            );
            out.extend(self.all());
        }
        self.add(&source, entry, &part, is_edge);
        if (is_edge && !is_first) || self.is_full(&source) {
            out.extend(self.take(&source));
        }
        Outcome::Out(out)
    }

    fn add(&mut self, source: &str, mut entry: Entry, part: &str, is_edge: bool) {
        let Some(held) = self.held.get_mut(source) else {
            let bytes = entry.size() + part.len();
            self.bytes += bytes;
            let since = entry.observed;
            let held = Held { entry, text: part.to_owned(), parts: 1, has_edge: is_edge, since, bytes };
            self.held.insert(source.to_owned(), held);
            return;
        };
        held.parts += 1;
        held.has_edge |= is_edge;
        if !held.text.is_empty() {
            held.text.push_str(&self.options.combine_with);
        }
        held.text.push_str(part);
        // All of the lines are done only when the one that they become is.
        let receipts = std::mem::take(&mut entry.receipts);
        let grown = part.len() + self.options.combine_with.len() + size_of_val(receipts.as_slice());
        held.bytes += grown;
        self.bytes += grown;
        let mut all = std::mem::take(&mut held.entry.receipts);
        all.extend(receipts);
        if self.options.overwrite_with == Which::Newest {
            held.entry = entry;
        }
        held.entry.receipts = all;
    }

    fn is_full(&self, source: &str) -> bool {
        let RecombineOptions { max_log_size, max_batch_size, max_unmatched_batch_size, .. } = &self.options;
        let Some(held) = self.held.get(source) else { return false };
        (max_log_size.0 > 0 && held.text.len() > max_log_size.0)
            || held.parts >= *max_batch_size
            || (!held.has_edge && *max_unmatched_batch_size > 0 && held.parts >= *max_unmatched_batch_size)
            || self.bytes > MOST_HELD
    }

    fn take(&mut self, source: &str) -> Option<Entry> {
        let held = self.held.shift_remove(source)?;
        self.bytes = self.bytes.saturating_sub(held.bytes);
        Some(self.joined(held))
    }

    fn joined(&self, held: Held) -> Entry {
        let Held { mut entry, text, .. } = held;
        if let Err(reason) = self.field.set(&mut entry, Value::String(text)) {
            tracing::warn!(reason, "recombine: the joined text could not be set");
        }
        entry
    }

    /// What was held for the whole period, at `now` in nanoseconds since the epoch.
    pub fn expired(&mut self, now: u64) -> Vec<Entry> {
        let period = u64::try_from(self.options.force_flush_period.as_nanos()).unwrap_or(u64::MAX);
        let due = |held: &Held| now.saturating_sub(held.since) >= period;
        let sources: Vec<String> =
            self.held.iter().filter(|(_, held)| due(held)).map(|(source, _)| source.clone()).collect();
        sources.iter().filter_map(|source| self.take(source)).collect()
    }

    pub fn all(&mut self) -> Vec<Entry> {
        self.bytes = 0;
        let held = std::mem::take(&mut self.held);
        held.into_values().map(|held| self.joined(held)).collect()
    }
}
