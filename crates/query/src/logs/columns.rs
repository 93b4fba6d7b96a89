//! Values of columns, whatever their encoding.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use crate::QueryError;
use crate::sources::Rows;

/// The text in a row of a column of texts. `None` for NULL.
pub fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    if let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() {
        let key = usize::try_from(dictionary.keys().value(row)).ok()?;
        return text(dictionary.values(), key);
    }
    if let Some(texts) = column.as_string_view_opt() {
        return Some(texts.value(row));
    }
    column.as_string_opt::<i32>().map(|texts| texts.value(row))
}

/// What a column of attributes says in a row, as a label has it.
pub fn label_value(column: &ArrayRef, row: usize) -> Option<Cow<'_, str>> {
    if let Some(text) = text(column, row) {
        return Some(Cow::Borrowed(text));
    }
    if column.is_null(row) {
        return None;
    }
    let value = match column.data_type() {
        DataType::Int64 => Value::IntValue(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::DoubleValue(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::BoolValue(column.as_boolean().value(row)),
        _ => return None,
    };
    Some(Cow::Owned(trefoil_prometheus::attributes::text(&AnyValue { value: Some(value) })))
}

/// Numbers of which a column may have none: those are 0.
#[derive(Debug, Clone)]
pub struct Numbers<'r>(Option<&'r ArrayRef>);

impl<'r> Numbers<'r> {
    pub fn of(rows: &'r Rows, name: &str) -> Self {
        Self(rows.column(name))
    }

    pub fn at(&self, row: usize) -> i64 {
        let Some(column) = self.0.filter(|column| column.is_valid(row)) else { return 0 };
        match column.data_type() {
            DataType::Int32 => i64::from(column.as_primitive::<Int32Type>().value(row)),
            DataType::UInt32 => i64::from(column.as_primitive::<UInt32Type>().value(row)),
            DataType::Timestamp(..) => column.as_primitive::<TimestampNanosecondType>().value(row),
            _ => 0,
        }
    }
}

/// When the record in each row happened, nanoseconds since the epoch.
pub fn times(rows: &Rows) -> Result<&[i64], QueryError> {
    let times = rows.column("time_unix_nano").and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
    Ok(times.ok_or_else(|| QueryError::Internal("records without times".to_owned()))?.values())
}

/// The stream of the record in each row.
pub fn stream_ids(rows: &Rows) -> Result<&[u64], QueryError> {
    let ids = rows.column("stream_id").and_then(|array| array.as_primitive_opt::<UInt64Type>());
    Ok(ids.ok_or_else(|| QueryError::Internal("records without streams".to_owned()))?.values())
}
