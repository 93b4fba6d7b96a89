//! `compare()`: all attributes of the spans of a selection and of the others.

use std::sync::Arc;

use ahash::{HashMap, HashMapExt};
use arrow::array::AsArray;
use trefoil_model::versions;
use trefoil_traceql::ast::{Attribute, Field, Intrinsic};
use trefoil_traceql::eval::{Filter, Trace};
use trefoil_traceql::metrics::{Comparison, Labels, Series};
use trefoil_traceql::value::Value;

use super::Question;
use super::attributes::{Counted, columns, count};
use super::spanwise::TRACE_STATE;
use super::whole::Matched;
use crate::QueryError;
use crate::traces::assemble::TraceId;
use crate::traces::filter::Narrowing;
use crate::traces::source::{PARENT, Rows, START, TRACE_ID};
use crate::traces::value::text;

const SPAN_ID: &str = "span_id";
/// About what is kept of a span, or of a root.
const ENTRY_BYTES: usize = 96;

type SpanId = [u8; 8];

/// Which spans count, and on which side.
enum Sides {
    /// Each span tells by itself.
    Spanwise { filter: Narrowing, selection: Narrowing },
    /// These, `true` for the selection, with the version that counts: their traces were looked at.
    Known(HashMap<(TraceId, SpanId), (bool, Option<u64>)>),
}

