//! The list of what is stored: which files make up which table, in an SQL database (SQLite or PostgreSQL) laid out as
//! DuckLake 1.0, so that DuckDB and other lakehouse readers see the same tables.
//!
//! Every change is one transaction and one snapshot id. Files are never changed in place; a removed file stays readable
//! for snapshots that still list it until [`Catalog::expire_snapshots`] gives its path up.
//!
//! Application state (log positions, later dashboards, alerts, leases) lives in tables named `trefoil_…` of the same
//! database, so that it can change in one transaction with the files and needs no second system to back up.

mod change;
mod columns;
mod commit;
mod database;
mod deletions;
mod error;
mod expire;
mod layout;
mod load;
mod migrations;
mod retry;
mod settings;
mod snapshot;
mod stats;
mod upgrade;
mod withdraw;

pub use change::{Change, ColumnStats, FileId, NewFile};
pub use columns::{Column, TableColumns};
pub use deletions::{DeletionStatus, DeletionStep, LogDeletion};
pub use error::CatalogError;
pub use settings::{OtherVersion, Setting};
pub use snapshot::{Bounds, CatalogSnapshot, DataFile, pruning_columns};
pub use withdraw::Withdrawn;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwap;
use arrow::datatypes::Field;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use trefoil_model::Table;
use uuid::Uuid;

use commit::Failure;
use database::{Arg, Database, Session};
use retry::retry;

/// The directory of a table's files, relative to the data path, with a trailing slash: `main/spans/`.
pub fn table_directory(table: Table) -> String {
    format!("main/{}/", table.name())
}

/// A handle to the catalog; clones share it.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    current: ArcSwap<CatalogSnapshot>,
    /// Commits of this process stand in line here rather than in the database.
    commits: Mutex<()>,
    refreshes: Mutex<()>,
}

impl Catalog {
    /// Opens the catalog at `url` (`sqlite:<path>`, made if it is missing, or `postgres://…`) for files under
    /// `data_path` (a directory or an object store URL), making the tables if there are none and adding columns that an
    /// older release did not know.
    pub async fn open(url: &str, data_path: &str) -> Result<Catalog, CatalogError> {
        let database = Database::open(url).await?;
        migrations::run(&database).await?;
        let mut data_path = data_path.to_string();
        if !data_path.ends_with('/') {
            data_path.push('/');
        }
        retry(&database, |_| prepare(&database, &data_path).boxed()).await?;
        let current = retry(&database, |_| read_all(&database).boxed()).await?;
        let current = ArcSwap::from_pointee(current);
        let inner = Inner { database, current, commits: Mutex::new(()), refreshes: Mutex::new(()) };
        Ok(Catalog { inner: Arc::new(inner) })
    }

    /// Does all of `change` or nothing; returns the id of the snapshot in which it is done (the present one if there was
    /// nothing to do). Waits for other writers and tries again, within bounds, while the database is busy or away. Only
    /// after [`CatalogError::Unanswered`] it may have happened all the same: commit the same change again, with its
    /// `log_position`, or its `remove`, it is not done twice; or [`withdraw`](Catalog::withdraw) it.
    pub async fn commit(&self, change: Change) -> Result<i64, CatalogError> {
        let id = self.transact(&change, &AtomicBool::new(false)).await?;
        self.read_back(id).await;
        Ok(id)
    }

    /// As [`Catalog::commit`], but gives up at the deadline.
    pub async fn commit_until(&self, change: Change, deadline: Instant) -> Result<i64, CatalogError> {
        let is_unanswered = AtomicBool::new(false);
        let committed = timeout_at(deadline, self.transact(&change, &is_unanswered)).await;
        let id = committed.unwrap_or_else(|_| Err(self.late(&is_unanswered)))?;
        if timeout_at(deadline, self.read_back(id)).await.is_err() {
            tracing::debug!(snapshot = id, "no time left to read the commit back; the next read does");
        }
        Ok(id)
    }

