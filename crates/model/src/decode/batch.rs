//! Columns → a batch with the names of the schema and the string layouts that the columns have.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{FieldRef, Schema};
use arrow::error::ArrowError;

use crate::{Table, Tenant};

/// `base` in the order of the table's base schema, then the promoted columns.
pub(super) fn batch(
    table: Table,
    base: Vec<ArrayRef>,
    promoted: Vec<(FieldRef, ArrayRef)>,
    rows: usize,
) -> Result<RecordBatch, ArrowError> {
    let schema = table.base_schema();
    let mut fields = Vec::with_capacity(base.len() + promoted.len());
    let mut columns = Vec::with_capacity(base.len() + promoted.len());
    for (field, column) in schema.fields().iter().zip(base) {
        let same = field.data_type() == column.data_type();
        fields.push(match same {
            true => field.clone(),
            false => Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone())),
        });
        columns.push(column);
    }
    for (field, column) in promoted {
        fields.push(field);
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// The tenant's name in every row.
pub(super) fn tenant_column(tenant: &Tenant, rows: usize) -> Result<ArrayRef, ArrowError> {
    let keys = Int32Array::try_new(vec![0; rows].into(), None)?;
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(StringArray::from(vec![tenant.as_str()])))?))
}
