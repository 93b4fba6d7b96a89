//! Keys and values in SQLite.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row};
use tokio::sync::Mutex;

use crate::component::{ComponentError, StorageClient};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";

/// Of one component.
pub struct Database(Mutex<Option<SqliteConnection>>);

impl Database {
    pub async fn open(path: &Path, timeout: Duration, fsync: bool, compact: bool) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Without fsync, what is written survives the process, and the file stays whole in any case.
            .synchronous(if fsync { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
            .busy_timeout(timeout);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::query(TABLE).execute(&mut connection).await?;
        if compact {
            sqlx::query("VACUUM").execute(&mut connection).await?;
        }
        Ok(Self(Mutex::new(Some(connection))))
    }
}

fn failed(error: sqlx::Error) -> ComponentError {
    ComponentError::new(format!("storage: {error}"))
}

fn closed() -> ComponentError {
    ComponentError::new("storage: it is closed")
}

#[async_trait]
impl StorageClient for Database {
    async fn all(&self) -> Result<Vec<(String, Vec<u8>)>, ComponentError> {
        let mut connection = self.0.lock().await;
        let connection = connection.as_mut().ok_or_else(closed)?;
        let rows =
            sqlx::query("SELECT key, value FROM kept ORDER BY key").fetch_all(connection).await.map_err(failed)?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(failed)
    }

    async fn write(&self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), ComponentError> {
        let mut connection = self.0.lock().await;
        let connection = connection.as_mut().ok_or_else(closed)?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        for (key, value) in changes {
            let query = match value {
                Some(value) => {
                    sqlx::query("INSERT OR REPLACE INTO kept (key, value) VALUES ($1, $2)").bind(key).bind(value)
                }
                None => sqlx::query("DELETE FROM kept WHERE key = $1").bind(key),
            };
            query.execute(&mut *tx).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    async fn close(&self) {
        let connection = self.0.lock().await.take();
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing a storage");
        }
    }
}
