//! The columns of many batches as if they were one batch, without copying them together: rows are gathered in any order,
//! a few thousand at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray, StringBuilder, new_null_array,
};
use arrow::compute::{cast, interleave};
use arrow::datatypes::{DataType, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use trefoil_model::Table;

use super::FilesError;
use crate::catalog::{Column, TableColumns};

/// A row: which batch, which row in it.
pub(crate) type Row = (u32, u32);

/// One column over all batches.
pub(crate) enum Gather {
    /// Every batch has it dictionary-encoded: one dictionary for all, and how the keys of each batch map into it.
    Dictionary { values: Arc<StringArray>, batches: Vec<(Option<Int32Array>, Vec<i32>)> },
    /// Arrays of one type, one a batch.
    Arrays(Vec<ArrayRef>),
}

/// Batches of one table and tenant, unified to the columns that have something in them.
pub(crate) struct Unified {
    /// As written: the table's order, with field ids; strings dictionary-encoded where they came so.
    pub schema: SchemaRef,
    pub columns: Vec<Gather>,
    /// Rows of each batch.
    pub rows: Vec<usize>,
}

/// The columns a file of these batches needs: the base columns, and promoted ones in which a value is not NULL.
pub(super) fn present_columns<'c>(
    table: Table,
    known: &'c TableColumns,
    batches: &[RecordBatch],
) -> Result<Vec<&'c Column>, FilesError> {
    let mut present = HashSet::new();
    for batch in batches {
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let Some(column) = known.get(field.name()) else {
                return Err(FilesError::UnknownColumn { table: table.name(), column: field.name().clone() });
            };
            if array.null_count() < array.len() {
                present.insert(column.id);
            }
        }
    }
    let base = known.all().len() - known.promoted().len();
    let wanted = |(position, column): &(usize, &Column)| *position < base || present.contains(&column.id);
    Ok(known.all().iter().enumerate().filter(wanted).map(|(_, column)| column).collect())
}

impl Unified {
    /// Batches as one, with these columns in this order.
    pub fn new(table: Table, columns: &[&Column], batches: &[RecordBatch]) -> Result<Self, FilesError> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut gathers = Vec::with_capacity(columns.len());
        for column in columns {
            let arrays: Vec<Option<&ArrayRef>> =
                batches.iter().map(|batch| batch.column_by_name(&column.name)).collect();
            let gather = Gather::new(&column.data_type, &arrays, batches).map_err(|error| FilesError::Encode {
                path: format!("column {:?} of table {}", column.name, table.name()),
                reason: error.to_string(),
            })?;
            let field = column.field_with_ids();
            let data_type = match &gather {
                Gather::Dictionary { .. } => dictionary_type(),
                Gather::Arrays(_) => field.data_type().clone(),
            };
            fields.push(field.with_data_type(data_type));
            gathers.push(gather);
        }
        let rows = batches.iter().map(RecordBatch::num_rows).collect();
        Ok(Self { schema: Arc::new(Schema::new(fields)), columns: gathers, rows })
    }

    pub fn column(&self, name: &str) -> Option<&Gather> {
        self.columns.get(self.schema.index_of(name).ok()?)
    }

    /// The rows at `rows`, in that order.
    pub fn gather(&self, rows: &[Row]) -> Result<RecordBatch, ArrowError> {
        let indices: Vec<(usize, usize)> = rows.iter().map(|&(batch, row)| (batch as usize, row as usize)).collect();
        let columns = self.columns.iter().zip(self.schema.fields()).map(|(column, field)| {
            let array = column.gather(&indices)?;
            // Members of structs carry field ids in the schema, which the arrays do not know of.
            if array.data_type() == field.data_type() { Ok(array) } else { cast(&array, field.data_type()) }
        });
        RecordBatch::try_new(self.schema.clone(), columns.collect::<Result<_, ArrowError>>()?)
    }
}

fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

impl Gather {
    fn new(data_type: &DataType, arrays: &[Option<&ArrayRef>], batches: &[RecordBatch]) -> Result<Self, ArrowError> {
        let wanted = dictionary_type();
        let is_text = *data_type == DataType::Utf8View;
        if is_text && arrays.iter().flatten().all(|array| *array.data_type() == wanted) {
            return Self::dictionary(arrays);
        }
        let arrays = arrays.iter().zip(batches).map(|(array, batch)| match array {
            None => Ok(new_null_array(data_type, batch.num_rows())),
            Some(array) if array.data_type() == data_type => Ok(Arc::clone(array)),
            Some(array) => cast(array, data_type),
        });
        Ok(Gather::Arrays(arrays.collect::<Result<_, ArrowError>>()?))
    }

    pub(super) fn dictionary(arrays: &[Option<&ArrayRef>]) -> Result<Self, ArrowError> {
        let mut seen: HashMap<&str, i32> = HashMap::new();
        let mut values = StringBuilder::new();
        let mut batches = Vec::with_capacity(arrays.len());
        for array in arrays {
            let Some(array) = array else {
                batches.push((None, Vec::new()));
                continue;
            };
            let dictionary = array.as_dictionary::<Int32Type>();
            let own = dictionary.values().as_string::<i32>();
            let mut map = Vec::with_capacity(own.len());
            for value in own.iter().map(Option::unwrap_or_default) {
                let next = i32::try_from(seen.len())
                    .map_err(|_| ArrowError::ComputeError("more than 2^31 distinct strings".into()))?;
                let key = *seen.entry(value).or_insert_with(|| {
                    values.append_value(value);
                    next
                });
                map.push(key);
            }
            batches.push((Some(dictionary.keys().clone()), map));
        }
        Ok(Gather::Dictionary { values: Arc::new(values.finish()), batches })
    }

    fn gather(&self, rows: &[(usize, usize)]) -> Result<ArrayRef, ArrowError> {
        match self {
            Gather::Arrays(arrays) => {
                let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
                interleave(&arrays, rows)
            }
            Gather::Dictionary { values, batches } => {
                let mut gathered = Vec::with_capacity(rows.len());
                let mut nulls = NullBufferBuilder::new(rows.len());
                for &(batch, row) in rows {
                    match &batches[batch] {
                        (Some(keys), map) if keys.is_valid(row) => {
                            gathered.push(map[keys.value(row) as usize]);
                            nulls.append_non_null();
                        }
                        _ => {
                            gathered.push(0);
                            nulls.append_null();
                        }
                    }
                }
                let keys = Int32Array::try_new(gathered.into(), nulls.finish())?;
                Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(values) as ArrayRef)?))
            }
        }
    }
}
