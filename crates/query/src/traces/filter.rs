//! Which rows of a source a filter may hold for, column by column.

use std::borrow::Borrow;
use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use trefoil_traceql::ast::{Attribute, Field};
use trefoil_traceql::eval::{Filter, Trace};
use trefoil_traceql::value::Value;

use super::place::{Place, places};
use super::source::Rows;
use super::value::{member, missing, of_column, text, value};

/// A filter in a form that narrows a list of rows step by step. What depends on the whole trace holds for all of them.
#[derive(Debug)]
pub enum Narrowing {
    Everything,
    All(Vec<Narrowing>),
    Any(Vec<Narrowing>),
    Leaf(Leaf),
}

/// An expression of which nothing is taken apart any more.
#[derive(Debug)]
pub struct Leaf {
    filter: Filter,
    places: Vec<Vec<Place>>,
}

impl Narrowing {
    pub fn new(field: &Field) -> Narrowing {
        match field {
            Field::Value(Value::Bool(true)) => Narrowing::Everything,
            Field::And(list) => {
                let mut parts: Vec<Narrowing> = list.iter().map(Narrowing::new).collect();
                parts.retain(|part| !matches!(part, Narrowing::Everything));
                parts.sort_by_key(Narrowing::cost);
                if parts.is_empty() { Narrowing::Everything } else { Narrowing::All(parts) }
            }
            Field::Or(list) => {
                let parts: Vec<Narrowing> = list.iter().map(Narrowing::new).collect();
                match parts.iter().any(|part| matches!(part, Narrowing::Everything)) {
                    true => Narrowing::Everything,
                    false => Narrowing::Any(parts),
                }
            }
            field => Leaf::new(field).map_or(Narrowing::Everything, Narrowing::Leaf),
        }
    }

    /// Cheap ones first: what is in a column of its own, then what has to be looked for in JSON and lists.
    fn cost(&self) -> usize {
        match self {
            Narrowing::Everything => 0,
            Narrowing::All(parts) | Narrowing::Any(parts) => parts.iter().map(Narrowing::cost).sum(),
            Narrowing::Leaf(leaf) => leaf.places.iter().flatten().map(place_cost).sum(),
        }
    }

    /// The columns to read.
    pub fn columns<'n>(&'n self, names: &mut Vec<&'n str>) {
        match self {
            Narrowing::Everything => {}
            Narrowing::All(parts) | Narrowing::Any(parts) => parts.iter().for_each(|part| part.columns(names)),
            Narrowing::Leaf(leaf) => names.extend(leaf.places.iter().flatten().flat_map(Place::columns)),
        }
    }

    /// Those of `among` (ascending) for which it may hold.
    pub fn rows(&self, rows: &Rows, among: Vec<u32>) -> Vec<u32> {
        match self {
            Narrowing::Everything => among,
            Narrowing::All(parts) => parts.iter().fold(among, |left, part| part.rows(rows, left)),
            Narrowing::Any(parts) => {
                let mut found: Vec<u32> = parts.iter().flat_map(|part| part.rows(rows, among.clone())).collect();
                found.sort_unstable();
                found.dedup();
                found
            }
            Narrowing::Leaf(leaf) => leaf.rows(rows, among),
        }
    }
}

fn place_cost(place: &Place) -> usize {
    match place {
        Place::Column(_) => 1,
        Place::Member { .. } => 10,
        Place::Item { .. } => 20,
        Place::Trace(_) => 0,
    }
}

impl Leaf {
    /// `None`: it says something of the whole trace.
    fn new(field: &Field) -> Option<Leaf> {
        let filter = Filter::new(field);
        let places: Vec<Vec<Place>> =
            filter.attributes().iter().map(|attribute: &Attribute| places(attribute)).collect();
        let is_of_trace = places.iter().flatten().any(|place| matches!(place, Place::Trace(_)));
        (!is_of_trace).then_some(Leaf { filter, places })
    }

    fn rows(&self, rows: &Rows, mut among: Vec<u32>) -> Vec<u32> {
        let present: Vec<Vec<&Place>> = self.places.iter().map(|places| present(places, rows)).collect();
        let mut asked = Asked::new(&self.filter);
        let is_any_present = present.iter().any(|places| !places.is_empty());
        match present.as_slice() {
            _ if !is_any_present => {
                // The same in all rows.
                let holds = among.first().is_some_and(|row| asked.of_row(&self.places, rows, *row));
                if holds { among } else { Vec::new() }
            }
            [places] if matches!(places.as_slice(), [Place::Column(_) | Place::Member { .. }]) => {
                let mut holds = asked.of_place(places[0], rows);
                among.retain(|row| holds(*row));
                among
            }
            present => {
                among.retain(|row| asked.of_row(present, rows, *row));
                among
            }
        }
    }
}

