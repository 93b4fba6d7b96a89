//! Lines of records, and their structured metadata: what OTLP says of them beyond the line, under Loki's names.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, StringViewArray, UInt32Array};
use arrow::datatypes::UInt32Type;
use trefoil_lines::level::{self, Level};
use trefoil_logql::pipeline::Pipeline;
use trefoil_model::attributes::read_value;
use trefoil_model::logs::BYTES_COLUMN;
use trefoil_model::promote::Scope;
use trefoil_prometheus::attributes::text as text_of_value;

use super::columns::{Numbers, label_value, text};
use super::ids::{AskedIds, SPAN_ID, TRACE_ID};
use super::names::{label_name, texts_of};
use super::streams::Stream;
use super::view::LogView;
use crate::QueryError;
use crate::sources::{Rows, Source, Sources};

/// The level of a line, wherever it says it.
pub const DETECTED_LEVEL: &str = "detected_level";

/// What a line is made of.
pub const LINE: [&str; 2] = ["body", "body_is_json"];

/// Columns that are labels by themselves, with the names of these.
const IDS: [&str; 2] = [TRACE_ID, SPAN_ID];
const NUMBERS: [(&str, &str); 4] = [
    ("observed_timestamp", "observed_time_unix_nano"),
    ("severity_number", "severity_number"),
    ("flags", "flags"),
    ("dropped_attributes_count", "dropped_attributes_count"),
];
const TEXTS: [(&str, &str); 4] = [
    ("severity_text", "severity_text"),
    ("event_name", "event_name"),
    ("scope_name", "scope_name"),
    ("scope_version", "scope_version"),
];
/// What a level is found by, apart from the line.
const LEVELS: [&str; 1] = ["severity_number"];
/// Lists of attributes of whatever names.
const LISTS: [&str; 2] = ["log_attributes", "scope_attributes"];

/// The lines of a source.
pub struct Lines<'r> {
    bodies: Option<&'r ArrayRef>,
    /// The same, where it is of views.
    views: Option<&'r StringViewArray>,
    /// Which bodies are no texts, if any.
    are_json: Option<&'r BooleanArray>,
}

impl<'r> Lines<'r> {
    /// `rows` have the columns of [`LINE`].
    pub fn of(rows: &'r Rows) -> Self {
        let bodies = rows.column("body");
        let are_json = rows.column("body_is_json").and_then(|flags| flags.as_boolean_opt());
        Self {
            bodies,
            views: bodies.and_then(|bodies| bodies.as_string_view_opt()).filter(|bodies| bodies.null_count() == 0),
            are_json: are_json.filter(|flags| flags.true_count() > 0),
        }
    }

    pub fn at(&self, row: usize) -> Result<Cow<'r, str>, QueryError> {
        let body = match (self.views, self.bodies) {
            (Some(views), _) => views.value(row),
            (None, bodies) => bodies.and_then(|bodies| text(bodies, row)).unwrap_or(""),
        };
        if !self.are_json.is_some_and(|flags| flags.is_valid(row) && flags.value(row)) {
            return Ok(Cow::Borrowed(body));
        }
        let value = read_value(body).map_err(|error| QueryError::Internal(error.to_string()))?;
        Ok(Cow::Owned(text_of_value(&value)))
    }
}

/// The bytes of the line in each row. Where there is no column of them, they are worked out once for a row group.
pub async fn lengths(sources: &Sources<'_>, source: &Source) -> Result<UInt32Array, QueryError> {
    const NAME: &str = "bytes of the line";
    let stored = sources.read(source, &[BYTES_COLUMN]).await?;
    let stored = stored.column(BYTES_COLUMN).and_then(|lengths| lengths.as_primitive_opt::<UInt32Type>());
    if let Some(lengths) = stored.filter(|lengths| lengths.null_count() == 0) {
        return Ok(lengths.clone());
    }
    if let Some(kept) = sources.kept(source, NAME)
        && let Some(lengths) = kept.as_primitive_opt::<UInt32Type>()
    {
        return Ok(lengths.clone());
    }
    let rows = sources.read(source, &LINE).await?;
    let lines = Lines::of(&rows);
    let lengths = (0..source.rows()).map(|row| Ok(u32::try_from(lines.at(row)?.len()).unwrap_or(u32::MAX)));
    let lengths: UInt32Array = lengths.collect::<Result<Vec<u32>, QueryError>>()?.into();
    sources.keep(source, NAME, Arc::new(lengths.clone()));
    Ok(lengths)
}

