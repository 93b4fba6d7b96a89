//! The tables of DuckLake 1.0 as DuckDB's `ducklake` extension makes them, and the first two snapshots.
//!
//! DuckDB attaches such a database read-only while Trefoil runs. Trefoil's own tables in it begin with `trefoil_`, which
//! DuckLake ignores; so do the indexes, which only Trefoil needs.

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde_json::{Value, json};
use trefoil_model::Table;
use uuid::Uuid;

use super::database::{Arg, Session};

/// The DuckLake version written and the only one read.
pub(super) const DUCKLAKE_VERSION: &str = "1.0";
/// Who made a snapshot (`ducklake_snapshot_changes.author`): tells own commits from those of other DuckLake clients.
pub(super) const AUTHOR: &str = "trefoil";

/// Column types are PostgreSQL's; SQLite gets the ones DuckDB would use there (see [`create`]).
const TABLES: &str = r#"
CREATE TABLE ducklake_metadata(key VARCHAR NOT NULL, value VARCHAR NOT NULL, scope VARCHAR, scope_id BIGINT);
CREATE TABLE ducklake_snapshot(snapshot_id BIGINT PRIMARY KEY, snapshot_time TIMESTAMPTZ, schema_version BIGINT, next_catalog_id BIGINT, next_file_id BIGINT);
CREATE TABLE ducklake_snapshot_changes(snapshot_id BIGINT PRIMARY KEY, changes_made VARCHAR, author VARCHAR, commit_message VARCHAR, commit_extra_info VARCHAR);
CREATE TABLE ducklake_schema(schema_id BIGINT PRIMARY KEY, schema_uuid UUID, begin_snapshot BIGINT, end_snapshot BIGINT, schema_name VARCHAR, path VARCHAR, path_is_relative BOOLEAN);
CREATE TABLE ducklake_table(table_id BIGINT, table_uuid UUID, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT, table_name VARCHAR, path VARCHAR, path_is_relative BOOLEAN);
CREATE TABLE ducklake_view(view_id BIGINT, view_uuid UUID, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT, view_name VARCHAR, dialect VARCHAR, sql VARCHAR, column_aliases VARCHAR);
CREATE TABLE ducklake_tag(object_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR, value VARCHAR);
CREATE TABLE ducklake_column_tag(table_id BIGINT, column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR, value VARCHAR);
CREATE TABLE ducklake_data_file(data_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, file_order BIGINT, path VARCHAR, path_is_relative BOOLEAN, file_format VARCHAR, record_count BIGINT, file_size_bytes BIGINT, footer_size BIGINT, row_id_start BIGINT, partition_id BIGINT, encryption_key VARCHAR, mapping_id BIGINT, partial_max BIGINT);
CREATE TABLE ducklake_file_column_stats(data_file_id BIGINT, table_id BIGINT, column_id BIGINT, column_size_bytes BIGINT, value_count BIGINT, null_count BIGINT, min_value VARCHAR, max_value VARCHAR, contains_nan BOOLEAN, extra_stats VARCHAR);
CREATE TABLE ducklake_file_variant_stats(data_file_id BIGINT, table_id BIGINT, column_id BIGINT, variant_path VARCHAR, shredded_type VARCHAR, column_size_bytes BIGINT, value_count BIGINT, null_count BIGINT, min_value VARCHAR, max_value VARCHAR, contains_nan BOOLEAN, extra_stats VARCHAR);
CREATE TABLE ducklake_delete_file(delete_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, data_file_id BIGINT, path VARCHAR, path_is_relative BOOLEAN, format VARCHAR, delete_count BIGINT, file_size_bytes BIGINT, footer_size BIGINT, encryption_key VARCHAR, partial_max BIGINT);
CREATE TABLE ducklake_column(column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, table_id BIGINT, column_order BIGINT, column_name VARCHAR, column_type VARCHAR, initial_default VARCHAR, default_value VARCHAR, nulls_allowed BOOLEAN, parent_column BIGINT, default_value_type VARCHAR, default_value_dialect VARCHAR);
CREATE TABLE ducklake_table_stats(table_id BIGINT, record_count BIGINT, next_row_id BIGINT, file_size_bytes BIGINT);
CREATE TABLE ducklake_table_column_stats(table_id BIGINT, column_id BIGINT, contains_null BOOLEAN, contains_nan BOOLEAN, min_value VARCHAR, max_value VARCHAR, extra_stats VARCHAR);
CREATE TABLE ducklake_partition_info(partition_id BIGINT, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT);
CREATE TABLE ducklake_partition_column(partition_id BIGINT, table_id BIGINT, partition_key_index BIGINT, column_id BIGINT, transform VARCHAR);
CREATE TABLE ducklake_file_partition_value(data_file_id BIGINT, table_id BIGINT, partition_key_index BIGINT, partition_value VARCHAR);
CREATE TABLE ducklake_files_scheduled_for_deletion(data_file_id BIGINT, path VARCHAR, path_is_relative BOOLEAN, schedule_start TIMESTAMPTZ);
CREATE TABLE ducklake_inlined_data_tables(table_id BIGINT, table_name VARCHAR, schema_version BIGINT);
CREATE TABLE ducklake_column_mapping(mapping_id BIGINT, table_id BIGINT, type VARCHAR);
CREATE TABLE ducklake_name_mapping(mapping_id BIGINT, column_id BIGINT, source_name VARCHAR, target_field_id BIGINT, parent_column BIGINT, is_partition BOOLEAN);
CREATE TABLE ducklake_schema_versions(begin_snapshot BIGINT, schema_version BIGINT, table_id BIGINT);
CREATE TABLE ducklake_macro(schema_id BIGINT, macro_id BIGINT, macro_name VARCHAR, begin_snapshot BIGINT, end_snapshot BIGINT);
CREATE TABLE ducklake_macro_impl(macro_id BIGINT, impl_id BIGINT, dialect VARCHAR, sql VARCHAR, type VARCHAR);
CREATE TABLE ducklake_macro_parameters(macro_id BIGINT, impl_id BIGINT, column_id BIGINT, parameter_name VARCHAR, parameter_type VARCHAR, default_value VARCHAR, default_value_type VARCHAR);
CREATE TABLE ducklake_sort_info(sort_id BIGINT, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT);
CREATE TABLE ducklake_sort_expression(sort_id BIGINT, table_id BIGINT, sort_key_index BIGINT, expression VARCHAR, dialect VARCHAR, sort_direction VARCHAR, null_order VARCHAR);
CREATE INDEX trefoil_data_file_begin ON ducklake_data_file(begin_snapshot);
CREATE INDEX trefoil_data_file_end ON ducklake_data_file(end_snapshot) WHERE end_snapshot IS NOT NULL;
CREATE INDEX trefoil_file_column_stats ON ducklake_file_column_stats(data_file_id);
CREATE INDEX trefoil_file_partition_value ON ducklake_file_partition_value(data_file_id);
"#;

