//! Trefoil's own tables, beside DuckLake's in the same database and in its transactions. Their names begin with
//! `trefoil_`; the SQL is the part that SQLite and PostgreSQL have in common.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlitePool};

use super::database::{Database, Pool};
use super::error::CatalogError;
use super::retry::pause;

/// Never edit one that was released; add the next.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "log position", include_str!("migrations/0001_log_position.sql")),
    (2, "tenant settings", include_str!("migrations/0002_tenant_settings.sql")),
    (3, "log deletions", include_str!("migrations/0003_log_deletions.sql")),
];

/// Brings the tables up to this program's version; an error if they are of a later one.
pub(super) async fn run(database: &Database) -> Result<(), CatalogError> {
    let migrations = MIGRATIONS.iter().map(|&(version, description, sql)| {
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name("trefoil_migrations");
    let outcome = match &database.pool {
        Pool::Sqlite(pool) => run_on_sqlite(&migrator, pool).await,
        Pool::Postgres(pool) => migrator.run(pool).await,
    };
    outcome.map_err(|error| match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) => CatalogError::NewerApplication {
            database: database.name.clone(),
            found,
            known: MIGRATIONS.iter().map(|(version, _, _)| *version).max().unwrap_or(0),
        },
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => database.error(source, 1),
        other => database.error(sqlx::Error::Migrate(Box::new(other)), 1),
    })
}

/// sqlx takes no lock on SQLite: when several processes open a new database at once, one makes the tables and the others
/// fail. Each migration is a transaction with its own record, so trying again finds it done.
async fn run_on_sqlite(migrator: &Migrator, pool: &SqlitePool) -> Result<(), MigrateError> {
    const ATTEMPTS: u32 = 6;
    let mut attempt = 1;
    loop {
        match migrator.run(pool).await {
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) if attempt < ATTEMPTS => {
                tracing::debug!(%error, attempt, "the catalog is being made by another process, trying again");
                tokio::time::sleep(pause(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}