/// A filter and the values that it is asked about.
struct Asked<'f> {
    filter: &'f Filter,
    values: Trace,
}

impl<'f> Asked<'f> {
    fn new(filter: &'f Filter) -> Asked<'f> {
        let columns = filter.attributes().iter().map(|_| vec![Value::Nil]).collect();
        Asked { filter, values: Trace { columns, ..Trace::default() } }
    }

    fn of(&mut self, value: Value) -> bool {
        self.values.columns[0][0] = value;
        self.filter.holds(&self.values, 0)
    }

    fn of_row<P: Borrow<Place>>(&mut self, places: &[Vec<P>], rows: &Rows, row: u32) -> bool {
        for (column, places) in self.values.columns.iter_mut().zip(places) {
            column[0] = value(places, rows, row as usize);
        }
        self.filter.holds(&self.values, 0)
    }

    /// Of the only place there is; what is the same in many rows is asked once.
    fn of_place<'a>(mut self, place: &'a Place, rows: &'a Rows) -> Box<dyn FnMut(u32) -> bool + 'a>
    where
        'f: 'a,
    {
        let one = || value(std::slice::from_ref(&place), rows, 0);
        let Some(array) = place.columns().first().and_then(|name| rows.column(name)) else {
            let holds = self.of(one());
            return Box::new(move |_| holds);
        };
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
            let of_missing = self.of(of_missing(place));
            let values = dictionary.values();
            let table: Vec<bool> = (0..values.len()).map(|at| self.of(of_array(place, values, at))).collect();
            let keys = dictionary.keys();
            return Box::new(move |row| match keys.is_valid(row as usize) {
                true => table[keys.value(row as usize) as usize],
                false => of_missing,
            });
        }
        if let Some(numbers) = array.as_primitive_opt::<Int32Type>() {
            let mut known: HashMap<i32, bool> = HashMap::new();
            return Box::new(move |row| {
                let number = numbers.value(row as usize);
                match known.get(&number) {
                    Some(holds) => *holds,
                    None => {
                        let holds = self.of(of_array(place, array, row as usize));
                        known.insert(number, holds);
                        holds
                    }
                }
            });
        }
        Box::new(move |row| self.of(of_array(place, array, row as usize)))
    }
}

fn of_array(place: &Place, array: &ArrayRef, row: usize) -> Value {
    match place {
        Place::Column(name) => of_column(name, array, row),
        Place::Member { key, .. } => text(array, row).map_or(Value::Nil, |json| member(json, key)),
        Place::Item { .. } | Place::Trace(_) => Value::Nil,
    }
}

fn of_missing(place: &Place) -> Value {
    match place {
        Place::Column(name) => missing(name),
        _ => Value::Nil,
    }
}

/// The places of an attribute at which these rows have anything.
pub(super) fn present<'p>(places: &'p [Place], rows: &Rows) -> Vec<&'p Place> {
    let has_any = |place: &&Place| {
        let mut arrays = place.columns().into_iter().map(|name| rows.column(name));
        let is_there = arrays.next().flatten().filter(|array| array.null_count() < array.len());
        match (place, is_there) {
            (_, None) => false,
            (Place::Member { key, .. }, Some(array)) => mentions(array, key),
            (_, Some(_)) => true,
        }
    };
    places.iter().filter(has_any).collect()
}

/// Whether any text may have the bytes of a key, which is found out a hundred times faster than by reading them.
fn mentions(array: &ArrayRef, key: &str) -> bool {
    if key.is_empty() || key.contains(|c: char| c == '"' || c == '\\' || c.is_control()) {
        return true;
    }
    let finder = memchr::memmem::Finder::new(key.as_bytes());
    let texts = array.as_dictionary_opt::<Int32Type>().map_or(array, |dictionary| dictionary.values());
    if let Some(texts) = texts.as_string_opt::<i32>() {
        return finder.find(texts.value_data()).is_some();
    }
    let Some(texts) = texts.as_string_view_opt() else { return true };
    // Short ones are not in the buffers.
    let is_in_short =
        || texts.iter().flatten().any(|text| text.len() <= SHORT_TEXT && finder.find(text.as_bytes()).is_some());
    texts.data_buffers().iter().any(|buffer| finder.find(buffer.as_slice()).is_some()) || is_in_short()
}

/// Bytes of a text that Arrow keeps in its view.
const SHORT_TEXT: usize = 12;