/// Makes an empty lake with the five tables: snapshot 0 has the schema `main`, snapshot 1 the tables, each partitioned
/// by `tenant` (a file has one tenant, and other DuckLake clients that rewrite files keep it so).
pub(super) async fn create(session: &mut Session, data_path: &str) -> Result<(), sqlx::Error> {
    if session.is_postgres() {
        session.script(TABLES).await?;
    } else {
        let for_sqlite =
            TABLES.replace("TIMESTAMPTZ", "VARCHAR").replace("UUID", "VARCHAR").replace("BOOLEAN", "BIGINT");
        session.script(&for_sqlite).await?;
    }
    let created_by = concat!("Trefoil ", env!("CARGO_PKG_VERSION"));
    let metadata = json!([
        ["version", DUCKLAKE_VERSION],
        ["created_by", created_by],
        ["data_path", data_path],
        ["encrypted", "false"],
        // DuckDB must not keep rows in the catalog where only DuckDB would look for them.
        ["data_inlining_row_limit", "0"],
    ]);
    let rows = session.elements("$1");
    let sql = format!("INSERT INTO ducklake_metadata(key, value) SELECT value ->> 0, value ->> 1 FROM {rows}");
    session.execute(&sql, &[Arg::Text(&metadata.to_string())]).await?;

    let uuid = session.cast("$1", "UUID");
    let sql = format!(
        "INSERT INTO ducklake_schema(schema_id, schema_uuid, begin_snapshot, schema_name, path, path_is_relative) \
         VALUES (0, {uuid}, 0, 'main', 'main/', {})",
        if session.is_postgres() { "true" } else { "1" }
    );
    session.execute(&sql, &[Arg::Text(&Uuid::now_v7().to_string())]).await?;
    let first = NewSnapshot { id: 0, schema_version: 0, next_catalog_id: 1, next_file_id: 0 };
    insert_snapshot(session, &first, "created_schema:\"main\"", "").await?;

    let count = Table::ALL.len() as i64;
    for (table, table_id) in Table::ALL.into_iter().zip(1..) {
        create_table(session, table, table_id, table_id + count).await?;
    }
    let created = Table::ALL.map(|table| format!("created_table:\"main\".\"{}\"", table.name())).join(",");
    let second = NewSnapshot { id: 1, schema_version: 1, next_catalog_id: 1 + 2 * count, next_file_id: 0 };
    insert_snapshot(session, &second, &created, "").await
}

