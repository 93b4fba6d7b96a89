//! All that spans say of themselves.

use ahash::{HashMap, HashMapExt};
use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::datatypes::Int32Type;
use trefoil_model::attributes::read_attributes;
use trefoil_traceql::ast::{Attribute, Intrinsic, Scope};
use trefoil_traceql::metrics::{Comparison, Labels, ValueId};
use trefoil_traceql::value::Value;

use crate::traces::source::{Rows, Source, Sources};
use crate::traces::value::{any, of_column, text};

/// Columns that intrinsics are in, but for ids and times, which are of one span each.
const INTRINSICS: [(&str, Intrinsic); 6] = [
    ("name", Intrinsic::Name),
    ("status_code", Intrinsic::Status),
    ("status_message", Intrinsic::StatusMessage),
    ("kind", Intrinsic::Kind),
    ("scope_name", Intrinsic::InstrumentationName),
    ("scope_version", Intrinsic::InstrumentationVersion),
];
/// Columns of JSON, and the scope of what is in them.
const JSON: [(&str, Scope); 3] = [
    ("span_attributes", Scope::Span),
    ("resource_attributes", Scope::Resource),
    ("scope_attributes", Scope::Instrumentation),
];
const LISTS: [(&str, Scope); 2] = [("events", Scope::Event), ("links", Scope::Link)];

/// Spans to be counted with all that they say.
pub struct Counted<'c> {
    pub rows: &'c [u32],
    /// For each of them: on which side it is, in which interval, and how many it stands for.
    pub sides: &'c [bool],
    pub places: &'c [usize],
    pub weights: &'c [f64],
    /// Those that are shown, by their place in `rows`: when they start and what is said of them.
    pub shown: &'c HashMap<usize, (i64, Labels)>,
}

impl Counted<'_> {
    pub fn observe(&self, comparison: &mut Comparison, attribute: usize, value: ValueId, at: usize) {
        comparison.observe(attribute, value, self.sides[at], self.places[at], self.weights[at]);
        if let Some((time, labels)) = self.shown.get(&at) {
            comparison.exemplar(attribute, self.sides[at], *time, labels.clone());
        }
    }
}

/// The columns to read of a source.
pub fn columns(promoted: &[(String, Scope, String)]) -> Vec<&str> {
    let own = promoted.iter().map(|(column, ..)| column.as_str());
    let json = JSON.iter().chain(&LISTS).map(|(column, _)| *column);
    own.chain(json).chain(INTRINSICS.iter().map(|(column, _)| *column)).collect()
}

/// Counts all attributes of spans.
pub fn count(sources: &Sources<'_>, source: &Source, rows: &Rows, counted: &Counted<'_>, comparison: &mut Comparison) {
    for (column, intrinsic) in INTRINSICS {
        own_column(rows, column, &Attribute::Intrinsic(intrinsic), counted, comparison);
    }
    for (column, scope, name) in sources.promoted(source) {
        own_column(rows, &column, &Attribute::Named { scope: Some(scope), name }, counted, comparison);
    }
    for (column, scope) in JSON {
        if let Some(array) = rows.column(column) {
            members(array, scope, counted, comparison);
        }
    }
    for (column, scope) in LISTS {
        if let Some(list) = rows.column(column).and_then(|array| array.as_any().downcast_ref::<ListArray>()) {
            items(list, scope, counted, comparison);
        }
    }
}

fn own_column(rows: &Rows, column: &str, attribute: &Attribute, counted: &Counted<'_>, comparison: &mut Comparison) {
    let Some(array) = rows.column(column) else { return };
    let attribute = comparison.attribute(&attribute.to_string());
    let dictionary = array.as_dictionary_opt::<Int32Type>();
    // What is in the dictionary is looked at once.
    let mut known: HashMap<i32, Option<ValueId>> = HashMap::new();
    for (at, row) in counted.rows.iter().enumerate() {
        let row = *row as usize;
        if array.is_null(row) {
            continue;
        }
        let mut id = || comparison.value(attribute, &of_column(column, array, row));
        let id = match dictionary {
            Some(dictionary) => *known.entry(dictionary.keys().value(row)).or_insert_with(id),
            None => id(),
        };
        if let Some(id) = id {
            counted.observe(comparison, attribute, id, at);
        }
    }
}

/// Names of one scope, as attributes of the comparison.
struct Names {
    scope: Scope,
    known: HashMap<String, usize>,
}

impl Names {
    fn new(scope: Scope) -> Names {
        Names { scope, known: HashMap::new() }
    }

    fn attribute(&mut self, name: &str, comparison: &mut Comparison) -> usize {
        if let Some(attribute) = self.known.get(name) {
            return *attribute;
        }
        let named = Attribute::Named { scope: Some(self.scope), name: name.to_owned() };
        let attribute = comparison.attribute(&named.to_string());
        self.known.insert(name.to_owned(), attribute);
        attribute
    }

    /// The values in an object of attributes.
    fn of_object(&mut self, json: &str, comparison: &mut Comparison) -> Vec<(usize, ValueId)> {
        let attributes = read_attributes(json).unwrap_or_default();
        let value = |attribute: opentelemetry_proto::tonic::common::v1::KeyValue| {
            let place = self.attribute(&attribute.key, comparison);
            let value = attribute.value.as_ref().map_or(Value::Nil, any);
            Some((place, comparison.value(place, &value)?))
        };
        attributes.into_iter().filter_map(value).collect()
    }
}

fn members(array: &ArrayRef, scope: Scope, counted: &Counted<'_>, comparison: &mut Comparison) {
    let mut names = Names::new(scope);
    let dictionary = array.as_dictionary_opt::<Int32Type>();
    let mut known: HashMap<i32, Vec<(usize, ValueId)>> = HashMap::new();
    for (at, row) in counted.rows.iter().enumerate() {
        let Some(json) = text(array, *row as usize) else { continue };
        let once;
        let values = match dictionary {
            Some(dictionary) => {
                known.entry(dictionary.keys().value(*row as usize)).or_insert_with(|| names.of_object(json, comparison))
            }
            None => {
                once = names.of_object(json, comparison);
                &once
            }
        };
        for (attribute, value) in values {
            counted.observe(comparison, *attribute, *value, at);
        }
    }
}

/// Of events and links: each value once for a span, however many of them have it.
fn items(list: &ListArray, scope: Scope, counted: &Counted<'_>, comparison: &mut Comparison) {
    let mut names = Names::new(scope);
    let event_name = Attribute::Intrinsic(Intrinsic::EventName).to_string();
    for (at, row) in counted.rows.iter().enumerate().filter(|(_, row)| list.is_valid(**row as usize)) {
        let items = list.value(*row as usize);
        let Some(items) = items.as_struct_opt() else { continue };
        let mut values = Vec::new();
        for item in 0..items.len() {
            let of = |column: &str| items.column_by_name(column).and_then(|array| text(array, item));
            if let Some(json) = of("attributes") {
                values.extend(names.of_object(json, comparison));
            }
            if let (Scope::Event, Some(name)) = (scope, of("name")) {
                let attribute = comparison.attribute(&event_name);
                values.extend(comparison.value(attribute, &Value::string(name)).map(|value| (attribute, value)));
            }
        }
        values.sort_unstable();
        values.dedup();
        for (attribute, value) in values {
            counted.observe(comparison, attribute, value, at);
        }
    }
}
