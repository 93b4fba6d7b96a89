//! Lines as they come.

use arrow::array::RecordBatch;
use trefoil_logql::ast::LogQuery;
use trefoil_logql::pipeline::{Pipeline, Wants};
use trefoil_model::{Table, Tenant};
use trefoil_storage::Following;

use super::lines::{Direction, FoundLine, LinesRequest};
use super::search::Search;
use super::tenants::TenantLogs;
use crate::sources::{Source, Sources};
use crate::{Engine, Limits, QueryError};

/// Batches that are looked at together.
const MOST_BATCHES: usize = 64;

/// Lines that match: those that were there, then those that come.
pub struct Tail {
    engine: Engine,
    tenant: Tenant,
    request: LinesRequest,
    pipeline: Pipeline,
    following: Following,
}

/// What came and was not looked at yet.
pub struct Arrived(Vec<RecordBatch>);

impl Engine {
    /// Lines of `tenant` that match from `start` (nanoseconds since the epoch) on: the newest `limit` that are there, in the order of
    /// time, and whatever comes afterwards. No line is in both or in neither.
    pub async fn tail_logs(
        &self,
        tenant: &Tenant,
        query: LogQuery,
        (start, now): (i64, i64),
        limit: usize,
        limits: Limits,
    ) -> Result<(Vec<FoundLine>, Tail), QueryError> {
        let pipeline = Pipeline::new(&query.stages, &Wants::All);
        let pipeline = pipeline.map_err(|error| QueryError::Invalid(error.to_string()))?;
        let (snapshot, following) = self.storage().follow(tenant, Table::Logs).await?;
        let newest = LinesRequest { query, period: (start, i64::MAX), limit, direction: Direction::Backward, now };
        let (engine, history) = (self.clone(), newest.clone());
        let logs = TenantLogs::of(snapshot, self.log_view.clone());
        let answer = move |_| async move { engine.read_lines_of(&[logs], &history).await };
        let mut lines = self.on_thread(limits, answer).await?.lines;
        lines.reverse();
        let request = LinesRequest { limit: usize::MAX, direction: Direction::Forward, ..newest };
        Ok((lines, Tail { engine: self.clone(), tenant: tenant.clone(), request, pipeline, following }))
    }
}

impl Tail {
    /// What comes next; `None` when the store is closed. Nothing is lost where the wait for it is given up.
    pub async fn arrived(&mut self) -> Option<Arrived> {
        let mut batches = vec![self.following.next().await?];
        while batches.len() < MOST_BATCHES
            && let Some(batch) = self.following.try_next()
        {
            batches.push(batch);
        }
        Some(Arrived(batches))
    }

    /// Lines that came faster than they were looked at, since the last call; it is not known which.
    pub fn take_missed(&self) -> u64 {
        self.following.take_missed()
    }

    /// The lines of it that match, perhaps none, in the order of time.
    pub async fn lines(&self, Arrived(batches): Arrived) -> Result<Vec<FoundLine>, QueryError> {
        let snapshot = self.engine.snapshot(&self.tenant).await?;
        let sources = Sources::new(&snapshot, &self.engine.log_columns, Table::Logs);
        let memory = self.engine.memory();
        let mut search = Search::new(&self.request, &self.pipeline, &memory);
        for (arrival, batch) in batches.into_iter().enumerate() {
            search.source(&sources, &Source::Batch(batch), &self.engine.log_view, arrival).await?;
        }
        Ok(search.finish().lines)
    }
}
