//! Typed access to the columns of a batch, whatever string layout they have.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, FixedSizeBinaryArray, ListArray, PrimitiveArray,
    RecordBatch, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::EncodeError;
use crate::attributes::read_attributes;
use crate::promote::Scope;

/// The columns of a batch, or the fields of a struct column.
pub(super) struct Columns<'a> {
    path: &'a str,
    names: Vec<&'a str>,
    arrays: &'a [ArrayRef],
}

impl<'a> Columns<'a> {
    pub fn of_batch(batch: &'a RecordBatch) -> Self {
        let names = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        Self { path: "", names, arrays: batch.columns() }
    }

    pub fn of_struct(path: &'a str, array: &'a StructArray) -> Self {
        Self { path, names: array.column_names(), arrays: array.columns() }
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a ArrayRef)> {
        self.names.iter().copied().zip(self.arrays)
    }

    pub fn get(&self, name: &str) -> Result<&'a ArrayRef, EncodeError> {
        let found = self.iter().find(|(found, _)| *found == name);
        found.map(|(_, array)| array).ok_or_else(|| EncodeError::Missing(self.full_name(name)))
    }

    pub fn text(&self, name: &str) -> Result<Text, EncodeError> {
        Ok(Text(self.cast(name, &DataType::Utf8)?.as_string::<i32>().clone()))
    }

    /// A number or, as `Int64Type`, a timestamp.
    pub fn number<T: ArrowPrimitiveType>(&self, name: &str) -> Result<PrimitiveArray<T>, EncodeError> {
        Ok(self.cast(name, &T::DATA_TYPE)?.as_primitive::<T>().clone())
    }

    pub fn flag(&self, name: &str) -> Result<BooleanArray, EncodeError> {
        Ok(self.cast(name, &DataType::Boolean)?.as_boolean().clone())
    }

    pub fn id(&self, name: &str) -> Result<Id<'a>, EncodeError> {
        let array = self.get(name)?;
        let ids =
            array.as_fixed_size_binary_opt().ok_or_else(|| self.wrong_type(name, "a fixed-size binary", array))?;
        Ok(Id(ids))
    }

    pub fn list(&self, name: &str) -> Result<&'a ListArray, EncodeError> {
        let array = self.get(name)?;
        array.as_list_opt().ok_or_else(|| self.wrong_type(name, "a list", array))
    }

    pub fn wrong_type(&self, name: &str, expected: &'static str, found: &dyn Array) -> EncodeError {
        EncodeError::Type { column: self.full_name(name), expected, found: found.data_type().to_string() }
    }

    fn cast(&self, name: &str, to: &DataType) -> Result<ArrayRef, EncodeError> {
        cast(self.get(name)?, to).map_err(|source| EncodeError::Column { column: self.full_name(name), source })
    }

    /// All attributes of one scope: the promoted columns and the JSON column `rest`.
    pub fn attributes(&self, scope: Scope, rest: &str) -> Result<Attributes, EncodeError> {
        let mut promoted = Vec::new();
        for (name, array) in self.iter() {
            let key = match Scope::split(name) {
                Some((found, key)) if found == scope => key,
                None if scope == Scope::Resource && name == "service_name" => "service.name",
                _ => continue,
            };
            promoted.push((key.to_owned(), self.promoted(name, array)?));
        }
        Ok(Attributes { promoted, rest: self.text(rest)? })
    }

    fn promoted(&self, name: &str, array: &ArrayRef) -> Result<PromotedValues, EncodeError> {
        Ok(match array.data_type() {
            DataType::Int64 => PromotedValues::Int(self.number(name)?),
            DataType::Float64 => PromotedValues::Double(self.number(name)?),
            DataType::Boolean => PromotedValues::Bool(self.flag(name)?),
            _ => PromotedValues::String(self.text(name)?),
        })
    }
}

pub(super) struct Text(StringArray);

impl Text {
    pub fn get(&self, row: usize) -> Option<&str> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }

    /// OTLP's reading of an absent text.
    pub fn or_empty(&self, row: usize) -> String {
        self.get(row).unwrap_or_default().to_owned()
    }
}

pub(super) struct Id<'a>(&'a FixedSizeBinaryArray);

impl Id<'_> {
    /// Empty where there is none.
    pub fn get(&self, row: usize) -> Vec<u8> {
        match self.0.is_valid(row) {
            true => self.0.value(row).to_vec(),
            false => Vec::new(),
        }
    }
}

enum PromotedValues {
    String(Text),
    Int(PrimitiveArray<Int64Type>),
    Double(PrimitiveArray<Float64Type>),
    Bool(BooleanArray),
}

impl PromotedValues {
    fn get(&self, row: usize) -> Option<Value> {
        match self {
            PromotedValues::String(values) => values.get(row).map(|text| Value::StringValue(text.to_owned())),
            PromotedValues::Int(values) => values.is_valid(row).then(|| Value::IntValue(values.value(row))),
            PromotedValues::Double(values) => values.is_valid(row).then(|| Value::DoubleValue(values.value(row))),
            PromotedValues::Bool(values) => values.is_valid(row).then(|| Value::BoolValue(values.value(row))),
        }
    }
}

/// The attributes of one scope, row by row.
pub(super) struct Attributes {
    promoted: Vec<(String, PromotedValues)>,
    rest: Text,
}

impl Attributes {
    pub fn get(&self, row: usize) -> Result<Vec<KeyValue>, EncodeError> {
        // The first of several attributes of one key is the promoted one; the sort keeps their order.
        let promoted = self.promoted.iter().filter_map(|(key, values)| {
            let value = Some(AnyValue { value: Some(values.get(row)?) });
            Some(KeyValue { key: key.clone(), value, ..KeyValue::default() })
        });
        let mut attributes: Vec<KeyValue> = promoted.collect();
        attributes.extend(json_attributes(self.rest.get(row))?);
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(attributes)
    }
}

/// The attributes in a JSON column's value, sorted by key.
pub(super) fn json_attributes(text: Option<&str>) -> Result<Vec<KeyValue>, EncodeError> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let mut attributes = read_attributes(text)?;
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(attributes)
}
