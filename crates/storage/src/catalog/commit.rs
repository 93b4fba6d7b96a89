//! One change, one transaction, one snapshot.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Field;
use serde_json::{Value, json};
use trefoil_model::Table;

use super::change::{Change, FileId, NewFile};
use super::columns::TableColumns;
use super::database::{Arg, Session};
use super::error::CatalogError;
use super::layout::{self, NewSnapshot};
use super::{deletions, stats, table_directory};

/// Of one change. A flush of many tenants stays far below; a larger change is a mistake.
pub(super) const MAX_FILES: usize = 20_000;
/// Of one table. Promotion stops far below.
const MAX_COLUMNS: usize = 2_000;

/// What goes wrong inside a transaction: the database (perhaps for a moment only) or the change.
pub(super) enum Failure {
    Database(sqlx::Error),
    Refused(CatalogError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Database(error)
    }
}

/// What can be said without the database.
pub(super) fn validate(
    change: &Change,
    columns: impl Fn(Table) -> std::sync::Arc<TableColumns>,
) -> Result<(), CatalogError> {
    let invalid = |reason: String| Err(CatalogError::InvalidChange(reason));
    if change.add.len() + change.remove.len() > MAX_FILES {
        return invalid(format!(
            "{} files added and removed, more than {MAX_FILES}",
            change.add.len() + change.remove.len()
        ));
    }
    let distinct: BTreeSet<FileId> = change.remove.iter().copied().collect();
    if distinct.len() != change.remove.len() {
        return invalid("a file is removed twice".to_string());
    }
    let mut paths = BTreeSet::new();
    for file in &change.add {
        let directory = table_directory(file.table);
        if !file.path.strip_prefix(&directory).is_some_and(|rest| !rest.is_empty() && !rest.contains("..")) {
            return invalid(format!("the path {:?} is not below {directory:?}", file.path));
        }
        if !paths.insert(&file.path) {
            return invalid(format!("{:?} is added twice", file.path));
        }
        if file.rows == 0 {
            return invalid(format!("{:?} has no rows", file.path));
        }
        let known = columns(file.table);
        for column in &file.column_stats {
            if !known.all().iter().any(|known| known.id == column.column_id) {
                return invalid(format!(
                    "{:?}: table {} has no column {}",
                    file.path,
                    file.table.name(),
                    column.column_id
                ));
            }
        }
    }
    for (table, field) in &change.add_columns {
        if field.data_type().is_nested() || layout::ducklake_type(field.data_type()).is_none() {
            return invalid(format!("column {:?} of table {}: type {}", field.name(), table.name(), field.data_type()));
        }
        if !field.is_nullable() {
            return invalid(format!("column {:?} of table {} must be nullable", field.name(), table.name()));
        }
    }
    Ok(())
}

/// The newest row of `ducklake_snapshot`.
pub(super) struct Head {
    pub(super) id: i64,
    pub(super) schema_version: i64,
    next_catalog_id: i64,
    next_file_id: i64,
}

pub(super) async fn head(session: &mut Session) -> Result<Head, sqlx::Error> {
    let sql = "SELECT snapshot_id, schema_version, next_catalog_id, next_file_id FROM ducklake_snapshot \
               ORDER BY snapshot_id DESC LIMIT 1";
    let row = session.row(sql, &[]).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Head { id: row.get(0)?, schema_version: row.get(1)?, next_catalog_id: row.get(2)?, next_file_id: row.get(3)? })
}

/// The snapshot of an earlier attempt at this commit whose answer got lost.
pub(super) async fn find(session: &mut Session, token: &str) -> Result<Option<i64>, sqlx::Error> {
    let sql = "SELECT snapshot_id FROM ducklake_snapshot_changes WHERE commit_extra_info = $1";
    session.row(sql, &[Arg::Text(token)]).await?.map(|row| row.get(0)).transpose()
}

