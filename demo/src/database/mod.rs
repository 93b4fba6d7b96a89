//! The bookstore's database: a real one, SQLite or PostgreSQL. Every statement of a request names its span in a comment.

pub mod items;
pub mod orders;
mod outbox;
mod schema;
mod statement;

use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Executor as _};
use tokio::time::timeout;
use url::Url;

pub use items::Item;
pub use orders::{NewOrder, Order, OrderLine};
pub use outbox::OutboxRow;
pub use schema::BOOKS;

const MAX_CONNECTIONS: u32 = 10;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the end waits for statements that are not done.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Older orders are forgotten, so that a demo can run for days.
const KEPT_ORDERS: i64 = 20_000;

pub struct Database {
    pool: AnyPool,
    /// As in `db.system.name`.
    system: &'static str,
    /// Host and port, where it is a server.
    server: Option<(String, i64)>,
}

impl Database {
    /// Opens `sqlite::memory:`, `sqlite:FILE` or `postgres://…` and makes the tables if they are not there.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let database = match url.split_once(':') {
            Some(("sqlite", file)) => Self::sqlite(file.strip_prefix("//").unwrap_or(file)).await,
            Some(("postgres" | "postgresql", _)) => Self::postgres(url).await,
            _ => bail!(
                "--database {}: a database is sqlite::memory:, sqlite:FILE or postgres://USER@HOST/NAME",
                shown(url)
            ),
        };
        let database = database.with_context(|| format!("the bookstore's database {} cannot be opened", shown(url)))?;
        schema::create(&database.pool, database.system).await.context("the bookstore's tables cannot be made")?;
        Ok(database)
    }

    /// One connection, which is enough for SQLite and keeps a database in memory alive.
    async fn sqlite(file: &str) -> anyhow::Result<Self> {
        // What is attached to a database in memory would be in memory, too; without a name it is a temporary one.
        let main = if file == ":memory:" { "sqlite::memory:" } else { "sqlite://" };
        if file != ":memory:" {
            std::fs::OpenOptions::new().create(true).append(true).open(file)?;
        }
        let file = file.to_owned();
        let options = AnyPoolOptions::new().max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
        // Attached under the name that PostgreSQL has a schema of: the statements are the same for both.
        let options = options.after_connect(move |connection, _| {
            let file = file.clone();
            Box::pin(async move {
                sqlx::query("ATTACH DATABASE $1 AS bookstore").bind(file).execute(&mut *connection).await?;
                connection.execute("PRAGMA bookstore.synchronous = NORMAL").await?;
                Ok(())
            })
        });
        let pool = options.acquire_timeout(ACQUIRE_TIMEOUT).connect(main).await?;
        Ok(Self { pool, system: "sqlite", server: None })
    }

    async fn postgres(url: &str) -> anyhow::Result<Self> {
        let options = AnyPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
        let parsed = Url::parse(url)?;
        let host = parsed.host_str().unwrap_or("localhost").to_owned();
        let port = i64::from(parsed.port().unwrap_or(5432));
        Ok(Self { pool: options.connect(url).await?, system: "postgresql", server: Some((host, port)) })
    }

    /// Forgets what is too old to be asked for.
    pub async fn forget_old_orders(&self) -> sqlx::Result<()> {
        self.forget_orders(KEPT_ORDERS).await?;
        self.forget_messages(KEPT_ORDERS).await
    }

    /// Waits for the statements under way, but not for a server that does not answer.
    pub async fn close(&self) {
        if timeout(CLOSE_TIMEOUT, self.pool.close()).await.is_err() {
            tracing::warn!("statements still running after {CLOSE_TIMEOUT:?} were cut off");
        }
    }
}

/// The URL without a password.
fn shown(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    let secret = parsed.password().is_some();
    match secret && parsed.set_password(Some("…")).is_ok() {
        true => parsed.to_string(),
        false => url.to_owned(),
    }
}

