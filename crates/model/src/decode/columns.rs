//! Growing columns. A column may lag behind the rows: what is missing is NULL and filled in when somebody needs it, so that
//! an attribute that one row in a thousand has costs nothing in the others.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, DictionaryArray, FixedSizeBinaryArray, Float64Builder, Int32Array,
    Int64Builder,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::error::ArrowError;

use crate::attributes::{AnyValue, Tally, truncate_string};
use crate::promote::Kind;
use crate::texts::Texts;

/// The key of NULL while a column grows.
const NULL: i32 = -1;

/// A dictionary-encoded text column. A text is checked for UTF-8 once, when it is new.
#[derive(Default)]
pub(super) struct Strings {
    keys: Vec<i32>,
    texts: Texts,
}

impl Strings {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Appends a text. Invalid UTF-8 is replaced and counted.
    #[inline]
    pub fn push(&mut self, text: &[u8], tally: &mut Tally) {
        let key = self.key(text, tally);
        self.keys.push(key);
    }

    /// Appends a text, or NULL where OTLP means "absent" by an empty one.
    #[inline]
    pub fn push_optional(&mut self, text: &[u8], tally: &mut Tally) {
        let key = if text.is_empty() { NULL } else { self.key(text, tally) };
        self.keys.push(key);
    }

    /// Appends the same text so many times.
    pub fn push_run(&mut self, text: &[u8], rows: usize, tally: &mut Tally) {
        let key = self.key(text, tally);
        self.keys.resize(self.keys.len() + rows, key);
    }

    /// Fills up with NULLs to so many rows.
    #[inline]
    pub fn pad(&mut self, rows: usize) {
        if self.keys.len() < rows {
            self.keys.resize(rows, NULL);
        }
    }

    #[inline]
    fn key(&mut self, text: &[u8], tally: &mut Tally) -> i32 {
        self.texts.find(text).unwrap_or_else(|vacant| match std::str::from_utf8(text) {
            Ok(valid) => self.texts.insert(vacant, valid),
            Err(_) => {
                tally.replaced_utf8 += 1;
                self.texts.key(&String::from_utf8_lossy(text))
            }
        })
    }

    /// The column as Dictionary(Int32, Utf8) of `rows` rows.
    pub fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        let nulls = BooleanBuffer::collect_bool(rows, |row| self.keys[row] != NULL);
        let nulls = Some(NullBuffer::new(nulls)).filter(|nulls| nulls.null_count() > 0);
        if nulls.is_some() {
            // A negative key is undefined even below a NULL.
            self.keys.iter_mut().for_each(|key| *key = (*key).max(0));
        }
        let keys = Int32Array::try_new(self.keys.into(), nulls)?;
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(self.texts.finish()))?))
    }
}

/// Trace or span ids of `N` bytes.
pub(super) struct Ids<const N: usize> {
    bytes: Vec<u8>,
    valid: Vec<bool>,
}

impl<const N: usize> Default for Ids<N> {
    fn default() -> Self {
        Self { bytes: Vec::new(), valid: Vec::new() }
    }
}

impl<const N: usize> Ids<N> {
    #[inline]
    pub fn push(&mut self, id: Option<&[u8; N]>) {
        self.bytes.extend_from_slice(id.unwrap_or(&[0; N]));
        self.valid.push(id.is_some());
    }

    pub fn finish(self) -> Result<ArrayRef, ArrowError> {
        let nulls = Some(NullBuffer::from(self.valid)).filter(|nulls| nulls.null_count() > 0);
        Ok(Arc::new(FixedSizeBinaryArray::try_new(N as i32, Buffer::from_vec(self.bytes), nulls)?))
    }
}

/// The values of one promoted attribute.
pub(super) enum Values {
    String(Strings),
    Int(Int64Builder),
    Double(Float64Builder),
    Bool(BooleanBuilder),
}

impl Values {
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::String => Values::String(Strings::default()),
            Kind::Int => Values::Int(Int64Builder::new()),
            Kind::Double => Values::Double(Float64Builder::new()),
            Kind::Bool => Values::Bool(BooleanBuilder::new()),
        }
    }

    /// Puts the value into the rows `first..first + rows`, unless they have one or it is of another type. Strings are cut at
    /// `max_bytes`.
    #[inline]
    pub fn put(&mut self, value: AnyValue<'_>, first: usize, rows: usize, max_bytes: usize, tally: &mut Tally) -> bool {
        if self.len() > first {
            return false;
        }
        match (self, value) {
            (Values::String(column), AnyValue::String(text)) => {
                column.pad(first);
                let text = truncate_string(text, max_bytes);
                match rows {
                    1 => column.push(text, tally),
                    _ => column.push_run(text, rows, tally),
                }
            }
            (Values::Int(column), AnyValue::Int(value)) => {
                column.append_nulls(first - column.len());
                column.append_value_n(value, rows);
            }
            (Values::Double(column), AnyValue::Double(value)) => {
                column.append_nulls(first - column.len());
                column.append_value_n(value, rows);
            }
            (Values::Bool(column), AnyValue::Bool(value)) => {
                column.append_nulls(first - column.len());
                column.append_n(rows, value);
            }
            _ => return false,
        }
        true
    }

    #[inline]
    fn len(&self) -> usize {
        match self {
            Values::String(column) => column.len(),
            Values::Int(column) => column.len(),
            Values::Double(column) => column.len(),
            Values::Bool(column) => column.len(),
        }
    }

    pub fn finish(self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let missing = rows - self.len();
        Ok(match self {
            Values::String(column) => column.finish(rows)?,
            Values::Int(mut column) => {
                column.append_nulls(missing);
                Arc::new(column.finish())
            }
            Values::Double(mut column) => {
                column.append_nulls(missing);
                Arc::new(column.finish())
            }
            Values::Bool(mut column) => {
                column.append_nulls(missing);
                Arc::new(column.finish())
            }
        })
    }
}
