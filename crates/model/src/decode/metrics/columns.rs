//! Arrow columns out of vectors, without touching memory for what is not there: the distribution columns of a request
//! full of counters are all NULL and share one zeroed buffer.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, DictionaryArray, Int32Array, ListArray, PrimitiveArray, StringArray, StringBuilder,
    TimestampNanosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Field, Schema, SchemaRef};
use hashbrown::HashMap;

use crate::Table;

/// Columns of `len` NULLs over one buffer of zeros.
pub struct Nulls {
    zeros: Buffer,
    len: usize,
}

impl Nulls {
    pub fn new(len: usize) -> Self {
        // Enough for `len` values of 8 bytes, and for `len` + 1 list offsets of 4.
        Self { zeros: MutableBuffer::from_len_zeroed(len * 8 + 8).into(), len }
    }

    fn validity(&self) -> NullBuffer {
        NullBuffer::new(BooleanBuffer::new(self.zeros.clone(), 0, self.len))
    }

    pub fn primitive<T: ArrowPrimitiveType>(&self) -> ArrayRef {
        let values = ScalarBuffer::new(self.zeros.clone(), 0, self.len);
        Arc::new(PrimitiveArray::<T>::new(values, Some(self.validity())))
    }
}

/// A column that only some rows have.
pub struct Sparse<T: ArrowPrimitiveType>(Vec<Option<T::Native>>);

impl<T: ArrowPrimitiveType> Default for Sparse<T> {
    fn default() -> Self {
        Self(vec![])
    }
}

impl<T: ArrowPrimitiveType> Sparse<T> {
    pub fn push(&mut self, value: Option<T::Native>) {
        self.0.push(value);
    }

    /// The values at their `rows`, NULL elsewhere.
    pub fn finish(self, rows: &[usize], nulls: &Nulls) -> ArrayRef {
        if self.0.iter().all(Option::is_none) {
            return nulls.primitive::<T>();
        }
        let mut values = vec![T::Native::default(); nulls.len];
        let mut valid = vec![false; nulls.len];
        for (&row, value) in rows.iter().zip(self.0) {
            valid[row] = value.is_some();
            values[row] = value.unwrap_or_default();
        }
        Arc::new(PrimitiveArray::<T>::new(values.into(), Some(NullBuffer::from(valid))))
    }
}

/// A list column that only some rows have; an empty list is NULL.
pub struct SparseLists<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    lengths: Vec<usize>,
}

impl<T: ArrowPrimitiveType> Default for SparseLists<T> {
    fn default() -> Self {
        Self { values: vec![], lengths: vec![] }
    }
}

impl<T: ArrowPrimitiveType> SparseLists<T> {
    pub fn push(&mut self, list: &[T::Native]) {
        self.values.extend_from_slice(list);
        self.lengths.push(list.len());
    }

    /// The lists at their `rows`, NULL elsewhere.
    pub fn finish(self, rows: &[usize], nulls: &Nulls) -> ArrayRef {
        let (offsets, validity) = if self.values.is_empty() {
            let offsets = ScalarBuffer::<i32>::new(nulls.zeros.clone(), 0, nulls.len + 1);
            (OffsetBuffer::new(offsets), nulls.validity())
        } else {
            let mut lengths = vec![0; nulls.len];
            for (&row, length) in rows.iter().zip(self.lengths) {
                lengths[row] = length;
            }
            let validity = BooleanBuffer::collect_bool(nulls.len, |row| lengths[row] > 0);
            (OffsetBuffer::from_lengths(lengths), NullBuffer::new(validity))
        };
        let values = PrimitiveArray::<T>::new(self.values.into(), None);
        let field = Arc::new(Field::new("element", T::DATA_TYPE, true));
        Arc::new(ListArray::new(field, offsets, Arc::new(values), Some(validity)))
    }
}

/// The same text in every row.
pub fn constant(text: &str, rows: usize) -> ArrayRef {
    let keys = Int32Array::new(vec![0; rows].into(), None);
    Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec![text]))))
}

/// OTLP's 0 ("not sent") as NULL.
pub fn timestamps_or_null(times: Vec<i64>) -> ArrayRef {
    let sent = BooleanBuffer::collect_bool(times.len(), |row| times[row] != 0);
    Arc::new(TimestampNanosecondArray::new(times.into(), Some(NullBuffer::new(sent))))
}

/// The key of NULL in a column over [`Texts`].
pub const NULL: i32 = -1;

/// The distinct texts of a dictionary-encoded column, numbered as they come.
#[derive(Default)]
pub struct Texts {
    keys: HashMap<Box<str>, i32, ahash::RandomState>,
    texts: StringBuilder,
}

impl Texts {
    pub fn key(&mut self, text: &str) -> i32 {
        if let Some(&key) = self.keys.get(text) {
            return key;
        }
        let key = self.keys.len() as i32;
        self.keys.insert(text.into(), key);
        self.texts.append_value(text);
        key
    }

    /// The key of a text whose empty form means that there is none.
    pub fn key_or_null(&mut self, text: &str) -> i32 {
        if text.is_empty() { NULL } else { self.key(text) }
    }

    /// A column over all texts so far.
    pub fn column(&self, keys: Vec<i32>) -> ArrayRef {
        let valid = BooleanBuffer::collect_bool(keys.len(), |row| keys[row] != NULL);
        let valid = Some(NullBuffer::new(valid)).filter(|valid| valid.null_count() > 0);
        let keys = Int32Array::new(keys.into(), valid);
        Arc::new(DictionaryArray::new(keys, Arc::new(self.texts.finish_cloned())))
    }
}

/// The table's base schema with the string types that the columns really have.
pub fn schema(table: Table, columns: &[ArrayRef]) -> SchemaRef {
    let base = table.base_schema();
    let fields = base.fields().iter().zip(columns);
    let fields = fields.map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
