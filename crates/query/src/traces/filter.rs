//! Which rows of a source a filter may hold for, column by column.

use std::borrow::Borrow;

use ahash::{HashMap, HashMapExt};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use trefoil_traceql::ast::{Attribute, CompareOp, Field, Intrinsic};
use trefoil_traceql::eval::{Filter, Trace};
use trefoil_traceql::value::Value;

use super::place::{Item, Place, places};
use super::source::{PARENT, Rows, Source, Sources};
use super::value::{member, missing, of_column, text, value};

/// A filter in a form that narrows a list of rows step by step. What depends on the whole trace holds for all of them.
#[derive(Debug)]
pub enum Narrowing {
    Everything,
    /// Spans without a parent.
    Roots,
    All(Vec<Narrowing>),
    Any(Vec<Narrowing>),
    Leaf(Leaf),
}

/// An expression of which nothing is taken apart any more.
#[derive(Debug)]
pub struct Leaf {
    filter: Filter,
    places: Vec<Vec<Place>>,
    threshold: Option<Threshold>,
}

/// A comparison with a whole number, or a duration, which whole columns of such numbers can be asked.
#[derive(Debug, Clone, Copy)]
struct Threshold {
    op: CompareOp,
    number: i64,
}

impl Threshold {
    fn of(field: &Field) -> Option<Threshold> {
        let Field::Compare { op, left, right } = field else { return None };
        match (&**left, &**right) {
            (Field::Attribute(_), Field::Value(Value::Int(number) | Value::Duration(number))) => {
                Some(Threshold { op: *op, number: *number })
            }
            _ => None,
        }
    }

    fn holds(self, number: i64) -> bool {
        match self.op {
            CompareOp::Equal => number == self.number,
            CompareOp::NotEqual => number != self.number,
            CompareOp::Less => number < self.number,
            CompareOp::LessEqual => number <= self.number,
            CompareOp::Greater => number > self.number,
            CompareOp::GreaterEqual => number >= self.number,
            CompareOp::Regex | CompareOp::NotRegex => false,
        }
    }
}

