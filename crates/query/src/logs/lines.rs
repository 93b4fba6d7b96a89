//! Lines that match, the newest or the oldest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use trefoil_logql::ast::LogQuery;
use trefoil_logql::pipeline::{Category, Entry, Labels as LineLabels, Pipeline, Runner, Wants};
use trefoil_model::{Table, Tenant};
use trefoil_promql::labels::{Label, Labels};
use trefoil_storage::Snapshot;

use super::Spent;
use super::entries::{Row, Selected, selected};
use super::ids::AskedIds;
use super::needles::Needles;
use super::record::{LINE, Metadata, line};
use super::view::LogView;
use crate::memory::Held;
use crate::sources::{Source, Sources};
use crate::{Engine, Limits, QueryError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest first.
    Forward,
    /// The newest first.
    Backward,
}

#[derive(Debug, Clone)]
pub struct LinesRequest {
    pub query: LogQuery,
    /// Nanoseconds since the epoch, both inclusive.
    pub period: (i64, i64),
    pub limit: usize,
    pub direction: Direction,
    /// For templates that ask what time it is.
    pub now: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLine {
    /// Nanoseconds since the epoch.
    pub time: i64,
    pub line: String,
    /// Those of its stream that are left.
    pub stream: Labels,
    pub metadata: Vec<(String, String)>,
    /// What the stages made, errors among them.
    pub parsed: Vec<(String, String)>,
}

/// In the order that was asked for; lines of the same time in that of their arrival, or backwards.
#[derive(Debug, Clone, Default)]
pub struct FoundLines {
    pub lines: Vec<FoundLine>,
    pub spent: Spent,
}

impl Engine {
    /// Lines of `tenant` that match.
    pub async fn log_lines(
        &self,
        tenant: &Tenant,
        request: &LinesRequest,
        limits: Limits,
    ) -> Result<FoundLines, QueryError> {
        let (tenant, request) = (tenant.clone(), request.clone());
        self.on_thread(limits, move |engine| async move { engine.read_lines(&tenant, &request).await }).await
    }

    async fn read_lines(&self, tenant: &Tenant, request: &LinesRequest) -> Result<FoundLines, QueryError> {
        self.read_lines_of(&self.snapshot(tenant).await?, request).await
    }

    pub(super) async fn read_lines_of(
        &self,
        snapshot: &Snapshot,
        request: &LinesRequest,
    ) -> Result<FoundLines, QueryError> {
        let pipeline = Pipeline::new(&request.query.stages, &Wants::All);
        let pipeline = pipeline.map_err(|error| QueryError::Invalid(error.to_string()))?;
        let sources = Sources::new(snapshot, &self.log_columns, Table::Logs);
        let memory = self.memory();
        let mut search = Search::new(request, &pipeline, &memory);
        // They come the newest first, which is the order of arrival backwards.
        let mut list = sources.within_times(request.period).await?;
        list.reverse();
        let mut list: Vec<_> = list.into_iter().enumerate().collect();
        match request.direction {
            Direction::Forward => list.sort_by_key(|(_, (_, times))| times.map_or(i64::MIN, |(first, _)| first)),
            Direction::Backward => list.sort_by_key(|(_, (_, times))| times.map_or(i64::MIN, |(_, last)| !last)),
        }
        let needles = Needles::of(&request.query.stages);
        for (arrival, (source, times)) in list {
            if !search.is_beyond(times)
                && search.asked.may_be_in(&sources, &source).await?
                && needles.may_be_in(&sources, &source).await?
            {
                search.source(&sources, &source, &self.log_view, arrival).await?;
            }
        }
        Ok(search.finish())
    }
}

/// Where a line stands among all: by time, source, row. The first one of an answer is the least.
type Order = (i64, i64, i64);

/// What is found so far: no more than the limit.
pub(super) struct Search<'s> {
    request: &'s LinesRequest,
    pipeline: &'s Pipeline,
    runner: Runner<'s>,
    asked: AskedIds,
    memory: &'s Held,
    held: usize,
    /// The last one of the answer is on top.
    found: BinaryHeap<Ranked>,
    spent: Spent,
}

