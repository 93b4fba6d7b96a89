//! The order of rows in a file: keys of fixed width, three machine words a row, compared as integers.

use std::iter::repeat_n;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt64Type};
use trefoil_model::Table;

use super::FilesError;
use super::gather::{Gather, Parts, Row, dictionary_type, starts};
use super::groups;

/// A trace id takes two words, everything else one; every table's order fits.
const WORDS: usize = 3;
const SIGN: u64 = 1 << 63;

/// `rows` in the table's order. Columns that do not fit the key (none does today) would be left out of the order.
pub(crate) fn sorted(table: Table, parts: &impl Parts, mut rows: Vec<Row>) -> Result<Vec<Row>, FilesError> {
    let words = key_words(table, parts)?;
    if words.is_empty() {
        return Ok(rows);
    }
    let offsets = starts(parts.rows());
    let position = |&(part, row): &Row| offsets[part as usize] + row as usize;
    if let [first, second, last] = words.as_slice()
        && let Some(rows) = groups::sorted([first, second, last], &rows, position)
    {
        return Ok(rows);
    }
    let key = |row: &Row| {
        let position = position(row);
        let mut key = [0; WORDS];
        for (word, column) in key.iter_mut().zip(&words) {
            *word = column[position];
        }
        key
    };
    let mut keyed: Vec<([u64; WORDS], Row)> = rows.iter().map(|row| (key(row), *row)).collect();
    keyed.sort_unstable();
    rows.clear();
    rows.extend(keyed.into_iter().map(|(_, row)| row));
    Ok(rows)
}

/// One vector a key word, each over the rows of all parts in order. NULL sorts with the smallest value.
fn key_words(table: Table, parts: &impl Parts) -> Result<Vec<Vec<u64>>, FilesError> {
    let total = parts.rows().iter().sum();
    let mut words: Vec<Vec<u64>> = Vec::with_capacity(WORDS);
    for name in table.sort_order() {
        let Ok(index) = parts.schema().index_of(name) else { continue };
        let column = parts.column(index)?;
        let mut next = match &column {
            Gather::Dictionary { .. } => vec![dictionary_words(&column, parts.rows(), total)],
            Gather::Arrays(arrays) => array_words(arrays, total),
        };
        words.append(&mut next);
    }
    words.truncate(WORDS);
    Ok(words)
}

fn dictionary_words(column: &Gather, rows: &[usize], total: usize) -> Vec<u64> {
    let Gather::Dictionary { values, parts } = column else { return vec![0; total] };
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by_key(|&key| values.value(key as usize));
    let mut rank = vec![0; order.len()];
    for (position, &key) in order.iter().enumerate() {
        rank[key as usize] = position as u64 + 1;
    }
    let mut words = Vec::with_capacity(total);
    for (keys, &rows) in parts.iter().zip(rows) {
        match keys {
            None => words.extend(repeat_n(0, rows)),
            Some(keys) => words.extend(keys.iter().map(|key| key.map_or(0, |key| rank[key as usize]))),
        }
    }
    words
}

fn array_words(arrays: &[ArrayRef], total: usize) -> Vec<Vec<u64>> {
    let Some(first) = arrays.first() else { return Vec::new() };
    match first.data_type() {
        DataType::FixedSizeBinary(16) => {
            let (mut high, mut low) = (Vec::with_capacity(total), Vec::with_capacity(total));
            for value in arrays.iter().flat_map(|array| array.as_fixed_size_binary().iter()) {
                let bytes = value.and_then(|value| <[u8; 16]>::try_from(value).ok()).unwrap_or_default();
                let id = u128::from_be_bytes(bytes);
                high.push((id >> 64) as u64);
                low.push(id as u64);
            }
            vec![high, low]
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            vec![numbers::<TimestampNanosecondType>(arrays, total, signed)]
        }
        DataType::Int64 => vec![numbers::<Int64Type>(arrays, total, signed)],
        DataType::Date32 => vec![numbers::<Date32Type>(arrays, total, |day| signed(i64::from(day)))],
        DataType::UInt64 => vec![numbers::<UInt64Type>(arrays, total, |value| value)],
        DataType::Utf8 | DataType::Utf8View => vec![text_words(arrays, total)],
        _ => Vec::new(),
    }
}

fn numbers<T: ArrowPrimitiveType>(arrays: &[ArrayRef], total: usize, word: impl Fn(T::Native) -> u64) -> Vec<u64> {
    let mut all = Vec::with_capacity(total);
    for array in arrays {
        let array = array.as_primitive::<T>();
        match array.null_count() {
            0 => all.extend(array.values().iter().map(|value| word(*value))),
            _ => all.extend(array.iter().map(|value| value.map_or(0, &word))),
        }
    }
    all
}

fn signed(value: i64) -> u64 {
    value as u64 ^ SIGN
}

/// Ranks among all values, as for a dictionary.
fn text_words(arrays: &[ArrayRef], total: usize) -> Vec<u64> {
    let dictionary = dictionary_type();
    let encoded: Result<Vec<ArrayRef>, _> = arrays.iter().map(|array| cast(array, &dictionary)).collect();
    let rows: Vec<usize> = arrays.iter().map(|array| array.len()).collect();
    let columns: Vec<Option<ArrayRef>> = encoded.into_iter().flatten().map(Some).collect();
    match Gather::dictionary(&columns) {
        Ok(column) if columns.len() == rows.len() => dictionary_words(&column, &rows, total),
        _ => vec![0; total],
    }
}
