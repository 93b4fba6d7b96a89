//! A statement with its CLIENT span.

use std::time::Instant;

use http::StatusCode;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};

use crate::http::Failure;
use crate::propagation;
use crate::shop::Job;
use crate::telemetry::Exception;

/// What a CLIENT span is about: one statement, or several of one transaction.
pub struct Statement {
    /// `SELECT`, `INSERT`, …
    pub operation: &'static str,
    /// The table, with its schema.
    pub collection: &'static str,
    pub texts: Vec<String>,
}

impl Statement {
    /// Operation and table, as in the span's name.
    pub fn summary(&self) -> String {
        format!("{} {}", self.operation, self.collection)
    }

    /// The texts as they are sent: each begins with the comment that names the current span.
    pub fn with_comments(&self) -> Vec<String> {
        let comment = propagation::sql_comment(&Context::current());
        self.texts.iter().map(|text| format!("{comment} {text}")).collect()
    }
}

impl Job {
    /// Runs `query` in a CLIENT span; it gets the texts of the statement with their comments, and the span is its current
    /// one. A failure of the database is one of the service.
    pub async fn query<T, F, Q>(&self, statement: Statement, query: F) -> Result<T, Failure>
    where
        F: FnOnce(Vec<String>) -> Q,
        Q: Future<Output = sqlx::Result<T>>,
    {
        let summary = statement.summary();
        let database = &self.shop.database;
        let mut attributes = vec![
            KeyValue::new("db.system.name", database.system),
            KeyValue::new("db.namespace", "bookstore"),
            KeyValue::new("db.operation.name", statement.operation),
            KeyValue::new("db.collection.name", statement.collection),
            KeyValue::new("db.query.summary", summary.clone()),
        ];
        if let [_, _, ..] = statement.texts[..] {
            attributes.push(KeyValue::new("db.operation.batch.size", statement.texts.len() as i64));
        }
        if let Some((host, port)) = &database.server {
            attributes.push(KeyValue::new("server.address", host.clone()));
            attributes.push(KeyValue::new("server.port", *port));
        }
        let span = self.pod.span(summary, SpanKind::Client).with_attributes(attributes);
        let context = self.pod.start(span, &Context::current());
        let begin = Instant::now();

        let texts = {
            let _current = context.clone().attach();
            statement.with_comments()
        };
        context.span().set_attribute(KeyValue::new("db.query.text", texts.join(";\n")));
        let result = query(texts).with_context(context.clone()).await;

        let _current = context.clone().attach();
        let result = result.map_err(|error| failure(&error, statement.operation));
        let mut attributes = vec![
            KeyValue::new("db.system.name", database.system),
            KeyValue::new("db.operation.name", statement.operation),
            KeyValue::new("db.collection.name", statement.collection),
        ];
        if let Err(Failure { exception: Some(exception), .. }) = &result {
            attributes.push(KeyValue::new("error.type", exception.kind));
            context.span().set_attribute(KeyValue::new("error.type", exception.kind));
            self.pod.record_exception(exception);
        }
        self.pod.instruments.db_client.record(begin.elapsed(), &attributes, &context);
        context.span().end();
        result
    }
}

fn failure(error: &sqlx::Error, operation: &str) -> Failure {
    let frames = [
        ("sqlx_core::query::Query<DB, A>::execute::{{closure}}", "sqlx-core/src/query.rs:184:41"),
        ("bookstore::database::statement::query::{{closure}}", "./src/database/statement.rs:74:60"),
    ];
    let (status, kind, message) = match error {
        sqlx::Error::PoolTimedOut => (
            StatusCode::SERVICE_UNAVAILABLE,
            "sqlx::Error::PoolTimedOut",
            format!("{operation}: pool timed out while waiting for an open connection"),
        ),
        error => (StatusCode::INTERNAL_SERVER_ERROR, "sqlx::Error", format!("{operation}: {error}")),
    };
    Failure::exception(status, Exception::new(kind, message, &frames))
}
