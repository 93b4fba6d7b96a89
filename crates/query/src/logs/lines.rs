//! Lines that match, the newest or the oldest first.

use std::sync::Arc;

use trefoil_logql::ast::LogQuery;
use trefoil_logql::pipeline::{Category, Labels as LineLabels, Pipeline, Wants};
use trefoil_model::Tenants;
use trefoil_promql::labels::{Label, Labels};

use super::Spent;
use super::found::{Part, Ranked};
use super::moment::Moment;
use super::tenants::TenantLogs;
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
    /// Lines of `tenants` that match.
    pub async fn log_lines(
        &self,
        tenants: impl Into<Tenants>,
        request: &LinesRequest,
        limits: Limits,
    ) -> Result<FoundLines, QueryError> {
        let (tenants, request) = (tenants.into(), request.clone());
        let answer = move |engine: Engine| async move {
            let found = engine.read_lines_of(engine.logs_of(&tenants).await?, &request).await?;
            Ok((found.lines, found.spent))
        };
        let (lines, spent) = self.timed(limits, answer).await?;
        Ok(FoundLines { lines, spent })
    }

    pub(super) async fn read_lines_of(
        &self,
        logs: Vec<TenantLogs>,
        request: &LinesRequest,
    ) -> Result<FoundLines, QueryError> {
        let pipeline = Pipeline::new(&request.query.stages, &Wants::All);
        let pipeline = Arc::new(pipeline.map_err(|error| QueryError::Invalid(error.to_string()))?);
        let moment = Arc::new(Moment::new(self, logs, request).await?);
        let (found, _) = self.read_part(&moment, request, &pipeline, Part::whole(request), None).await?;
        Ok(found)
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

/// `stream`: all labels of the stream, which its lines share unless a stage takes some away.
pub(super) fn found(time: i64, line: &str, labels: &LineLabels<'_>, stream: &Labels) -> FoundLine {
    let of = |wanted: Category| {
        let some = labels.iter().filter(move |(category, ..)| *category == wanted);
        some.map(|(_, name, value)| (name, value))
    };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    FoundLine {
        time,
        line: line.to_owned(),
        stream: if labels.stream_is_whole() { stream.clone() } else { Labels::from_pairs(of(Category::Stream)) },
        metadata: of(Category::Metadata).map(owned).collect(),
        parsed: of(Category::Parsed).map(owned).collect(),
    }
}
