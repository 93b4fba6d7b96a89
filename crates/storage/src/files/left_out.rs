//! Which parts of a body are in columns of their own.

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;

use super::grams::LeftOut;

/// The columns of some rows, and what they have in one of them.
pub(super) struct LeftOutOfRow<'a> {
    fields: Vec<Texts<'a>>,
    ids: Vec<&'a FixedSizeBinaryArray>,
    values: Vec<&'a str>,
    hex: Vec<Vec<u8>>,
}

/// A column of texts, mostly a dictionary.
enum Texts<'a> {
    Keys(&'a Int32Array, &'a StringArray),
    Other(&'a ArrayRef),
}

impl<'a> Texts<'a> {
    fn of(column: &'a ArrayRef) -> Self {
        let dictionary = column.as_dictionary_opt::<Int32Type>();
        let parts = dictionary.and_then(|texts| Some((texts.keys(), texts.values().as_string_opt::<i32>()?)));
        parts.map_or(Texts::Other(column), |(keys, values)| Texts::Keys(keys, values))
    }

    fn at(&self, row: usize) -> Option<&'a str> {
        match self {
            Texts::Keys(keys, values) => {
                let key = usize::try_from(keys.is_valid(row).then(|| keys.value(row))?).ok()?;
                Some(values.value(key))
            }
            Texts::Other(column) => text(column, row),
        }
    }
}

impl<'a> LeftOutOfRow<'a> {
    /// `fields` are of texts, `ids` of bytes.
    pub fn new(fields: &'a [ArrayRef], ids: &'a [ArrayRef]) -> Self {
        let ids: Vec<_> = ids.iter().filter_map(|ids| ids.as_any().downcast_ref()).collect();
        let fields = fields.iter().map(Texts::of).collect();
        Self { fields, hex: vec![Vec::new(); ids.len()], ids, values: Vec::new() }
    }

    pub fn set_row(&mut self, row: usize) {
        self.values.clear();
        self.values.extend(self.fields.iter().filter_map(|column| column.at(row)));
        for (ids, hex) in self.ids.iter().zip(&mut self.hex) {
            hex.clear();
            if ids.is_valid(row) {
                for byte in ids.value(row) {
                    hex.extend_from_slice(&[byte >> 4, byte & 15].map(|nibble| DIGITS[usize::from(nibble)]));
                }
            }
        }
    }
}

impl LeftOut for LeftOutOfRow<'_> {
    fn has_quoted_values(&self) -> bool {
        !self.values.is_empty()
    }

    fn is_quoted_value(&self, text: &[u8]) -> bool {
        !text.is_empty() && self.values.iter().any(|value| value.as_bytes() == text)
    }

    fn is_id(&self, digits: &[u8]) -> bool {
        self.hex.iter().any(|hex| hex == digits)
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The text in a row of a column of whatever kind.
pub(crate) fn text(column: &ArrayRef, row: usize) -> Option<&str> {
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
