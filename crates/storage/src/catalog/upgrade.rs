//! Columns that this release's tables have and the lake, made by an older one, has not.

use std::collections::HashSet;

use arrow::datatypes::Field;
use trefoil_model::Table;
use uuid::Uuid;

use super::change::Change;
use super::commit::{self, Failure};
use super::database::{Arg, Session};

/// Adds them, as an ordinary snapshot; the caller commits. They are nullable: files written before are without them.
/// Returns their names (none = nothing was done).
pub(super) async fn add_missing_columns(session: &mut Session, table_ids: &[i64; 5]) -> Result<Vec<String>, Failure> {
    let mut add_columns = Vec::new();
    for table in Table::ALL {
        let sql = "SELECT column_name FROM ducklake_column \
                   WHERE table_id = $1 AND end_snapshot IS NULL AND parent_column IS NULL";
        let rows = session.rows(sql, &[Arg::Int(table_ids[table as usize])]).await?;
        let present = rows.iter().map(|row| row.get(0)).collect::<Result<HashSet<String>, sqlx::Error>>()?;
        let schema = table.base_schema();
        let missing = schema.fields().iter().filter(|field| !present.contains(field.name()));
        add_columns.extend(missing.map(|field| (table, Field::clone(field).with_nullable(true))));
    }
    let names = add_columns.iter().map(|(table, field)| format!("{}.{}", table.name(), field.name())).collect();
    if !add_columns.is_empty() {
        let change = Change { add_columns, ..Change::default() };
        commit::apply(session, &change, table_ids, &Uuid::now_v7().to_string()).await?;
    }
    Ok(names)
}
