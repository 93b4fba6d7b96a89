//! Columns of texts, each different text of which is looked at once.

use arrow::array::{Array, AsArray, DictionaryArray, StringArray};
use arrow::datatypes::Int32Type;

use super::source::Rows;

/// A column of texts; of a column that the source does not have, all are empty.
pub struct Texts<'r>(Option<(&'r DictionaryArray<Int32Type>, &'r StringArray)>);

/// A text by its place in the dictionary; `NONE` where there is none.
pub type Code = u32;
pub const NONE: Code = u32::MAX;

impl<'r> Texts<'r> {
    pub fn of(rows: &'r Rows, column: &str) -> Texts<'r> {
        let dictionary = rows.column(column).and_then(|array| array.as_dictionary_opt::<Int32Type>());
        Texts(dictionary.and_then(|dictionary| Some((dictionary, dictionary.values().as_string_opt::<i32>()?))))
    }

    pub fn code(&self, row: usize) -> Code {
        match self.0 {
            Some((dictionary, _)) if dictionary.is_valid(row) => dictionary.keys().value(row) as Code,
            _ => NONE,
        }
    }

    /// The text of a code of this column.
    pub fn text(&self, code: Code) -> &'r str {
        match self.0 {
            Some((_, texts)) if code != NONE && texts.is_valid(code as usize) => texts.value(code as usize),
            _ => "",
        }
    }

    /// What `of` makes of each text, to be looked up by [`code`](Texts::code); of no text first.
    pub fn table<T>(&self, mut of: impl FnMut(&'r str) -> T) -> Table<T> {
        let none = of("");
        let texts = self.0.map_or(0, |(_, texts)| texts.len());
        Table { none, texts: (0..texts as Code).map(|code| of(self.text(code))).collect() }
    }
}

/// Something for each text of a column.
pub struct Table<T> {
    none: T,
    texts: Vec<T>,
}

impl<T> Table<T> {
    pub fn get(&self, code: Code) -> &T {
        match code {
            NONE => &self.none,
            code => &self.texts[code as usize],
        }
    }
}