/// Writes the change within `session` (which the caller commits). Returns the new snapshot id, or the present one when
/// nothing had to be done (all columns were there).
pub(super) async fn apply(
    session: &mut Session,
    change: &Change,
    table_ids: &[i64; 5],
    token: &str,
) -> Result<i64, Failure> {
    let head = head(session).await?;
    if is_done(session, change).await? {
        return Ok(head.id);
    }
    let id = head.id + 1;
    let mut changes = Changes::new(table_ids);
    let altered = add_columns(session, change, table_ids, id, head.schema_version + 1).await?;
    changes.altered = altered;
    remove_files(session, change, id, &mut changes).await?;
    add_files(session, change, id, head.next_file_id, &mut changes).await?;
    if let Some(step) = &change.deletion {
        deletions::take(session, step).await?;
    }
    if changes.is_empty() && change.log_position.is_none() && change.deletion.is_none() {
        return Ok(head.id);
    }
    set_log_position(session, change).await?;
    let snapshot = NewSnapshot {
        id,
        schema_version: head.schema_version + i64::from(!changes.altered.is_empty()),
        next_catalog_id: head.next_catalog_id,
        next_file_id: head.next_file_id + change.add.len() as i64,
    };
    layout::insert_snapshot(session, &snapshot, &changes.text(), token).await?;
    Ok(id)
}

/// What happened to which table, for `changes_made` and `ducklake_table_stats`.
struct Changes<'a> {
    table_ids: &'a [i64; 5],
    altered: BTreeSet<i64>,
    added: BTreeMap<i64, (i64, i64)>,
    removed: BTreeMap<i64, (i64, i64)>,
}

impl<'a> Changes<'a> {
    fn new(table_ids: &'a [i64; 5]) -> Self {
        Self { table_ids, altered: BTreeSet::new(), added: BTreeMap::new(), removed: BTreeMap::new() }
    }

    fn is_empty(&self) -> bool {
        self.altered.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }

    fn text(&self) -> String {
        let altered = self.altered.iter().map(|id| format!("altered_table:{id}"));
        let added = self.added.keys().map(|id| format!("inserted_into_table:{id}"));
        let removed = self.removed.keys().map(|id| format!("deleted_from_table:{id}"));
        altered.chain(added).chain(removed).collect::<Vec<_>>().join(",")
    }
}

async fn add_columns(
    session: &mut Session,
    change: &Change,
    table_ids: &[i64; 5],
    snapshot: i64,
    schema_version: i64,
) -> Result<BTreeSet<i64>, Failure> {
    let mut altered = BTreeSet::new();
    if change.add_columns.is_empty() {
        return Ok(altered);
    }
    let mut rows = Vec::new();
    for table in Table::ALL {
        let table_id = table_ids[table as usize];
        let asked: Vec<&Field> =
            change.add_columns.iter().filter(|(asked, _)| *asked == table).map(|(_, field)| field).collect();
        if asked.is_empty() {
            continue;
        }
        let sql = "SELECT column_name, column_type FROM ducklake_column \
                   WHERE table_id = $1 AND end_snapshot IS NULL AND parent_column IS NULL";
        let mut existing = BTreeMap::new();
        for row in session.rows(sql, &[Arg::Int(table_id)]).await? {
            existing.insert(row.get::<String>(0)?, row.get::<String>(1)?);
        }
        // Ids of dropped columns are in files still; they are never given out again.
        let sql = "SELECT max(column_id) FROM ducklake_column WHERE table_id = $1";
        let highest =
            session.row(sql, &[Arg::Int(table_id)]).await?.map(|row| row.get::<Option<i64>>(0)).transpose()?;
        let mut next_id = highest.flatten().unwrap_or(0) + 1;
        for field in asked {
            let proposed = layout::ducklake_type(field.data_type()).unwrap_or_default();
            if let Some(existing) = existing.get(field.name()) {
                if existing != proposed {
                    return Err(Failure::Refused(CatalogError::ColumnType {
                        table: table.name(),
                        column: field.name().clone(),
                        existing: existing.clone(),
                        proposed: proposed.to_string(),
                    }));
                }
                continue;
            }
            if existing.len() >= MAX_COLUMNS {
                let reason = format!("table {} has {MAX_COLUMNS} columns already", table.name());
                return Err(Failure::Refused(CatalogError::InvalidChange(reason)));
            }
            layout::column_rows(table_id, field, None, snapshot, &mut next_id, &mut rows)?;
            existing.insert(field.name().clone(), proposed.to_string());
            altered.insert(table_id);
        }
    }
    if altered.is_empty() {
        return Ok(altered);
    }
    layout::insert_columns(session, rows).await?;
    for table_id in &altered {
        let sql = "INSERT INTO ducklake_schema_versions(begin_snapshot, schema_version, table_id) VALUES ($1, $2, $3)";
        session.execute(sql, &[Arg::Int(snapshot), Arg::Int(schema_version), Arg::Int(*table_id)]).await?;
    }
    Ok(altered)
}

