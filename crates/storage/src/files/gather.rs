//! The columns of many batches as if they were one batch, without copying them together: rows are gathered in any order,
//! a few thousand at a time.

use std::collections::{HashMap, HashSet};
use std::iter::repeat_n;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray, StringBuilder, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{cast, interleave};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use trefoil_model::Table;

use super::FilesError;
use crate::catalog::{Column, TableColumns};

/// A row: which batch, which row in it.
pub(crate) type Row = (u32, u32);

/// One column over all batches.
pub(crate) enum Gather {
    /// Every batch has it dictionary-encoded: one dictionary for all, and the keys of each batch.
    Dictionary { values: Arc<StringArray>, batches: Vec<Option<Keys>> },
    /// Arrays of one type, one a batch.
    Arrays(Vec<ArrayRef>),
}

/// The keys of a batch and where in the common dictionary each of its values is.
pub(crate) struct Keys {
    own: Int32Array,
    common: Vec<i32>,
}

impl Keys {
    /// The rows' keys in the common dictionary.
    pub fn iter(&self) -> impl Iterator<Item = Option<i32>> {
        self.own.iter().map(|key| key.map(|key| self.common[key as usize]))
    }
}

/// Batches of one table and tenant, unified to the columns that have something in them.
pub(crate) struct Unified {
    /// As written: the table's order, with field ids; strings dictionary-encoded where they came so.
    pub schema: SchemaRef,
    columns: Vec<Gather>,
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

    /// The columns, ready to be gathered one after the other.
    pub fn columns(&self) -> impl Iterator<Item = Flat<'_>> {
        self.columns.iter().zip(self.schema.fields()).map(|(column, field)| Flat::new(column, field, &self.rows))
    }
}

/// A column with what makes gathering rows of it cheap.
pub(crate) struct Flat<'u> {
    data_type: &'u DataType,
    rows: Rows<'u>,
}

enum Rows<'u> {
    /// All batches' keys one after the other, -1 for NULL; `starts` = where each batch begins. A row costs one read from
    /// memory instead of one each for validity, key and place in the dictionary.
    Keys {
        values: &'u Arc<StringArray>,
        keys: Vec<i32>,
        starts: Vec<usize>,
    },
    Arrays(Vec<&'u dyn Array>),
}

const NULL: i32 = -1;

impl<'u> Flat<'u> {
    fn new(column: &'u Gather, field: &'u Field, batch_rows: &[usize]) -> Self {
        let rows = match column {
            Gather::Arrays(arrays) => Rows::Arrays(arrays.iter().map(|array| array.as_ref()).collect()),
            Gather::Dictionary { values, batches } => {
                let mut keys = Vec::with_capacity(batch_rows.iter().sum());
                let mut starts = Vec::with_capacity(batch_rows.len());
                for (batch, &rows) in batches.iter().zip(batch_rows) {
                    starts.push(keys.len());
                    match batch {
                        Some(batch) => keys.extend(batch.iter().map(|key| key.unwrap_or(NULL))),
                        None => keys.extend(repeat_n(NULL, rows)),
                    }
                }
                Rows::Keys { values, keys, starts }
            }
        };
        Self { data_type: field.data_type(), rows }
    }

    /// The rows at `rows`, in that order.
    pub fn gather(&self, rows: &[Row]) -> Result<ArrayRef, ArrowError> {
        let array = match &self.rows {
            Rows::Arrays(arrays) => {
                let indices: Vec<_> = rows.iter().map(|&(batch, row)| (batch as usize, row as usize)).collect();
                interleave(arrays, &indices)?
            }
            Rows::Keys { values, keys, starts } => {
                let mut gathered: Vec<i32> =
                    rows.iter().map(|&(batch, row)| keys[starts[batch as usize] + row as usize]).collect();
                let valid = BooleanBuffer::collect_bool(gathered.len(), |row| gathered[row] != NULL);
                let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
                if nulls.is_some() {
                    // A negative key is undefined even below a NULL.
                    gathered.iter_mut().for_each(|key| *key = (*key).max(0));
                }
                let keys = Int32Array::try_new(gathered.into(), nulls)?;
                Arc::new(DictionaryArray::try_new(keys, Arc::clone(values) as ArrayRef)?)
            }
        };
        // Members of structs carry field ids in the schema, which the arrays do not know of.
        if array.data_type() == self.data_type { Ok(array) } else { cast(&array, self.data_type) }
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
        let mut seen: HashMap<&str, i32, ahash::RandomState> = HashMap::default();
        let mut values = StringBuilder::new();
        let mut batches = Vec::with_capacity(arrays.len());
        for array in arrays {
            let Some(array) = array else {
                batches.push(None);
                continue;
            };
            let dictionary = array.as_dictionary::<Int32Type>();
            let own = dictionary.values().as_string::<i32>();
            let mut common = Vec::with_capacity(own.len());
            for value in own.iter().map(Option::unwrap_or_default) {
                let next = i32::try_from(seen.len())
                    .map_err(|_| ArrowError::ComputeError("more than 2^31 distinct strings".into()))?;
                let key = *seen.entry(value).or_insert_with(|| {
                    values.append_value(value);
                    next
                });
                common.push(key);
            }
            batches.push(Some(Keys { own: dictionary.keys().clone(), common }));
        }
        Ok(Gather::Dictionary { values: Arc::new(values.finish()), batches })
    }
}
