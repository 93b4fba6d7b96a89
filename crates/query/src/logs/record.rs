//! Lines of records, and their structured metadata: what OTLP says of them beyond the line, under Loki's names.

use std::borrow::Cow;
use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray};
use trefoil_logql::level;
use trefoil_model::attributes::read_value;
use trefoil_model::promote::Scope;
use trefoil_prometheus::attributes::text as text_of_value;

use super::columns::{Numbers, label_value, text};
use super::names::{label_name, texts_of};
use super::streams::Stream;
use super::view::LogView;
use crate::QueryError;
use crate::sources::{Rows, Source, Sources};

/// The level of a line, wherever it says it.
pub const DETECTED_LEVEL: &str = "detected_level";

/// What a line is made of.
pub const LINE: [&str; 2] = ["body", "body_is_json"];

const METADATA: [&str; 12] = [
    "log_attributes",
    "severity_number",
    "severity_text",
    "trace_id",
    "span_id",
    "flags",
    "event_name",
    "observed_time_unix_nano",
    "dropped_attributes_count",
    "scope_name",
    "scope_version",
    "scope_attributes",
];

/// The line in a row; `rows` have the columns of [`LINE`].
pub fn line(rows: &Rows, row: usize) -> Result<Cow<'_, str>, QueryError> {
    let Some(body) = rows.column("body").and_then(|body| text(body, row)) else { return Ok(Cow::Borrowed("")) };
    let is_json = rows.column("body_is_json").and_then(|flags| flags.as_boolean_opt());
    if !is_json.is_some_and(|flags| flags.is_valid(row) && flags.value(row)) {
        return Ok(Cow::Borrowed(body));
    }
    let value = read_value(body).map_err(|error| QueryError::Internal(error.to_string()))?;
    Ok(Cow::Owned(text_of_value(&value)))
}

/// Columns of structured metadata.
pub struct Metadata<'r> {
    rows: &'r Rows,
    discover_level: bool,
    promoted: Vec<(String, &'r ArrayRef)>,
    ids: [(&'static str, Option<&'r FixedSizeBinaryArray>); 2],
    numbers: [(&'static str, Numbers<'r>); 4],
    texts: [(&'static str, Option<&'r ArrayRef>); 4],
}

/// Names and values.
pub type Pairs<'r> = Vec<(Cow<'r, str>, Cow<'r, str>)>;

impl<'r> Metadata<'r> {
    /// The columns that a source may have of it.
    pub fn names(sources: &Sources<'_>, source: &Source) -> Vec<String> {
        let is_promoted = |name: &String| matches!(Scope::split(name), Some((Scope::Log, _)));
        let promoted = sources.names(source).into_iter().filter(is_promoted);
        promoted.chain(METADATA.map(str::to_owned)).collect()
    }

    /// `names` of columns that were read.
    pub fn new(rows: &'r Rows, names: &[String], view: &LogView) -> Self {
        let promoted = names.iter().filter_map(|name| match Scope::split(name) {
            Some((Scope::Log, key)) => Some((label_name(key), rows.column(name)?)),
            _ => None,
        });
        let ids = |name: &'static str| (name, rows.column(name).and_then(|ids| ids.as_any().downcast_ref()));
        let numbers = |(label, name): (&'static str, &str)| (label, Numbers::of(rows, name));
        let texts = |(label, name): (&'static str, &str)| (label, rows.column(name));
        Self {
            rows,
            discover_level: view.discover_log_levels,
            promoted: promoted.collect(),
            ids: ["trace_id", "span_id"].map(ids),
            numbers: [
                ("observed_timestamp", "observed_time_unix_nano"),
                ("severity_number", "severity_number"),
                ("flags", "flags"),
                ("dropped_attributes_count", "dropped_attributes_count"),
            ]
            .map(numbers),
            texts: [
                ("severity_text", "severity_text"),
                ("event_name", "event_name"),
                ("scope_name", "scope_name"),
                ("scope_version", "scope_version"),
            ]
            .map(texts),
        }
    }

    /// What comes with the line in a row, each name once.
    pub fn of<'s: 'r>(&self, row: usize, stream: &'s Stream, line: &str) -> Result<Pairs<'r>, QueryError> {
        let mut pairs: Pairs<'r> = Vec::new();
        if let Some(json) = self.rows.column("log_attributes").and_then(|column| text(column, row)) {
            pairs.extend(texts_of(json)?.into_iter().map(|(name, value)| (label_name(&name).into(), value.into())));
        }
        for (name, column) in &self.promoted {
            if let Some(value) = label_value(column, row) {
                pairs.push((name.clone().into(), value));
            }
        }
        if !stream.is_pushed {
            self.add_rest(row, stream, &mut pairs)?;
        }
        let mut seen = ahash::HashSet::default();
        pairs.retain(|(name, value)| !value.is_empty() && seen.insert(name.clone()));
        if self.discover_level && !seen.contains(DETECTED_LEVEL) {
            let labels = stream.labels.iter().map(|label| (&*label.name, &*label.value));
            let known = labels.chain(pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
            let severity = Numbers::of(self.rows, "severity_number").at(row);
            let level = level::detect(line, Some(severity).filter(|number| *number != 0), known);
            pairs.push((DETECTED_LEVEL.into(), level.name().into()));
        }
        Ok(pairs)
    }

    /// What Loki adds of records that come as OTLP.
    fn add_rest<'s: 'r>(&self, row: usize, stream: &'s Stream, pairs: &mut Pairs<'r>) -> Result<(), QueryError> {
        for (name, ids) in &self.ids {
            if let Some(ids) = ids.filter(|ids| ids.is_valid(row)) {
                pairs.push(((*name).into(), hex(ids.value(row)).into()));
            }
        }
        for (name, numbers) in &self.numbers {
            match numbers.at(row) {
                0 => {}
                number => pairs.push(((*name).into(), number.to_string().into())),
            }
        }
        for (name, texts) in &self.texts {
            if let Some(value) = texts.and_then(|texts| text(texts, row)) {
                pairs.push(((*name).into(), value.into()));
            }
        }
        if let Some(json) = self.rows.column("scope_attributes").and_then(|column| text(column, row)) {
            pairs.extend(texts_of(json)?.into_iter().map(|(name, value)| (label_name(&name).into(), value.into())));
        }
        pairs.extend(stream.metadata.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
        Ok(())
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::with_capacity(id.len() * 2), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
