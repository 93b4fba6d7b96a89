//! Many small batches into one: fewer batches to scan, and one dictionary where there were many.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringDictionaryBuilder, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

/// All rows of the batches in their order; columns that some of them lack are NULL there.
pub(super) fn merge(batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    let schema = union(batches)?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    // Columns without values share their memory, as those of the batches do.
    let mut nulls: HashMap<&DataType, ArrayRef> = HashMap::new();
    let columns = schema.fields().iter().map(|field| {
        if is_null(field, batches) {
            let nulls = nulls.entry(field.data_type()).or_insert_with(|| new_null_array(field.data_type(), rows));
            return Ok(Arc::clone(nulls));
        }
        column(field, batches)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema, columns)
}

/// The columns of all batches: in the order of the first, then those that appear later.
fn union(batches: &[RecordBatch]) -> Result<Arc<Schema>, ArrowError> {
    let Some(first) = batches.first() else {
        return Err(ArrowError::InvalidArgumentError("nothing to merge".into()));
    };
    if batches.iter().all(|batch| batch.schema() == first.schema()) {
        return Ok(first.schema());
    }
    let mut fields: Vec<Field> = Vec::new();
    let mut found: HashMap<String, (usize, usize)> = HashMap::new();
    for batch in batches {
        for field in batch.schema().fields() {
            match found.get_mut(field.name()) {
                Some((index, count)) => {
                    *count += 1;
                    if field.is_nullable() {
                        fields[*index].set_nullable(true);
                    }
                }
                None => {
                    found.insert(field.name().clone(), (fields.len(), 1));
                    fields.push(field.as_ref().clone());
                }
            }
        }
    }
    for (index, count) in found.into_values() {
        if count < batches.len() {
            fields[index].set_nullable(true);
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Whether no batch has a value in the column.
fn is_null(field: &Field, batches: &[RecordBatch]) -> bool {
    let mut columns = batches.iter().filter_map(|batch| batch.column_by_name(field.name()));
    field.is_nullable() && columns.all(|column| column.null_count() == column.len())
}

fn column(field: &Field, batches: &[RecordBatch]) -> Result<ArrayRef, ArrowError> {
    let arrays: Vec<ArrayRef> = batches
        .iter()
        .map(|batch| match batch.column_by_name(field.name()) {
            // Strings may be laid out differently from batch to batch.
            Some(array) if array.data_type() != field.data_type() => cast(array, field.data_type()),
            Some(array) => Ok(array.clone()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<_, _>>()?;
    if is_string_dictionary(field.data_type()) {
        return merge_dictionaries(&arrays);
    }
    concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>())
}

fn is_string_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(key, value) if **key == DataType::Int32 && **value == DataType::Utf8)
}

/// One dictionary with every value once, where `concat` would often line the dictionaries up.
fn merge_dictionaries(arrays: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let rows = arrays.iter().map(|array| array.len()).sum();
    let mut builder = StringDictionaryBuilder::<Int32Type>::with_capacity(rows, 64, 1024);
    for array in arrays {
        let dictionary = array.as_dictionary::<Int32Type>();
        let Some(typed) = dictionary.downcast_dict::<StringArray>() else {
            return Err(ArrowError::CastError(format!("{} is not a string dictionary", dictionary.data_type())));
        };
        builder.extend_dictionary(&typed)?;
    }
    Ok(Arc::new(builder.finish()))
}
