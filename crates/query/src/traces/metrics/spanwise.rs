//! Spans that count by what they say themselves, column by column.

use ahash::{HashSet, HashSetExt};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use trefoil_model::versions;
use trefoil_traceql::ast::{Attribute, Field, Intrinsic};
use trefoil_traceql::metrics::Aggregation;
use trefoil_traceql::value::Value;

use super::codes::{Codes, Groups};
use super::{Question, exemplar_labels, weight};
use crate::QueryError;
use crate::traces::assemble::TraceId;
use crate::traces::filter::{Narrowing, present};
use crate::traces::place::{Place, places};
use crate::traces::source::{Rows, START, Source, TRACE_ID};
use crate::traces::value::{text, value};

pub const TRACE_STATE: &str = "trace_state";

impl Question<'_> {
    pub(super) async fn spanwise(&mut self, filter: &Field, aggregation: &mut Aggregation) -> Result<(), QueryError> {
        let narrowing = Narrowing::new(filter);
        let by: Vec<Vec<Place>> = self.leaf.by.iter().map(places).collect();
        let measured = self.leaf.measured().map(Measure::new);
        let named: Vec<(String, Vec<Place>)> =
            self.named().iter().map(|attribute| (attribute.to_string(), places(attribute))).collect();
        let mut codes: Vec<Codes> = by.iter().map(|_| Codes::default()).collect();
        let mut groups = Groups::default();
        // Traces that have spans which were written more than once. They are few.
        let mut versioned: HashSet<TraceId> = HashSet::new();
        for source in self.sources.within(self.grid.bounds()).await? {
            // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
            tokio::task::yield_now().await;
            if !narrowing.may_hold(self.sources, &source) {
                continue;
            }
            let mut names = vec![START, TRACE_STATE];
            narrowing.columns(&mut names);
            let others = by.iter().flatten().chain(measured.iter().flat_map(|measure| &measure.places));
            names.extend(others.flat_map(Place::columns));
            let shows = !self.room.is_full();
            if shows {
                names.push(TRACE_ID);
                names.extend(named.iter().flat_map(|(_, places)| places).flat_map(Place::columns));
            }
            let mut rows = self.sources.read(&source, &names).await?;
            let mut among = self.in_window(&source, &rows)?;
            if rows.mention(TRACE_STATE, versions::MARK) {
                if !shows {
                    rows = self.sources.read(&source, &[names.as_slice(), &[TRACE_ID]].concat()).await?;
                }
                among = without_versions(&rows, among, &mut versioned)?;
            }
            let among = narrowing.rows(&rows, among);
            self.measured.inspected_spans += source.rows() as u64;
            if among.is_empty() {
                continue;
            }
            let columns: Vec<Vec<u32>> =
                codes.iter_mut().zip(&by).map(|(codes, places)| codes.of_rows(places, &rows, &among)).collect();
            let of_rows = groups.of_rows(&codes, &columns, aggregation);
            self.memory.to(aggregation.bytes())?;
            let only = if of_rows.is_empty() { Some(aggregation.group(&[])) } else { None };
            let starts = rows.starts()?;
            let weights = self.weights(&rows);
            let measured = measured.as_ref().map(|measure| measure.of(&rows));
            for (at, row) in among.iter().enumerate() {
                let Some(place) = self.grid.place(starts[*row as usize]) else { continue };
                let group = only.unwrap_or_else(|| of_rows[at]);
                let measured = measured.as_ref().map_or(Value::Nil, |measured| measured(*row as usize));
                aggregation.observe(group, place, &measured, weights(*row));
            }
            self.memory.to(aggregation.bytes())?;
            if shows {
                let group = |at: usize| only.unwrap_or_else(|| of_rows[at]);
                self.show_rows(&rows, &among, &named, |question, at, row, labels| {
                    let measured = measured.as_ref().map_or(Value::Nil, |measured| measured(row));
                    aggregation.exemplar(group(at), starts[row], &measured, labels);
                    question.memory.to(aggregation.bytes())
                })?;
            }
            self.tell(aggregation).await?;
        }
        self.last_versions(&versioned.into_iter().collect::<Vec<_>>(), aggregation).await
    }

    /// Rows whose spans start in the time of the question, ascending.
    pub(super) fn in_window(&self, source: &Source, rows: &Rows) -> Result<Vec<u32>, QueryError> {
        let (after, until) = self.grid.bounds();
        let all = 0..source.rows() as u32;
        if let Source::Group { file, .. } = source
            && file.time_range().is_some_and(|(first, last)| first > after && last <= until)
        {
            return Ok(all.collect());
        }
        let starts = rows.starts()?;
        let is_in = |row: &u32| starts[*row as usize] > after && starts[*row as usize] <= until;
        Ok(all.filter(is_in).collect())
    }

    /// How many spans the span in a row stands for.
    pub(super) fn weights<'r>(&self, rows: &'r Rows) -> Box<dyn Fn(u32) -> f64 + 'r> {
        match rows.column(TRACE_STATE).filter(|_| self.is_extrapolated) {
            None => Box::new(|_| 1.0),
            Some(array) => match array.as_dictionary_opt::<Int32Type>() {
                Some(dictionary) => {
                    let values = dictionary.values();
                    let table: Vec<f64> = (0..values.len()).map(|at| weight(text(values, at))).collect();
                    let keys = dictionary.keys();
                    Box::new(move |row| match keys.is_valid(row as usize) {
                        true => table[keys.value(row as usize) as usize],
                        false => 1.0,
                    })
                }
                None => Box::new(move |row| weight(text(array, row as usize))),
            },
        }
    }

    /// Calls `show` with the place in `among`, the row and the labels of each span that is to be shown.
    pub(super) fn show_rows(
        &mut self,
        rows: &Rows,
        among: &[u32],
        named: &[(String, Vec<Place>)],
        mut show: impl FnMut(&mut Self, usize, usize, trefoil_traceql::metrics::Labels) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let (starts, ids) = (rows.starts()?, rows.trace_ids()?);
        for (at, row) in among.iter().enumerate() {
            if self.room.is_full() {
                return Ok(());
            }
            let row = *row as usize;
            if !self.room.has(starts[row]) {
                continue;
            }
            let Ok(id) = TraceId::try_from(ids.value(row)) else { continue };
            if !self.is_shown(&id, starts[row]) {
                continue;
            }
            let values = named.iter().map(|(name, places)| (name.clone(), value(places, rows, row)));
            show(self, at, row, exemplar_labels(&id, values))?;
            self.show(id, starts[row]);
        }
        Ok(())
    }
}

