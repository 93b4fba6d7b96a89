//! Ids of traces and spans that a query asks for by label: records are found by the columns of these ids, not by their texts.
//!
//! What is a label `trace_id` or `span_id` is in the column, too, if it is an id (`trefoil_model::trace_ids`), so that rows without it
//! there need no look.

use arrow::array::{Array, FixedSizeBinaryArray};
use arrow::buffer::BooleanBuffer;
use trefoil_logql::ast::{LabelFilter, Stage};
use trefoil_logql::matcher::Condition;
use trefoil_model::trace_ids;

use crate::QueryError;
use crate::sources::{Rows, Source, Sources};

pub const TRACE_ID: &str = "trace_id";
pub const SPAN_ID: &str = "span_id";

/// What the filters in front of everything that makes labels say of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedIds {
    trace: Option<[u8; 16]>,
    span: Option<[u8; 8]>,
    /// Labels that are asked for, whatever of them.
    labels: Vec<&'static str>,
}

impl AskedIds {
    pub fn of(stages: &[Stage]) -> AskedIds {
        let mut asked = AskedIds::default();
        for stage in stages {
            match stage {
                Stage::LineFilter(_) => {}
                Stage::LabelFilter(filter) => asked.note(filter, true),
                _ => break,
            }
        }
        asked
    }

    /// `is_needed`: no line passes for which the filter is not true.
    fn note(&mut self, filter: &LabelFilter, is_needed: bool) {
        match filter {
            LabelFilter::Text(matcher) => {
                let label = match matcher.name.as_str() {
                    TRACE_ID => TRACE_ID,
                    SPAN_ID => SPAN_ID,
                    _ => return,
                };
                self.labels.push(label);
                let Condition::Equal(id) = &matcher.condition else { return };
                match label {
                    TRACE_ID if is_needed => self.trace = self.trace.or(trace_ids::trace_id(id.as_bytes())),
                    SPAN_ID if is_needed => self.span = self.span.or(trace_ids::span_id(id.as_bytes())),
                    _ => {}
                }
            }
            LabelFilter::All(filters) => filters.iter().for_each(|filter| self.note(filter, is_needed)),
            LabelFilter::Any(filters) => filters.iter().for_each(|filter| self.note(filter, false)),
            _ => {}
        }
    }

    /// Whether the label is one of records of streams that were pushed, too, which have it only if they brought it.
    pub fn shows(&self, label: &str) -> bool {
        self.labels.contains(&label)
    }

    /// The columns that tell which rows have the ids.
    fn columns(&self) -> Vec<&'static str> {
        let trace = self.trace.map(|_| TRACE_ID);
        trace.into_iter().chain(self.span.map(|_| SPAN_ID)).collect()
    }

    /// Whether a source may have rows with the ids, by what is known without reading any.
    pub async fn may_be_in(&self, sources: &Sources<'_>, source: &Source) -> Result<bool, QueryError> {
        let Source::Group { file, row_group, .. } = source else { return Ok(true) };
        if let Some(id) = &self.trace
            && !sources.snapshot.groups_of_trace(file, id).await?.contains(row_group)
        {
            return Ok(false);
        }
        match &self.span {
            Some(id) => Ok(sources.snapshot.groups_of_span(file, id).await?.contains(row_group)),
            None => Ok(true),
        }
    }

    /// Which rows of a source have the ids; `None` where nobody asks for any.
    pub async fn rows(&self, sources: &Sources<'_>, source: &Source) -> Result<Option<BooleanBuffer>, QueryError> {
        let columns = self.columns();
        if columns.is_empty() {
            return Ok(None);
        }
        let read = sources.read(source, &columns).await?;
        let of_trace = self.trace.map(|id| rows_with(&read, TRACE_ID, &id, source.rows()));
        let of_span = self.span.map(|id| rows_with(&read, SPAN_ID, &id, source.rows()));
        Ok(match (of_trace, of_span) {
            (Some(of_trace), Some(of_span)) => Some(&of_trace & &of_span),
            (one, other) => one.or(other),
        })
    }
}

fn rows_with(read: &Rows, column: &str, id: &[u8], rows: usize) -> BooleanBuffer {
    let ids = read.column(column).and_then(|ids| ids.as_any().downcast_ref::<FixedSizeBinaryArray>());
    match ids {
        Some(ids) => BooleanBuffer::collect_bool(rows, |row| ids.is_valid(row) && ids.value(row) == id),
        None => BooleanBuffer::new_unset(rows),
    }
}

#[cfg(test)]
mod tests {
    use trefoil_logql::parse_log;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    /// Whether a trace and a span are asked for, and labels.
    type Asked = (bool, bool, Vec<&'static str>);

    fn asked(stages: &str) -> Asked {
        let query = parse_log(&format!(r#"{{a="b"}} {stages}"#)).unwrap();
        let AskedIds { trace, span, labels } = AskedIds::of(&query.stages);
        (trace.is_some(), span.is_some(), labels)
    }

    #[test]
    fn filters_in_front_of_what_makes_labels_ask_for_ids() {
        let both = vec![TRACE_ID, SPAN_ID];
        let cases: [(String, Asked); 11] = [
            (format!(r#"| trace_id="{TRACE}""#), (true, false, vec![TRACE_ID])),
            (format!(r#"| trace_id="{SPAN}""#), (true, false, vec![TRACE_ID])),
            (format!(r#"|= "x" | span_id="{SPAN}""#), (false, true, vec![SPAN_ID])),
            (format!(r#"| trace_id="{TRACE}" and span_id="{SPAN}""#), (true, true, both.clone())),
            (format!(r#"| trace_id="{TRACE}" | span_id="{SPAN}""#), (true, true, both.clone())),
            (format!(r#"| trace_id="{TRACE}" or span_id="{SPAN}""#), (false, false, both)),
            (r#"| trace_id="abc""#.to_owned(), (false, false, vec![TRACE_ID])),
            (r#"| trace_id!="""#.to_owned(), (false, false, vec![TRACE_ID])),
            (format!(r#"| json | trace_id="{TRACE}""#), (false, false, vec![])),
            (format!(r#"| label_format trace_id="x" | trace_id="{TRACE}""#), (false, false, vec![])),
            (format!(r#"| traceId="{TRACE}""#), (false, false, vec![])),
        ];
        for (stages, expected) in cases {
            assert_eq!(asked(&stages), expected, "{stages}");
        }
    }
}
