//! Rows of many parts (batches of the buffer, row groups of files) as if they were one, column by column: rows are gathered in
//! any order, a few thousand at a time. Of a column only keys and numbers are put together first; texts and lists stay where
//! they are.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, StringArray, StringBuilder, UInt32Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{cast, concat, interleave, take};
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use arrow::error::ArrowError;

use super::FilesError;

/// A row: which part, which row in it.
pub(crate) type Row = (u32, u32);

/// Parts whose columns can be had one at a time, so that not all of them need to be in memory decoded.
pub(crate) trait Parts {
    /// What is written: the table's order, with field ids.
    fn schema(&self) -> &SchemaRef;

    /// Rows of each part.
    fn rows(&self) -> &[usize];

    /// The column at `index` of the schema.
    fn column(&self, index: usize) -> Result<Gather, FilesError>;
}

/// One column over all parts.
pub(crate) enum Gather {
    /// Every part that has it has it dictionary-encoded: one dictionary for all, and the keys of each part.
    Dictionary { values: Arc<StringArray>, parts: Vec<Option<Keys>> },
    /// Arrays of one type, one a part.
    Arrays(Vec<ArrayRef>),
}

/// The keys of a part and where in the common dictionary each of its values is.
pub(crate) struct Keys {
    own: Int32Array,
    common: Rc<[i32]>,
}

impl Keys {
    /// The rows' keys in the common dictionary.
    pub fn iter(&self) -> impl Iterator<Item = Option<i32>> {
        self.own.iter().map(|key| key.map(|key| self.common[key as usize]))
    }

    /// The same, `NULL` where a row has none.
    fn append_to(&self, keys: &mut Vec<i32>) {
        match self.own.null_count() {
            0 => keys.extend(self.own.values().iter().map(|key| self.common[*key as usize])),
            _ => keys.extend(self.iter().map(|key| key.unwrap_or(NULL))),
        }
    }
}

pub(crate) fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

impl Gather {
    /// The column of parts with so many rows; `None` where a part lacks it, which is NULL in all its rows.
    pub fn new(data_type: &DataType, arrays: &[Option<ArrayRef>], rows: &[usize]) -> Result<Self, ArrowError> {
        let wanted = dictionary_type();
        let is_text = *data_type == DataType::Utf8View;
        if is_text && arrays.iter().flatten().all(|array| *array.data_type() == wanted) {
            return Self::dictionary(arrays);
        }
        let data_type = if is_text && are_whole(arrays) { &DataType::Utf8 } else { data_type };
        let arrays = arrays.iter().zip(rows).map(|(array, &rows)| match array {
            None => Ok(new_null_array(data_type, rows)),
            Some(array) if array.data_type() == data_type => Ok(Arc::clone(array)),
            Some(array) => cast(array, data_type),
        });
        Ok(Gather::Arrays(arrays.collect::<Result<_, ArrowError>>()?))
    }

    pub(super) fn dictionary(arrays: &[Option<ArrayRef>]) -> Result<Self, ArrowError> {
        let mut seen: HashMap<&str, i32, ahash::RandomState> = HashMap::default();
        let mut values = StringBuilder::new();
        let mut parts = Vec::with_capacity(arrays.len());
        // Parts may have one dictionary already.
        let mut last: Option<(&ArrayRef, Rc<[i32]>)> = None;
        for array in arrays {
            let Some(array) = array else {
                parts.push(None);
                continue;
            };
            let dictionary = array.as_dictionary::<Int32Type>();
            if let Some((_, common)) = last.as_ref().filter(|(values, _)| Arc::ptr_eq(values, dictionary.values())) {
                parts.push(Some(Keys { own: dictionary.keys().clone(), common: common.clone() }));
                continue;
            }
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
            let common: Rc<[i32]> = common.into();
            last = Some((dictionary.values(), common.clone()));
            parts.push(Some(Keys { own: dictionary.keys().clone(), common }));
        }
        Ok(Gather::Dictionary { values: Arc::new(values.finish()), parts })
    }
}

/// Whether rows of these texts may be gathered as they are, each text behind the other, which saves making views of all of them first. Places
/// in a text that is made of more are not counted by Arrow.
fn are_whole(arrays: &[Option<ArrayRef>]) -> bool {
    const MOST_BYTES: usize = i32::MAX as usize;
    let bytes = arrays.iter().flatten().map(|array| Some(array.as_string_opt::<i32>()?.value_data().len()));
    bytes.sum::<Option<usize>>().is_some_and(|bytes| bytes <= MOST_BYTES)
}