/// A column of a row, by its name.
fn column<'r, T>(row: &'r AnyRow, name: &str) -> sqlx::Result<T>
where
    T: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    sqlx::Row::try_get(row, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = "978-0-13-468599-1";

    fn order(id: &str) -> (NewOrder, OutboxRow) {
        let lines = vec![
            OrderLine { isbn: BOOK.into(), qty: 2, price_cents: 1000 },
            OrderLine { isbn: BOOKS[1].0.into(), qty: 1, price_cents: 500 },
        ];
        let order = NewOrder {
            id: id.into(),
            tenant: "acme-books",
            total_cents: 2500,
            currency: "USD".into(),
            payment_method: "pm_card_visa".into(),
            lines,
        };
        (order, OutboxRow::new(format!("message of {id}"), "order.created", "{}".into(), Default::default()))
    }

    #[tokio::test]
    async fn books_are_found_by_number_and_genre() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        let isbns = [BOOK.to_owned(), "no such book".to_owned()];
        let found = database.items_by_isbn(items::select_by_isbn(2).with_comments(), &isbns).await.unwrap();
        assert_eq!(found.iter().map(|item| item.title.as_str()).collect::<Vec<_>>(), ["A Field Guide to Slow Rivers"]);
        assert!(found[0].price_cents > 0 && found[0].rating > 0.0 && found[0].available > 0, "{found:?}");
        let page = database.items_by_genre(items::select_by_genre().with_comments(), "computing", 3).await.unwrap();
        assert_eq!(page.len(), 3);
    }

    #[tokio::test]
    async fn an_order_and_its_message_are_written_together() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = format!("sqlite:{}", file.path().display());
        let database = Database::open(&url).await.unwrap();
        let ((new, row), texts) = (order("ord-1"), orders::insert(2).with_comments());
        database.insert_order(texts.clone(), &new, &row).await.unwrap();
        let again = OutboxRow { id: "another".into(), ..row.clone() };
        assert!(database.insert_order(texts, &new, &again).await.is_err(), "the id is taken");
        database.close().await;

        let database = Database::open(&url).await.unwrap();
        let waiting = database.outbox(10).await.unwrap();
        assert_eq!(waiting.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["message of ord-1"]);
        database.published("message of ord-1").await.unwrap();
        assert!(database.outbox(10).await.unwrap().is_empty());
        let shown = database.order(orders::select().with_comments(), "ord-1", "acme-books").await.unwrap().unwrap();
        assert_eq!((shown.status.as_str(), shown.titles.len()), ("pending", 2));
        let others = database.order(orders::select().with_comments(), "ord-1", "paper-lantern").await.unwrap();
        assert!(others.is_none(), "another shop's order");
    }

    #[tokio::test]
    async fn an_order_is_settled_once() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        let (new, row) = order("ord-2");
        database.insert_order(orders::insert(2).with_comments(), &new, &row).await.unwrap();
        assert_eq!(database.settle_order("paid", "ord-2", "paper-lantern").await.unwrap(), None);
        assert_eq!(database.settle_order("paid", "ord-2", "acme-books").await.unwrap(), Some(2500));
        assert_eq!(database.settle_order("failed", "ord-2", "acme-books").await.unwrap(), None);
    }

    #[tokio::test]
    async fn old_orders_are_forgotten_with_all_that_belongs_to_them() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        database.forget_old_orders().await.unwrap();
        for number in 0..10 {
            let (new, row) = order(&format!("ord-{number}"));
            database.insert_order(orders::insert(2).with_comments(), &new, &row).await.unwrap();
        }
        database.forget_orders(3).await.unwrap();
        database.forget_messages(3).await.unwrap();
        for (table, left) in [("orders", 3), ("order_items", 6), ("outbox", 3)] {
            let count = format!("SELECT count(*) FROM bookstore.{table}");
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&database.pool).await.unwrap();
            assert_eq!(count, left, "{table}");
        }
        assert!(database.order(orders::select().with_comments(), "ord-6", "acme-books").await.unwrap().is_none());
        assert!(database.order(orders::select().with_comments(), "ord-7", "acme-books").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_statement_that_hangs_does_not_keep_it_open() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        let _never_given_back = database.pool.acquire().await.unwrap();
        timeout(10 * CLOSE_TIMEOUT, database.close()).await.unwrap();
    }

    #[tokio::test]
    async fn other_databases_are_refused_and_passwords_are_not_shown() {
        let error = Database::open("mysql://host/db").await.err().unwrap();
        assert!(error.to_string().contains("mysql"), "{error}");
        let error = Database::open("mysql://me:secret@host/db").await.err().unwrap();
        assert!(!format!("{error:#}").contains("secret"), "{error}");
        assert_eq!(shown("postgres://me:secret@host/db"), "postgres://me:%E2%80%A6@host/db");
    }
}
