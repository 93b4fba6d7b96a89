//! What a row says at a place.

use std::borrow::Borrow;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use trefoil_model::attributes::read_attributes;
use trefoil_traceql::value::{Kind, Status, Value};

use super::place::{Item, Place};
use super::source::{Rows, START};

/// The first value that one of the places has in a row; what is of the whole trace is `Nil`.
pub fn value<P: Borrow<Place>>(places: &[P], rows: &Rows, row: usize) -> Value {
    let mut values = places.iter().map(|place| at(place.borrow(), rows, row));
    values.find(|value| !value.is_nil()).unwrap_or(Value::Nil)
}

fn at(place: &Place, rows: &Rows, row: usize) -> Value {
    match place {
        Place::Column(name) => rows.column(name).map_or_else(|| missing(name), |array| of_column(name, array, row)),
        Place::Member { column, key } => match rows.column(column).and_then(|array| text(array, row)) {
            Some(json) => member(json, key),
            None => Value::Nil,
        },
        Place::Item { column, of } => rows.column(column).map_or(Value::Nil, |list| items(list, of, rows, row)),
        Place::Trace(_) => Value::Nil,
    }
}

/// A text of a dictionary or of a plain column.
pub fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = array.as_dictionary_opt::<Int32Type>()?;
            let key = usize::try_from(dictionary.keys().value(row)).ok()?;
            Some(dictionary.values().as_string_opt::<i32>()?.value(key))
        }
        DataType::Utf8View => Some(array.as_string_view_opt()?.value(row)),
        DataType::Utf8 => Some(array.as_string_opt::<i32>()?.value(row)),
        _ => None,
    }
}

/// What a column of its own has, as the language sees it.
pub fn of_column(name: &str, array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return missing(name);
    }
    let found = match array.data_type() {
        DataType::Int64 => array.as_primitive_opt::<Int64Type>().map(|list| match name {
            "duration_nano" => Value::Duration(list.value(row)),
            _ => Value::Int(list.value(row)),
        }),
        DataType::Int32 => array.as_primitive_opt::<Int32Type>().map(|list| match name {
            "kind" => Value::Kind(kind(list.value(row))),
            "status_code" => Value::Status(status(list.value(row))),
            _ => Value::Int(i64::from(list.value(row))),
        }),
        DataType::Float64 => array.as_primitive_opt::<Float64Type>().map(|list| Value::Float(list.value(row))),
        DataType::Boolean => array.as_boolean_opt().map(|list| Value::Bool(list.value(row))),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary_opt().map(|list| match name {
            "trace_id" => Value::string(hex::encode(list.value(row)).trim_start_matches('0')),
            _ => Value::string(&hex::encode(list.value(row))),
        }),
        _ => text(array, row).map(Value::string),
    };
    found.unwrap_or(Value::Nil)
}

/// What a column says where it says nothing: intrinsics are never nil.
pub fn missing(name: &str) -> Value {
    match name {
        "status_message" | "scope_name" | "scope_version" | "parent_span_id" => Value::string(""),
        _ => Value::Nil,
    }
}

/// OTLP's number of a kind; what is not one counts as unspecified.
pub fn kind(number: i32) -> Kind {
    match number {
        1 => Kind::Internal,
        2 => Kind::Server,
        3 => Kind::Client,
        4 => Kind::Producer,
        5 => Kind::Consumer,
        _ => Kind::Unspecified,
    }
}

pub fn status(number: i32) -> Status {
    match number {
        1 => Status::Ok,
        2 => Status::Error,
        _ => Status::Unset,
    }
}

/// The attribute of an object of attributes. Text that is none has no attributes.
pub fn member(json: &str, key: &str) -> Value {
    // Most rows do not have most keys, and looking for bytes is much faster than parsing.
    if !key.contains(['"', '\\']) && !json.contains(key) && !json.contains('\\') {
        return Value::Nil;
    }
    let attributes = read_attributes(json).unwrap_or_default();
    let found = attributes.into_iter().find(|attribute| attribute.key == key);
    found.and_then(|attribute| attribute.value).map_or(Value::Nil, |value| any(&value))
}

/// Arrays of one type of scalars; maps, bytes and other arrays are nothing that can be compared.
pub fn any(value: &AnyValue) -> Value {
    match &value.value {
        Some(Any::StringValue(text)) => Value::string(text),
        Some(Any::BoolValue(flag)) => Value::Bool(*flag),
        Some(Any::IntValue(number)) => Value::Int(*number),
        Some(Any::DoubleValue(number)) => Value::Float(*number),
        Some(Any::ArrayValue(array)) => together(array.values.iter().map(any).collect()),
        _ => Value::Nil,
    }
}

/// Values as one array: of the type of the first.
fn together(values: Vec<Value>) -> Value {
    macro_rules! all {
        ($kind:ident, $array:ident) => {
            Value::$array(
                values
                    .iter()
                    .filter_map(|value| match value {
                        Value::$kind(value) => Some(value.clone()),
                        _ => None,
                    })
                    .collect(),
            )
        };
    }
    match values.first() {
        Some(Value::String(_)) => all!(String, Strings),
        Some(Value::Int(_)) => all!(Int, Ints),
        Some(Value::Duration(_)) => all!(Duration, Ints),
        Some(Value::Float(_)) => all!(Float, Floats),
        Some(Value::Bool(_)) => all!(Bool, Bools),
        _ => Value::Nil,
    }
}

/// Of one event or link its value, of several all that have one.
fn items(list: &ArrayRef, of: &Item, rows: &Rows, row: usize) -> Value {
    let Some(list) = list.as_any().downcast_ref::<ListArray>().filter(|list| list.is_valid(row)) else {
        return Value::Nil;
    };
    if list.value_length(row) == 0 {
        return Value::Nil;
    }
    let items = list.value(row);
    let Some(items) = items.as_struct_opt() else { return Value::Nil };
    let start = || {
        let starts = rows.column(START)?.as_primitive_opt::<TimestampNanosecondType>()?;
        Some(starts.value(row))
    };
    let each = (0..items.len()).map(|place| item(items, of, place, start));
    let mut values: Vec<Value> = each.filter(|value| !value.is_nil()).collect();
    match values.len() {
        0 => Value::Nil,
        1 => values.remove(0),
        _ => together(values),
    }
}

fn item(items: &StructArray, of: &Item, place: usize, start: impl Fn() -> Option<i64>) -> Value {
    let column = |name: &str| items.column_by_name(name).filter(|array| array.is_valid(place));
    let found = match of {
        Item::Name => column("name").and_then(|array| text(array, place)).map(Value::string),
        Item::TimeSinceStart => column("time_unix_nano").and_then(|array| {
            let times = array.as_primitive_opt::<TimestampNanosecondType>()?;
            Some(Value::Duration(times.value(place).saturating_sub(start()?)))
        }),
        Item::TraceId => column("trace_id").map(|array| of_column("trace_id", array, place)),
        Item::SpanId => column("span_id").map(|array| of_column("span_id", array, place)),
        Item::Attribute(key) => column("attributes").and_then(|array| text(array, place)).map(|json| member(json, key)),
    };
    found.unwrap_or(Value::Nil)
}
