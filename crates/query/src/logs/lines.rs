//! Lines that match, the newest or the oldest first.

use std::sync::Arc;

use trefoil_logql::ast::LogQuery;
use trefoil_logql::pipeline::{Category, Labels as LineLabels, Pipeline, Wants};
use trefoil_model::{Table, Tenant};
use trefoil_promql::labels::{Label, Labels};
use trefoil_storage::Snapshot;

use super::Spent;
use super::found::{Found, Ranked};
use super::needles::Needles;
use super::search::Search;
use crate::share::{Items, shared_out};
use crate::sources::Sources;
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
        // They come the newest first, which is the order of arrival backwards.
        let mut list = sources.within_times(request.period).await?;
        list.reverse();
        let mut list: Vec<_> = list.into_iter().enumerate().collect();
        match request.direction {
            Direction::Forward => list.sort_by_key(|(_, (_, times))| times.map_or(i64::MIN, |(first, _)| first)),
            Direction::Backward => list.sort_by_key(|(_, (_, times))| times.map_or(i64::MIN, |(_, last)| !last)),
        }
        let found = Arc::new(Found::new(request, self.memory()));
        let reading = (self.clone(), snapshot.clone(), request.clone(), pipeline, Needles::of(&request.query.stages));
        let (reading, into) = (Arc::new(reading), found.clone());
        let each = move |items: Items<_>| {
            let (reading, found) = (reading.clone(), into.clone());
            async move {
                let (engine, snapshot, request, pipeline, needles) = &*reading;
                let sources = Sources::new(snapshot, &engine.log_columns, Table::Logs);
                let mut search = Search::new(request, pipeline, &found);
                while let Some((arrival, (source, times))) = items.take() {
                    if !found.is_beyond(*times)
                        && search.may_be_in(&sources, source).await?
                        && needles.may_be_in(&sources, source).await?
                    {
                        search.source(&sources, source, &engine.log_streams, *arrival).await?;
                    }
                }
                Ok(search.spent())
            }
        };
        // Mostly the first source has the whole answer: a second thread would look for nothing.
        let others = list.split_off(list.len().min(1));
        let mut spent = shared_out(list, each.clone()).await?;
        spent.extend(shared_out(others, each).await?);
        Ok(FoundLines { lines: found.take(), spent: spent.into_iter().sum() })
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

pub(super) fn found(time: i64, line: &str, labels: &LineLabels<'_>) -> FoundLine {
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
