//! The transactional outbox: messages that are written with what they tell about, and published afterwards.

use std::collections::HashMap;

use sqlx::any::AnyRow;

use super::{Database, column};

#[derive(Debug, Clone)]
pub struct OutboxRow {
    pub id: String,
    pub topic: String,
    pub payload: String,
    /// The context that the row was written in; empty where there is none.
    pub traceparent: String,
    pub tracestate: String,
    pub baggage: String,
}

impl OutboxRow {
    /// `headers`: the context, as it was injected.
    pub fn new(id: String, topic: &str, payload: String, mut headers: HashMap<String, String>) -> Self {
        let mut header = |name: &str| headers.remove(name).unwrap_or_default();
        let (traceparent, tracestate, baggage) = (header("traceparent"), header("tracestate"), header("baggage"));
        Self { id, topic: topic.to_owned(), payload, traceparent, tracestate, baggage }
    }

    /// What was injected.
    pub fn headers(&self) -> HashMap<String, String> {
        let headers =
            [("traceparent", &self.traceparent), ("tracestate", &self.tracestate), ("baggage", &self.baggage)];
        let there = headers.into_iter().filter(|(_, value)| !value.is_empty());
        there.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: column(row, "id")?,
            topic: column(row, "topic")?,
            payload: column(row, "payload")?,
            traceparent: column(row, "traceparent")?,
            tracestate: column(row, "tracestate")?,
            baggage: column(row, "baggage")?,
        })
    }
}

impl Database {
    /// Rows that wait to be published, the oldest first.
    pub async fn outbox(&self, limit: i64) -> sqlx::Result<Vec<OutboxRow>> {
        let select =
            "SELECT id, topic, payload, traceparent, tracestate, baggage FROM bookstore.outbox ORDER BY seq LIMIT $1";
        let rows = sqlx::query(select).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(OutboxRow::from_row).collect()
    }

    /// The row has been published.
    pub async fn published(&self, id: &str) -> sqlx::Result<()> {
        let delete = "DELETE FROM bookstore.outbox WHERE id = $1";
        sqlx::query(delete).bind(id.to_owned()).execute(&self.pool).await.map(|_| ())
    }

    /// Forgets all but the last messages, should the broker be away for that long.
    pub async fn forget_messages(&self, kept: i64) -> sqlx::Result<()> {
        let delete =
            "DELETE FROM bookstore.outbox WHERE seq <= (SELECT COALESCE(max(seq), 0) FROM bookstore.outbox) - $1";
        sqlx::query(delete).bind(kept).execute(&self.pool).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_comes_back_as_it_was() {
        let headers = HashMap::from([
            ("traceparent".to_owned(), "00-1-2-01".to_owned()),
            ("baggage".to_owned(), "tenant=acme-books".to_owned()),
        ]);
        let row = OutboxRow::new("1".into(), "order.created", "{}".into(), headers.clone());
        assert_eq!(row.headers(), headers);
    }
}
