//! The lines of a source that match.

use trefoil_lines::level;
use trefoil_logql::pipeline::{Entry, Pipeline, Runner};
use trefoil_promql::labels::Labels;

use super::Spent;
use super::entries::{Row, Selected, selected};
use super::found::{Found, Order};
use super::ids::AskedIds;
use super::lines::{LinesRequest, found};
use super::pace::Pace;
use super::passing::Passing;
use super::record::{Given, LINE, Lines, Metadata};
use super::streams::Streams;
use crate::QueryError;
use crate::sources::{Source, Sources};

/// So many rows are looked at first, and each time so many more where they were not enough.
const FIRST_ROWS: usize = 1024;
const MORE_ROWS: usize = 8;

/// Source by source, on one thread.
pub struct Search<'s> {
    request: &'s LinesRequest,
    pipeline: &'s Pipeline,
    asked: AskedIds,
    /// The filters on fields that stand in front.
    first: Option<Pipeline>,
    runner: Runner<'s>,
    found: &'s Found,
    spent: Spent,
}

/// What is read of a source.
struct Read<'r> {
    lines: Lines<'r>,
    metadata: Metadata<'r>,
    /// By run.
    given: Vec<Given<'r>>,
    streams: Vec<&'r Labels>,
}

impl<'s> Search<'s> {
    pub fn new(request: &'s LinesRequest, pipeline: &'s Pipeline, found: &'s Found) -> Self {
        // What is wrong with a stage is said by the pipeline.
        let first = Pipeline::first_of_fields(&request.query.stages).ok().flatten();
        let (asked, runner) = (AskedIds::of(&request.query.stages), Runner::new(pipeline, request.now));
        Self { request, pipeline, asked, first, runner, found, spent: Spent::default() }
    }

    /// `arrival` = the place of the source among all, the oldest first.
    pub async fn source(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        streams: &Streams,
        arrival: usize,
    ) -> Result<(), QueryError> {
        // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
        tokio::task::yield_now().await;
        if !self.asked.may_be_in(sources, source).await? {
            return Ok(());
        }
        self.spent.sources += 1;
        let (selector, period) = (&self.request.query.selector, self.request.period);
        let selected = selected(sources, source, streams, selector, period, &self.asked).await?;
        let mut candidates = self.candidates(&selected, arrival)?;
        if candidates.is_empty() {
            return Ok(());
        }
        self.spent.streams += selected.runs.len() as u64;
        if let Some(first) = &self.first {
            let before = candidates.len();
            let (view, asked, now) = (&streams.view, &self.asked, self.request.now);
            let reading = Passing { sources, source, view, asked, selected: &selected, now };
            reading.retain(first, &mut candidates).await?;
            let refused = (before - candidates.len()) as u64;
            self.spent.lines += refused;
            self.spent.by_fields += refused;
            if candidates.is_empty() {
                return Ok(());
            }
        }
        let names = Metadata::names(sources, source, self.pipeline);
        let columns: Vec<&str> = names.iter().map(String::as_str).chain(LINE).collect();
        let rows = sources.read(source, &columns).await?;
        // What is found is added while it is looked at.
        let asked = self.asked.clone();
        let metadata = Metadata::new(&rows, &names, self.pipeline, &asked, &streams.view);
        let given = selected.runs.iter().map(|run| metadata.given(&run.stream)).collect();
        let streams = selected.runs.iter().map(|run| &run.stream.labels).collect();
        let read = Read { lines: Lines::of(&rows), metadata, given, streams };
        let mut pace = Pace::new();
        let mut most = FIRST_ROWS.max(self.found.most());
        while !candidates.is_empty() {
            let first = least(&mut candidates, most);
            self.rows(&read, first, &mut pace).await?;
            candidates.retain(|(order, _)| !self.found.is_full_before(order));
            most = most.saturating_mul(MORE_ROWS);
        }
        Ok(())
    }

    /// The rows that can be in the answer, by their times.
    fn candidates(&self, selected: &Selected, arrival: usize) -> Result<Vec<(Order, Row)>, QueryError> {
        let all = selected.rows()?.map(|row| (self.found.order(&row, arrival), row));
        Ok(all.filter(|(order, _)| !self.found.is_full_before(order) && !self.found.is_behind(order)).collect())
    }

    /// Reads lines as they lie in memory, and those that may pass in the order of the answer.
    async fn rows(
        &mut self,
        read: &Read<'_>,
        candidates: Vec<(Order, Row)>,
        pace: &mut Pace,
    ) -> Result<(), QueryError> {
        let mut lines = Vec::new();
        for (order, row) in candidates {
            pace.rest().await;
            let line = read.lines.at(row.row)?;
            self.spent.lines += 1;
            self.spent.bytes += line.len() as u64;
            if self.pipeline.may_pass(&line) {
                lines.push((order, row, line));
            }
        }
        lines.sort_unstable_by_key(|(order, ..)| *order);
        for (order, row, line) in lines {
            pace.rest().await;
            if self.found.is_full_before(&order) {
                break;
            }
            let (given, stream) = (&read.given[row.run], &read.streams[row.run]);
            let pairs = read.metadata.of(row.row, given, || level::of_line(&line))?;
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            let entry = Entry { timestamp: row.time, line: &line, stream: &given.labels, metadata: &pairs };
            if let Some(found) = self.runner.run(&entry, |line, labels| found(row.time, line, labels, stream)) {
                self.spent.passed += 1;
                self.found.keep(order, found)?;
            }
        }
        Ok(())
    }

    pub fn spent(&self) -> Spent {
        self.spent
    }
}

/// Takes the first ones of the answer, no more than `most`, out of `candidates`; both keep their order.
fn least(candidates: &mut Vec<(Order, Row)>, most: usize) -> Vec<(Order, Row)> {
    if candidates.len() <= most {
        return std::mem::take(candidates);
    }
    let mut orders: Vec<Order> = candidates.iter().map(|(order, _)| *order).collect();
    let (_, behind, _) = orders.select_nth_unstable(most);
    let behind = *behind;
    candidates.extract_if(.., |(order, _)| *order < behind).collect()
}
