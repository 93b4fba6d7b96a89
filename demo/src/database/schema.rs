//! Tables and the books in them.

use sqlx::{AnyPool, AssertSqlSafe, Executor as _};

/// One statement each; `{serial}` is what numbers rows.
const TABLES: [&str; 8] = [
    "CREATE TABLE IF NOT EXISTS bookstore.publishers (id BIGINT PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bookstore.authors (id BIGINT PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bookstore.items (isbn TEXT PRIMARY KEY, title TEXT NOT NULL, genre TEXT NOT NULL, \
     author_id BIGINT NOT NULL, publisher_id BIGINT NOT NULL, price_cents BIGINT NOT NULL, currency TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bookstore.stock (isbn TEXT PRIMARY KEY, quantity BIGINT NOT NULL, \
     reserved BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bookstore.ratings (isbn TEXT NOT NULL, stars BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bookstore.orders (seq {serial}, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, \
     status TEXT NOT NULL, total_cents BIGINT NOT NULL, currency TEXT NOT NULL, payment_method TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bookstore.order_items (order_id TEXT NOT NULL, isbn TEXT NOT NULL, \
     quantity BIGINT NOT NULL, price_cents BIGINT NOT NULL, PRIMARY KEY (order_id, isbn))",
    "CREATE TABLE IF NOT EXISTS bookstore.outbox (seq {serial}, id TEXT NOT NULL, topic TEXT NOT NULL, \
     payload TEXT NOT NULL, traceparent TEXT NOT NULL, tracestate TEXT NOT NULL, baggage TEXT NOT NULL)",
];

const PUBLISHERS: [&str; 5] =
    ["Harrow & Finch", "Southbank Press", "Éditions du Phare", "Nightjar Books", "Tern House"];

const AUTHORS: [&str; 10] = [
    "Mara Lindqvist",
    "Tomás Arrieta",
    "Ifeoma Adeyemi",
    "J. P. Calloway",
    "Yuki Tanabe",
    "Sofia Brandt",
    "Rohan Mehta",
    "Elena Petrova",
    "Noah Whitfield",
    "Amélie Rousseau",
];

/// ISBN, title, genre. The first is the one that everybody buys.
pub const BOOKS: [(&str, &str, &str); 24] = [
    ("978-0-13-468599-1", "A Field Guide to Slow Rivers", "nature"),
    ("978-1-40-289462-6", "The Cartographer's Apprentice", "fiction"),
    ("978-0-30-640615-7", "Bread, Salt and Patience", "cooking"),
    ("978-3-16-148410-0", "Die stille Werkstatt", "fiction"),
    ("978-1-86-197271-2", "Nine Ways to Cross a Border", "history"),
    ("978-0-54-500395-7", "The Lamplighter of Quay Street", "crime"),
    ("978-2-07-036822-8", "Les heures de verre", "poetry"),
    ("978-4-10-109205-8", "The Paper Crane Mechanic", "fiction"),
    ("978-0-06-112008-4", "What the Tide Keeps", "nature"),
    ("978-0-67-978326-8", "Small Engines of Grief", "poetry"),
    ("978-1-59-327599-0", "Queues, Caches and Other Lies", "computing"),
    ("978-0-59-651774-8", "Distributed Systems for the Weary", "computing"),
    ("978-8-17-525766-5", "Monsoon Ledger", "history"),
    ("978-0-14-303943-3", "An Orchard in the Wrong Country", "fiction"),
    ("978-1-25-030170-9", "The Ninth Lighthouse", "crime"),
    ("978-0-81-299331-7", "Letters to a Future Gardener", "nature"),
    ("978-3-49-962728-3", "Der letzte Fahrplan", "crime"),
    ("978-1-78-633089-6", "Salt Roads of the Interior", "history"),
    ("978-0-37-575313-8", "A Kitchen Without Clocks", "cooking"),
    ("978-9-87-566678-8", "Cuaderno de la lluvia", "poetry"),
    ("978-0-74-327356-5", "Every Borrowed Umbrella", "fiction"),
    ("978-1-61-620182-1", "The Unhurried Baker", "cooking"),
    ("978-0-99-046910-3", "Tracing the Untraceable", "computing"),
    ("978-1-93-778500-0", "The Quiet Pager", "computing"),
];

pub async fn create(pool: &AnyPool, system: &str) -> sqlx::Result<()> {
    let serial = match system {
        "sqlite" => "INTEGER PRIMARY KEY AUTOINCREMENT",
        _ => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    };
    if system != "sqlite" {
        pool.execute("CREATE SCHEMA IF NOT EXISTS bookstore").await?;
    }
    for table in TABLES {
        pool.execute(AssertSqlSafe(table.replace("{serial}", serial))).await?;
    }
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM bookstore.items").fetch_one(pool).await?;
    if there == 0 {
        fill(pool).await?;
    }
    Ok(())
}

/// All or nothing: two demos may start on one database.
async fn fill(pool: &AnyPool) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    for (table, names) in [("publishers", &PUBLISHERS[..]), ("authors", &AUTHORS[..])] {
        for (id, name) in names.iter().enumerate() {
            let insert = format!("INSERT INTO bookstore.{table} (id, name) VALUES ($1, $2)");
            sqlx::query(AssertSqlSafe(insert)).bind(id as i64).bind(*name).execute(&mut *transaction).await?;
        }
    }
    for (number, (isbn, title, genre)) in BOOKS.iter().enumerate() {
        let number = number as i64;
        sqlx::query(
            "INSERT INTO bookstore.items (isbn, title, genre, author_id, publisher_id, price_cents, currency) \
             VALUES ($1, $2, $3, $4, $5, $6, 'USD')",
        )
        .bind(*isbn)
        .bind(*title)
        .bind(*genre)
        .bind(number % AUTHORS.len() as i64)
        .bind(number % PUBLISHERS.len() as i64)
        .bind(899 + 370 * (number % 7) + 50 * (number % 3))
        .execute(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO bookstore.stock (isbn, quantity, reserved) VALUES ($1, $2, $3)")
            .bind(*isbn)
            .bind(40 + 13 * (number % 11))
            .bind(number % 5)
            .execute(&mut *transaction)
            .await?;
        for vote in 0..5 {
            sqlx::query("INSERT INTO bookstore.ratings (isbn, stars) VALUES ($1, $2)")
                .bind(*isbn)
                .bind(3 + (number + vote) % 3)
                .execute(&mut *transaction)
                .await?;
        }
    }
    transaction.commit().await
}
