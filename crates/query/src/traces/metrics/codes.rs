//! Values of columns as small numbers, so that groups are told apart without reading text for every row.

use ahash::{HashMap, HashMapExt};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use trefoil_traceql::metrics::{Aggregation, Group};
use trefoil_traceql::value::Value;

use crate::traces::filter::{of_array, of_missing, present};
use crate::traces::place::Place;
use crate::traces::source::Rows;
use crate::traces::value::value;

const UNKNOWN: u32 = u32::MAX;

/// The values of one attribute that turned up, by number.
#[derive(Debug, Default)]
pub struct Codes {
    known: HashMap<Vec<u8>, u32>,
    values: Vec<Value>,
}

impl Codes {
    pub fn value(&self, code: u32) -> &Value {
        &self.values[code as usize]
    }

    fn of(&mut self, value: Value) -> u32 {
        let mut key = Vec::new();
        value.key(&mut key);
        let next = self.values.len() as u32;
        let code = *self.known.entry(key).or_insert(next);
        if code == next {
            self.values.push(value);
        }
        code
    }

    /// The number of the value that each of the rows has.
    pub fn of_rows(&mut self, places: &[Place], rows: &Rows, among: &[u32]) -> Vec<u32> {
        let present = present(places, rows);
        if present.is_empty() {
            // The same in all rows.
            let code = self.of(among.first().map_or(Value::Nil, |row| value(places, rows, *row as usize)));
            return vec![code; among.len()];
        }
        self.of_places(&present, rows, among)
    }

    /// Of the first of some places that has a value.
    fn of_places(&mut self, places: &[&Place], rows: &Rows, among: &[u32]) -> Vec<u32> {
        match places {
            [place @ (Place::Column(_) | Place::Member { .. })] => self.of_place(place, rows, among),
            [place @ Place::Column(name), others @ ..] => {
                let mut codes = self.of_place(place, rows, among);
                let is_missing = |row: u32| rows.column(name).is_none_or(|array| array.is_null(row as usize));
                let missing = || among.iter().enumerate().filter(|(_, row)| is_missing(**row));
                let elsewhere: Vec<u32> = missing().map(|(_, row)| *row).collect();
                let of_others = self.of_places(others, rows, &elsewhere);
                missing().zip(of_others).for_each(|((at, _), code)| codes[at] = code);
                codes
            }
            places => among.iter().map(|row| self.of(value(places, rows, *row as usize))).collect(),
        }
    }

    fn of_place(&mut self, place: &Place, rows: &Rows, among: &[u32]) -> Vec<u32> {
        let Some(array) = place.columns().first().and_then(|name| rows.column(name)) else {
            let code = self.of(of_missing(place));
            return vec![code; among.len()];
        };
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
            let (keys, values) = (dictionary.keys(), dictionary.values());
            let mut table = vec![UNKNOWN; values.len()];
            let mut missing = UNKNOWN;
            let mut code = |row: &u32| {
                let row = *row as usize;
                if keys.is_null(row) {
                    if missing == UNKNOWN {
                        missing = self.of(of_missing(place));
                    }
                    return missing;
                }
                let key = keys.value(row) as usize;
                if table[key] == UNKNOWN {
                    table[key] = self.of(of_array(place, values, key));
                }
                table[key]
            };
            return among.iter().map(&mut code).collect();
        }
        if let Some(numbers) = array.as_primitive_opt::<Int32Type>() {
            let mut table: HashMap<i32, u32> = HashMap::new();
            let mut code = |row: &u32| {
                let number = numbers.value(*row as usize);
                *table.entry(number).or_insert_with(|| self.of(of_array(place, array, *row as usize)))
            };
            return among.iter().map(&mut code).collect();
        }
        if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
            let mut table: HashMap<Option<i64>, u32> = HashMap::new();
            let mut code = |row: &u32| {
                let row = *row as usize;
                let number = numbers.is_valid(row).then(|| numbers.value(row));
                *table.entry(number).or_insert_with(|| self.of(of_array(place, array, row)))
            };
            return among.iter().map(&mut code).collect();
        }
        among.iter().map(|row| self.of(of_array(place, array, *row as usize))).collect()
    }
}

/// Groups by the numbers of several attributes.
#[derive(Debug, Default)]
pub struct Groups {
    /// The number of each pair of numbers, for each attribute but the first.
    pairs: Vec<HashMap<(u32, u32), u32>>,
    groups: Vec<Group>,
}

impl Groups {
    /// The group of each row, of the numbers that each attribute has in it.
    pub fn of_rows(&mut self, codes: &[Codes], columns: &[Vec<u32>], aggregation: &mut Aggregation) -> Vec<Group> {
        let Some((first, others)) = columns.split_first() else { return Vec::new() };
        let mut combined = first.clone();
        self.pairs.resize_with(others.len(), HashMap::new);
        for (pairs, column) in self.pairs.iter_mut().zip(others) {
            let mut last = ((UNKNOWN, UNKNOWN), UNKNOWN);
            for (combined, code) in combined.iter_mut().zip(column) {
                let pair = (*combined, *code);
                if last.0 != pair {
                    let next = pairs.len() as u32;
                    last = (pair, *pairs.entry(pair).or_insert(next));
                }
                *combined = last.1;
            }
        }
        for (row, combined) in combined.iter_mut().enumerate() {
            let place = *combined as usize;
            if place >= self.groups.len() {
                self.groups.resize(place + 1, Group::MAX);
            }
            if self.groups[place] == Group::MAX {
                let values = codes.iter().zip(columns).map(|(codes, column)| codes.value(column[row]).clone());
                self.groups[place] = aggregation.group(&values.collect::<Vec<_>>());
            }
            *combined = self.groups[place];
        }
        combined
    }
}
