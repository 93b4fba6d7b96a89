//! Deletion of lines (docs/decisions/0041-deletion-of-logs.md).
//!
//! A request is remembered before anything is done for it, and worked off whether or not somebody waits for that.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::BooleanBufferBuilder;
use chrono::Utc;
use trefoil_lines::level;
use trefoil_logql::ast::LogQuery;
use trefoil_logql::pipeline::{Entry, Pipeline, Runner, Wants};
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::{CatalogError, DataFile};
use trefoil_storage::{Picked, Snapshot, WithholdError};

pub use trefoil_storage::catalog::{DeletionStatus, LogDeletion};

use super::entries::{Selected, selected};
use super::ids::AskedIds;
use super::needles::Needles;
use super::record::{LINE, Lines, Metadata};
use crate::sources::{Source, Sources};
use crate::{Engine, Limits, QueryError};

/// How often a request is begun again because another process replaced one of the files.
const ATTEMPTS: usize = 10;
/// Requests of a tenant that are not processed.
const MOST_PENDING: usize = 1_000;
/// How long it may take to find the rows of one file.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);
/// How often requests are looked for whose time has come.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long requests are listed once they are processed.
const LISTED: Duration = Duration::from_secs(30 * 24 * 3600);

/// What became of a request to take a deletion back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The lines are back, and the request is gone.
    Restored,
    /// The lines are gone, and so is the request.
    Forgotten,
    /// The lines are gone.
    TooLate,
    NoSuchRequest,
}

impl Engine {
    /// Deletes lines that match a request's query: those that were acknowledged before the call. On return no question shows them any
    /// more. Where it fails, or where nobody waits for it, the request is worked off later if it was remembered.
    pub async fn delete_logs(&self, deletion: LogDeletion) -> Result<u64, QueryError> {
        pipeline(&query_of(&deletion)?)?;
        let added = self.storage().deletions().add_deletion(&deletion, MOST_PENDING).await.map_err(internal)?;
        if added.is_none() {
            return Err(QueryError::LimitExceeded(format!(
                "there are {MOST_PENDING} requests to delete logs that are not processed yet; wait for them or cancel some"
            )));
        }
        let engine = self.clone();
        let work = tokio::spawn(async move { engine.work_off(&deletion).await });
        work.await.map_err(|error| QueryError::Internal(error.to_string()))?
    }

    /// The tenant's requests, the oldest first; processed ones for thirty days.
    pub async fn log_deletions(&self, tenant: &Tenant) -> Result<Vec<LogDeletion>, QueryError> {
        self.storage().deletions().deletions(tenant).await.map_err(internal)
    }

    /// Takes back what a request deleted, as long as that is possible. `forget`: where it is not, the request is not listed any more.
    pub async fn cancel_log_deletion(&self, tenant: &Tenant, id: &str, forget: bool) -> Result<Cancelled, QueryError> {
        let deletions = self.log_deletions(tenant).await?;
        let Some(deletion) = deletions.into_iter().find(|deletion| deletion.id == id) else {
            return Ok(Cancelled::NoSuchRequest);
        };
        if deletion.status != DeletionStatus::Processed && self.storage().restore(&deletion).await? {
            return Ok(Cancelled::Restored);
        }
        if forget && self.storage().deletions().forget_deletion(tenant, id).await.map_err(internal)? {
            return Ok(Cancelled::Forgotten);
        }
        Ok(Cancelled::TooLate)
    }

