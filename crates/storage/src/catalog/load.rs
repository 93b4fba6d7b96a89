//! From the database to a [`CatalogSnapshot`]: all of it at the start, then only what changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use trefoil_model::{Table, Tenant};

use super::change::FileId;
use super::columns::{Column, TableColumns};
use super::commit::{self, Failure};
use super::database::{Arg, Database, Session};
use super::error::CatalogError;
use super::layout;
use super::snapshot::{Bounds, CatalogSnapshot, DataFile, TableFiles, pruning_columns};
use super::{stats, table_directory};

/// DuckLake's ids of the five tables in the order of [`Table::ALL`].
pub(super) async fn table_ids(database: &Database, session: &mut Session) -> Result<[i64; 5], Failure> {
    let sql = "SELECT t.table_name, t.table_id FROM ducklake_table t JOIN ducklake_schema s ON s.schema_id = t.schema_id \
               WHERE s.schema_name = 'main' AND s.end_snapshot IS NULL AND t.end_snapshot IS NULL";
    let mut ids = HashMap::new();
    for row in session.rows(sql, &[]).await? {
        ids.insert(row.get::<String>(0)?, row.get::<i64>(1)?);
    }
    let mut found = [0; 5];
    for table in Table::ALL {
        found[table as usize] = *ids.get(table.name()).ok_or_else(|| {
            Failure::Refused(CatalogError::Corrupt {
                database: database.name.clone(),
                reason: format!("there is no table main.{}", table.name()),
            })
        })?;
    }
    Ok(found)
}

/// Everything.
pub(super) async fn full(database: &Database, session: &mut Session) -> Result<CatalogSnapshot, Failure> {
    let head = commit::head(session).await?;
    let table_ids = table_ids(database, session).await?;
    refuse_foreign_rows(database, session, &table_ids).await?;
    let columns = columns(database, session, &table_ids).await?;
    let files = files(database, session, &table_ids, &columns, "f.end_snapshot IS NULL", &[]).await?;
    let mut tables = columns.map(|columns| TableFiles { columns, by_tenant: BTreeMap::new() });
    insert(&mut tables, files);
    let log_positions = log_positions(session).await?;
    Ok(CatalogSnapshot { id: head.id, schema_version: head.schema_version, tables, log_positions })
}

/// What `known` becomes at the present head; `None` when it cannot be told from the difference.
pub(super) async fn next(
    database: &Database,
    session: &mut Session,
    known: &CatalogSnapshot,
) -> Result<Option<CatalogSnapshot>, Failure> {
    let head = commit::head(session).await?;
    if head.id < known.id {
        return Ok(None);
    }
    // Other DuckLake clients may add files to the past (compaction does); and a removal may have been expired, together
    // with the snapshot that is known here.
    let sql = "SELECT count(*) FROM ducklake_snapshot s JOIN ducklake_snapshot_changes c ON c.snapshot_id = s.snapshot_id \
               WHERE s.snapshot_id >= $1 AND c.author = $2";
    let row = session.row(sql, &[Arg::Int(known.id), Arg::Text(layout::AUTHOR)]).await?;
    let own: i64 = row.ok_or(sqlx::Error::RowNotFound)?.get(0)?;
    if own != head.id - known.id + 1 {
        return Ok(None);
    }
    let table_ids = Table::ALL.map(|table| known.columns(table).table_id());
    let mut next = known.clone();
    if head.schema_version != known.schema_version {
        let columns = columns(database, session, &table_ids).await?;
        for (table, columns) in next.tables.iter_mut().zip(columns) {
            table.columns = columns;
        }
    }
    let columns = Table::ALL.map(|table| next.columns(table).clone());
    let since = [Arg::Int(known.id)];
    let added =
        files(database, session, &table_ids, &columns, "f.begin_snapshot > $1 AND f.end_snapshot IS NULL", &since)
            .await?;
    let sql = "SELECT data_file_id FROM ducklake_data_file WHERE end_snapshot > $1";
    let mut removed = HashSet::new();
    for row in session.rows(sql, &since).await? {
        removed.insert(FileId(row.get(0)?));
    }
    remove(&mut next.tables, &removed);
    insert(&mut next.tables, added);
    next.log_positions = log_positions(session).await?;
    next.id = head.id;
    next.schema_version = head.schema_version;
    Ok(Some(next))
}

