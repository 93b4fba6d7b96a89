//! Requests to delete logs, and the files with what they took out of the tables.

use std::collections::BTreeSet;

use futures::FutureExt;
use serde_json::json;
use trefoil_model::{Table, Tenant};

use super::Catalog;
use super::change::{FileId, NewFile};
use super::commit::Failure;
use super::database::{Arg, Row, Session};
use super::error::CatalogError;
use super::retry::retry;
use super::snapshot::DataFile;

/// What has become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionStatus {
    /// Some or all rows are in the tables still.
    Received,
    /// The rows are in no table. They can be put back.
    Withheld,
    /// The rows are gone.
    Processed,
}

impl DeletionStatus {
    fn name(self) -> &'static str {
        match self {
            DeletionStatus::Received => "received",
            DeletionStatus::Withheld => "withheld",
            DeletionStatus::Processed => "processed",
        }
    }
}

/// Somebody asked for some logs of a tenant to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDeletion {
    pub tenant: Tenant,
    /// Unique among the tenant's.
    pub id: String,
    /// In a language that the catalog does not know.
    pub query: String,
    /// Unix nanoseconds, both inclusive.
    pub first_nanos: i64,
    pub last_nanos: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    pub status: DeletionStatus,
}

/// What a [change](super::Change) of files means to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum DeletionStep {
    /// These files have what it takes out of the tables. Refused with a conflict unless the request is there and not done yet.
    Withhold { tenant: Tenant, id: String, files: Vec<NewFile> },
    /// The rows of these files, which are all that are withheld for the request, come back, and the request goes. Refused with a
    /// conflict if they are not all.
    Restore { tenant: Tenant, id: String, paths: Vec<String> },
}

impl Catalog {
    /// Remembers a request. `None`: the tenant has `most` already that are not processed.
    pub async fn add_deletion(&self, deletion: &LogDeletion, most: usize) -> Result<Option<()>, CatalogError> {
        let database = &self.inner.database;
        let add = async || {
            let mut session = database.write().await?;
            let sql = "SELECT COUNT(*) FROM trefoil_log_deletion WHERE tenant = $1 AND status <> 'processed' AND request_id <> $2";
            let (tenant, id) = (Arg::Text(deletion.tenant.as_str()), Arg::Text(&deletion.id));
            let pending: i64 = session.row(sql, &[tenant, id]).await?.ok_or(sqlx::Error::RowNotFound)?.get(0)?;
            if usize::try_from(pending).is_ok_and(|pending| pending >= most) {
                return Ok(None);
            }
            // It may be there from an attempt whose answer got lost.
            let sql = "INSERT INTO trefoil_log_deletion(tenant, request_id, query, first_nanos, last_nanos, created_at, status) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
            let args = [
                tenant,
                id,
                Arg::Text(&deletion.query),
                Arg::Int(deletion.first_nanos),
                Arg::Int(deletion.last_nanos),
                Arg::Int(deletion.created_at),
                Arg::Text(deletion.status.name()),
            ];
            session.execute(sql, &args).await?;
            session.commit().await?;
            Ok(Some(()))
        };
        retry(database, |_| add().boxed()).await
    }

    /// The tenant's requests, the oldest first.
    pub async fn deletions(&self, tenant: &Tenant) -> Result<Vec<LogDeletion>, CatalogError> {
        self.read_deletions("tenant = $1", &[Arg::Text(tenant.as_str())]).await
    }

    /// Those of all tenants that are not processed, the oldest first.
    pub async fn unfinished_deletions(&self) -> Result<Vec<LogDeletion>, CatalogError> {
        self.read_deletions("status <> 'processed'", &[]).await
    }

