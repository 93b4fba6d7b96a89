//! One range aggregation, source by source.

use std::borrow::Cow;

use arrow::array::UInt32Array;
use trefoil_lines::level;
use trefoil_logql::metrics::{Accumulator, Leaf, Measure, Reading, Series, SeriesLabels};
use trefoil_logql::pipeline::{Entry, Runner};

use super::Spent;
use super::entries::{Selected, selected};
use super::ids::AskedIds;
use super::pace::Pace;
use super::record::{Given, LINE, Lines, Metadata, Pairs, lengths};
use super::streams::{Stream, Streams};
use crate::QueryError;
use crate::memory::Held;
use crate::sources::{Source, Sources};

/// Series that are remembered of one run.
const REMEMBERED: usize = 8;

/// On one thread.
pub struct Counting<'r> {
    pub(super) leaf: &'r Leaf,
    pub(super) reading: &'r Reading,
    pub(super) asked: AskedIds,
    pub(super) accumulator: Accumulator,
    pub(super) now: i64,
    /// Both inclusive.
    period: (i64, i64),
    memory: &'r Held,
    held: usize,
    pub(super) spent: Spent,
}

/// The series of a run's lines by the structured metadata that these have, where stages leave labels alone.
#[derive(Default)]
pub(super) struct Known(Vec<(Vec<(String, String)>, Series)>);

impl<'r> Counting<'r> {
    pub fn new(
        leaf: &'r Leaf,
        reading: &'r Reading,
        accumulator: Accumulator,
        now: i64,
        period: (i64, i64),
        memory: &'r Held,
    ) -> Self {
        let asked = AskedIds::of(&leaf.range().query.stages);
        Self { leaf, reading, asked, accumulator, now, period, memory, held: 0, spent: Spent::default() }
    }

    pub async fn source(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        streams: &Streams,
    ) -> Result<(), QueryError> {
        // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
        tokio::task::yield_now().await;
        if !self.asked.may_be_in(sources, source).await? {
            return Ok(());
        }
        self.spent.sources += 1;
        let selector = &self.leaf.range().query.selector;
        let selected = selected(sources, source, streams, selector, self.period, &self.asked).await?;
        if selected.rows()?.next().is_none() {
            return Ok(());
        }
        self.spent.streams += selected.runs.len() as u64;
        match self.leaf.measure() {
            Measure::Line if self.is_by_stream(&selected) => self.count(&selected)?,
            Measure::Bytes if self.is_by_stream(&selected) => {
                self.weigh(&selected, &lengths(sources, source).await?)?
            }
            _ if self.by_fields(sources, source, streams, &selected).await? => {}
            _ => self.lines(sources, source, streams, &selected).await?,
        }
        let bytes = self.accumulator.bytes();
        self.memory
            .grow(bytes.saturating_sub(self.held))
            .map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        self.held = self.held.max(bytes);
        Ok(())
    }

    /// What it holds is for the caller to count.
    pub fn finish(self) -> (Accumulator, Spent) {
        self.memory.shrink(self.held);
        (self.accumulator, self.spent)
    }

    /// Whether lines need no look: how many there are of each stream, and how long they are, is enough.
    fn is_by_stream(&self, selected: &Selected) -> bool {
        let has = |stream: &Stream, name: &String| stream.labels.value(name).is_some();
        self.reading.pipeline().is_empty()
            && match self.leaf.labels() {
                SeriesLabels::By(names) => {
                    selected.runs.iter().all(|run| names.iter().all(|name| has(&run.stream, name)))
                }
                SeriesLabels::Constant(_) => true,
                SeriesLabels::Without(_) => false,
            }
    }

    fn count(&mut self, selected: &Selected) -> Result<(), QueryError> {
        for (number, run) in selected.runs.iter().enumerate() {
            let times = selected.times_of(number)?;
            if times.is_empty() {
                continue;
            }
            let series = self.accumulator.series(run.stream.pairs().iter().copied())?;
            self.accumulator.add_all(series, &times, 1.0)?;
            self.spent.lines += times.len() as u64;
            self.spent.passed += times.len() as u64;
        }
        Ok(())
    }

    /// `lengths` are those of all lines of the source.
    fn weigh(&mut self, selected: &Selected, lengths: &UInt32Array) -> Result<(), QueryError> {
        for (number, run) in selected.runs.iter().enumerate() {
            let mut rows = selected.rows_of(number)?.peekable();
            if rows.peek().is_none() {
                continue;
            }
            let series = self.accumulator.series(run.stream.pairs().iter().copied())?;
            for row in rows {
                let length = lengths.value(row.row);
                self.accumulator.add(series, row.time, f64::from(length))?;
                self.spent.lines += 1;
                self.spent.passed += 1;
                self.spent.bytes += u64::from(length);
            }
        }
        Ok(())
    }

    async fn lines(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        streams: &Streams,
        selected: &Selected,
    ) -> Result<(), QueryError> {
        let pipeline = self.reading.pipeline();
        let names = Metadata::names(sources, source, pipeline);
        let columns: Vec<&str> = names.iter().map(String::as_str).chain(LINE).collect();
        let read = sources.read(source, &columns).await?;
        let asked = self.asked.clone();
        let metadata = Metadata::new(&read, &names, pipeline, &asked, &streams.view);
        let lines = Lines::of(&read);
        let mut runner = Runner::new(pipeline, self.now);
        let mut pace = Pace::new();
        for (number, run) in selected.runs.iter().enumerate() {
            let given = metadata.given(&run.stream);
            let mut known = Known::default();
            for row in selected.rows_of(number)? {
                pace.rest().await;
                let line = lines.at(row.row)?;
                self.spent.lines += 1;
                self.spent.bytes += line.len() as u64;
                if !pipeline.may_pass(&line) {
                    continue;
                }
                let pairs = metadata.of(row.row, &given, || level::of_line(&line))?;
                let passed = self.line(&mut runner, &given, row.time, &line, &pairs, &mut known)?;
                self.spent.passed += u64::from(passed);
            }
        }
        Ok(())
    }

    /// Whether the line passes.
    pub(super) fn line(
        &mut self,
        runner: &mut Runner<'_>,
        given: &Given<'_>,
        timestamp: i64,
        line: &str,
        pairs: &Pairs<'_>,
        known: &mut Known,
    ) -> Result<bool, QueryError> {
        let Self { reading, accumulator, .. } = self;
        let series = known.series(pairs);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let entry = Entry { timestamp, line, stream: &given.labels, metadata: &pairs };
        if let Some(series) = series {
            return Ok(reading.add_known(runner, &entry, series, accumulator)?);
        }
        let series = reading.add(runner, &entry, accumulator)?;
        if let Some(series) = series.filter(|_| reading.leaves_labels()) {
            known.note(&pairs, series);
        }
        Ok(series.is_some())
    }
}

impl Known {
    fn series(&self, pairs: &Pairs<'_>) -> Option<Series> {
        let is_same = |known: &[(String, String)]| {
            let all = known.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            all.eq(pairs.iter().map(|(name, value): &(Cow<'_, str>, Cow<'_, str>)| (&**name, &**value)))
        };
        self.0.iter().find(|(known, _)| is_same(known)).map(|(_, series)| *series)
    }

    fn note(&mut self, pairs: &[(&str, &str)], series: Series) {
        if self.0.len() < REMEMBERED {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            self.0.push((pairs.collect(), series));
        }
    }
}