/// A column with what makes gathering rows of it cheap.
pub(super) enum Flat {
    /// All parts' keys, one after the other, `NULL` for rows without one; `starts` = where each part begins.
    Keys {
        values: Arc<StringArray>,
        keys: Vec<i32>,
        starts: Vec<usize>,
    },
    /// All parts' numbers, or ids, in the same way.
    Numbers {
        numbers: ArrayRef,
        starts: Vec<usize>,
        data_type: DataType,
    },
    Arrays {
        arrays: Vec<ArrayRef>,
        data_type: DataType,
    },
}

const NULL: i32 = -1;

impl Flat {
    /// `part_rows` = rows of each part; `data_type` = of the field that is written.
    pub fn new(column: Gather, part_rows: &[usize], data_type: &DataType) -> Result<Self, ArrowError> {
        match column {
            Gather::Arrays(arrays) => Self::of_arrays(arrays, part_rows, data_type),
            Gather::Dictionary { values, parts } => Ok(Self::of_keys(values, &parts, part_rows)),
        }
    }

    /// Keys are put together, as numbers are.
    fn of_keys(values: Arc<StringArray>, parts: &[Option<Keys>], part_rows: &[usize]) -> Self {
        let mut keys = Vec::with_capacity(part_rows.iter().sum());
        for (part, &rows) in parts.iter().zip(part_rows) {
            match part {
                Some(part) => part.append_to(&mut keys),
                None => keys.resize(keys.len() + rows, NULL),
            }
        }
        Flat::Keys { values, keys, starts: starts(part_rows) }
    }

    /// Numbers are put together, which costs a copy: a look at many parts for every few rows costs more.
    fn of_arrays(arrays: Vec<ArrayRef>, part_rows: &[usize], data_type: &DataType) -> Result<Self, ArrowError> {
        let are_numbers = arrays.first().is_some_and(|array| {
            let of = array.data_type();
            of.is_primitive() || matches!(of, DataType::Boolean | DataType::FixedSizeBinary(_))
        });
        let is_countable = u32::try_from(part_rows.iter().sum::<usize>()).is_ok();
        let data_type = data_type.clone();
        if !are_numbers || !is_countable {
            return Ok(Flat::Arrays { arrays, data_type });
        }
        let parts: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
        Ok(Flat::Numbers { numbers: concat(&parts)?, starts: starts(part_rows), data_type })
    }

    /// The keys of these rows, in their order. `None`: the column has none.
    pub fn keys(&self, rows: &[Row]) -> Option<impl ExactSizeIterator<Item = Option<u32>>> {
        let Flat::Keys { keys, starts, .. } = self else { return None };
        Some(rows.iter().map(|row| u32::try_from(keys[place(starts, row)]).ok()))
    }

    /// The rows at `rows`, in that order. Texts may come dictionary-encoded, or in one piece.
    pub fn gather(&self, rows: &[Row]) -> Result<ArrayRef, ArrowError> {
        match self {
            Flat::Numbers { numbers, starts, data_type } => {
                // They are countable, see above.
                let places = rows.iter().map(|row| place(starts, row) as u32);
                let array = take(numbers, &UInt32Array::from_iter_values(places), None)?;
                if array.data_type() == data_type { Ok(array) } else { cast(&array, data_type) }
            }
            Flat::Arrays { arrays, data_type } => {
                let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
                let indices: Vec<_> = rows.iter().map(|&(part, row)| (part as usize, row as usize)).collect();
                let array = interleave(&arrays, &indices)?;
                if *array.data_type() == DataType::Utf8 {
                    return Ok(array);
                }
                // Members of structs carry field ids in the schema, which the arrays do not know of.
                if array.data_type() == data_type { Ok(array) } else { cast(&array, data_type) }
            }
            Flat::Keys { values, keys, starts } => {
                let mut gathered: Vec<i32> = rows.iter().map(|row| keys[place(starts, row)]).collect();
                let valid = BooleanBuffer::collect_bool(gathered.len(), |row| gathered[row] != NULL);
                let nulls = Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0);
                if nulls.is_some() {
                    // A negative key is undefined even below a NULL.
                    gathered.iter_mut().for_each(|key| *key = (*key).max(0));
                }
                let keys = Int32Array::try_new(gathered.into(), nulls)?;
                Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(values) as ArrayRef)?))
            }
        }
    }
}

/// Where a row is among those of all parts.
fn place(starts: &[usize], &(part, row): &Row) -> usize {
    starts[part as usize] + row as usize
}

/// Where each part begins among all rows.
pub(super) fn starts(part_rows: &[usize]) -> Vec<usize> {
    let begin = |next: &mut usize, rows: &usize| Some(std::mem::replace(next, *next + rows));
    part_rows.iter().scan(0, begin).collect()
}
