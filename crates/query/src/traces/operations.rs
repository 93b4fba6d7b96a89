//! What the spans of a service are called.

use std::collections::{BTreeSet, HashSet};

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use trefoil_model::Tenant;
use trefoil_traceql::value::Kind;

use super::source::{Rows, Sources};
use super::texts::Texts;
use super::value::kind;
use crate::{Engine, Limits, QueryError};

/// The name of spans of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub name: String,
    pub kind: Kind,
}

/// Whose operations.
type IsOfService<'a> = &'a dyn Fn(&str) -> bool;

impl Engine {
    /// The operations of the services that `is_of_service` holds for, at most `limit`, by name and kind.
    pub async fn span_operations(
        &self,
        tenant: &Tenant,
        is_of_service: impl Fn(&str) -> bool + Send + 'static,
        limit: usize,
        limits: Limits,
    ) -> Result<Vec<Operation>, QueryError> {
        let tenant = tenant.clone();
        let answer = move |engine: Engine| async move { engine.read_operations(&tenant, &is_of_service, limit).await };
        self.on_thread(limits, answer).await
    }

    async fn read_operations(
        &self,
        tenant: &Tenant,
        is_of_service: IsOfService<'_>,
        limit: usize,
    ) -> Result<Vec<Operation>, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let mut found = BTreeSet::new();
        for source in sources.within((i64::MIN, i64::MAX)).await? {
            tokio::task::yield_now().await;
            let rows = sources.read(&source, &["service_name", "name", "kind"]).await?;
            add(&rows, source.rows(), is_of_service, limit, &mut found);
            if found.len() >= limit {
                break;
            }
        }
        let operation =
            |(name, kind): (String, &str)| Operation { name, kind: Kind::named(kind).unwrap_or(Kind::Unspecified) };
        Ok(found.into_iter().map(operation).collect())
    }
}

fn add(
    rows: &Rows,
    count: usize,
    is_of_service: IsOfService<'_>,
    limit: usize,
    found: &mut BTreeSet<(String, &'static str)>,
) {
    let (services, names) = (Texts::of(rows, "service_name"), Texts::of(rows, "name"));
    let kinds = rows.column("kind").and_then(|array| array.as_primitive_opt::<Int32Type>());
    let is_wanted = services.table(is_of_service);
    let mut seen = HashSet::new();
    for row in (0..count).filter(|row| *is_wanted.get(services.code(*row))) {
        let operation = (names.code(row), kinds.map_or(0, |kinds| kinds.value(row)));
        if !seen.insert(operation) {
            continue;
        }
        found.insert((names.text(operation.0).to_owned(), kind(operation.1).name()));
        if found.len() >= limit {
            return;
        }
    }
}