    /// `is_unanswered` tells, also if the call is cut off, whether the transaction may have been committed.
    async fn transact(&self, change: &Change, is_unanswered: &AtomicBool) -> Result<i64, CatalogError> {
        let database = &self.inner.database;
        let _turn = self.inner.commits.lock().await;
        if change.is_empty() {
            return Ok(self.cached().id());
        }
        commit::validate(change, |table| self.inner.current.load().columns(table).clone())?;
        let table_ids = self.table_ids();
        let token = Uuid::now_v7().to_string();
        tracing::debug!(add = change.add.len(), remove = change.remove.len(), "committing");
        let committed = retry(database, |attempt| {
            let (table_ids, token) = (&table_ids, &token);
            async move {
                let mut session = database.write().await?;
                if attempt > 1 {
                    // The connection may have been lost after the commit arrived. Whoever made it has ended by now: this
                    // transaction began after it.
                    if let Some(id) = commit::find(&mut session, token).await? {
                        return Ok(id);
                    }
                    is_unanswered.store(false, Relaxed);
                }
                let id = commit::apply(&mut session, change, table_ids, token).await?;
                is_unanswered.store(true, Relaxed);
                session.commit().await?;
                Ok(id)
            }
            .boxed()
        })
        .await;
        match &committed {
            Ok(snapshot) => tracing::debug!(snapshot, "committed"),
            Err(error) => tracing::debug!(%error, "failed to commit"),
        }
        committed.map_err(|error| match is_unanswered.load(Relaxed) {
            true => CatalogError::Unanswered { database: database.name.clone(), reason: error.to_string() },
            false => error,
        })
    }

    fn late(&self, is_unanswered: &AtomicBool) -> CatalogError {
        let database = self.inner.database.name.clone();
        match is_unanswered.load(Relaxed) {
            true => CatalogError::Unanswered { database, reason: "there was no answer in time".to_string() },
            false => CatalogError::Late { database },
        }
    }

    async fn read_back(&self, id: i64) {
        if id == self.cached().id() {
            return;
        }
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, snapshot = id, "the catalog was committed to but could not be read back; reads will try again");
        }
    }

    /// Sees to it that files are not listed whose commit, with `writer`'s log position `position`, stayed
    /// [unanswered](CatalogError::Unanswered): forbids the commit if it has not happened, else takes out the files at
    /// `paths`. May be repeated, also after an error. Until it has returned, commit nothing else of this writer.
    pub async fn withdraw(&self, writer: &str, position: u64, paths: &[String]) -> Result<Withdrawn, CatalogError> {
        let database = &self.inner.database;
        let _turn = self.inner.commits.lock().await;
        let table_ids = self.table_ids();
        let withdraw = async || {
            let mut session = database.write().await?;
            let withdrawn = withdraw::withdraw(&mut session, &table_ids, writer, position, paths).await?;
            session.commit().await?;
            Ok(withdrawn)
        };
        retry(database, |_| withdraw().boxed()).await
    }

    /// The newest snapshot: one tiny query when nothing happened since the last, else a read of what changed.
    pub async fn snapshot(&self) -> Result<Arc<CatalogSnapshot>, CatalogError> {
        let current = self.inner.current.load_full();
        let database = &self.inner.database;
        let head = retry(database, |_| newest(database).boxed()).await?;
        if head == current.id() {
            return Ok(current);
        }
        self.refresh().await
    }

    /// The newest snapshot this process has seen, without asking the database. It includes every commit made through this
    /// handle (unless reading it back failed); those of other processes may be missing.
    pub fn cached(&self) -> Arc<CatalogSnapshot> {
        self.inner.current.load_full()
    }

    async fn refresh(&self) -> Result<Arc<CatalogSnapshot>, CatalogError> {
        let _turn = self.inner.refreshes.lock().await;
        let known = self.inner.current.load_full();
        let database = &self.inner.database;
        let next = retry(database, |_| read_on(database, &known).boxed()).await?;
        let next = Arc::new(next);
        self.inner.current.store(next.clone());
        Ok(next)
    }

    /// Makes sure that the columns exist and returns a snapshot that has them, with their ids. Call it before writing the
    /// first file that holds them: the ids are the file's Parquet field ids.
    pub async fn add_columns(&self, columns: Vec<(Table, Field)>) -> Result<Arc<CatalogSnapshot>, CatalogError> {
        let known = self.inner.current.load_full();
        let present = |(table, field): &(Table, Field)| {
            known.columns(*table).get(field.name()).is_some_and(|column| {
                layout::ducklake_type(&column.data_type) == layout::ducklake_type(field.data_type())
            })
        };
        if columns.iter().all(present) {
            return Ok(known);
        }
        self.commit(Change { add_columns: columns, ..Change::default() }).await?;
        self.snapshot().await
    }

    /// Forgets snapshots that had been superseded before `older_than` (nobody who began to read after it needs them) and
    /// returns the paths, relative to the data path, of files that no remaining snapshot lists: at most 10,000 a call.
    /// Delete those objects, then say so with [`Catalog::confirm_deleted`]; until then every call returns them again, so
    /// that a crash in between leaves no garbage.
    pub async fn expire_snapshots(&self, older_than: DateTime<Utc>) -> Result<Vec<String>, CatalogError> {
        let _turn = self.inner.commits.lock().await;
        let database = &self.inner.database;
        let table_ids = self.table_ids();
        let expire = async || {
            let mut session = database.write().await?;
            expire::expire(&mut session, &table_ids, older_than).await?;
            let paths = expire::scheduled(&mut session).await?;
            session.commit().await?;
            Ok(paths)
        };
        retry(database, |_| expire().boxed()).await
    }

    /// The objects at these paths (from [`Catalog::expire_snapshots`]) are gone.
    pub async fn confirm_deleted(&self, paths: &[String]) -> Result<(), CatalogError> {
        if paths.is_empty() {
            return Ok(());
        }
        let _turn = self.inner.commits.lock().await;
        let database = &self.inner.database;
        let forget = async || {
            let mut session = database.write().await?;
            expire::forget(&mut session, paths).await?;
            Ok(session.commit().await?)
        };
        retry(database, |_| forget().boxed()).await
    }

    /// The paths, relative to the data path, of all files that a snapshot lists or that wait for their deletion. Any other
    /// object under the tables' directories is either about to be committed or an orphan: its age tells.
    pub async fn referenced_paths(&self) -> Result<HashSet<String>, CatalogError> {
        let database = &self.inner.database;
        let table_ids = self.table_ids();
        let referenced = async || {
            let mut session = database.read().await?;
            Ok(expire::referenced(&mut session, &table_ids).await?)
        };
        retry(database, |_| referenced().boxed()).await
    }

    /// Lets a database of files take no more room than it needs. Call it now and then.
    pub async fn checkpoint(&self) -> Result<(), CatalogError> {
        let _turn = self.inner.commits.lock().await;
        let database = &self.inner.database;
        database.checkpoint().await.map_err(|source| database.error(source, 1))
    }

    /// Closes the connections; SQLite's write-ahead log goes back into its file.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }

    fn table_ids(&self) -> [i64; 5] {
        let known = self.inner.current.load();
        Table::ALL.map(|table| known.columns(table).table_id())
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("database", &self.inner.database.name).finish_non_exhaustive()
    }
}

