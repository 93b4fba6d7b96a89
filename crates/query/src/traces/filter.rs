//! Which rows of a source a filter may hold for, column by column.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use trefoil_traceql::ast::{Attribute, Field};
use trefoil_traceql::eval::{Filter, Trace};
use trefoil_traceql::value::Value;

use super::place::{Place, places};
use super::source::Rows;
use super::value::{of_column, value};

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
        let single = match self.places.as_slice() {
            [places] => only_column(places, rows),
            _ => None,
        };
        match single {
            Some((name, array)) => {
                let mut holds = self.of_column(name, array);
                among.retain(|row| holds(*row as usize));
            }
            None => {
                let mut trace = Trace { columns: vec![vec![Value::Nil]; self.places.len()], ..Trace::default() };
                among.retain(|row| {
                    for (column, places) in trace.columns.iter_mut().zip(&self.places) {
                        column[0] = value(places, rows, *row as usize);
                    }
                    self.filter.holds(&trace, 0)
                });
            }
        }
        among
    }

    /// Tells of a row of the only column; what is the same in many rows is asked once.
    fn of_column<'a>(&'a self, name: &'a str, array: &'a ArrayRef) -> Box<dyn FnMut(usize) -> bool + 'a>
    where
        Self: 'a,
    {
        let mut trace = Trace { columns: vec![vec![Value::Nil]], ..Trace::default() };
        let mut holds = move |value: Value| {
            trace.columns[0][0] = value;
            self.filter.holds(&trace, 0)
        };
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
            let of_missing = holds(of_missing(name));
            let values = dictionary.values();
            let table: Vec<bool> = (0..values.len()).map(|place| holds(of_column(name, values, place))).collect();
            let keys = dictionary.keys();
            return Box::new(move |row| match keys.is_valid(row) {
                true => table[keys.value(row) as usize],
                false => of_missing,
            });
        }
        if let Some(numbers) = array.as_primitive_opt::<Int32Type>() {
            let mut known: HashMap<i32, bool> = HashMap::new();
            return Box::new(move |row| {
                *known.entry(numbers.value(row)).or_insert_with(|| holds(of_column(name, array, row)))
            });
        }
        Box::new(move |row| holds(of_column(name, array, row)))
    }
}

fn of_missing(name: &str) -> Value {
    match name {
        "status_message" | "scope_name" | "scope_version" => Value::string(""),
        _ => Value::Nil,
    }
}

/// The only column with any value for the attribute in these rows.
fn only_column<'a>(places: &'a [Place], rows: &'a Rows) -> Option<(&'a str, &'a ArrayRef)> {
    let mut found = None;
    for place in places {
        for name in place.columns() {
            let Some(array) = rows.column(name) else { continue };
            if array.null_count() == array.len() && places.len() > 1 {
                continue;
            }
            match (place, &found) {
                (Place::Column(_), None) => found = Some((name, array)),
                _ => return None,
            }
        }
    }
    found
}