async fn remove_files(
    session: &mut Session,
    change: &Change,
    snapshot: i64,
    changes: &mut Changes<'_>,
) -> Result<(), Failure> {
    if change.remove.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = change.remove.iter().map(|id| id.0).collect();
    let ids = json!(ids).to_string();
    let sql = format!(
        "UPDATE ducklake_data_file SET end_snapshot = $1 WHERE end_snapshot IS NULL \
         AND data_file_id IN (SELECT CAST(value AS BIGINT) FROM {}) \
         RETURNING data_file_id, table_id, record_count, file_size_bytes",
        session.elements("$2")
    );
    let mut missing: BTreeSet<i64> = change.remove.iter().map(|id| id.0).collect();
    for row in session.rows(&sql, &[Arg::Int(snapshot), Arg::Text(&ids)]).await? {
        let table_id: i64 = row.get(1)?;
        if missing.remove(&row.get(0)?) && changes.table_ids.contains(&table_id) {
            let removed = changes.removed.entry(table_id).or_default();
            removed.0 += row.get::<i64>(2)?;
            removed.1 += row.get::<i64>(3)?;
        }
    }
    if let Some(&file) = missing.first() {
        return Err(Failure::Refused(CatalogError::Conflict { file }));
    }
    let sql = "UPDATE ducklake_table_stats SET record_count = record_count - $2, file_size_bytes = file_size_bytes - $3 \
               WHERE table_id = $1";
    for (table_id, (rows, bytes)) in &changes.removed {
        session.execute(sql, &[Arg::Int(*table_id), Arg::Int(*rows), Arg::Int(*bytes)]).await?;
    }
    Ok(())
}