    /// Works off requests that nobody waits for, and lets go of what was deleted more than `cancel_period` ago. Never returns.
    pub async fn keep_deleting(&self, cancel_period: Duration) {
        loop {
            if let Err(error) = self.finish_deletions(cancel_period).await {
                tracing::warn!(%error, "cannot look for requests to delete logs; trying again in {INTERVAL:?}");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// What [`Engine::keep_deleting`] does again and again.
    pub async fn finish_deletions(&self, cancel_period: Duration) -> Result<(), QueryError> {
        let catalog = self.storage().deletions();
        for deletion in catalog.unfinished_deletions().await.map_err(internal)? {
            let done = match deletion.status {
                DeletionStatus::Received => self.work_off(&deletion).await.map(|_| ()),
                DeletionStatus::Withheld if deletion.created_at < before(cancel_period) => {
                    self.storage().finish_deletion(&deletion).await.map_err(QueryError::from)
                }
                DeletionStatus::Withheld | DeletionStatus::Processed => Ok(()),
            };
            // One that fails must not hold up the others.
            if let Err(error) = done {
                let tenant = deletion.tenant.as_str();
                tracing::warn!(tenant, request = deletion.id, %error, "cannot work off a request to delete logs; trying again");
            }
        }
        catalog.forget_old_deletions(before(LISTED)).await.map_err(internal)?;
        Ok(())
    }

    /// Returns how many lines it took out of the tables.
    async fn work_off(&self, deletion: &LogDeletion) -> Result<u64, QueryError> {
        let query = Arc::new(query_of(deletion)?);
        for _ in 0..ATTEMPTS {
            match self.take_out(deletion, &query).await {
                Err(WithholdError::Replaced) => {}
                Err(WithholdError::Cancelled) => return Ok(0),
                Err(WithholdError::Storage(error)) => return Err(error.into()),
                Ok(taken) => return taken,
            }
        }
        let reason = "other processes kept replacing the files to delete from; the request is kept and tried again";
        Err(QueryError::Internal(reason.to_owned()))
    }

    async fn take_out(
        &self,
        deletion: &LogDeletion,
        query: &Arc<LogQuery>,
    ) -> Result<Result<u64, QueryError>, WithholdError> {
        let begun = self.storage().begin_deletion(&deletion.tenant).await?;
        // While it waited for its turn somebody else may have done it.
        match self.log_deletions(&deletion.tenant).await {
            Err(error) => return Ok(Err(error)),
            Ok(known) => {
                let is_received = |known: &LogDeletion| known.status == DeletionStatus::Received;
                if !known.iter().any(|known| known.id == deletion.id && is_received(known)) {
                    return Err(WithholdError::Cancelled);
                }
            }
        }
        let period = (deletion.first_nanos, deletion.last_nanos);
        let mut withholding = begun.withholding(deletion);
        for file in begun.snapshot().files(Table::Logs).iter() {
            if file.time_range().is_some_and(|(first, last)| first > period.1 || last < period.0) {
                continue;
            }
            let (snapshot, of, query) = (begun.snapshot().clone(), file.clone(), query.clone());
            let limits = Limits { timeout: PATIENCE, ..self.limits() };
            let pick = move |engine: Engine| async move { engine.pick(&snapshot, &of, &query, period).await };
            match self.on_thread(limits, pick).await {
                Ok(picked) => withholding.take(file, picked).await?,
                Err(error) => {
                    withholding.give_up().await;
                    return Ok(Err(error));
                }
            }
        }
        let taken = withholding.finish().await?;
        self.log_patterns.forget(&deletion.tenant);
        Ok(Ok(taken))
    }

    /// The rows of a file that match.
    async fn pick(
        &self,
        snapshot: &Snapshot,
        file: &Arc<DataFile>,
        query: &LogQuery,
        period: (i64, i64),
    ) -> Result<Picked, QueryError> {
        let (pipeline, needles, asked) = (pipeline(query)?, Needles::of(&query.stages), AskedIds::of(&query.stages));
        let sources = Sources::new(snapshot, &self.log_columns, Table::Logs);
        let mut picked = Picked::default();
        for (row_group, rows) in snapshot.group_rows(file).await?.into_iter().enumerate() {
            tokio::task::yield_now().await;
            let source = Source::Group { file: file.clone(), row_group, rows };
            if !asked.may_be_in(&sources, &source).await? || !needles.may_be_in(&sources, &source).await? {
                continue;
            }
            let selected = selected(&sources, &source, &self.log_streams, &query.selector, period, &asked).await?;
            let matching = match pipeline.is_empty() {
                true => selected.rows()?.map(|row| row.row).collect(),
                false => self.matching(&sources, &source, &pipeline, &asked, &selected).await?,
            };
            let mut flags = BooleanBufferBuilder::new(rows);
            flags.append_n(rows, false);
            matching.into_iter().for_each(|row| flags.set_bit(row, true));
            picked.insert(row_group, flags.finish());
        }
        Ok(picked)
    }

    async fn matching(
        &self,
        sources: &Sources<'_>,
        source: &Source,
        pipeline: &Pipeline,
        asked: &AskedIds,
        selected: &Selected,
    ) -> Result<Vec<usize>, QueryError> {
        let mut matching = Vec::new();
        if selected.rows()?.next().is_none() {
            return Ok(matching);
        }
        let names = Metadata::names(sources, source, pipeline);
        let columns: Vec<&str> = names.iter().map(String::as_str).chain(LINE).collect();
        let read = sources.read(source, &columns).await?;
        let metadata = Metadata::new(&read, &names, pipeline, asked, &self.log_streams.view);
        let lines = Lines::of(&read);
        let mut runner = Runner::new(pipeline, Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX));
        for (number, run) in selected.runs.iter().enumerate() {
            let given = metadata.given(&run.stream);
            for row in selected.rows_of(number)? {
                let line = lines.at(row.row)?;
                if !pipeline.may_pass(&line) {
                    continue;
                }
                let pairs = metadata.of(row.row, &given, || level::of_line(&line))?;
                let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
                let entry = Entry { timestamp: row.time, line: &line, stream: &given.labels, metadata: &pairs };
                if runner.run(&entry, |_, _| ()).is_some() {
                    matching.push(row.row);
                }
            }
        }
        Ok(matching)
    }
}

fn query_of(deletion: &LogDeletion) -> Result<LogQuery, QueryError> {
    trefoil_logql::parse_log(&deletion.query).map_err(|error| QueryError::Invalid(error.to_string()))
}

fn pipeline(query: &LogQuery) -> Result<Pipeline, QueryError> {
    Pipeline::new(&query.stages, &Wants::All).map_err(|error| QueryError::Invalid(error.to_string()))
}

/// Unix milliseconds.
fn before(age: Duration) -> i64 {
    Utc::now().timestamp_millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

fn internal(error: CatalogError) -> QueryError {
    QueryError::Internal(error.to_string())
}