impl Narrowing {
    pub fn new(field: &Field) -> Narrowing {
        match field {
            field if is_root(field) => Narrowing::Roots,
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

    /// Whether it does not hold for all those rows that it leaves: what a filter says depends on the whole trace.
    pub fn is_rough(field: &Field) -> bool {
        match field {
            field if is_root(field) => false,
            Field::And(list) | Field::Or(list) => list.iter().any(Narrowing::is_rough),
            field => Leaf::new(field).is_none(),
        }
    }

    /// Cheap ones first: what is in a column of its own, then what has to be looked for in JSON and lists.
    fn cost(&self) -> usize {
        match self {
            Narrowing::Everything => 0,
            Narrowing::Roots => 1,
            Narrowing::All(parts) | Narrowing::Any(parts) => parts.iter().map(Narrowing::cost).sum(),
            Narrowing::Leaf(leaf) => leaf.places.iter().flatten().map(place_cost).sum(),
        }
    }

    /// The columns to read.
    pub fn columns<'n>(&'n self, names: &mut Vec<&'n str>) {
        match self {
            Narrowing::Everything => {}
            Narrowing::Roots => names.push(PARENT),
            Narrowing::All(parts) | Narrowing::Any(parts) => parts.iter().for_each(|part| part.columns(names)),
            Narrowing::Leaf(leaf) => names.extend(leaf.places.iter().flatten().flat_map(Place::columns)),
        }
    }

    /// Whether it may hold for any row of a source, by what is known of that without reading it.
    pub fn may_hold(&self, sources: &Sources<'_>, source: &Source) -> bool {
        match self {
            Narrowing::Everything | Narrowing::Roots => true,
            Narrowing::All(parts) => parts.iter().all(|part| part.may_hold(sources, source)),
            Narrowing::Any(parts) => parts.iter().any(|part| part.may_hold(sources, source)),
            Narrowing::Leaf(leaf) => leaf.may_hold(sources, source),
        }
    }

    /// Those of `among` (ascending) for which it may hold.
    pub fn rows(&self, rows: &Rows, among: Vec<u32>) -> Vec<u32> {
        match self {
            Narrowing::Everything => among,
            Narrowing::Roots => {
                let mut among = among;
                if let Some(parents) = rows.column(PARENT) {
                    among.retain(|row| parents.is_null(*row as usize));
                }
                among
            }
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

/// `nestedSetParent < 0` is how clients ask for roots, which can be told without the rest of the trace.
fn is_root(field: &Field) -> bool {
    let Field::Compare { op: CompareOp::Less, left, right } = field else { return false };
    matches!(**left, Field::Attribute(Attribute::Intrinsic(Intrinsic::NestedSetParent)))
        && matches!(**right, Field::Value(Value::Int(0)))
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
        (!is_of_trace).then_some(Leaf { filter, places, threshold: Threshold::of(field) })
    }

    fn may_hold(&self, sources: &Sources<'_>, source: &Source) -> bool {
        let [places] = self.places.as_slice() else { return true };
        let mut asked = Asked::new(&self.filter);
        if places.is_empty() || places.iter().any(|place| asked.of(of_missing(place))) {
            return true;
        }
        places.iter().any(|place| match place {
            Place::Column(name) => match sources.known_values(source, name) {
                Some(Some(values)) => (0..values.len()).any(|at| asked.of(of_array(place, &values, at))),
                known => known.is_none(),
            },
            Place::Member { column, key } | Place::Item { column, of: Item::Attribute(key) } if is_plain(key) => {
                sources.known_mention(source, column, key) != Some(false)
            }
            _ => true,
        })
    }

    fn rows(&self, rows: &Rows, mut among: Vec<u32>) -> Vec<u32> {
        let present: Vec<Vec<&Place>> = self.places.iter().map(|places| present(places, rows)).collect();
        let is_any_present = present.iter().any(|places| !places.is_empty());
        match present.as_slice() {
            _ if !is_any_present => {
                // The same in all rows.
                let mut asked = Asked::new(&self.filter);
                let holds = among.first().is_some_and(|row| asked.of_row(&self.places, rows, *row));
                if holds { among } else { Vec::new() }
            }
            [places] => {
                let mut holds = self.of_places(places, rows);
                among.retain(|row| holds(*row));
                among
            }
            present => {
                let mut asked = Asked::new(&self.filter);
                among.retain(|row| asked.of_row(present, rows, *row));
                among
            }
        }
    }
}

impl Leaf {
    /// Tells of a row whether the filter holds for the value of its only attribute, which is in the first of these places that has
    /// one.
    fn of_places<'a>(&'a self, places: &'a [&'a Place], rows: &'a Rows) -> Box<dyn FnMut(u32) -> bool + 'a> {
        let array = |place: &Place| place.columns().first().and_then(|name| rows.column(name));
        match places {
            [place @ (Place::Column(_) | Place::Member { .. })] => {
                let numbers = array(place).and_then(|array| array.as_primitive_opt::<Int64Type>());
                match (self.threshold, numbers) {
                    // What is not there fulfils no comparison.
                    (Some(threshold), Some(numbers)) => Box::new(move |row| {
                        let row = row as usize;
                        numbers.is_valid(row) && threshold.holds(numbers.value(row))
                    }),
                    _ => Asked::new(&self.filter).of_place(place, rows),
                }
            }
            [place @ Place::Column(_), others @ ..] if array(place).is_some() => {
                let mut of_column = self.of_places(&places[..1], rows);
                let mut of_others = self.of_places(others, rows);
                let column = array(place);
                Box::new(move |row| match column.is_some_and(|array| array.is_valid(row as usize)) {
                    true => of_column(row),
                    false => of_others(row),
                })
            }
            places => {
                let mut asked = Asked::new(&self.filter);
                Box::new(move |row| asked.of(value(places, rows, row as usize)))
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

pub fn of_array(place: &Place, array: &ArrayRef, row: usize) -> Value {
    match place {
        Place::Column(name) => of_column(name, array, row),
        Place::Member { key, .. } => text(array, row).map_or(Value::Nil, |json| member(json, key)),
        Place::Item { .. } | Place::Trace(_) => Value::Nil,
    }
}

pub fn of_missing(place: &Place) -> Value {
    match place {
        Place::Column(name) => missing(name),
        _ => Value::Nil,
    }
}

/// The places of an attribute at which these rows have anything.
pub fn present<'p>(places: &'p [Place], rows: &Rows) -> Vec<&'p Place> {
    let has_any = |place: &&Place| {
        let mut arrays = place.columns().into_iter().map(|name| rows.column(name));
        let is_there = arrays.next().flatten().filter(|array| array.null_count() < array.len());
        match (place, is_there) {
            (_, None) => false,
            (Place::Member { column, key } | Place::Item { column, of: Item::Attribute(key) }, Some(_)) => {
                !is_plain(key) || rows.mention(column, key)
            }
            (_, Some(_)) => true,
        }
    };
    places.iter().filter(has_any).collect()
}

/// Whether a key stands in JSON as it is.
pub fn is_plain(key: &str) -> bool {
    !key.is_empty() && !key.contains(|c: char| c == '"' || c == '\\' || c.is_control())
}
