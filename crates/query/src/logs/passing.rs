//! Rows whose lines cannot pass the filters on fields in front of a query, told by columns: they are not read.

use trefoil_logql::pipeline::{Entry, Pipeline, Runner};

use super::entries::{Row, Selected};
use super::found::Order;
use super::ids::AskedIds;
use super::parsed::{Asked, FieldColumns, Outcomes};
use super::record::{Given, Metadata};
use super::view::LogView;
use crate::QueryError;
use crate::sources::{Source, Sources};

/// A source, and what is selected of it.
pub struct Passing<'a> {
    pub sources: &'a Sources<'a>,
    pub source: &'a Source,
    pub view: &'a LogView,
    pub asked: &'a AskedIds,
    pub selected: &'a Selected,
    pub now: i64,
}

impl Passing<'_> {
    /// Keeps those rows that may pass `first`, a pipeline that [tells by fields](Pipeline::fields).
    pub async fn retain(&self, first: &Pipeline, candidates: &mut Vec<(Order, Row)>) -> Result<(), QueryError> {
        let Self { sources, source, view, asked: ids, selected, now } = *self;
        let Some(fields) = first.fields() else { return Ok(()) };
        let Some(asked) = Asked::of(sources, source, fields).await? else { return Ok(()) };
        let names = Metadata::names(sources, source, first);
        let wanted: Vec<&str> = names.iter().chain(&asked.columns).map(String::as_str).collect();
        let rows = sources.read(source, &wanted).await?;
        let metadata = Metadata::new(&rows, &names, first, ids, view);
        let Some(columns) = FieldColumns::new(&rows, &asked, fields, metadata.finds_level()) else { return Ok(()) };
        let given: Vec<Given<'_>> = selected.runs.iter().map(|run| metadata.given(&run.stream)).collect();
        let known = given.iter().map(|given| (columns.answer_for(&given.labels), metadata.is_level_alone(given)));
        // Whether columns tell enough of a stream's lines, and whether nothing but fields and levels tells these apart.
        let known: Vec<(bool, bool)> = known.collect();
        let mut outcomes: Vec<Outcomes<bool>> = selected.runs.iter().map(|_| Outcomes::default()).collect();
        let mut runner = Runner::new(first, now);
        let mut found = Vec::new();
        let mut passes = |row: &Row| -> Result<bool, QueryError> {
            let (is_known, is_plain) = known[row.run];
            let Some(form) = columns.form(row.row).filter(|_| is_known) else { return Ok(true) };
            let is_plain = is_plain && !metadata.has_lists(row.row);
            if is_plain && let Some(passes) = outcomes[row.run].of(&columns, row.row, form, None) {
                return Ok(passes);
            }
            let given = &given[row.run];
            let known = columns.known(row.row, form, &mut found);
            let pairs = metadata.of(row.row, given, || columns.level(row.row))?;
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            let entry = Entry { timestamp: row.time, line: "", stream: &given.labels, metadata: &pairs };
            let passes = runner.run_known(&entry, known, |_| ()).is_some();
            if is_plain {
                outcomes[row.run].note(passes);
            }
            Ok(passes)
        };
        let mut kept = Vec::with_capacity(candidates.len());
        for candidate in candidates.drain(..) {
            if passes(&candidate.1)? {
                kept.push(candidate);
            }
        }
        *candidates = kept;
        Ok(())
    }
}
