//! Asking for an attribute without knowing where it lives: in a column of its own or in the JSON object of its scope.
//!
//! An attribute is in exactly one of the two in any row (a value of another type than the column's is in the JSON), so
//! the answer is the first that is not NULL. In SQL, over the JSON alone: `attribute(span_attributes, 'user.id')` (text)
//! and `attribute_number(span_attributes, 'retries')`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Builder, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, Result, ScalarValue, exec_err};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast as cast_expr, lit,
};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use trefoil_model::promote::Scope;

/// As what an attribute is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// Any value as text: strings as they are, others in their JSON encoding.
    Text,
    /// Integers and doubles as a double; any other value is NULL.
    Number,
}

/// The attribute `key` of `scope` in a table with this schema, wherever it lives; NULL where a row does not have it.
pub fn attribute_expr(schema: &Schema, scope: Scope, key: &str, wanted: AttributeType) -> Expr {
    let name = match (scope, key) {
        (Scope::Resource, "service.name") => "service_name".to_string(),
        _ => format!("{}.{key}", scope.prefix()),
    };
    let json = Expr::Column(Column::from_name(format!("{}_attributes", scope.prefix())));
    let function = ScalarUDF::from(Attribute::new(wanted));
    let rest = function.call(vec![json, lit(key)]);
    let Ok(field) = schema.field_with_name(&name) else { return rest };
    let promoted = Expr::Column(Column::from_name(name));
    let promoted = match (wanted, field.data_type()) {
        (AttributeType::Text, DataType::Utf8View) | (AttributeType::Number, DataType::Float64) => promoted,
        (AttributeType::Text, _) => cast_expr(promoted, DataType::Utf8View),
        (AttributeType::Number, DataType::Int64) => cast_expr(promoted, DataType::Float64),
        // Texts and booleans are no numbers; a number under this key is in the JSON.
        (AttributeType::Number, _) => return rest,
    };
    coalesce(vec![promoted, rest])
}

/// The functions for SQL: register them with every session.
pub fn attribute_functions() -> Vec<Arc<ScalarUDF>> {
    [AttributeType::Text, AttributeType::Number]
        .into_iter()
        .map(|wanted| Arc::new(ScalarUDF::from(Attribute::new(wanted))))
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Attribute {
    wanted: AttributeType,
    signature: Signature,
}

impl Attribute {
    fn new(wanted: AttributeType) -> Self {
        let text = || vec![DataType::Utf8View; 2];
        Self { wanted, signature: Signature::exact(text(), Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Attribute {
    fn name(&self) -> &str {
        match self.wanted {
            AttributeType::Text => "attribute",
            AttributeType::Number => "attribute_number",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.wanted {
            AttributeType::Text => DataType::Utf8View,
            AttributeType::Number => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [json, key] = args.args.as_slice() else {
            return exec_err!("{} takes a column of attributes and a key", self.name());
        };
        let rows = args.number_rows;
        let json = cast(&json.to_array(rows)?, &DataType::Utf8View)?;
        let keys = match key {
            ColumnarValue::Scalar(ScalarValue::Utf8View(Some(key)) | ScalarValue::Utf8(Some(key))) => {
                return self.of_key(&json, |_| Some(key.as_str()));
            }
            other => cast(&other.to_array(rows)?, &DataType::Utf8View)?,
        };
        let keys = keys.as_string_view();
        self.of_key(&json, |row| keys.is_valid(row).then(|| keys.value(row)))
    }
}

impl Attribute {
    fn of_key<'k>(&self, json: &ArrayRef, key: impl Fn(usize) -> Option<&'k str>) -> Result<ColumnarValue> {
        let json = json.as_string_view();
        let member = |row: usize| -> Option<&RawValue> {
            if json.is_null(row) {
                return None;
            }
            member(json.value(row), key(row)?)
        };
        let array: ArrayRef = match self.wanted {
            AttributeType::Text => {
                let mut texts = StringViewBuilder::with_capacity(json.len());
                (0..json.len()).for_each(|row| texts.append_option(member(row).and_then(text)));
                Arc::new(texts.finish())
            }
            AttributeType::Number => {
                let mut numbers = Float64Builder::with_capacity(json.len());
                (0..json.len()).for_each(|row| numbers.append_option(member(row).and_then(number)));
                Arc::new(numbers.finish())
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// The first member of the object under `key`.
fn member<'j>(json: &'j str, key: &str) -> Option<&'j RawValue> {
    // Keys that begin with the escape character have one more in the JSON.
    let escaped = key.starts_with('$').then(|| format!("${key}"));
    let wanted = escaped.as_deref().unwrap_or(key);
    // Most rows do not have most keys, and looking for bytes is much faster than parsing.
    if !wanted.contains(['"', '\\']) && !json.contains(wanted) && !json.contains('\\') {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_map(Member { wanted }).ok().flatten()
}

struct Member<'k> {
    wanted: &'k str,
}

impl<'j> Visitor<'j> for Member<'_> {
    type Value = Option<&'j RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of attributes")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'j, str>>()? {
            if found.is_none() && key == self.wanted {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

fn text(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).ok(),
        other => Some(special(other).unwrap_or(other).to_string()),
    }
}

fn number(value: &RawValue) -> Option<f64> {
    let text = value.get();
    if let Some(special) = special(text) {
        return special.parse().ok();
    }
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `{"$double":"NaN"}` → `NaN`
fn special(text: &str) -> Option<&str> {
    text.strip_prefix(r#"{"$double":""#)?.strip_suffix(r#""}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str, key: &str) -> Option<String> {
        member(json, key).and_then(text)
    }

    #[test]
    fn finds_members_of_every_type() {
        let json =
            r#"{"a":"x\"y","b":12,"c":1.5,"d":true,"e":null,"f":[1,"z"],"g":{"$double":"NaN"},"$$h":"cash","a":2}"#;
        assert_eq!(texts(json, "a").as_deref(), Some("x\"y"));
        assert_eq!(texts(json, "b").as_deref(), Some("12"));
        assert_eq!(texts(json, "d").as_deref(), Some("true"));
        assert_eq!(texts(json, "e"), None);
        assert_eq!(texts(json, "f").as_deref(), Some(r#"[1,"z"]"#));
        assert_eq!(texts(json, "g").as_deref(), Some("NaN"));
        assert_eq!(texts(json, "$h").as_deref(), Some("cash"));
        assert_eq!(texts(json, "missing"), None);
        assert_eq!(texts("not json", "json"), None);
    }

    #[test]
    fn only_numbers_are_numbers() {
        let json = r#"{"i":9007199254740993,"d":-0.5,"s":"12","n":{"$double":"-Infinity"},"t":true}"#;
        let number = |key| member(json, key).and_then(number);
        assert_eq!(number("i"), Some(9007199254740992.0));
        assert_eq!(number("d"), Some(-0.5));
        assert_eq!(number("s"), None);
        assert_eq!(number("n"), Some(f64::NEG_INFINITY));
        assert_eq!(number("t"), None);
    }

    #[test]
    fn keys_with_escapes_are_found() {
        assert_eq!(texts(r#"{"a\nb":1}"#, "a\nb").as_deref(), Some("1"));
        assert_eq!(texts(r#"{"a\"b":1}"#, "a\"b").as_deref(), Some("1"));
    }
}
