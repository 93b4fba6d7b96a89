//! The columns of a batch by name and type. A mismatch is a fault of ours or of a file, never of the asker.

use arrow::array::{
    Array, ArrowPrimitiveType, AsArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch, StringViewArray,
};

use crate::metrics::error::PromqlError;

fn column<'b, A: 'b>(
    batch: &'b RecordBatch,
    name: &str,
    cast: impl Fn(&'b dyn Array) -> Option<&'b A>,
) -> Result<&'b A, PromqlError> {
    let column = batch.column_by_name(name);
    column.and_then(|column| cast(column.as_ref())).ok_or_else(|| {
        PromqlError::Internal(format!("the column {name} is missing or of another type than documented"))
    })
}

pub fn texts<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringViewArray, PromqlError> {
    column(batch, name, |array| array.as_string_view_opt())
}

pub fn numbers<'b, T: ArrowPrimitiveType>(
    batch: &'b RecordBatch,
    name: &str,
) -> Result<&'b PrimitiveArray<T>, PromqlError> {
    column(batch, name, |array| array.as_primitive_opt::<T>())
}

pub fn booleans<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b BooleanArray, PromqlError> {
    column(batch, name, |array| array.as_boolean_opt())
}

pub fn lists<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ListArray, PromqlError> {
    column(batch, name, |array| array.as_list_opt::<i32>())
}

/// The text of a row, `None` where it is NULL.
pub fn text(column: &StringViewArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// The number of a row, `None` where it is NULL.
pub fn number<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

/// The items of a row's list; empty where it is NULL.
pub fn items<T: ArrowPrimitiveType>(column: &ListArray, row: usize) -> &[T::Native] {
    if column.is_null(row) {
        return &[];
    }
    let offsets = column.value_offsets();
    let range = offsets[row] as usize..offsets[row + 1] as usize;
    column.values().as_primitive_opt::<T>().and_then(|values| values.values().get(range)).unwrap_or(&[])
}