async fn add_files(
    session: &mut Session,
    change: &Change,
    snapshot: i64,
    first_file_id: i64,
    changes: &mut Changes<'_>,
) -> Result<(), Failure> {
    if change.add.is_empty() {
        return Ok(());
    }
    for file in &change.add {
        let added = changes.added.entry(changes.table_ids[file.table as usize]).or_default();
        added.0 += file.rows as i64;
        added.1 += file.size_bytes as i64;
    }
    // Row ids are handed out by table, without gaps.
    let mut next_row_id = BTreeMap::new();
    let sql = "UPDATE ducklake_table_stats SET record_count = record_count + $2, next_row_id = next_row_id + $2, \
               file_size_bytes = file_size_bytes + $3 WHERE table_id = $1 RETURNING next_row_id";
    for (table_id, (rows, bytes)) in &changes.added {
        let row = session.row(sql, &[Arg::Int(*table_id), Arg::Int(*rows), Arg::Int(*bytes)]).await?;
        let after: i64 = row.ok_or(sqlx::Error::RowNotFound)?.get(0)?;
        next_row_id.insert(*table_id, after - rows);
    }
    let (mut files, mut column_stats) = (Vec::new(), Vec::new());
    for (file, file_id) in change.add.iter().zip(first_file_id..) {
        let table_id = changes.table_ids[file.table as usize];
        let row_id = next_row_id.entry(table_id).or_default();
        files.push(json!([
            file_id,
            table_id,
            file.path.strip_prefix(&table_directory(file.table)),
            file.rows,
            file.size_bytes,
            file.footer_size,
            *row_id,
            file.tenant.as_str(),
        ]));
        *row_id += file.rows as i64;
        column_stats.extend(stats_rows(file, file_id, table_id));
    }
    let files = Value::Array(files).to_string();
    let elements = session.elements("$2");
    let sql = format!(
        "INSERT INTO ducklake_data_file(data_file_id, table_id, begin_snapshot, path, path_is_relative, file_format, \
         record_count, file_size_bytes, footer_size, row_id_start, partition_id) \
         SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), $1, value ->> 2, {yes}, 'parquet', \
         CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), \
         CAST(value ->> 6 AS BIGINT), (SELECT partition_id FROM ducklake_partition_info p \
         WHERE p.table_id = CAST(value ->> 1 AS BIGINT) AND p.end_snapshot IS NULL) FROM {elements}",
        yes = if session.is_postgres() { "true" } else { "1" }
    );
    session.execute(&sql, &[Arg::Int(snapshot), Arg::Text(&files)]).await?;
    let sql = format!(
        "INSERT INTO ducklake_file_partition_value(data_file_id, table_id, partition_key_index, partition_value) \
         SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), 0, value ->> 7 FROM {}",
        session.elements("$1")
    );
    session.execute(&sql, &[Arg::Text(&files)]).await?;
    if column_stats.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO ducklake_file_column_stats(data_file_id, table_id, column_id, column_size_bytes, value_count, \
         null_count, min_value, max_value, contains_nan) \
         SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT), \
         CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), value ->> 6, value ->> 7, \
         CAST(value ->> 8 AS BOOLEAN) FROM {}",
        session.elements("$1")
    );
    session.execute(&sql, &[Arg::Text(&Value::Array(column_stats).to_string())]).await?;
    Ok(())
}

fn stats_rows(file: &NewFile, file_id: i64, table_id: i64) -> impl Iterator<Item = Value> {
    file.column_stats.iter().map(move |column| {
        json!([
            file_id,
            table_id,
            column.column_id,
            column.size_bytes,
            column.value_count,
            column.null_count,
            column.min.as_ref().and_then(stats::encode),
            column.max.as_ref().and_then(stats::encode),
            column.contains_nan,
        ])
    })
}

/// Whether the change's log position is the recorded one; an error if it is an earlier one.
async fn is_done(session: &mut Session, change: &Change) -> Result<bool, Failure> {
    let Some((writer, proposed)) = &change.log_position else { return Ok(false) };
    Ok(recorded_position(session, writer, *proposed).await? == Some(*proposed))
}

/// The writer's position; an error if it is beyond `proposed`.
pub(super) async fn recorded_position(
    session: &mut Session,
    writer: &str,
    proposed: u64,
) -> Result<Option<u64>, Failure> {
    let sql = "SELECT position FROM trefoil_log_position WHERE writer = $1";
    let recorded: Option<i64> = session.row(sql, &[Arg::Text(writer)]).await?.map(|row| row.get(0)).transpose()?;
    match recorded.map(|recorded| recorded.max(0) as u64) {
        Some(recorded) if recorded > proposed => {
            let writer = writer.to_string();
            Err(Failure::Refused(CatalogError::LogPosition { writer, recorded, proposed }))
        }
        recorded => Ok(recorded),
    }
}

async fn set_log_position(session: &mut Session, change: &Change) -> Result<(), Failure> {
    let Some((writer, position)) = &change.log_position else { return Ok(()) };
    let position = i64::try_from(*position)
        .map_err(|_| Failure::Refused(CatalogError::InvalidChange(format!("log position {position} is too large"))))?;
    let sql = "INSERT INTO trefoil_log_position(writer, position) VALUES ($1, $2) \
               ON CONFLICT (writer) DO UPDATE SET position = excluded.position";
    session.execute(sql, &[Arg::Text(writer), Arg::Int(position)]).await?;
    Ok(())
}
