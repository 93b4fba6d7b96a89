//! Columns that need not be read, for the file says what is in all rows.

use arrow::array::Array;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;

/// The place of a column that is a number among those of the file, nested ones taken apart.
pub(super) fn leaf(footer: &ParquetMetaData, name: &str) -> Option<usize> {
    footer.file_metadata().schema_descr().columns().iter().position(|leaf| leaf.path().string() == name)
}

/// The value that a column of numbers has in all rows of a row group, as far as the file says so.
pub(super) fn constant(
    footer: &ParquetMetaData,
    row_group: usize,
    leaf: usize,
    field: &Field,
) -> Result<Option<ScalarValue>> {
    let group = footer.row_group(row_group);
    // By its place in the file: that has not all columns of the table.
    let statistics = StatisticsConverter::from_column_index(leaf, field, footer.file_metadata().schema_descr())?
        .with_missing_null_counts_as_zero(false);
    let nulls = statistics.row_group_null_counts([group])?;
    let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
    match nulls.is_valid(0).then(|| nulls.value(0)) {
        Some(nulls) if nulls == rows => return Ok(Some(ScalarValue::try_from(field.data_type())?)),
        // Of doubles the least and the greatest say nothing of NaN and of zeros' signs.
        Some(0) if *field.data_type() != DataType::Float64 => {}
        _ => return Ok(None),
    }
    let (least, greatest) = (statistics.row_group_mins([group])?, statistics.row_group_maxes([group])?);
    let is_constant = least.is_valid(0) && least == greatest;
    is_constant.then(|| ScalarValue::try_from_array(&least, 0)).transpose()
}