/// Rows of spans that are written once; the traces of the others are noted.
fn without_versions(
    rows: &Rows,
    mut among: Vec<u32>,
    versioned: &mut HashSet<TraceId>,
) -> Result<Vec<u32>, QueryError> {
    let (states, ids) = (rows.column(TRACE_STATE), rows.trace_ids()?);
    among.retain(|row| {
        let row = *row as usize;
        let version = states.and_then(|states| versions::version(text(states, row)?));
        if version.is_some() {
            versioned.extend(TraceId::try_from(ids.value(row)));
        }
        version.is_none()
    });
    Ok(among)
}

/// What a function makes numbers of.
struct Measure {
    places: Vec<Place>,
    is_duration: bool,
}

impl Measure {
    fn new(attribute: &Attribute) -> Measure {
        let is_duration = *attribute == Attribute::Intrinsic(Intrinsic::Duration);
        Measure { places: places(attribute), is_duration }
    }

    /// Tells of a row what it has of it.
    fn of<'r>(&'r self, rows: &'r Rows) -> Box<dyn Fn(usize) -> Value + 'r> {
        let durations = rows.column("duration_nano").and_then(|array| array.as_primitive_opt::<Int64Type>());
        match durations.filter(|_| self.is_duration) {
            Some(durations) => Box::new(|row| Value::Duration(durations.value(row))),
            None => {
                let places = present(&self.places, rows);
                Box::new(move |row| value(&places, rows, row))
            }
        }
    }
}
