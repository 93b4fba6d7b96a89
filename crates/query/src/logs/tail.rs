//! Lines as they come.

use std::sync::Arc;

use arrow::array::RecordBatch;
use tokio::runtime::Handle;
use trefoil_logql::ast::LogQuery;
use trefoil_logql::pipeline::{Pipeline, Wants};
use trefoil_model::{Table, Tenant};
use trefoil_storage::Following;

use super::found::{Found, Part};
use super::lines::{Direction, FoundLine, LinesRequest};
use super::search::Search;
use super::tenants::TenantLogs;
use crate::sources::{Source, Sources};
use crate::{Engine, Limits, QueryError};

/// Batches that are looked at together, and their bytes (of one alone there may be more).
const MOST_BATCHES: usize = 64;
const MOST_BYTES: usize = 16 << 20;

/// Lines that match: those that were there, then those that come.
pub struct Tail {
    matching: Arc<Matching>,
    following: Following,
}

/// What makes lines of batches.
struct Matching {
    engine: Engine,
    tenant: Tenant,
    request: LinesRequest,
    pipeline: Pipeline,
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
        let logs = vec![TenantLogs::of(snapshot, self.log_streams.clone())];
        let answer = move |_| async move { engine.read_lines_of(logs, &history).await };
        let mut lines = self.on_thread(limits, answer).await?.lines;
        lines.reverse();
        let request = LinesRequest { limit: usize::MAX, direction: Direction::Forward, ..newest };
        let matching = Matching { engine: self.clone(), tenant: tenant.clone(), request, pipeline };
        Ok((lines, Tail { matching: Arc::new(matching), following }))
    }
}

impl Tail {
    /// What comes next; `None` when the store is closed. Nothing is lost where the wait for it is given up.
    pub async fn arrived(&mut self) -> Option<Arrived> {
        let mut batches = vec![self.following.next().await?.1];
        let mut bytes = batches[0].get_array_memory_size();
        while batches.len() < MOST_BATCHES
            && bytes < MOST_BYTES
            && let Some((_, batch)) = self.following.try_next()
        {
            bytes += batch.get_array_memory_size();
            batches.push(batch);
        }
        Some(Arrived(batches))
    }

    /// Lines that came faster than they were looked at, since the last call; it is not known which.
    pub fn take_missed(&self) -> u64 {
        self.following.take_missed()
    }

    /// The lines of it that match, perhaps none, in the order of time. Stages may take long, so they run away from the threads that serve.
    pub async fn lines(&self, arrived: Arrived) -> Result<Vec<FoundLine>, QueryError> {
        let (matching, runtime) = (self.matching.clone(), Handle::current());
        let work = tokio::task::spawn_blocking(move || runtime.block_on(matching.lines(arrived)));
        work.await.map_err(|error| QueryError::Internal(error.to_string()))?
    }
}

impl Arrived {
    /// Lines, whether they match or not.
    pub fn rows(&self) -> u64 {
        self.0.iter().map(|batch| batch.num_rows() as u64).sum()
    }
}

impl Matching {
    async fn lines(&self, Arrived(batches): Arrived) -> Result<Vec<FoundLine>, QueryError> {
        let snapshot = self.engine.snapshot(&self.tenant).await?;
        let sources = Sources::new(&snapshot, &self.engine.log_columns, Table::Logs);
        let found = Found::new(self.request.direction, Part::whole(&self.request), self.engine.memory());
        let mut search = Search::new(&self.request, &self.pipeline, &found);
        for (arrival, batch) in batches.into_iter().enumerate() {
            search.source(&sources, &Source::Batch(batch), &self.engine.log_streams, arrival).await?;
        }
        Ok(found.take(None).0)
    }
}