    async fn read_deletions(&self, condition: &str, args: &[Arg<'_>]) -> Result<Vec<LogDeletion>, CatalogError> {
        let database = &self.inner.database;
        let sql = format!(
            "SELECT tenant, request_id, query, first_nanos, last_nanos, created_at, status FROM trefoil_log_deletion \
             WHERE {condition} ORDER BY created_at, request_id"
        );
        let read = async || {
            let rows = database.read().await?.rows(&sql, args).await?;
            let read: Result<Vec<_>, sqlx::Error> = rows.iter().map(deletion).collect();
            Ok(read?.into_iter().flatten().collect())
        };
        retry(database, |_| read().boxed()).await
    }

    /// All rows of a request are out of the tables. False: there is no such request that was to be worked off.
    pub async fn mark_withheld(&self, tenant: &Tenant, id: &str) -> Result<bool, CatalogError> {
        let database = &self.inner.database;
        let mark = async || {
            let mut session = database.write().await?;
            let sql = "UPDATE trefoil_log_deletion SET status = 'withheld' WHERE tenant = $1 AND request_id = $2 \
                       AND status IN ('received', 'withheld')";
            let marked = session.execute(sql, &[Arg::Text(tenant.as_str()), Arg::Text(id)]).await?;
            session.commit().await?;
            Ok(marked > 0)
        };
        retry(database, |_| mark().boxed()).await
    }

    /// What is withheld for a request cannot be put back any more. Returns the paths of files to delete, which nobody knows of
    /// from now on. None for a request that is not withheld.
    pub async fn finish_deletion(&self, tenant: &Tenant, id: &str) -> Result<Vec<String>, CatalogError> {
        let database = &self.inner.database;
        let finish = async || {
            let mut session = database.write().await?;
            let args = [Arg::Text(tenant.as_str()), Arg::Text(id)];
            let sql = "UPDATE trefoil_log_deletion SET status = 'processed' WHERE tenant = $1 AND request_id = $2 \
                       AND status = 'withheld'";
            if session.execute(sql, &args).await? == 0 {
                return Ok(Vec::new());
            }
            let sql = "DELETE FROM trefoil_withheld_file WHERE tenant = $1 AND request_id = $2 RETURNING path";
            let rows = session.rows(sql, &args).await?;
            let paths: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.get(0)).collect();
            session.commit().await?;
            Ok(paths?)
        };
        retry(database, |_| finish().boxed()).await
    }

    /// Forgets a processed request. False: there is none.
    pub async fn forget_deletion(&self, tenant: &Tenant, id: &str) -> Result<bool, CatalogError> {
        let condition = "tenant = $1 AND request_id = $2 AND status = 'processed'";
        Ok(self.forget_processed(condition, &[Arg::Text(tenant.as_str()), Arg::Text(id)]).await? > 0)
    }

    /// Forgets all processed requests from before `created_at` (Unix milliseconds).
    pub async fn forget_old_deletions(&self, created_at: i64) -> Result<u64, CatalogError> {
        self.forget_processed("status = 'processed' AND created_at < $1", &[Arg::Int(created_at)]).await
    }