fn remove(tables: &mut [TableFiles; 5], removed: &HashSet<FileId>) {
    if removed.is_empty() {
        return;
    }
    for table in tables {
        for files in table.by_tenant.values_mut() {
            if files.iter().any(|file| removed.contains(&file.id)) {
                *files = files.iter().filter(|file| !removed.contains(&file.id)).cloned().collect();
            }
        }
        table.by_tenant.retain(|_, files| !files.is_empty());
    }
}

/// Appends `files`, which are in the order of their ids.
fn insert(tables: &mut [TableFiles; 5], files: Vec<DataFile>) {
    let mut fresh: BTreeMap<(Table, Tenant), Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in files {
        fresh.entry((file.table, file.tenant.clone())).or_default().push(Arc::new(file));
    }
    for ((table, tenant), files) in fresh {
        let list = tables[table as usize].by_tenant.entry(tenant).or_insert_with(|| Arc::from([]));
        *list = list.iter().cloned().chain(files).collect();
    }
}

/// Files that match `condition`, with their bounds, in the order of their ids.
async fn files(
    database: &Database,
    session: &mut Session,
    table_ids: &[i64; 5],
    columns: &[Arc<TableColumns>; 5],
    condition: &str,
    args: &[Arg<'_>],
) -> Result<Vec<DataFile>, Failure> {
    let ids = table_ids.map(|id| id.to_string()).join(", ");
    let sql = format!(
        "SELECT f.data_file_id, f.table_id, f.path, f.record_count, f.file_size_bytes, f.footer_size, f.begin_snapshot, \
         p.partition_value, CAST(CASE WHEN f.path_is_relative THEN 1 ELSE 0 END AS BIGINT) FROM ducklake_data_file f \
         LEFT JOIN ducklake_file_partition_value p ON p.data_file_id = f.data_file_id \
         WHERE {condition} AND f.table_id IN ({ids}) ORDER BY f.data_file_id"
    );
    let mut files: Vec<DataFile> = Vec::new();
    for row in session.rows(&sql, args).await? {
        let table_id: i64 = row.get(1)?;
        let Some(table) = Table::ALL.into_iter().find(|table| table_ids[*table as usize] == table_id) else { continue };
        let path: String = row.get(2)?;
        let tenant = row.get::<Option<String>>(7)?.and_then(|tenant| Tenant::new(&tenant).ok());
        let (Some(tenant), 1) = (tenant, row.get::<i64>(8)?) else {
            return Err(Failure::Refused(CatalogError::Foreign {
                database: database.name.clone(),
                found: format!("the file {path:?} without a tenant or outside the data path"),
                advice: "files of Trefoil's tables are added by Trefoil only",
            }));
        };
        files.push(DataFile {
            id: FileId(row.get(0)?),
            table,
            tenant,
            path: table_directory(table) + &path,
            rows: row.get::<i64>(3)?.max(0) as u64,
            size_bytes: row.get::<i64>(4)?.max(0) as u64,
            footer_size: row.get::<Option<i64>>(5)?.unwrap_or(0).max(0) as u64,
            added_in: row.get(6)?,
            bounds: vec![None; pruning_columns(table).len()],
        });
    }
    bounds(session, table_ids, columns, &mut files).await?;
    Ok(files)
}

/// Fills in the bounds of `files`, which are in the order of their ids.
async fn bounds(
    session: &mut Session,
    table_ids: &[i64; 5],
    columns: &[Arc<TableColumns>; 5],
    files: &mut [DataFile],
) -> Result<(), Failure> {
    let (Some(first), Some(last)) = (files.first(), files.last()) else { return Ok(()) };
    let range = [Arg::Int(first.id.0), Arg::Int(last.id.0)];
    // (table, column id) → place among the pruning columns and type.
    let mut places: BTreeMap<(i64, i64), (usize, DataType)> = BTreeMap::new();
    for table in Table::ALL {
        for (place, name) in pruning_columns(table).iter().enumerate() {
            if let Some(column) = columns[table as usize].get(name) {
                places.insert((table_ids[table as usize], column.id), (place, column.data_type.clone()));
            }
        }
    }
    // Spelled out: SQLite would look through a list of the pairs once for every row.
    let wanted = Table::ALL.map(|table| {
        let table_id = table_ids[table as usize];
        let ids =
            places.keys().filter(|(id, _)| *id == table_id).map(|(_, column)| column.to_string()).collect::<Vec<_>>();
        format!("(s.table_id = {table_id} AND s.column_id IN ({}))", ids.join(", "))
    });
    let sql = format!(
        "SELECT s.data_file_id, s.table_id, s.column_id, s.null_count, s.min_value, s.max_value \
         FROM ducklake_file_column_stats s WHERE s.data_file_id BETWEEN $1 AND $2 AND ({})",
        wanted.join(" OR ")
    );
    for row in session.rows(&sql, &range).await? {
        let Ok(index) = files.binary_search_by_key(&FileId(row.get(0)?), |file| file.id) else { continue };
        let Some((place, data_type)) = places.get(&(row.get(1)?, row.get(2)?)) else { continue };
        let bound = |text: Option<String>| text.and_then(|text| stats::decode(&text, data_type));
        let (min, max) = (bound(row.get(4)?), bound(row.get(5)?));
        let null_count = row.get::<Option<i64>>(3)?;
        if let Some(slot) = files[index].bounds.get_mut(*place) {
            *slot = null_count.map(|nulls| Bounds { min, max, null_count: nulls.max(0) as u64 });
        }
    }
    Ok(())
}

async fn log_positions(session: &mut Session) -> Result<HashMap<String, u64>, sqlx::Error> {
    let rows = session.rows("SELECT writer, position FROM trefoil_log_position", &[]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get::<i64>(1)?.max(0) as u64))).collect()
}

