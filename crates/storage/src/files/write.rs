//! From batches to files: split by day, sort, encode row group by row group, make durable.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;
use chrono::Utc;
use trefoil_model::{Table, Tenant};

use super::batches::Batches;
use super::gather::{Parts, Row};
use super::sort::sorted;
use super::store::new_path;
use super::writer::FileWriter;
use super::{FileStore, FilesError};
use crate::bodies::BodyColumns;
use crate::catalog::{NewFile, TableColumns};

/// Files that one call makes at most. Rows of further days (clocks gone mad) go with those of another day, so that what a
/// client sends cannot make files without bound.
const DAYS: usize = 8;
/// Fewer log lines get no filter of their texts: they are read about as soon as one, and merged with others before long.
const FILTERED_FROM: usize = 8 << 10;
const DAY_NANOS: i64 = 86_400_000_000_000;

/// Writes `batches` (rows of one tenant and table, in any order, with any promoted columns) to one file a UTC day, each
/// complete and durable on return. Nothing is in the catalog yet: give the result to `Catalog::commit`; what is never
/// committed is collected as an orphan.
///
/// `columns` must know every column of the batches ([`FilesError::UnknownColumn`]): its ids go into the files. Add new
/// promoted columns to the catalog, in a change of their own, before writing.
///
/// Memory beyond the batches: the sort keys (64 bytes a row), and one column, put together (8 bytes a row of numbers; of logs all columns) and
/// encoded.
pub async fn write(
    store: &FileStore,
    columns: &Arc<TableColumns>,
    table: Table,
    tenant: &Tenant,
    batches: Vec<RecordBatch>,
) -> Result<Vec<NewFile>, FilesError> {
    let (store, columns, tenant) = (store.clone(), Arc::clone(columns), tenant.clone());
    tokio::task::spawn_blocking(move || write_blocking(&store, &columns, table, &tenant, &batches)).await?
}

fn write_blocking(
    store: &FileStore,
    columns: &TableColumns,
    table: Table,
    tenant: &Tenant,
    batches: &[RecordBatch],
) -> Result<Vec<NewFile>, FilesError> {
    let of_bodies = match table {
        Table::Logs => BodyColumns::among(columns.all().iter().map(|column| column.name.as_str())),
        _ => None,
    };
    let (batches, fields) = match &of_bodies {
        None => (Cow::Borrowed(batches), &[][..]),
        Some(columns) => (Cow::Owned(with_bodies_read(columns, batches)?), columns.fields()),
    };
    let parts = Batches::new(table, columns, &batches)?;
    let mut files = Vec::new();
    for (day, rows) in by_day(table, &batches) {
        let path = new_path(table, tenant, day, Utc::now());
        let rows = sorted(table, &parts, rows)?;
        let mut writer = FileWriter::create(store, table, path, parts.schema().clone(), FILTERED_FROM)?;
        writer.write(&parts, &rows, fields)?;
        files.push(writer.finish(tenant)?);
    }
    Ok(files)
}

fn with_bodies_read(columns: &BodyColumns, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, FilesError> {
    columns
        .extended(batches)
        .map_err(|error| FilesError::Encode { path: "columns of bodies".into(), reason: error.to_string() })
}

/// All rows, by the UTC day (days since the epoch) of their time.
fn by_day(table: Table, batches: &[RecordBatch]) -> BTreeMap<i32, Vec<Row>> {
    let mut days: BTreeMap<i32, Vec<Row>> = BTreeMap::new();
    for (position, batch) in batches.iter().enumerate() {
        let times = batch
            .column_by_name(table.time_column())
            .and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
        // Within i32: an i64 of nanoseconds has about 106,752 days either way.
        let day_of = |row: &u32| {
            let time =
                times.filter(|times| times.is_valid(*row as usize)).map_or(0, |times| times.value(*row as usize));
            time.div_euclid(DAY_NANOS) as i32
        };
        let rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
        for stretch in rows.chunk_by(|a, b| day_of(a) == day_of(b)) {
            let rows = stretch.iter().map(|&row| (position as u32, row));
            days.entry(day_of(&stretch[0])).or_default().extend(rows);
        }
    }
    let mut by_size: Vec<(usize, i32)> = days.iter().map(|(day, rows)| (rows.len(), *day)).collect();
    by_size.sort_unstable_by(|a, b| b.cmp(a));
    if by_size.len() > DAYS {
        let rest: Vec<Row> = by_size.drain(DAYS..).filter_map(|(_, day)| days.remove(&day)).flatten().collect();
        // With the smallest day that has a file; the bounds in the catalog tell the truth.
        let day = by_size.last().map_or(0, |(_, day)| *day);
        days.entry(day).or_default().extend(rest);
    }
    days
}
