//! A lake of its own for each test, and what is put into it.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::{Catalog, CatalogSnapshot, Change, ColumnStats, FileId, NewFile, table_directory};
use uuid::Uuid;

use crate::postgres_server;

pub const DATA_PATH: &str = "/data/lake/";

/// A database of its own for one test.
pub struct Lake {
    pub url: String,
    _directory: Option<TempDir>,
    _server: Option<Arc<postgres_server::Server>>,
}

impl Lake {
    pub fn sqlite() -> Lake {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
        Lake { url, _directory: Some(directory), _server: None }
    }

    pub async fn postgres() -> Option<Lake> {
        let server = postgres_server::server()?;
        let url = server.database().await;
        Some(Lake { url, _directory: None, _server: Some(server) })
    }

    /// A handle as another process would have it.
    pub async fn open(&self) -> Catalog {
        Catalog::open(&self.url, DATA_PATH).await.unwrap()
    }

    /// Runs SQL behind the catalog's back.
    pub async fn execute(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_string());
        if self.url.starts_with("sqlite:") {
            let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
            return sqlx::query(sql).execute(&pool).await.unwrap().rows_affected();
        }
        let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap().rows_affected()
    }

    /// A number from behind the catalog's back.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT CAST(({sql}) AS BIGINT)"));
        if self.url.starts_with("sqlite:") {
            let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
            return sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        }
        let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
    }
}

/// Tests of each scenario on each database.
macro_rules! on_every_database {
    ($($(#[$attribute:meta])* $scenario:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] $(#[$attribute])*
            async fn $scenario() { super::$scenario(super::Lake::sqlite()).await })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] $(#[$attribute])*
            async fn $scenario() {
                if let Some(lake) = super::Lake::postgres().await { super::$scenario(lake).await }
            })*
        }
    };
}
pub(crate) use on_every_database;

pub fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// A file of 100 rows whose time column spans `[from, from + 1000]` nanoseconds.
pub fn file(catalog: &CatalogSnapshot, table: Table, tenant_name: &str, from: i64) -> NewFile {
    let time = |nanos| Some(ScalarValue::TimestampNanosecond(Some(nanos), None));
    let mut column_stats = Vec::new();
    for column in catalog.columns(table).all().iter().filter(|column| !column.data_type.is_nested()) {
        let (min, max) = match (&column.data_type, column.name.as_str()) {
            (DataType::Timestamp(..), _) => (time(from), time(from + 1000)),
            (_, "tenant") => (Some(tenant_name.into()), Some(tenant_name.into())),
            (DataType::Utf8View, _) => (Some("aa".into()), Some("zz".into())),
            (DataType::UInt64, _) => (Some(ScalarValue::from(1u64)), Some(ScalarValue::from(u64::MAX))),
            (DataType::FixedSizeBinary(n), _) => {
                let id = |byte| Some(ScalarValue::FixedSizeBinary(*n, Some(vec![byte; *n as usize])));
                (id(0), id(0xff))
            }
            _ => (None, None),
        };
        column_stats.push(ColumnStats {
            column_id: column.id,
            size_bytes: 123,
            value_count: 90,
            null_count: 10,
            min,
            max,
            contains_nan: (column.data_type == DataType::Float64).then_some(false),
        });
    }
    NewFile {
        table,
        path: format!("{}{tenant_name}/2026-01-01/{}.parquet", table_directory(table), Uuid::now_v7()),
        tenant: tenant(tenant_name),
        rows: 100,
        size_bytes: 5_000,
        footer_size: 700,
        column_stats,
    }
}

pub fn added(add: Vec<NewFile>) -> Change {
    Change { add, ..Change::default() }
}

pub fn removed(remove: Vec<FileId>) -> Change {
    Change { remove, ..Change::default() }
}

pub fn ids(snapshot: &CatalogSnapshot, table: Table) -> Vec<FileId> {
    snapshot.all_files(table).map(|file| file.id).collect()
}

/// Everything a snapshot says, to compare two.
pub fn contents(snapshot: &CatalogSnapshot) -> String {
    let tables = Table::ALL.map(|table| {
        let files: Vec<_> = snapshot.all_files(table).collect();
        format!("{:?}\n{files:?}", snapshot.columns(table).all())
    });
    format!("{}\n{:?}\n{}", snapshot.id(), snapshot.log_position("w"), tables.join("\n"))
}