/// The columns of the five tables.
async fn columns(
    database: &Database,
    session: &mut Session,
    table_ids: &[i64; 5],
) -> Result<[Arc<TableColumns>; 5], Failure> {
    let sql = "SELECT table_id, column_id, parent_column, column_name, column_type, \
               CAST(CASE WHEN nulls_allowed THEN 1 ELSE 0 END AS BIGINT) \
               FROM ducklake_column WHERE end_snapshot IS NULL ORDER BY table_id, column_order, column_id";
    let mut recorded: HashMap<i64, Vec<Recorded>> = HashMap::new();
    for row in session.rows(sql, &[]).await? {
        recorded.entry(row.get(0)?).or_default().push(Recorded {
            id: row.get(1)?,
            parent: row.get(2)?,
            name: row.get(3)?,
            column_type: row.get(4)?,
            nullable: row.get::<i64>(5)? != 0,
        });
    }
    let mut tables = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        let table_id = table_ids[table as usize];
        let recorded = recorded.remove(&table_id).unwrap_or_default();
        tables.push(Arc::new(table_columns(database, table, table_id, &recorded).map_err(Failure::Refused)?));
    }
    <[_; 5]>::try_from(tables).map_err(|_| Failure::Database(sqlx::Error::RowNotFound))
}

/// A row of `ducklake_column`.
struct Recorded {
    id: i64,
    parent: Option<i64>,
    name: String,
    column_type: String,
    nullable: bool,
}

