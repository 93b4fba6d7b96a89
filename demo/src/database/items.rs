//! What `catalog` asks.

use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::statement::Statement;
use super::{Database, column};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item {
    pub isbn: String,
    pub title: String,
    pub author: String,
    pub publisher: String,
    pub price_cents: i64,
    pub currency: String,
    pub available: i64,
    pub rating: f64,
}

impl Item {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            isbn: column(row, "isbn")?,
            title: column(row, "title")?,
            author: column(row, "author")?,
            publisher: column(row, "publisher")?,
            price_cents: column(row, "price_cents")?,
            currency: column(row, "currency")?,
            available: column(row, "available")?,
            rating: column(row, "rating")?,
        })
    }
}

const SELECT: &str = "\
SELECT i.isbn, i.title, a.name AS author, p.name AS publisher, i.price_cents, i.currency, \
s.quantity - s.reserved AS available, CAST(COALESCE(r.rating, 0) AS DOUBLE PRECISION) AS rating \
FROM bookstore.items AS i \
JOIN bookstore.authors AS a ON a.id = i.author_id \
JOIN bookstore.publishers AS p ON p.id = i.publisher_id \
JOIN bookstore.stock AS s ON s.isbn = i.isbn \
LEFT JOIN (SELECT isbn, AVG(stars) AS rating FROM bookstore.ratings GROUP BY isbn) AS r ON r.isbn = i.isbn";

/// Several books by their numbers.
pub fn select_by_isbn(count: usize) -> Statement {
    let numbers: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
    let text = format!("{SELECT} WHERE i.isbn IN ({}) ORDER BY i.isbn", numbers.join(", "));
    Statement { operation: "SELECT", collection: "bookstore.items", texts: vec![text] }
}

/// A page of the books of a genre.
pub fn select_by_genre() -> Statement {
    let text =
        format!("{SELECT} WHERE i.genre = $1 AND s.quantity > s.reserved ORDER BY r.rating DESC, i.title LIMIT $2");
    Statement { operation: "SELECT", collection: "bookstore.items", texts: vec![text] }
}

impl Database {
    pub async fn items_by_isbn(&self, texts: Vec<String>, isbns: &[String]) -> sqlx::Result<Vec<Item>> {
        let query = sqlx::query(AssertSqlSafe(texts.concat())).persistent(false);
        let query = isbns.iter().fold(query, |query, isbn| query.bind(isbn.clone()));
        query.fetch_all(&self.pool).await?.iter().map(Item::from_row).collect()
    }

    pub async fn items_by_genre(&self, texts: Vec<String>, genre: &str, limit: i64) -> sqlx::Result<Vec<Item>> {
        let query = sqlx::query(AssertSqlSafe(texts.concat())).persistent(false);
        let rows = query.bind(genre.to_owned()).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(Item::from_row).collect()
    }
}
