//! SQLite and PostgreSQL behind one face: the same statements, the few words in which the two differ.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Decode, Executor, Postgres, Row as _, Sqlite, Transaction, Type,
};

use super::error::CatalogError;
use super::retry::pause;

/// How long a statement waits for another process's lock before it counts as busy.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);
/// Any statement; the largest (a full load of a hundred thousand files) takes a few seconds.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60);
const CONNECTIONS: u32 = 8;

/// `pg_advisory_xact_lock` key under which commits of all processes stand in line.
const COMMIT_LOCK: i64 = 0x74_72_65_66_6f_69_6c;

#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A pool of connections and the name to call the database by in messages (never the password).
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) pool: Pool,
    pub(super) name: String,
}

/// How often opening an SQLite file is tried while another process has it locked.
const OPEN_ATTEMPTS: u32 = 6;

impl Database {
    /// Opens `sqlite:<path>` (made if it is missing; its directory must exist) or `postgres://…`.
    pub(super) async fn open(url: &str) -> Result<Database, CatalogError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            return Self::open_sqlite(url, path.strip_prefix("//").unwrap_or(path)).await;
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Self::open_postgres(url).await;
        }
        Err(CatalogError::Url { url: without_password(url), reason: "unknown scheme".to_string() })
    }

    async fn open_sqlite(url: &str, path: &str) -> Result<Database, CatalogError> {
        if path.is_empty() || path.contains(":memory:") {
            let reason = "an SQLite catalog is a file".to_string();
            return Err(CatalogError::Url { url: url.to_string(), reason });
        }
        let options = SqliteConnectOptions::new()
            .filename(Path::new(path))
            .create_if_missing(true)
            // Readers (DuckDB among them) do not stop the writer, nor it them.
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that was acknowledged survives a power cut: log segments are deleted on its word.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(LOCK_WAIT)
            .foreign_keys(false);
        let name = format!("sqlite:{path}");
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECTION_WAIT);
        // Switching a new file to its write-ahead log does not wait for another process that is just doing the same.
        let mut attempt = 1;
        let pool = loop {
            match pool.clone().connect_with(options.clone()).await {
                Err(error) if is_transient(&error) && attempt < OPEN_ATTEMPTS => {
                    tokio::time::sleep(pause(attempt)).await;
                    attempt += 1;
                }
                opened => break opened.map_err(|source| open_error(&name, source))?,
            }
        };
        Ok(Database { pool: Pool::Sqlite(pool), name })
    }

    async fn open_postgres(url: &str) -> Result<Database, CatalogError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| CatalogError::Url { url: without_password(url), reason: error.to_string() })?
            .application_name("trefoil");
        let database = options.get_database().unwrap_or(options.get_username()).to_string();
        let name = format!("postgres://{}:{}/{database}", options.get_host(), options.get_port());
        // A pool hides why it cannot connect behind its own timeout; a single connection says it.
        let probe = tokio::time::timeout(CONNECTION_WAIT, options.connect()).await;
        let probe = probe.map_err(|_| sqlx::Error::PoolTimedOut).and_then(|connected| connected);
        probe.map_err(|source| open_error(&name, source))?.close().await.ok();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECTION_WAIT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let limits = format!(
                        "SET lock_timeout = {}; SET statement_timeout = {}; \
                         SET idle_in_transaction_session_timeout = {}",
                        LOCK_WAIT.as_millis(),
                        STATEMENT_LIMIT.as_millis(),
                        STATEMENT_LIMIT.as_millis()
                    );
                    connection.execute(AssertSqlSafe(limits)).await.map(|_| ())
                })
            })
            .connect_with(options)
            .await
            .map_err(|source| open_error(&name, source))?;
        Ok(Database { pool: Pool::Postgres(pool), name })
    }

    /// A transaction that sees one moment of the database.
    pub(super) async fn read(&self) -> Result<Session, sqlx::Error> {
        Ok(match &self.pool {
            Pool::Sqlite(pool) => Session::Sqlite(pool.begin().await?),
            Pool::Postgres(pool) => {
                Session::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// A transaction that no other writer's overlaps: it sees everything committed before it.
    pub(super) async fn write(&self) -> Result<Session, sqlx::Error> {
        match &self.pool {
            Pool::Sqlite(pool) => Ok(Session::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?)),
            Pool::Postgres(pool) => {
                let mut session = Session::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?);
                session.execute("SELECT pg_advisory_xact_lock($1)", &[Arg::Int(COMMIT_LOCK)]).await?;
                Ok(session)
            }
        }
    }

    /// Moves SQLite's write-ahead log into its file and empties it, unless somebody reads just now: then another time. It
    /// would otherwise stay as large as it ever was, which is 4 MiB, many times as much as a small catalog.
    pub(super) async fn checkpoint(&self) -> Result<(), sqlx::Error> {
        let Pool::Sqlite(pool) = &self.pool else { return Ok(()) };
        let mut connection = pool.acquire().await?;
        // Waiting for readers would make writers wait too.
        connection.execute("PRAGMA busy_timeout = 0").await?;
        let done = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let restored =
            connection.execute(AssertSqlSafe(format!("PRAGMA busy_timeout = {}", LOCK_WAIT.as_millis()))).await;
        if restored.is_err() {
            drop(connection.detach());
        }
        match done {
            Err(error) if !is_transient(&error) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// The error as callers see it, once nobody tries again.
    pub(super) fn error(&self, source: sqlx::Error, attempts: u32) -> CatalogError {
        let database = self.name.clone();
        if let Some(reason) = damage(&source) {
            return CatalogError::Corrupt { database, reason };
        }
        match source {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => {
                CatalogError::Unreachable { database, source }
            }
            source if is_transient(&source) => CatalogError::Busy { database, attempts, source },
            source => CatalogError::Database { database, source },
        }
    }
}

fn open_error(name: &str, source: sqlx::Error) -> CatalogError {
    let database = name.to_string();
    match damage(&source) {
        Some(reason) => CatalogError::Corrupt { database, reason },
        None => CatalogError::Unreachable { database, source },
    }
}

/// SQLITE_CORRUPT and SQLITE_NOTADB.
fn damage(error: &sqlx::Error) -> Option<String> {
    let database = error.as_database_error()?;
    database.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    matches!(primary_sqlite_code(database), Some(11 | 26)).then(|| database.message().to_string())
}

fn primary_sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
    error.code()?.parse::<u32>().ok().map(|extended| extended & 0xff)
}

/// Whether the same transaction may succeed when it is run again.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    let database = match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => return true,
        sqlx::Error::Database(database) => database,
        _ => return false,
    };
    if database.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // SQLITE_BUSY and SQLITE_LOCKED.
        return matches!(primary_sqlite_code(database.as_ref()), Some(5 | 6));
    }
    match database.code().as_deref() {
        // Serialization failure, deadlock, lock timeout, statement timeout; too many connections; server going down or up.
        Some("40001" | "40P01" | "55P03" | "57014" | "53300" | "57P01" | "57P02" | "57P03") => true,
        // Another DuckLake client took the snapshot id first.
        Some("23505") => database.table().is_some_and(|table| table.starts_with("ducklake_snapshot")),
        Some(code) => code.starts_with("08"),
        None => false,
    }
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    match rest.rsplit_once('@') {
        Some((user, host)) => format!("{scheme}://{}@{host}", user.split(':').next().unwrap_or_default()),
        None => url.to_string(),
    }
}