fn table_columns(
    database: &Database,
    table: Table,
    table_id: i64,
    recorded: &[Recorded],
) -> Result<TableColumns, CatalogError> {
    let base = table.base_schema();
    let mut columns = Vec::with_capacity(recorded.len());
    for field in base.fields() {
        let found =
            column_of(field.name(), field.data_type(), None, recorded).map_err(|reason| CatalogError::Corrupt {
                database: database.name.clone(),
                reason: format!("table {}: {reason}", table.name()),
            })?;
        // One that was added later is nullable, whatever the schema says: older files are without it.
        columns.push(Column { nullable: field.is_nullable() || found.nullable, ..found });
    }
    for row in recorded.iter().filter(|row| row.parent.is_none() && base.field_with_name(&row.name).is_err()) {
        let Some(data_type) = promoted_type(&row.column_type) else {
            tracing::warn!(
                table = table.name(),
                column = row.name,
                r#type = row.column_type,
                "column of a type that Trefoil does not use is left out"
            );
            continue;
        };
        let (id, name, nullable) = (row.id, row.name.clone(), row.nullable);
        columns.push(Column { id, name, data_type, nullable, children: Vec::new() });
    }
    Ok(TableColumns::new(table_id, columns, base.fields().len()))
}

fn promoted_type(column_type: &str) -> Option<DataType> {
    Some(match column_type {
        "varchar" => DataType::Utf8View,
        "int64" => DataType::Int64,
        // Of what is worked out; no attribute has this type.
        "uint32" => DataType::UInt32,
        "float64" => DataType::Float64,
        "boolean" => DataType::Boolean,
        _ => return None,
    })
}

/// The recorded column `name` below `parent`, which must be of the given type through and through.
fn column_of(name: &str, data_type: &DataType, parent: Option<i64>, recorded: &[Recorded]) -> Result<Column, String> {
    let row = recorded.iter().find(|row| row.parent == parent && row.name == name);
    let row = row.ok_or_else(|| format!("column {name} is missing"))?;
    if layout::ducklake_type(data_type) != Some(row.column_type.as_str()) {
        return Err(format!("column {name} is {} instead of {data_type}", row.column_type));
    }
    let child = |field: &arrow::datatypes::FieldRef| {
        let child = column_of(field.name(), field.data_type(), Some(row.id), recorded)?;
        Ok(Column { nullable: field.is_nullable(), ..child })
    };
    let children = match data_type {
        DataType::List(element) => vec![child(element)?],
        DataType::Struct(members) => members.iter().map(child).collect::<Result<_, String>>()?,
        _ => Vec::new(),
    };
    Ok(Column { id: row.id, name: name.to_string(), data_type: data_type.clone(), nullable: row.nullable, children })
}

/// Rows that another client deleted or kept inside the catalog would be shown, or not, contrary to the lake.
async fn refuse_foreign_rows(database: &Database, session: &mut Session, table_ids: &[i64; 5]) -> Result<(), Failure> {
    let ids = table_ids.map(|id| id.to_string()).join(", ");
    let checks = [
        (
            format!("SELECT count(*) FROM ducklake_delete_file WHERE end_snapshot IS NULL AND table_id IN ({ids})"),
            "rows that another DuckLake client deleted",
            "apply them with DuckDB: CALL ducklake_rewrite_data_files('<lake>', delete_threshold => 0)",
        ),
        (
            format!("SELECT count(*) FROM ducklake_inlined_data_tables WHERE table_id IN ({ids})"),
            "rows that another DuckLake client keeps inside the catalog",
            "Trefoil's tables are read-only to others; drop the ducklake_inlined_data_* tables",
        ),
    ];
    for (sql, found, advice) in checks {
        let row = session.row(&sql, &[]).await?.ok_or(sqlx::Error::RowNotFound)?;
        if row.get::<i64>(0)? > 0 {
            let (database, found) = (database.name.clone(), found.to_string());
            return Err(Failure::Refused(CatalogError::Foreign { database, found, advice }));
        }
    }
    Ok(())
}
