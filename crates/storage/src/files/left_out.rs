//! Which parts of a body are in columns of their own.

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;

use super::grams::LeftOut;

/// The columns of some rows, and what they have in one of them.
pub(super) struct LeftOutOfRow<'a> {
    fields: Vec<Texts<'a>>,
    ids: Vec<&'a FixedSizeBinaryArray>,
    values: Vec<&'a str>,
    /// [`look`] of each of the values.
    looks: Vec<u32>,
    row: usize,
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
        Self { fields, ids, values: Vec::new(), looks: Vec::new(), row: 0 }
    }

    pub fn set_row(&mut self, row: usize) {
        self.values.clear();
        self.values.extend(self.fields.iter().filter_map(|column| column.at(row)));
        self.looks.clear();
        self.looks.extend(self.values.iter().map(|value| look(value.as_bytes())));
        self.row = row;
    }
}

impl LeftOut for LeftOutOfRow<'_> {
    fn has_quoted_values(&self) -> bool {
        !self.values.is_empty()
    }

    fn is_quoted_value(&self, text: &[u8]) -> bool {
        let wanted = look(text);
        let mut alike = self.looks.iter().zip(&self.values).filter(|(look, _)| **look == wanted);
        !text.is_empty() && alike.any(|(_, value)| value.as_bytes() == text)
    }

    fn is_id(&self, digits: &[u8]) -> bool {
        self.ids.iter().any(|ids| ids.is_valid(self.row) && is_hex_of(ids.value(self.row), digits))
    }
}

/// Of a text its length and its outermost bytes, which hardly two values of a row share.
fn look(text: &[u8]) -> u32 {
    let (first, last) = (text.first().copied().unwrap_or(0), text.last().copied().unwrap_or(0));
    (text.len() as u32) << 16 | u32::from(first) << 8 | u32::from(last)
}

fn is_hex_of(bytes: &[u8], digits: &[u8]) -> bool {
    let (pairs, rest) = digits.as_chunks::<2>();
    let expected = bytes.iter().map(|byte| [byte >> 4, byte & 15].map(|nibble| DIGITS[usize::from(nibble)]));
    rest.is_empty() && pairs.iter().copied().eq(expected)
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