/// Columns of structured metadata, of which those labels are told that a pipeline needs.
pub struct Metadata<'r> {
    rows: &'r Rows,
    pipeline: &'r Pipeline,
    asked: &'r AskedIds,
    finds_level: bool,
    lists: [Option<&'r ArrayRef>; 2],
    promoted: Vec<(String, &'r ArrayRef)>,
    ids: Vec<(&'static str, &'r FixedSizeBinaryArray)>,
    numbers: Vec<(&'static str, Numbers<'r>)>,
    texts: Vec<(&'static str, &'r ArrayRef)>,
}

/// What all lines of a stream have in common.
pub struct Given<'s> {
    pub labels: Vec<(&'s str, &'s str)>,
    /// Of the resource's attributes those that are looked at.
    metadata: Vec<(&'s str, &'s str)>,
    is_pushed: bool,
}

/// Names and values.
pub type Pairs<'r> = Vec<(Cow<'r, str>, Cow<'r, str>)>;

impl<'r> Metadata<'r> {
    /// The columns that a source may have of it.
    pub fn names(sources: &Sources<'_>, source: &Source, pipeline: &Pipeline) -> Vec<String> {
        let needs_level = pipeline.needs(DETECTED_LEVEL);
        // A level is found by attributes of many names.
        let is_needed = |label: &str| pipeline.needs(label) || (needs_level && level::KEYS.contains(&label));
        let promoted = sources.names(source).into_iter().filter(|name| match Scope::split(name) {
            Some((Scope::Log, key)) => is_needed(&label_name(key)) || is_needed(key),
            _ => false,
        });
        let ids = IDS.into_iter().filter(|name| is_needed(name));
        let others = NUMBERS.into_iter().chain(TEXTS).filter(|(label, _)| is_needed(label)).map(|(_, name)| name);
        let levels = LEVELS.into_iter().filter(|_| needs_level);
        let lists = LISTS.into_iter().filter(|_| pipeline.needs_labels());
        promoted.chain(lists.chain(ids).chain(others).chain(levels).map(str::to_owned)).collect()
    }

    /// `names` of columns that were read.
    pub fn new(rows: &'r Rows, names: &[String], pipeline: &'r Pipeline, asked: &'r AskedIds, view: &LogView) -> Self {
        let promoted = names.iter().filter_map(|name| match Scope::split(name) {
            Some((Scope::Log, key)) => Some((label_name(key), rows.column(name)?)),
            _ => None,
        });
        let is_needed = |label: &str| pipeline.needs(label);
        let ids = IDS.into_iter().filter(|name| is_needed(name));
        let numbers = NUMBERS.into_iter().filter(|(label, _)| is_needed(label));
        let texts = TEXTS.into_iter().filter(|(label, _)| is_needed(label));
        Self {
            rows,
            pipeline,
            asked,
            finds_level: view.discover_log_levels && is_needed(DETECTED_LEVEL),
            lists: LISTS.map(|name| rows.column(name)),
            promoted: promoted.collect(),
            ids: ids.filter_map(|name| Some((name, rows.column(name)?.as_any().downcast_ref()?))).collect(),
            numbers: numbers.map(|(label, name)| (label, Numbers::of(rows, name))).collect(),
            texts: texts.filter_map(|(label, name)| Some((label, rows.column(name)?))).collect(),
        }
    }