impl Question<'_> {
    pub(super) async fn compare(
        &mut self,
        filter: Option<Field>,
        selection: &Field,
        top: i64,
        window: Option<(i64, i64)>,
    ) -> Result<Vec<Series>, QueryError> {
        let mut comparison = Comparison::new(top, window, self.grid);
        // Which version of a span is the last is known of whole traces only.
        let is_spanwise = !Narrowing::is_rough(selection) && !self.has_versions().await?;
        let sides = match filter.filter(|_| is_spanwise) {
            Some(filter) => Sides::Spanwise { filter: Narrowing::new(&filter), selection: Narrowing::new(selection) },
            None => Sides::Known(self.selected(selection).await?),
        };
        let roots = self.roots().await?;
        for source in self.sources.within(self.grid.bounds()).await? {
            // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
            tokio::task::yield_now().await;
            let promoted = self.sources.promoted(&source);
            let mut names = columns(&promoted);
            names.extend([START, TRACE_ID, SPAN_ID, TRACE_STATE]);
            if let Sides::Spanwise { filter, selection } = &sides {
                filter.columns(&mut names);
                selection.columns(&mut names);
            }
            let rows = self.sources.read(&source, &names).await?;
            self.measured.inspected_spans += source.rows() as u64;
            let all = self.in_window(&source, &rows)?;
            let starts = rows.starts()?;
            let may_select = |row: &u32| comparison.may_select(starts[*row as usize]);
            let (among, of_selection) = sides.of_rows(&rows, all, may_select)?;
            let weights = self.weights(&rows);
            let grid = self.grid;
            let counted: Vec<(u32, bool, usize)> = among
                .into_iter()
                .zip(of_selection)
                .filter_map(|(row, side)| Some((row, side, grid.place(starts[row as usize])?)))
                .collect();
            let among: Vec<u32> = counted.iter().map(|(row, ..)| *row).collect();
            let mut shown: HashMap<usize, (i64, Labels)> = HashMap::new();
            self.show_rows(&rows, &among, &[], |_, at, row, labels| {
                shown.insert(at, (starts[row], labels));
                Ok(())
            })?;
            let counted = Counted {
                rows: &among,
                sides: &counted.iter().map(|(_, side, _)| *side).collect::<Vec<_>>(),
                places: &counted.iter().map(|(.., place)| *place).collect::<Vec<_>>(),
                weights: &among.iter().map(|row| weights(*row)).collect::<Vec<_>>(),
                shown: &shown,
            };
            count(self.sources, &source, &rows, &counted, &mut comparison);
            roots.count(&rows, &counted, &mut comparison)?;
            self.memory.to(comparison.bytes())?;
        }
        Ok(comparison.series())
    }

    /// The spans that the pipeline finds, and whether they are of the selection.
    async fn selected(
        &mut self,
        selection: &Field,
    ) -> Result<HashMap<(TraceId, SpanId), (bool, Option<u64>)>, QueryError> {
        let filter = Filter::new(selection);
        let program = self.program(filter.attributes().to_vec());
        let slots: Vec<usize> = filter.attributes().iter().filter_map(|attribute| program.slot(attribute)).collect();
        let mut selected = HashMap::new();
        self.each_trace(&program, async |question: &mut Self, matched: &[Matched]| {
            let before = selected.len();
            for (of, span) in matched.iter().flat_map(Matched::each) {
                let value = |slot: &usize| vec![of.trace.columns[*slot][span].clone()];
                let alone = Trace { columns: slots.iter().map(value).collect(), ..Trace::default() };
                let of_span = &of.spans[span];
                let version = of_span.trace_state.as_deref().and_then(versions::version);
                selected.insert((of.id, of_span.id), (filter.holds(&alone, 0), version));
            }
            let more = (selected.len() - before) * ENTRY_BYTES;
            question.memory.held.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))
        })
        .await?;
        Ok(selected)
    }

    async fn has_versions(&self) -> Result<bool, QueryError> {
        for source in self.sources.within(self.grid.bounds()).await? {
            if self.sources.read(&source, &[TRACE_STATE]).await?.mention(TRACE_STATE, versions::MARK) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Names and services of the roots of traces.
    async fn roots(&mut self) -> Result<Roots, QueryError> {
        let mut roots = Roots::default();
        for source in self.sources.within(self.grid.bounds()).await? {
            tokio::task::yield_now().await;
            let rows = self.sources.read(&source, &[TRACE_ID, PARENT, "name", "service_name"]).await?;
            let of = |column: &str, row: usize| rows.column(column).and_then(|array| text(array, row));
            let ids = rows.trace_ids()?;
            let before = roots.by_trace.len();
            for row in Narrowing::Roots.rows(&rows, (0..source.rows() as u32).collect()) {
                let row = row as usize;
                let Ok(id) = TraceId::try_from(ids.value(row)) else { continue };
                let (name, service) = (of("name", row), of("service_name", row));
                let name = roots.text(name.unwrap_or_default());
                let service = roots.text(service.unwrap_or_default());
                roots.by_trace.entry(id).or_insert((name, service));
            }
            let more = (roots.by_trace.len() - before) * ENTRY_BYTES;
            self.memory.held.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        }
        Ok(roots)
    }
}

impl Sides {
    /// Those of `all` rows that count, and which of them are of the selection.
    fn of_rows(
        &self,
        rows: &Rows,
        all: Vec<u32>,
        may_select: impl Fn(&u32) -> bool,
    ) -> Result<(Vec<u32>, Vec<bool>), QueryError> {
        match self {
            Sides::Spanwise { filter, selection } => {
                let among = filter.rows(rows, all);
                let selected = selection.rows(rows, among.iter().copied().filter(|row| may_select(row)).collect());
                let sides = among.iter().map(|row| selected.binary_search(row).is_ok()).collect();
                Ok((among, sides))
            }
            Sides::Known(known) => {
                let traces = rows.trace_ids()?;
                let spans = rows.column(SPAN_ID).and_then(|array| array.as_fixed_size_binary_opt());
                let spans = spans.ok_or_else(|| QueryError::Internal("spans without ids".to_owned()))?;
                let side = |row: &u32| {
                    let trace = traces.value(*row as usize).try_into().ok()?;
                    let span = spans.value(*row as usize).try_into().ok()?;
                    let (is_selected, version) = known.get(&(trace, span))?;
                    let of_row = || versions::version(text(rows.column(TRACE_STATE)?, *row as usize)?);
                    (of_row() == *version).then(|| (*row, *is_selected && may_select(row)))
                };
                Ok(all.iter().filter_map(side).unzip())
            }
        }
    }
}

#[derive(Default)]
struct Roots {
    texts: HashMap<Arc<str>, u32>,
    by_number: Vec<Arc<str>>,
    /// Name and service.
    by_trace: HashMap<TraceId, (u32, u32)>,
}

impl Roots {
    fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let (number, text) = (self.by_number.len() as u32, Arc::<str>::from(text));
        self.by_number.push(text.clone());
        self.texts.insert(text, number);
        number
    }

    fn count(&self, rows: &Rows, counted: &Counted<'_>, comparison: &mut Comparison) -> Result<(), QueryError> {
        let ids = rows.trace_ids()?;
        let names = [Intrinsic::RootName, Intrinsic::RootService].map(|of| Attribute::Intrinsic(of).to_string());
        let attributes = names.map(|name| comparison.attribute(&name));
        let mut values = HashMap::new();
        for (at, row) in counted.rows.iter().enumerate() {
            let Some((name, service)) = self.by_trace.get(ids.value(*row as usize)) else { continue };
            for (attribute, text) in attributes.into_iter().zip([*name, *service]) {
                let value = values.entry((attribute, text)).or_insert_with(|| {
                    comparison.value(attribute, &Value::String(self.by_number[text as usize].clone()))
                });
                if let Some(value) = *value {
                    counted.observe(comparison, attribute, value, at);
                }
            }
        }
        Ok(())
    }
}