async fn create_table(
    session: &mut Session,
    table: Table,
    table_id: i64,
    partition_id: i64,
) -> Result<(), sqlx::Error> {
    let uuid = session.cast("$2", "UUID");
    let sql = format!(
        "INSERT INTO ducklake_table(table_id, table_uuid, begin_snapshot, schema_id, table_name, path, path_is_relative) \
         VALUES ($1, {uuid}, 1, 0, $3, $4, {})",
        if session.is_postgres() { "true" } else { "1" }
    );
    let (uuid, path) = (Uuid::now_v7().to_string(), format!("{}/", table.name()));
    let args = [Arg::Int(table_id), Arg::Text(&uuid), Arg::Text(table.name()), Arg::Text(&path)];
    session.execute(&sql, &args).await?;
    let mut rows = Vec::new();
    let mut next_id = 1;
    for field in table.base_schema().fields() {
        column_rows(table_id, field, None, 1, &mut next_id, &mut rows)?;
    }
    insert_columns(session, rows).await?;
    for sql in [
        "INSERT INTO ducklake_table_stats(table_id, record_count, next_row_id, file_size_bytes) VALUES ($1, 0, 0, 0)",
        "INSERT INTO ducklake_schema_versions(begin_snapshot, schema_version, table_id) VALUES (1, 1, $1)",
    ] {
        session.execute(sql, &[Arg::Int(table_id)]).await?;
    }
    for sql in [
        "INSERT INTO ducklake_partition_info(partition_id, table_id, begin_snapshot) VALUES ($2, $1, 1)",
        // Column 1 of every table is `tenant`.
        "INSERT INTO ducklake_partition_column(partition_id, table_id, partition_key_index, column_id, transform) \
         VALUES ($2, $1, 0, 1, 'identity')",
    ] {
        session.execute(sql, &[Arg::Int(table_id), Arg::Int(partition_id)]).await?;
    }
    Ok(())
}

pub(super) struct NewSnapshot {
    pub(super) id: i64,
    pub(super) schema_version: i64,
    pub(super) next_catalog_id: i64,
    pub(super) next_file_id: i64,
}

/// `token` names the commit, so that one whose outcome got lost with the connection can be found again.
pub(super) async fn insert_snapshot(
    session: &mut Session,
    snapshot: &NewSnapshot,
    changes: &str,
    token: &str,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO ducklake_snapshot(snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id) \
         VALUES ($1, {}, $3, $4, $5)",
        session.cast("$2", "TIMESTAMPTZ")
    );
    let now = timestamp_text(chrono::Utc::now());
    let args = [
        Arg::Int(snapshot.id),
        Arg::Text(&now),
        Arg::Int(snapshot.schema_version),
        Arg::Int(snapshot.next_catalog_id),
        Arg::Int(snapshot.next_file_id),
    ];
    session.execute(&sql, &args).await?;
    session
        .execute(
            "INSERT INTO ducklake_snapshot_changes(snapshot_id, changes_made, author, commit_extra_info) VALUES ($1, $2, $3, $4)",
            &[Arg::Int(snapshot.id), Arg::Text(changes), Arg::Text(AUTHOR), Arg::Text(token)],
        )
        .await?;
    Ok(())
}

/// As DuckDB writes `TIMESTAMPTZ` into SQLite.
pub(super) fn timestamp_text(time: chrono::DateTime<chrono::Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

/// Rows of `ducklake_column` for a field and, depth first, what is inside it; ids from `next_id` on.
pub(super) fn column_rows(
    table_id: i64,
    field: &Field,
    parent: Option<i64>,
    begin_snapshot: i64,
    next_id: &mut i64,
    rows: &mut Vec<Value>,
) -> Result<(), sqlx::Error> {
    let id = *next_id;
    *next_id += 1;
    let column_type = ducklake_type(field.data_type()).ok_or_else(|| {
        sqlx::Error::Encode(format!("column {}: DuckLake has no type for {}", field.name(), field.data_type()).into())
    })?;
    let nested = matches!(column_type, "list" | "struct");
    // Only top-level columns are declared NOT NULL; DuckDB knows no such thing inside a list or struct.
    let nullable = field.is_nullable() || parent.is_some();
    let default_type = if nested { "" } else { "literal" };
    rows.push(json!([id, begin_snapshot, table_id, field.name(), column_type, nullable, parent, default_type]));
    match field.data_type() {
        DataType::List(element) => column_rows(table_id, element, Some(id), begin_snapshot, next_id, rows),
        DataType::Struct(members) => {
            members.iter().try_for_each(|member| column_rows(table_id, member, Some(id), begin_snapshot, next_id, rows))
        }
        _ => Ok(()),
    }
}

pub(super) async fn insert_columns(session: &mut Session, rows: Vec<Value>) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO ducklake_column(column_id, begin_snapshot, table_id, column_order, column_name, column_type, \
         default_value, nulls_allowed, parent_column, default_value_type, default_value_dialect) \
         SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT), \
         CAST(value ->> 0 AS BIGINT), value ->> 3, value ->> 4, 'NULL', CAST(value ->> 5 AS BOOLEAN), \
         CAST(value ->> 6 AS BIGINT), value ->> 7, 'duckdb' FROM {}",
        session.elements("$1")
    );
    session.execute(&sql, &[Arg::Text(&Value::Array(rows).to_string())]).await?;
    Ok(())
}

/// DuckLake's name of a type that the tables use.
pub(super) fn ducklake_type(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Boolean => "boolean",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Float64 => "float64",
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "varchar",
        DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "blob",
        DataType::Date32 => "date",
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "timestamp_ns",
        DataType::Dictionary(_, value) => return ducklake_type(value),
        DataType::List(_) => "list",
        DataType::Struct(_) => "struct",
        _ => return None,
    })
}
