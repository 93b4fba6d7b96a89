//! How columns are encoded. The choices were measured: docs/decisions/0004-sort-order.md, 0018-small-samples.md, 0023-bytes-a-sample.md.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;
use trefoil_model::Table;
use trefoil_model::logs::is_field_column;

use crate::catalog::pruning_columns;

/// Rows of one row group at most. A flush rarely has more; it is also what compaction fills up to.
pub(crate) const fn row_group_rows(table: Table) -> usize {
    match table {
        Table::Spans => 1 << 19,
        // The newest lines of all streams lie all over the newest row group, whose bodies have to be read for them.
        Table::Logs => 1 << 16,
        Table::Samples => 1 << 21,
        Table::Series | Table::Exemplars => 1 << 18,
    }
}

/// Rows of one page: what a read of a single trace or series has to decode of each column.
const fn page_rows(table: Table) -> usize {
    match table {
        Table::Spans | Table::Logs | Table::Series | Table::Exemplars => 8 << 10,
        Table::Samples => 16 << 10,
    }
}

const ZSTD_LEVEL: i32 = 1;
const DOUBLES_ZSTD_LEVEL: i32 = 3;

/// Of filters of ids. Filters have a power of two of bytes: those of full row groups of logs would be twice as large for one in a hundred.
const fn false_positives(table: Table) -> f64 {
    match table {
        Table::Logs => 0.03,
        _ => 0.01,
    }
}

const PAGE_BYTES: usize = 1 << 20;
const FIELD_DICTIONARY_BYTES: usize = 128 << 10;

/// Properties for a file with these columns.
pub(crate) fn writer_properties(table: Table, schema: &Schema) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("trefoil ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(zstd(ZSTD_LEVEL))
        .set_max_row_group_row_count(Some(row_group_rows(table)))
        .set_data_page_row_count_limit(page_rows(table))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(64))
        .set_column_index_truncate_length(Some(32));
    for field in schema.fields() {
        builder = column(builder, table, field, &mut vec![field.name().clone()], true);
    }
    builder.build()
}

fn column(
    builder: WriterPropertiesBuilder,
    table: Table,
    field: &Field,
    path: &mut Vec<String>,
    is_top: bool,
) -> WriterPropertiesBuilder {
    match field.data_type() {
        DataType::List(element) => {
            path.extend(["list".to_string(), element.name().clone()]);
            let builder = column(builder, table, element, path, false);
            path.truncate(path.len() - 2);
            builder
        }
        DataType::Struct(members) => members.iter().fold(builder, |builder, member| {
            path.push(member.name().clone());
            let builder = column(builder, table, member, path, false);
            path.pop();
            builder
        }),
        _ => leaf(builder, table, field, ColumnPath::new(path.clone()), is_top),
    }
}

fn leaf(
    builder: WriterPropertiesBuilder,
    table: Table,
    field: &Field,
    path: ColumnPath,
    is_top: bool,
) -> WriterPropertiesBuilder {
    let name = field.name().as_str();
    let mut builder = match field.data_type() {
        // Hardly a value comes twice, or the sort order puts the repetitions side by side, where zstd finds them.
        DataType::FixedSizeBinary(_) => builder.set_column_dictionary_enabled(path.clone(), false),
        DataType::Utf8View | DataType::Utf8 if is_unique_text(name) => {
            builder.set_column_dictionary_enabled(path.clone(), false)
        }
        // Where there are many values they are amounts, of which hardly one comes twice: a dictionary of them is larger than they are.
        DataType::Utf8View | DataType::Utf8 if is_field_column(name) => builder
            .set_column_dictionary_page_size_limit(path.clone(), FIELD_DICTIONARY_BYTES)
            .set_column_encoding(path.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY),
        DataType::Timestamp(TimeUnit::Nanosecond, _) if !is_of_the_resource(table, name) => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED),
        DataType::Int64 if matches!(name, "duration_nano" | "value_int") => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED),
        // A number of 64 random bits once for each series: a dictionary has all of them of a row group in one piece, which whoever
        // wants one page would have to decode.
        DataType::UInt64 if name == "series_id" => builder.set_column_dictionary_enabled(path.clone(), false),
        // A dictionary first, and this when it grows too large.
        DataType::Int64 | DataType::UInt64 | DataType::Timestamp(..) => {
            builder.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
        }
        // Most differ, and what repeats is found by compression, which is worth its time for these few.
        DataType::Float64 if name == "value_double" => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path.clone(), Encoding::PLAIN)
            .set_column_compression(path.clone(), zstd(DOUBLES_ZSTD_LEVEL)),
        DataType::Float64 => builder.set_column_encoding(path.clone(), Encoding::BYTE_STREAM_SPLIT),
        _ => builder,
    };
    if is_top && pruning_columns(table).contains(&name) {
        builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::Page);
    }
    if is_unique_text(name) {
        builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
    }
    if is_top && is_looked_up(table, name) {
        // Allocated for one id a row, then folded to the number of distinct ones.
        builder = builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), false_positives(table))
            .set_column_bloom_filter_max_ndv(path, row_group_rows(table) as u64);
    }
    builder
}

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default())
}

/// Ids that rows are asked for by.
fn is_looked_up(table: Table, name: &str) -> bool {
    match table {
        Table::Spans => name == "trace_id",
        Table::Logs => matches!(name, "trace_id" | "span_id"),
        Table::Samples | Table::Series | Table::Exemplars => false,
    }
}

/// Times that many rows share, since their resource has them: when it started, when it was first scraped.
fn is_of_the_resource(table: Table, name: &str) -> bool {
    match table {
        Table::Spans => false,
        Table::Series => name == "first_time_unix_nano" || name == "start_time_unix_nano",
        Table::Logs | Table::Samples | Table::Exemplars => name == "start_time_unix_nano",
    }
}

/// Texts that differ from row to row: a dictionary of them costs time and saves nothing, bounds of them say nothing.
pub(crate) fn is_unique_text(name: &str) -> bool {
    matches!(name, "body" | "span_attributes" | "log_attributes" | "filtered_attributes")
}
