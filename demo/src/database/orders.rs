//! What `orders` writes and asks.

use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::outbox::OutboxRow;
use super::statement::Statement;
use super::{Database, column};

/// A line of an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderLine {
    pub isbn: String,
    pub qty: i64,
    pub price_cents: i64,
}

pub struct NewOrder {
    pub id: String,
    pub tenant: &'static str,
    pub total_cents: i64,
    pub currency: String,
    pub payment_method: String,
    pub lines: Vec<OrderLine>,
}

/// An order as a customer sees it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub order_id: String,
    pub status: String,
    pub total_cents: i64,
    pub currency: String,
    pub titles: Vec<String>,
}

/// Order, lines and outbox row: the statements of one transaction.
pub fn insert(lines: usize) -> Statement {
    let values: Vec<String> =
        (0..lines).map(|line| format!("($1, ${}, ${}, ${})", 3 * line + 2, 3 * line + 3, 3 * line + 4)).collect();
    let texts = vec![
        "INSERT INTO bookstore.orders (id, tenant, status, total_cents, currency, payment_method) \
         VALUES ($1, $2, 'pending', $3, $4, $5)"
            .to_owned(),
        format!(
            "INSERT INTO bookstore.order_items (order_id, isbn, quantity, price_cents) VALUES {}",
            values.join(", ")
        ),
        "INSERT INTO bookstore.outbox (id, topic, payload, traceparent, tracestate, baggage) \
         VALUES ($1, $2, $3, $4, $5, $6)"
            .to_owned(),
    ];
    Statement { operation: "INSERT", collection: "bookstore.outbox", texts }
}

/// An order with its books.
pub fn select() -> Statement {
    let text = "SELECT o.id, o.status, o.total_cents, o.currency, i.title, oi.quantity \
                FROM bookstore.orders AS o \
                JOIN bookstore.order_items AS oi ON oi.order_id = o.id \
                JOIN bookstore.items AS i ON i.isbn = oi.isbn \
                WHERE o.id = $1 AND o.tenant = $2 \
                ORDER BY i.title";
    Statement { operation: "SELECT", collection: "bookstore.orders", texts: vec![text.to_owned()] }
}

/// The change of a pending order, without a span of its own.
pub fn update() -> Statement {
    let text = "UPDATE bookstore.orders SET status = $1 WHERE id = $2 AND tenant = $3 AND status = 'pending' \
                RETURNING total_cents";
    Statement { operation: "UPDATE", collection: "bookstore.orders", texts: vec![text.to_owned()] }
}

impl Database {
    /// All of it or nothing.
    pub async fn insert_order(&self, texts: Vec<String>, order: &NewOrder, row: &OutboxRow) -> sqlx::Result<()> {
        let mut texts = texts.into_iter().map(AssertSqlSafe);
        let mut next = || texts.next().ok_or_else(|| sqlx::Error::Protocol("a statement is missing".to_owned()));
        let mut transaction = self.pool.begin().await?;
        sqlx::query(next()?)
            .persistent(false)
            .bind(order.id.clone())
            .bind(order.tenant)
            .bind(order.total_cents)
            .bind(order.currency.clone())
            .bind(order.payment_method.clone())
            .execute(&mut *transaction)
            .await?;
        let lines = sqlx::query(next()?).persistent(false).bind(order.id.clone());
        let lines = order
            .lines
            .iter()
            .fold(lines, |query, line| query.bind(line.isbn.clone()).bind(line.qty).bind(line.price_cents));
        lines.execute(&mut *transaction).await?;
        sqlx::query(next()?)
            .persistent(false)
            .bind(row.id.clone())
            .bind(row.topic.clone())
            .bind(row.payload.clone())
            .bind(row.traceparent.clone())
            .bind(row.tracestate.clone())
            .bind(row.baggage.clone())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    pub async fn order(&self, texts: Vec<String>, id: &str, tenant: &str) -> sqlx::Result<Option<Order>> {
        let query = sqlx::query(AssertSqlSafe(texts.concat())).persistent(false);
        let rows = query.bind(id.to_owned()).bind(tenant.to_owned()).fetch_all(&self.pool).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        Ok(Some(Order {
            order_id: column(first, "id")?,
            status: column(first, "status")?,
            total_cents: column(first, "total_cents")?,
            currency: column(first, "currency")?,
            titles: rows.iter().map(|row| column(row, "title")).collect::<sqlx::Result<_>>()?,
        }))
    }

    /// Forgets all but the last orders. The bound is asked for once: orders that come meanwhile must not move it between
    /// the lines and the orders they belong to.
    pub async fn forget_orders(&self, kept: i64) -> sqlx::Result<()> {
        let newest = "SELECT COALESCE(max(seq), 0) FROM bookstore.orders";
        let newest: i64 = sqlx::query_scalar(newest).fetch_one(&self.pool).await?;
        for delete in [
            "DELETE FROM bookstore.order_items WHERE order_id IN (SELECT id FROM bookstore.orders WHERE seq <= $1)",
            "DELETE FROM bookstore.orders WHERE seq <= $1",
        ] {
            sqlx::query(delete).bind(newest - kept).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// The total of an order that was pending and now is not; `None` for any other.
    pub async fn settle_order(&self, status: &str, id: &str, tenant: &str) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar(AssertSqlSafe(update().with_comments().concat()))
            .persistent(false)
            .bind(status.to_owned())
            .bind(id.to_owned())
            .bind(tenant.to_owned())
            .fetch_optional(&self.pool)
            .await
    }
}