    async fn forget_processed(&self, condition: &str, args: &[Arg<'_>]) -> Result<u64, CatalogError> {
        let database = &self.inner.database;
        let sql = format!("DELETE FROM trefoil_log_deletion WHERE {condition}");
        let forget = async || {
            let mut session = database.write().await?;
            let forgotten = session.execute(&sql, args).await?;
            session.commit().await?;
            Ok(forgotten)
        };
        retry(database, |_| forget().boxed()).await
    }

    /// The files with the rows that are withheld for a request; in no snapshot.
    pub async fn withheld_files(&self, tenant: &Tenant, id: &str) -> Result<Vec<DataFile>, CatalogError> {
        let database = &self.inner.database;
        let read = async || {
            let sql = "SELECT path, record_count, size_bytes, footer_size FROM trefoil_withheld_file \
                       WHERE tenant = $1 AND request_id = $2 ORDER BY path";
            let rows = database.read().await?.rows(sql, &[Arg::Text(tenant.as_str()), Arg::Text(id)]).await?;
            let files: Result<Vec<_>, sqlx::Error> = rows.iter().map(|row| withheld_file(tenant, row)).collect();
            Ok(files?)
        };
        retry(database, |_| read().boxed()).await
    }
}

/// `None`: the tenant is none (any more).
fn deletion(row: &Row) -> Result<Option<LogDeletion>, sqlx::Error> {
    let Ok(tenant) = Tenant::new(&row.get::<String>(0)?) else { return Ok(None) };
    let status = match row.get::<String>(6)?.as_str() {
        "received" => DeletionStatus::Received,
        "withheld" => DeletionStatus::Withheld,
        _ => DeletionStatus::Processed,
    };
    Ok(Some(LogDeletion {
        tenant,
        id: row.get(1)?,
        query: row.get(2)?,
        first_nanos: row.get(3)?,
        last_nanos: row.get(4)?,
        created_at: row.get(5)?,
        status,
    }))
}

fn withheld_file(tenant: &Tenant, row: &Row) -> Result<DataFile, sqlx::Error> {
    let number = |index| row.get::<i64>(index).map(|number| u64::try_from(number).unwrap_or_default());
    Ok(DataFile {
        // No snapshot has it.
        id: FileId(-1),
        table: Table::Logs,
        tenant: tenant.clone(),
        path: row.get(0)?,
        rows: number(1)?,
        size_bytes: number(2)?,
        footer_size: number(3)?,
        added_in: 0,
        bounds: Vec::new(),
    })
}

/// Within the transaction of a change.
pub(super) async fn take(session: &mut Session, step: &DeletionStep) -> Result<(), Failure> {
    match step {
        DeletionStep::Withhold { tenant, id, files } => withhold(session, tenant, id, files).await,
        DeletionStep::Restore { tenant, id, paths } => restore(session, tenant, id, paths).await,
    }
}

fn conflict(id: &str) -> Failure {
    Failure::Refused(CatalogError::DeletionConflict { request: id.to_owned() })
}

async fn withhold(session: &mut Session, tenant: &Tenant, id: &str, files: &[NewFile]) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM trefoil_log_deletion WHERE tenant = $1 AND request_id = $2 AND status = 'received'";
    let args = [Arg::Text(tenant.as_str()), Arg::Text(id)];
    if session.rows(sql, &args).await?.is_empty() {
        return Err(conflict(id));
    }
    let files = files.iter().map(|file| json!([file.path, file.rows, file.size_bytes, file.footer_size]));
    let files = serde_json::Value::from_iter(files).to_string();
    let sql = format!(
        "INSERT INTO trefoil_withheld_file(tenant, request_id, path, record_count, size_bytes, footer_size) \
         SELECT CAST($1 AS VARCHAR), CAST($2 AS VARCHAR), value ->> 0, CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT), \
         CAST(value ->> 3 AS BIGINT) FROM {}",
        session.elements("$3")
    );
    session.execute(&sql, &[args[0], args[1], Arg::Text(&files)]).await?;
    Ok(())
}

async fn restore(session: &mut Session, tenant: &Tenant, id: &str, paths: &[String]) -> Result<(), Failure> {
    let args = [Arg::Text(tenant.as_str()), Arg::Text(id)];
    let sql = "DELETE FROM trefoil_log_deletion WHERE tenant = $1 AND request_id = $2 AND status <> 'processed'";
    if session.execute(sql, &args).await? == 0 {
        return Err(conflict(id));
    }
    let sql = "DELETE FROM trefoil_withheld_file WHERE tenant = $1 AND request_id = $2 RETURNING path";
    let mut withheld = BTreeSet::new();
    for row in session.rows(sql, &args).await? {
        withheld.insert(row.get::<String>(0)?);
    }
    match withheld == paths.iter().cloned().collect() {
        true => Ok(()),
        false => Err(conflict(id)),
    }
}

/// Paths of all files that are withheld.
pub(super) async fn withheld_paths(session: &mut Session) -> Result<Vec<String>, sqlx::Error> {
    session.rows("SELECT path FROM trefoil_withheld_file", &[]).await?.iter().map(|row| row.get(0)).collect()
}