/// A value for a `$n` of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    Int(i64),
    Text(&'a str),
}

pub(super) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

macro_rules! bind {
    ($sql:expr, $args:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql.to_string()));
        for arg in $args {
            query = match *arg {
                Arg::Int(value) => query.bind(value),
                Arg::Text(value) => query.bind(value.to_string()),
            };
        }
        query
    }};
}

impl Session {
    /// Rows changed.
    pub(super) async fn execute(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Session::Sqlite(tx) => bind!(sql, args).execute(&mut **tx).await?.rows_affected(),
            Session::Postgres(tx) => bind!(sql, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Several statements without values.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        match self {
            Session::Sqlite(tx) => tx.execute(AssertSqlSafe(sql.to_string())).await.map(|_| ()),
            Session::Postgres(tx) => tx.execute(AssertSqlSafe(sql.to_string())).await.map(|_| ()),
        }
    }

    pub(super) async fn rows(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Session::Sqlite(tx) => bind!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Sqlite).collect(),
            Session::Postgres(tx) => {
                bind!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row.
    pub(super) async fn row(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Session::Sqlite(tx) => tx.commit().await,
            Session::Postgres(tx) => tx.commit().await,
        }
    }

    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Session::Postgres(_))
    }

    /// A table expression with a column `value`: the elements of the JSON array in `placeholder`. One parameter carries
    /// any number of rows, so a statement's text (and its cached plan) does not depend on how many there are.
    pub(super) fn elements(&self, placeholder: &str) -> String {
        match self {
            Session::Sqlite(_) => format!("json_each({placeholder}) AS element"),
            Session::Postgres(_) => format!("jsonb_array_elements({placeholder}::jsonb) AS element(value)"),
        }
    }

    /// Text as the column type `TIMESTAMPTZ` or `UUID`, which SQLite keeps as text.
    pub(super) fn cast(&self, placeholder: &str, data_type: &str) -> String {
        match self {
            Session::Sqlite(_) => placeholder.to_string(),
            Session::Postgres(_) => format!("CAST(CAST({placeholder} AS text) AS {data_type})"),
        }
    }
}

pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn get<T>(&self, index: usize) -> Result<T, sqlx::Error>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Row::Sqlite(row) => row.try_get(index),
            Row::Postgres(row) => row.try_get(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stay_out_of_messages() {
        assert_eq!(without_password("mysql://me:secret@host/db"), "mysql://me@host/db");
        assert_eq!(without_password("mysql://host/db"), "mysql://host/db");
        assert_eq!(without_password("nonsense"), "nonsense");
    }
}