/// Told apart by its order only.
struct Ranked(Order, FoundLine);

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<'s> Search<'s> {
    pub fn new(request: &'s LinesRequest, pipeline: &'s Pipeline, memory: &'s Held) -> Self {
        Self {
            request,
            pipeline,
            runner: Runner::new(pipeline, request.now),
            asked: AskedIds::of(&request.query.stages),
            memory,
            held: 0,
            found: BinaryHeap::new(),
            spent: Spent::default(),
        }
    }

    /// `arrival` = the place of its source among all, the oldest first.
    fn order(&self, row: &Row, arrival: usize) -> Order {
        let order = (row.time, arrival as i64, row.row as i64);
        match self.request.direction {
            Direction::Forward => order,
            Direction::Backward => (!order.0, !order.1, !order.2),
        }
    }

    /// Whether nothing that comes there can be in the answer.
    fn is_full_before(&self, order: &Order) -> bool {
        let is_full = self.found.len() >= self.request.limit;
        is_full && self.found.peek().is_none_or(|last| *order > last.0)
    }

    /// Whether no row of a source with such times can be in the answer.
    fn is_beyond(&self, times: Option<(i64, i64)>) -> bool {
        let Some((first, last)) = times else { return false };
        let (best, worst_arrival) = match self.request.direction {
            Direction::Forward => (first, i64::MIN),
            Direction::Backward => (!last, i64::MIN),
        };
        self.is_full_before(&(best, worst_arrival, i64::MIN))
    }

    pub async fn source(
        &mut self,
        sources: &Sources<'_>,
        source: &Source,
        view: &LogView,
        arrival: usize,
    ) -> Result<(), QueryError> {
        // What is kept decoded is read without waiting: whoever ends the question has to have a chance.
        tokio::task::yield_now().await;
        self.spent.sources += 1;
        let Selected { runs, mut rows } =
            selected(sources, source, view, &self.request.query.selector, self.request.period).await?;
        self.asked.retain(sources, source, &mut rows).await?;
        let mut candidates: Vec<(Order, Row)> = rows.into_iter().map(|row| (self.order(&row, arrival), row)).collect();
        candidates.retain(|(order, _)| !self.is_full_before(order));
        if candidates.is_empty() {
            return Ok(());
        }
        candidates.sort_unstable_by_key(|(order, _)| *order);
        self.spent.streams += runs.len() as u64;
        let names = Metadata::names(sources, source, self.pipeline);
        let columns: Vec<&str> = names.iter().map(String::as_str).chain(LINE).collect();
        let read = sources.read(source, &columns).await?;
        let asked = self.asked.clone();
        let metadata = Metadata::new(&read, &names, self.pipeline, &asked, view);
        for (order, row) in candidates {
            if self.is_full_before(&order) {
                break;
            }
            let line = line(&read, row.row)?;
            self.spent.lines += 1;
            self.spent.bytes += line.len() as u64;
            if !self.pipeline.may_pass(&line) {
                continue;
            }
            let stream = &runs[row.run].stream;
            let pairs = metadata.of(row.row, stream, &line)?;
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            let labels = stream.pairs();
            let entry = Entry { timestamp: row.time, line: &line, stream: &labels, metadata: &pairs };
            if let Some(found) = self.runner.run(&entry, |line, labels| found(row.time, line, labels)) {
                self.spent.passed += 1;
                self.keep(order, found)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, order: Order, line: FoundLine) -> Result<(), QueryError> {
        let bytes = line.bytes();
        self.memory.grow(bytes).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        self.held += bytes;
        self.found.push(Ranked(order, line));
        if self.found.len() > self.request.limit
            && let Some(Ranked(_, worst)) = self.found.pop()
        {
            self.memory.shrink(worst.bytes());
            self.held -= worst.bytes();
        }
        Ok(())
    }

    pub fn finish(self) -> FoundLines {
        let lines = self.found.into_sorted_vec().into_iter().map(|Ranked(_, line)| line);
        FoundLines { lines: lines.collect(), spent: self.spent }
    }
}

impl FoundLine {
    /// About what it holds in memory.
    pub fn bytes(&self) -> usize {
        let pairs = self.metadata.iter().chain(&self.parsed);
        let texts: usize = pairs.map(|(name, value)| name.len() + value.len() + size_of::<(String, String)>()).sum();
        size_of::<Ranked>() + self.line.len() + texts + self.stream.len() * size_of::<Label>()
    }
}

fn found(time: i64, line: &str, labels: &LineLabels<'_>) -> FoundLine {
    let of = |wanted: Category| {
        let some = labels.iter().filter(move |(category, ..)| *category == wanted);
        some.map(|(_, name, value)| (name, value))
    };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    FoundLine {
        time,
        line: line.to_owned(),
        stream: Labels::from_pairs(of(Category::Stream)),
        metadata: of(Category::Metadata).map(owned).collect(),
        parsed: of(Category::Parsed).map(owned).collect(),
    }
}
