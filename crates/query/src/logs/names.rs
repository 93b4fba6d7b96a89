//! Attributes as labels: their names and values.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use trefoil_model::attributes::read_attributes;
use trefoil_prometheus::attributes::text;

use crate::QueryError;

/// What a label is called that an attribute becomes: other characters than letters, digits and `_` are `_`, and none begins with a
/// digit.
pub fn label_name(attribute: &str) -> String {
    let mut name = String::with_capacity(attribute.len());
    if attribute.starts_with(|first: char| first.is_ascii_digit()) {
        name.push_str("key_");
    }
    name.extend(attribute.chars().map(|character| if is_of_name(character) { character } else { '_' }));
    name
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The attributes that a stored list has, as texts. Members of a nested list are attributes of their own, their names joined.
pub fn texts_of(json: &str) -> Result<Vec<(String, String)>, QueryError> {
    let attributes = read_attributes(json).map_err(|error| QueryError::Internal(error.to_string()))?;
    let mut texts = Vec::with_capacity(attributes.len());
    flatten("", attributes, &mut texts);
    Ok(texts)
}

/// Stored lists are nested some tens of levels deep at most.
fn flatten(around: &str, attributes: Vec<KeyValue>, texts: &mut Vec<(String, String)>) {
    for KeyValue { key, value, .. } in attributes {
        let key = if around.is_empty() { key } else { format!("{around}_{key}") };
        match value.and_then(|value| value.value) {
            Some(Value::KvlistValue(list)) => flatten(&key, list.values, texts),
            value => texts.push((key, text(&AnyValue { value }))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_labels() {
        for (attribute, label) in
            [("k8s.pod.name", "k8s_pod_name"), ("a-b c", "a_b_c"), ("größe", "gr__e"), ("2xx", "key_2xx"), ("_A", "_A")]
        {
            assert_eq!(label_name(attribute), label);
        }
        let texts = texts_of(r#"{"a":"x","n":1,"f":1.5,"t":true,"l":[1,"y"],"o":{"p":{"q":"z"},"r":2}}"#).unwrap();
        let texts: Vec<String> = texts.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(texts, ["a=x", "n=1", "f=1.5", "t=true", r#"l=[1,"y"]"#, "o_p_q=z", "o_r=2"]);
        assert!(texts_of("{").is_err());
    }
}
