//! Series of lines that nobody reads: columns have the fields, and what becomes of a line becomes of all like it.

use std::sync::OnceLock;

use arrow::array::{Array, StringArray};
use trefoil_lines::{Form, level};
use trefoil_logql::metrics::{Measure, MetricsError, Series};
use trefoil_logql::pipeline::{Entry, Runner, Unwrapping};

use super::counting::{Counting, Known};
use super::entries::{Row, Selected};
use super::parsed::{Asked, FieldColumns, Outcomes};
use super::record::{Given, LINE, Lines, Metadata};
use super::streams::Streams;
use crate::QueryError;
use crate::sources::{Rows, Source, Sources};

/// What is read of a source.
struct Read<'r> {
    columns: FieldColumns<'r>,
    metadata: Metadata<'r>,
}

/// Lines of one stream.
struct OfStream<'r> {
    given: Given<'r>,
    /// Whether columns tell all that is asked for.
    is_known: bool,
    /// Whether nothing but fields and levels tells lines apart, so that outcomes can be remembered.
    is_plain: bool,
    outcomes: Outcomes<Option<Series>>,
}

/// The values of the unwrapped label, each read once.
struct Values<'r> {
    unwrapping: &'r Unwrapping,
    /// The label's place among the fields that columns have.
    field: Option<usize>,
    texts: Option<&'r StringArray>,
    read: Vec<Option<Option<f64>>>,
}

impl Values<'_> {
    /// `None`: it is no number.
    fn at(&mut self, place: usize) -> Option<f64> {
        let (texts, unwrapping) = (self.texts?, self.unwrapping);
        *self.read.get_mut(place)?.get_or_insert_with(|| unwrapping.number(texts.value(place)))
    }
}

impl Counting<'_> {
    /// Adds up lines by columns of their fields; those that columns do not tell enough of are read. `false`: nothing was added, as they do
    /// not tell enough of any.
    pub(super) async fn by_fields(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        streams: &Streams,
        selected: &Selected,
    ) -> Result<bool, QueryError> {
        let reading = self.reading;
        let (Some(fields), pipeline) = (reading.fields(), reading.pipeline()) else { return Ok(false) };
        let Some(asked) = Asked::of(sources, source, fields).await? else { return Ok(false) };
        let names = Metadata::names(sources, source, pipeline);
        let wanted: Vec<&str> = names.iter().chain(&asked.columns).map(String::as_str).collect();
        let rows = sources.read(source, &wanted).await?;
        let ids = self.asked.clone();
        let metadata = Metadata::new(&rows, &names, pipeline, &ids, &streams.view);
        let Some(columns) = FieldColumns::new(&rows, &asked, fields, metadata.finds_level()) else { return Ok(false) };
        let read = Read { columns, metadata };

        // Without a label of its own, a line's value is not that of the column.
        let value = reading.value_alone();
        let is_counted = self.leaf.measure() != Measure::Unwrapped;
        let mut of_streams = Vec::with_capacity(selected.runs.len());
        for run in &selected.runs {
            let given = read.metadata.given(&run.stream);
            let has = |name: &str| given.labels.iter().any(|(label, _)| *label == name);
            let is_remembered = is_counted || value.is_some_and(|value| !has(value.label()));
            of_streams.push(OfStream {
                is_known: read.columns.answer_for(&given.labels),
                is_plain: is_remembered && read.metadata.is_level_alone(&given),
                given,
                outcomes: Outcomes::default(),
            });
        }
        if !of_streams.iter().any(|stream| stream.is_known) {
            return Ok(false);
        }
        let mut values = value.map(|unwrapping| {
            let field = read.columns.field(unwrapping.label());
            let texts = field.and_then(|field| read.columns.values_of(field));
            Values { unwrapping, field, texts, read: vec![None; texts.map_or(0, |texts| texts.len())] }
        });
        let (held, mut lines) = (OnceLock::<Rows>::new(), None);
        let mut runner = Runner::new(pipeline, self.now);
        for (number, stream) in of_streams.iter_mut().enumerate() {
            let mut known = Known::default();
            for row in selected.rows_of(number)? {
                let form = if stream.is_known { read.columns.form(row.row) } else { None };
                self.spent.lines += 1;
                if let Some(form) = form {
                    match self.known(&mut runner, &read, stream, &row, form, values.as_mut()) {
                        Ok(passed) => {
                            self.spent.by_fields += 1;
                            self.spent.passed += u64::from(passed);
                            continue;
                        }
                        // Reading the line tells what is wrong with it.
                        Err(Failed::Line) => {}
                        Err(Failed::Query(error)) => return Err(error),
                    }
                }
                let lines = match &mut lines {
                    Some(lines) => lines,
                    none => {
                        let read = sources.read(source, &LINE).await?;
                        none.insert(Lines::of(held.get_or_init(|| read)))
                    }
                };
                let line = lines.at(row.row)?;
                self.spent.bytes += line.len() as u64;
                let pairs = read.metadata.of(row.row, &stream.given, || level::of_line(&line))?;
                let passed = self.line(&mut runner, &stream.given, row.time, &line, &pairs, &mut known)?;
                self.spent.passed += u64::from(passed);
            }
        }
        Ok(true)
    }

    /// Whether the line in a row passes, whose fields are known.
    fn known<'r>(
        &mut self,
        runner: &mut Runner<'_>,
        read: &Read<'r>,
        stream: &mut OfStream<'r>,
        row: &Row,
        form: Form,
        values: Option<&mut Values<'_>>,
    ) -> Result<bool, Failed> {
        let columns = &read.columns;
        let is_plain = stream.is_plain && !read.metadata.has_lists(row.row);
        let field = values.as_ref().and_then(|values| values.field);
        let value = match values.filter(|_| is_plain) {
            None => Some(0.0),
            Some(values) => match values.field.and_then(|field| columns.place_of(field, row.row, form)) {
                Some(place) => values.at(place),
                // Without a value it is none of a series.
                None => return Ok(false),
            },
        };
        let Some(value) = value.filter(|_| is_plain) else {
            return Ok(self.alone(runner, read, &stream.given, row, form)?.is_some());
        };
        match stream.outcomes.of(columns, row.row, form, field) {
            Some(Some(series)) => self.accumulator.add(series, row.time, value)?,
            Some(None) => return Ok(false),
            None => {
                let series = self.alone(runner, read, &stream.given, row, form)?;
                stream.outcomes.note(series);
                return Ok(series.is_some());
            }
        }
        Ok(true)
    }

    /// The same for a line that others say nothing about. Its series, if it passes.
    fn alone<'r>(
        &mut self,
        runner: &mut Runner<'_>,
        read: &Read<'r>,
        given: &Given<'r>,
        row: &Row,
        form: Form,
    ) -> Result<Option<Series>, Failed> {
        let mut found = Vec::new();
        let known = read.columns.known(row.row, form, &mut found);
        let pairs = read.metadata.of(row.row, given, || read.columns.level(row.row))?;
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let entry = Entry { timestamp: row.time, line: "", stream: &given.labels, metadata: &pairs };
        Ok(self.reading.add_by_fields(runner, &entry, known, &mut self.accumulator)?)
    }
}

/// Why a line was not added.
enum Failed {
    /// Its stages failed, and the query does not overlook that.
    Line,
    Query(QueryError),
}

impl From<MetricsError> for Failed {
    fn from(error: MetricsError) -> Self {
        match error {
            MetricsError::Pipeline { .. } => Failed::Line,
            other => Failed::Query(other.into()),
        }
    }
}

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Self {
        Failed::Query(error)
    }
}
