//! What the catalog is told about a file: read off the footer that was just written.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;
use trefoil_model::{Table, Tenant};

use crate::catalog::{ColumnStats, NewFile};

/// Describes the file at `path` with this footer; `schema` is what was given to the writer (with field ids).
pub(crate) fn new_file(
    table: Table,
    tenant: &Tenant,
    path: String,
    size_bytes: u64,
    footer_size: u64,
    schema: &SchemaRef,
    footer: &ParquetMetaData,
) -> NewFile {
    let rows = footer.file_metadata().num_rows().max(0) as u64;
    NewFile {
        table,
        path,
        tenant: tenant.clone(),
        rows,
        size_bytes,
        footer_size,
        column_stats: column_stats(schema, footer),
    }
}

fn column_stats(schema: &SchemaRef, footer: &ParquetMetaData) -> Vec<ColumnStats> {
    let parquet = footer.file_metadata().schema_descr();
    let mut stats = Vec::new();
    for (leaf, descriptor) in parquet.columns().iter().enumerate() {
        // Only top-level scalars have a path of one part.
        let [name] = descriptor.path().parts() else { continue };
        let Ok(field) = schema.field_with_name(name) else { continue };
        let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY).and_then(|id| id.parse().ok());
        let Some(column_id) = id else { continue };
        let chunks: Vec<&ColumnChunkMetaData> = footer.row_groups().iter().map(|group| group.column(leaf)).collect();
        if let Some(column) = merge(column_id, scalar_type(field.data_type()), &chunks) {
            stats.push(column);
        }
    }
    stats
}

fn scalar_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

/// Of all row groups together; `None` if one of them has no null count.
fn merge(column_id: i64, data_type: &DataType, chunks: &[&ColumnChunkMetaData]) -> Option<ColumnStats> {
    let mut merged = ColumnStats {
        column_id,
        size_bytes: 0,
        value_count: 0,
        null_count: 0,
        min: None,
        max: None,
        contains_nan: None,
    };
    let mut is_bounded = true;
    for chunk in chunks {
        let statistics = chunk.statistics()?;
        let nulls = statistics.null_count_opt()?;
        let values = (chunk.num_values().max(0) as u64).saturating_sub(nulls);
        merged.size_bytes += chunk.compressed_size().max(0) as u64;
        merged.value_count += values;
        merged.null_count += nulls;
        match bounds(statistics, data_type) {
            Some((min, max)) => {
                merged.min = pick(merged.min.take(), min, std::cmp::Ordering::Less);
                merged.max = pick(merged.max.take(), max, std::cmp::Ordering::Greater);
            }
            // Without values there is nothing to bound.
            None => is_bounded &= values == 0,
        }
    }
    if !is_bounded {
        (merged.min, merged.max) = (None, None);
    }
    Some(merged)
}

fn pick(best: Option<ScalarValue>, other: ScalarValue, wanted: std::cmp::Ordering) -> Option<ScalarValue> {
    match best {
        Some(best) if other.partial_cmp(&best) != Some(wanted) => Some(best),
        _ => Some(other),
    }
}

fn bounds(statistics: &Statistics, data_type: &DataType) -> Option<(ScalarValue, ScalarValue)> {
    let scalar = |bytes: &[u8]| -> Option<ScalarValue> {
        let text = || std::str::from_utf8(bytes).ok().map(str::to_string);
        match data_type {
            DataType::Utf8 => Some(ScalarValue::Utf8(Some(text()?))),
            DataType::Utf8View => Some(ScalarValue::Utf8View(Some(text()?))),
            DataType::FixedSizeBinary(width) => Some(ScalarValue::FixedSizeBinary(*width, Some(bytes.to_vec()))),
            DataType::Boolean => Some(ScalarValue::Boolean(Some(*bytes.first()? != 0))),
            DataType::Int32 => Some(ScalarValue::Int32(Some(i32::from_le_bytes(bytes.try_into().ok()?)))),
            DataType::UInt32 => Some(ScalarValue::UInt32(Some(u32::from_le_bytes(bytes.try_into().ok()?)))),
            DataType::Date32 => Some(ScalarValue::Date32(Some(i32::from_le_bytes(bytes.try_into().ok()?)))),
            DataType::Int64 => Some(ScalarValue::Int64(Some(i64::from_le_bytes(bytes.try_into().ok()?)))),
            DataType::UInt64 => Some(ScalarValue::UInt64(Some(u64::from_le_bytes(bytes.try_into().ok()?)))),
            DataType::Float64 => Some(ScalarValue::Float64(Some(f64::from_le_bytes(bytes.try_into().ok()?)))),
            DataType::Timestamp(_, zone) => {
                Some(ScalarValue::TimestampNanosecond(Some(i64::from_le_bytes(bytes.try_into().ok()?)), zone.clone()))
            }
            _ => None,
        }
    };
    Some((scalar(statistics.min_bytes_opt()?)?, scalar(statistics.max_bytes_opt()?)?))
}