    /// What a stream gives to each of its lines.
    pub fn given<'s>(&self, stream: &'s Stream) -> Given<'s> {
        let is_looked_at = |name: &str| self.pipeline.needs(name) || (self.finds_level && level::KEYS.contains(&name));
        let metadata = stream.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Given {
            labels: stream.pairs(),
            metadata: metadata.filter(|(name, _)| is_looked_at(name)).collect(),
            is_pushed: stream.is_pushed,
        }
    }

    /// Whether lines have their levels.
    pub fn finds_level(&self) -> bool {
        self.finds_level
    }

    /// Whether nothing but its level comes with a line of a stream, as far as that is looked at; but for [lists](Metadata::has_lists).
    pub fn is_level_alone(&self, given: &Given<'_>) -> bool {
        let is_bare = match given.is_pushed {
            true => !self.ids.iter().any(|(name, _)| self.asked.shows(name)),
            false => {
                self.ids.is_empty() && self.numbers.is_empty() && self.texts.is_empty() && given.metadata.is_empty()
            }
        };
        self.promoted.is_empty() && is_bare
    }

    /// Whether attributes of any name come with the line in a row.
    pub fn has_lists(&self, row: usize) -> bool {
        self.lists.iter().flatten().any(|list| list.is_valid(row))
    }

    /// What comes with the line in a row, each name once. `of_line`: the level that the line tells.
    pub fn of<'s: 'r>(
        &self,
        row: usize,
        given: &Given<'s>,
        of_line: impl FnOnce() -> Level,
    ) -> Result<Pairs<'r>, QueryError> {
        let [attributes, of_scope] = self.lists;
        let mut pairs: Pairs<'r> = Vec::new();
        if !given.is_pushed {
            // Of attributes with these names the record's own ids say more.
            self.add_ids(row, |_| true, &mut pairs);
        }
        add_list(attributes, row, &mut pairs)?;
        for (name, column) in &self.promoted {
            if let Some(value) = label_value(column, row) {
                pairs.push((name.clone().into(), value));
            }
        }
        if !given.is_pushed {
            self.add_rest(row, &mut pairs);
            add_list(of_scope, row, &mut pairs)?;
            pairs.extend(given.metadata.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))));
        } else {
            // What was pushed is shown as it came, and ids that only the line has to those who ask for them.
            self.add_ids(row, |name| self.asked.shows(name), &mut pairs);
        }
        keep_first(&mut pairs);
        if self.finds_level && !pairs.iter().any(|(name, _)| name == DETECTED_LEVEL) {
            let known = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
            let known = given.labels.iter().copied().chain(known);
            let severity = Numbers::of(self.rows, "severity_number").at(row);
            let of_record = level::of_record(Some(severity).filter(|number| *number != 0), known);
            let level = of_record.unwrap_or_else(of_line);
            pairs.push((DETECTED_LEVEL.into(), level.name().into()));
        }
        pairs.retain(|(name, _)| self.pipeline.needs(name));
        Ok(pairs)
    }

    fn add_ids(&self, row: usize, is_shown: impl Fn(&str) -> bool, pairs: &mut Pairs<'r>) {
        for (name, ids) in self.ids.iter().filter(|(name, _)| is_shown(name)) {
            if ids.is_valid(row) {
                pairs.push(((*name).into(), hex::encode(ids.value(row)).into()));
            }
        }
    }

    /// What Loki adds of records that come as OTLP.
    fn add_rest(&self, row: usize, pairs: &mut Pairs<'r>) {
        for (name, numbers) in &self.numbers {
            match numbers.at(row) {
                0 => {}
                number => pairs.push(((*name).into(), number.to_string().into())),
            }
        }
        for (name, texts) in &self.texts {
            if let Some(value) = text(texts, row) {
                pairs.push(((*name).into(), value.into()));
            }
        }
    }
}

/// More are looked up, not compared.
const FEW: usize = 32;

/// Of each name the first.
fn keep_first(pairs: &mut Pairs<'_>) {
    if pairs.len() > FEW {
        let mut seen = ahash::HashSet::default();
        return pairs.retain(|(name, _)| seen.insert(name.clone()));
    }
    let mut kept = 0;
    for place in 0..pairs.len() {
        let (first, rest) = pairs.split_at(place);
        if !first[..kept].iter().any(|(name, _)| *name == rest[0].0) {
            pairs.swap(kept, place);
            kept += 1;
        }
    }
    pairs.truncate(kept);
}

fn add_list(column: Option<&ArrayRef>, row: usize, pairs: &mut Pairs<'_>) -> Result<(), QueryError> {
    if let Some(json) = column.and_then(|column| text(column, row)) {
        pairs.extend(texts_of(json)?.into_iter().map(|(name, value)| (label_name(&name).into(), value.into())));
    }
    Ok(())
}