async fn read_all(database: &Database) -> Result<CatalogSnapshot, Failure> {
    let mut session = database.read().await?;
    load::full(database, &mut session).await
}

async fn read_on(database: &Database, known: &CatalogSnapshot) -> Result<CatalogSnapshot, Failure> {
    let mut session = database.read().await?;
    match load::next(database, &mut session, known).await? {
        Some(next) => Ok(next),
        None => load::full(database, &mut session).await,
    }
}

async fn newest(database: &Database) -> Result<i64, Failure> {
    let sql = "SELECT max(snapshot_id) FROM ducklake_snapshot";
    let newest: Option<i64> = match &database.pool {
        database::Pool::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
        database::Pool::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
    };
    Ok(newest.ok_or(sqlx::Error::RowNotFound)?)
}

/// Makes the lake if the database has none, else checks that it is one this program may use and brings it up to date.
async fn prepare(database: &Database, data_path: &str) -> Result<(), Failure> {
    let mut session = database.write().await?;
    if !exists(&mut session).await? {
        layout::create(&mut session, data_path).await?;
        return Ok(session.commit().await?);
    }
    let found = setting(&mut session, "version").await?;
    let refuse = |error: CatalogError| Err(Failure::Refused(error));
    let name = || database.name.clone();
    if found != layout::DUCKLAKE_VERSION {
        return refuse(CatalogError::Version { database: name(), found, known: layout::DUCKLAKE_VERSION });
    }
    let recorded = setting(&mut session, "data_path").await?;
    if recorded.trim_end_matches('/') != data_path.trim_end_matches('/') {
        return refuse(CatalogError::DataPath { database: name(), recorded, configured: data_path.to_string() });
    }
    let table_ids = load::table_ids(database, &mut session).await?;
    let added = upgrade::add_missing_columns(&mut session, &table_ids).await?;
    if !added.is_empty() {
        session.commit().await?;
        tracing::info!(columns = added.join(", "), "the catalog was of an older release; columns were added");
    }
    Ok(())
}

async fn setting(session: &mut Session, key: &str) -> Result<String, sqlx::Error> {
    let sql = "SELECT value FROM ducklake_metadata WHERE key = $1 AND scope IS NULL";
    Ok(session.row(sql, &[Arg::Text(key)]).await?.map(|row| row.get(0)).transpose()?.unwrap_or_default())
}

async fn exists(session: &mut Session) -> Result<bool, sqlx::Error> {
    let sql = if session.is_postgres() {
        "SELECT to_regclass('ducklake_metadata')::text"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'ducklake_metadata'"
    };
    let name = session.row(sql, &[]).await?.map(|row| row.get::<Option<String>>(0)).transpose()?;
    Ok(name.flatten().is_some())
}
